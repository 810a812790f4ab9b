"""The `kordon` command.

Exit codes: 0 it went well; 1 it was refused (mistakes in a file, a change that cannot be made); 2 it could not be tried
(wrong usage, a file that cannot be read, a port that is taken); 130 it was interrupted.
"""

import gc
import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import typer

INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what an old terminal cannot show is no reason to fail
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _app(words)(args=words, prog_name="kordon")
    except KeyboardInterrupt:  # early: while modules are loaded, or before a server listens to signals
        sys.exit(INTERRUPTED)


def _app(words: Sequence[str]) -> "typer.Typer":
    gc.disable()  # what modules make while they are loaded stays: there is nothing to collect
    try:
        if words[:1] == ["serve"]:
            from .root import app  # a server starts without the other words
        else:
            from .app import app
    finally:
        gc.enable()
    return app
