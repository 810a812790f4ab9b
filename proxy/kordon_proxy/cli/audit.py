"""`kordon audit`: read the audit log, and verify that it is what was written."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(help="Read the audit log, and verify it.")

CONFIG: Final = Path("kordon.yaml")


class VerifyOutput(Enum):
    """For people or for programs."""

    TEXT = "text"
    JSON = "json"


Config = Annotated[Path, typer.Option("--config", "-c", help="The kordon.yaml that says where the audit log is.")]
Directory = Annotated[
    Path | None, typer.Option("--directory", "-d", help="The journal's directory, in place of what is configured.")
]


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
    output: VerifyOutput = VerifyOutput.TEXT,
) -> None:
    """Tell every event that was changed, deleted, added or moved since it was written.

    Exit code 0: there is none; 1: there are some; 2: the journal or the topic cannot be read.
    """
    from .audit_verify import verify as run

    raise typer.Exit(run(config, directory, expect or [], against_topic, as_json=output is VerifyOutput.JSON))
