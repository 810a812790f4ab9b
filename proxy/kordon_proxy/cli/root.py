"""The command itself, and the word of it that has to be there at once: `serve`. All others are in `app`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from kordon_proxy.workers import MOST as MOST_WORKERS

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="An authorization proxy for Apache Kafka: tenants, role policies and audit on the wire.",
    epilog="To see it: kordon demo. To use it: write kordon.yaml and rbac.yaml, then users add, check, serve.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        from kordon_proxy.form import IS_COMPILED

        sys.stdout.write(f"kordon {metadata.version('kordon')}{' (compiled)' if IS_COMPILED else ''}\n")
        raise typer.Exit


@app.callback()
def _kordon(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="Where it is described.")] = Path("kordon.yaml"),
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_WORKERS, help="Processes that share the ports, in place of what is configured."),
    ] = None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    from .serve import serve as run

    raise typer.Exit(run(config, workers))
