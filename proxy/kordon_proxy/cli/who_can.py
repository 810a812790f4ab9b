"""`kordon who-can`, `kordon what-can`: who may do something, and what somebody may do, over all names."""

from typing import Annotated

import typer

from .explain import As, AtListener, InTenant, asked_of
from .inquiry import Inquiry, asking


@asking
def who_can(
    inquiry: Inquiry,
    action: Annotated[str, typer.Argument(help="What, as TOPIC_DELETE.", show_default=False)],
    path: Annotated[str, typer.Argument(help="On what, with patterns, as 'cluster/*/topic/tx_*'.", show_default=False)],
) -> None:
    """Tell which roles and which people may do something, on which names, by which rules: over all names.

    Exit code 0: it was answered; 2: it could not be asked.
    """
    from kordon_proxy.explaining.answers import who_can_do

    from .explain_shown import print_who_can

    if inquiry.live:
        answer = inquiry.ask_running("/who-can", {"action": action, "path": path})
    else:
        answer = who_can_do(inquiry.ask_files(), action, path)
    inquiry.show(answer, print_who_can)


@asking
def what_can(
    inquiry: Inquiry,
    given: Annotated[
        str | None,
        typer.Argument(metavar="[ROLES]", help="A holder of these roles, as devs,owners.", show_default=False),
    ] = None,
    who: As = None,
    tenant: InTenant = None,
    listener: AtListener = None,
    cluster: Annotated[str, typer.Option("--cluster", help='In this one; "*": in each.')] = "*",
) -> None:
    """Tell all that somebody may do, on which names, by which rules.

    Exit code 0: it was answered; 2: it could not be asked.
    """
    from kordon_proxy.explaining.answers import Who, what_can_be_done

    from .explain_shown import print_what_can

    asker = Who(principal=who, roles=() if given is None else (given,), tenant=tenant, listener=listener)
    if inquiry.live:
        answer = inquiry.ask_running("/what-can", asked_of(asker) | {"cluster": cluster})
    else:
        answer = what_can_be_done(inquiry.ask_files(), asker, cluster)
    inquiry.show(answer, print_what_can)
