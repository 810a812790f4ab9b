"""The `kordon` command.

Exit codes: 0 it went well; 1 it was refused (mistakes in a file, a change that cannot be made); 2 it could not be tried
(wrong usage, a file that cannot be read, a port that is taken); 130 it was interrupted.
"""

import io
import sys
from collections.abc import Sequence
from typing import Final

INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what an old terminal cannot show is no reason to fail
    try:
        from .app import app

        app(args=arguments, prog_name="kordon")
    except KeyboardInterrupt:  # early: while modules are loaded, or before a server listens to signals
        sys.exit(INTERRUPTED)
