"""What commands that change a file of their own say when they do not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from kordon_proxy.config.findings import Mistake, Refused
from kordon_proxy.reasons import reason_and_file

from .report import MISTAKES, UNTRIED, complain, print_findings


@contextmanager
def complaining_about(file: Path) -> Iterator[None]:
    """Turn what can go wrong with the file into lines and an exit code."""
    try:
        yield
    except Refused as refused:
        print_findings(refused.findings, sys.stderr)
        raise typer.Exit(MISTAKES) from None
    except Mistake as mistake:
        complain(str(mistake))
        raise typer.Exit(MISTAKES) from None
    except OSError as error:
        complain(f"cannot use {file}: {reason_and_file(error, file)}")
        raise typer.Exit(UNTRIED) from None
