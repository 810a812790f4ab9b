"""`kordon audit`: read the audit log, and verify that it is what was written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from kordon_proxy.clock import wall_ms
from kordon_proxy.config.findings import Mistake

from .options import TextFormat
from .report import UNTRIED, Output, TextOutput, complain

app = typer.Typer()

CONFIG: Final = Path("kordon.yaml")


Config = Annotated[Path, typer.Option("--config", "-c", help="The kordon.yaml that says where the audit log is.")]
Directory = Annotated[
    Path | None, typer.Option("--directory", "-d", help="The journal's directory, in place of what is configured.")
]


@app.callback(invoke_without_command=True)
def read(
    context: typer.Context,
    config: Config = CONFIG,
    directory: Directory = None,
    topic: Annotated[
        bool, typer.Option("--topic", help="Read the audit topic (`audit.kafka`): of all processes.")
    ] = False,
    who: Annotated[list[str] | None, typer.Option(help="A principal, or a pattern as in app-*.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role of the principal.")] = None,
    what: Annotated[
        list[str] | None,
        typer.Option(
            help="An action, an API or a thing, or a pattern: GROUP_*, tx_trade1, topic/tx_*, cluster/prod/*."
        ),
    ] = None,
    tenant: Annotated[list[str] | None, typer.Option(help="A tenant, or a pattern.")] = None,
    verdict: Annotated[list[str] | None, typer.Option(help="allow, deny, stage or shadow.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="decision, login, aggregate, ...")] = None,
    since: Annotated[str | None, typer.Option(help="From then on: 2027-01-31T12:00:00Z, or 30m, -1h, 7d ago.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, that instant left out.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=0, help="The newest so many. Default: all.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with events as they come, until Ctrl-C.")
    ] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="json: one event a line, exactly as it is stored.")
    ] = Output.TABLE,
) -> None:
    """Read the audit log. An option that is given several times takes any of its values.

    Exit code 0: it was read; 2: it cannot be read.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from .audit_read import read as run
    from .audit_wanted import wanted

    with _complaining():
        if follow and until is not None:
            raise Mistake("--follow has no end: leave out --until")
        filtered = wanted(
            wall_ms(),
            who=who,
            roles=role,
            what=what,
            tenants=tenant,
            verdicts=verdict,
            kinds=kind,
            since=since,
            until=until,
        )
    code = run(config, directory, filtered, from_topic=topic, limit=limit, follow=follow, as_json=output is Output.JSON)
    raise typer.Exit(code)


@contextmanager
def _complaining() -> Iterator[None]:
    try:
        yield
    except Mistake as mistake:
        complain(f"{mistake}: {mistake.hint}" if mistake.hint else str(mistake))
        raise typer.Exit(UNTRIED) from None


def _refuse_options(context: typer.Context) -> None:
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "type" if name == "kind" else name
            complain(f"--{option} stands before {context.invoked_subcommand}: put its own options after it")
            raise typer.Exit(UNTRIED)


@app.command()
def verify(
    config: Config = CONFIG,
    directory: Directory = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect",
            help="What was noted: WRITER/SEQUENCE, or WRITER/SEQUENCE/CHAIN. Once for each.",
            show_default=False,
        ),
    ] = None,
    against_topic: Annotated[
        bool, typer.Option("--against-topic", help="Compare with the audit topic (`audit.kafka`) as well.")
    ] = False,
    output: TextFormat = TextOutput.TEXT,
) -> None:
    """Tell every event that was changed, deleted, added or moved since it was written.

    Exit code 0: there is none; 1: there are some; 2: the journal or the topic cannot be read.
    """
    from .audit_verify import verify as run

    raise typer.Exit(run(config, directory, expect or [], against_topic, as_json=output is TextOutput.JSON))
