"""Options that several commands at a running Kordon have."""

from pathlib import Path
from typing import Annotated, Final

import typer

from .report import Output, TextOutput

DEFAULT_URL: Final = "http://127.0.0.1:9181"
_PANEL: Final = "Where and who"
Url = Annotated[
    str,
    typer.Option("--url", envvar="KORDON_URL", help="The admin API of a running Kordon.", rich_help_panel=_PANEL),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="KORDON_TOKEN_FILE",
        help="A file with your token, and nothing else. Or put the token itself into KORDON_TOKEN.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        envvar="KORDON_TENANT",
        help="The tenant to be in, if not the token's own.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        envvar="KORDON_CA",
        help="PEM file of the authorities to trust; else the machine's own.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        envvar="KORDON_CLUSTER",
        help="The cluster, by one of its names; not needed where there is one.",
        show_default=False,
    ),
]
Reason = Annotated[str | None, typer.Option(help="Why; it stands in the audit.", show_default=False)]
Ticket = Annotated[str | None, typer.Option(help="Where it was asked for.", show_default=False)]
Format = Annotated[Output, typer.Option("--output", "-o", help="For people, or for programs.")]
TextFormat = Annotated[TextOutput, typer.Option("--output", "-o", help="For people, or for programs.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it is over; exit code 0 if it has succeeded.")]
Ended = Annotated[bool, typer.Option("--ended", help="Also those that are over.")]
