"""`kordon who-can`, `kordon what-can`: who may do something, and what somebody may do, over all names."""

import sys
from typing import Annotated

import typer

from kordon_proxy.clock import wall_ms

from .client import client_of, complaining, print_json
from .explain import CONFIG, As, AtListener, Config, InTenant, Live, Policy, asked_of
from .options import DEFAULT_URL, CaFile, Format, TokenFile, Url
from .report import Output

Full = Annotated[bool, typer.Option("--full", help="Leave nothing out of the table.")]


def who_can(
    action: Annotated[str, typer.Argument(help="What, as TOPIC_DELETE.", show_default=False)],
    path: Annotated[str, typer.Argument(help="On what, with patterns, as 'cluster/*/topic/tx_*'.", show_default=False)],
    config: Config = CONFIG,
    policy: Policy = None,
    live: Live = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca: CaFile = None,
    full: Full = False,
    output: Format = Output.TABLE,
) -> None:
    """Tell which roles and which people may do something, on which names, by which rules: over all names.

    Exit code 0: it was answered; 2: it could not be asked.
    """
    from kordon_proxy.explaining.answers import who_can_do

    from .explain_shown import print_who_can
    from .explain_source import read_source

    with complaining():
        if live:
            asked = {"action": action, "path": path}
            answer = client_of(url, token_file, None, ca).call("POST", "/who-can", body=asked)["explained"]
        else:
            answer = who_can_do(read_source(config, policy, now=wall_ms()), action, path)
        if output is Output.JSON:
            print_json(answer)
        else:
            print_who_can(answer, sys.stdout, full=full)


def what_can(
    given: Annotated[
        str | None,
        typer.Argument(metavar="[ROLES]", help="A holder of these roles, as devs,owners.", show_default=False),
    ] = None,
    who: As = None,
    tenant: InTenant = None,
    listener: AtListener = None,
    cluster: Annotated[str, typer.Option("--cluster", help='In this one; "*": in each.')] = "*",
    config: Config = CONFIG,
    policy: Policy = None,
    live: Live = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca: CaFile = None,
    full: Full = False,
    output: Format = Output.TABLE,
) -> None:
    """Tell all that somebody may do, on which names, by which rules.

    Exit code 0: it was answered; 2: it could not be asked.
    """
    from kordon_proxy.explaining.answers import Who, what_can_be_done

    from .explain_shown import print_what_can
    from .explain_source import read_source

    with complaining():
        asker = Who(principal=who, roles=() if given is None else (given,), tenant=tenant, listener=listener)
        if live:
            asked = asked_of(asker) | {"cluster": cluster}
            answer = client_of(url, token_file, None, ca).call("POST", "/what-can", body=asked)["explained"]
        else:
            answer = what_can_be_done(read_source(config, policy, now=wall_ms()), asker, cluster)
        if output is Output.JSON:
            print_json(answer)
        else:
            print_what_can(answer, sys.stdout, full=full)
