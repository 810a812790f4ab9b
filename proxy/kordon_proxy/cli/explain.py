"""`kordon explain`: why somebody may or may not do something, and the least that would change it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from kordon_proxy.clock import wall_ms
from kordon_proxy.config.findings import Mistake

from .client import client_of, complaining, print_json
from .options import DEFAULT_URL, CaFile, Format, TokenFile, Url
from .report import MISTAKES, OK, Output

if TYPE_CHECKING:
    from kordon_proxy.explaining.answers import Who

CONFIG: Final = Path("kordon.yaml")
FILES: Final = "Which files"
Config = Annotated[
    Path, typer.Option("--config", "-c", help="The kordon.yaml that names policy and users.", rich_help_panel=FILES)
]
Policy = Annotated[
    Path | None,
    typer.Option("--policy", help="A policy file alone, without users.", show_default=False, rich_help_panel=FILES),
]
As = Annotated[
    str | None,
    typer.Option("--as", help="Who: somebody in the users file, as dee or dee@Trading.", show_default=False),
]
Live = Annotated[
    bool, typer.Option("--live", help="Ask a running Kordon, which knows what is granted and what groups read.")
]
Roles = Annotated[
    list[str] | None, typer.Option("--roles", help="Or: a holder of these roles, as devs,owners.", show_default=False)
]
InTenant = Annotated[
    str | None, typer.Option("--tenant", help="In this tenant, if not his own or his first.", show_default=False)
]
AtListener = Annotated[
    str | None,
    typer.Option("--listener", help="Where he comes in, if he is not the same everywhere.", show_default=False),
]


def explain(
    action: Annotated[
        str | None, typer.Argument(help="What, as GROUP_EDIT; VIEW: is it seen at all?", show_default=False)
    ] = None,
    path: Annotated[
        str | None, typer.Argument(help="On what, as cluster/prod/group/trade_b2.", show_default=False)
    ] = None,
    who: As = None,
    roles: Roles = None,
    tenant: InTenant = None,
    listener: AtListener = None,
    at: Annotated[
        str | None, typer.Option("--at", help="Then: 2027-01-31T12:00:00Z, or 2h from now.", show_default=False)
    ] = None,
    event: Annotated[
        str | None,
        typer.Option("--event", help="In place of all that: an event of the audit, by its id.", show_default=False),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--directory",
            "-d",
            help="The journal with the event, in place of what is configured.",
            show_default=False,
            rich_help_panel=FILES,
        ),
    ] = None,
    config: Config = CONFIG,
    policy: Policy = None,
    live: Live = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca: CaFile = None,
    full: Annotated[bool, typer.Option("--full", help="Leave nothing out of the table.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Tell why somebody may or may not do something, by which rule in which line, and the least that would change it.

    Exit code 0: he may; 1: he may not; 2: it could not be asked.
    """
    from kordon_proxy.explaining.answers import Who, explain_question
    from kordon_proxy.explaining.wanted import instant_of

    from .explain_event import explain_event
    from .explain_source import read_source

    with complaining():
        now = wall_ms()
        asker = Who(principal=who, roles=roles or (), tenant=tenant, listener=listener)
        if event is not None and (asker or at is not None):
            raise Mistake("--event brings its own roles, tenant and time: leave the other options out")
        if event is None and directory is not None:
            raise Mistake("--directory is where an --event is looked for")
        if live:
            if event is not None or action is None or path is None:
                raise Mistake("a running Kordon is asked about an ACTION and a PATH")
            asked = asked_of(asker) | {"action": action, "path": path} | ({} if at is None else {"at": at})
            answer = client_of(url, token_file, None, ca).call("POST", "/explain", body=asked)["explained"]
            _show(answer, output, full=full)
        source = read_source(config, policy, now=now if at is None else instant_of(at, now))
        if event is None:
            answer = explain_question(source, asker, action, path)
        else:
            answer = explain_event(source, event, directory, [word for word in (action, path) if word is not None])
        _show(answer, output, full=full)


def _show(answer: dict[str, Any], output: Output, *, full: bool) -> NoReturn:
    from .explain_shown import print_explanation

    if output is Output.JSON:
        print_json(answer)
    else:
        print_explanation(answer, sys.stdout, full=full)
    raise typer.Exit(OK if answer["answer"] == "allowed" else MISTAKES)


def asked_of(who: "Who") -> dict[str, Any]:
    """Who is asked about, as the admin API takes it."""
    roles = [role.strip() for text in who.roles for role in text.split(",")]
    said = {"principal": who.principal, "roles": roles, "tenant": who.tenant, "listener": who.listener}
    return {name: value for name, value in said.items() if value}
