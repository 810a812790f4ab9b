"""`kordon explain`: why somebody may or may not do something, and the least that would change it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kordon_proxy.clock import wall_ms
from kordon_proxy.config.findings import Mistake

from .inquiry import FILES, Inquiry, asking
from .report import MISTAKES, OK

if TYPE_CHECKING:
    from kordon_proxy.explaining.answers import Who

As = Annotated[
    str | None,
    typer.Option("--as", help="Who: somebody in the users file, as dee or dee@Trading.", show_default=False),
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


@asking
def explain(
    inquiry: Inquiry,
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
) -> None:
    """Tell why somebody may or may not do something, by which rule in which line, and the least that would change it.

    Exit code 0: he may; 1: he may not; 2: it could not be asked.
    """
    from kordon_proxy.explaining.answers import Who, explain_question
    from kordon_proxy.explaining.wanted import instant_of

    from .explain_event import explain_event
    from .explain_shown import print_explanation

    now = wall_ms()
    asker = Who(principal=who, roles=roles or (), tenant=tenant, listener=listener)
    if event is not None and (asker or at is not None):
        raise Mistake("--event brings its own roles, tenant and time: leave the other options out")
    if event is None and directory is not None:
        raise Mistake("--directory is where an --event is looked for")
    if inquiry.live:
        if event is not None:
            raise Mistake("--event is explained by files: leave --live out")
        if action is None or path is None:
            raise Mistake("a running Kordon is asked about an ACTION and a PATH")
        asked = asked_of(asker) | {"action": action, "path": path} | ({} if at is None else {"at": at})
        answer = inquiry.ask_running("/explain", asked)
    else:
        source = inquiry.ask_files(now if at is None else instant_of(at, now))
        if event is None:
            answer = explain_question(source, asker, action, path)
        else:
            answer = explain_event(source, event, directory, [word for word in (action, path) if word is not None])
    inquiry.show(answer, print_explanation)
    raise typer.Exit(OK if answer["answer"] == "allowed" else MISTAKES)


def asked_of(who: "Who") -> dict[str, Any]:
    """Who is asked about, as the admin API takes it."""
    roles = [role.strip() for text in who.roles for role in text.split(",")]
    said = {"principal": who.principal, "roles": roles, "tenant": who.tenant, "listener": who.listener}
    return {name: value for name, value in said.items() if value}
