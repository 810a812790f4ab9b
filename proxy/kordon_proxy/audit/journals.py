"""The journals of one Kordon: one, or with `workers` one for each of them.

That of the first worker is in the directory that is configured, so that it goes on with what a single process has
written. The others' are in directories below.
"""

import re
from pathlib import Path
from typing import Final

from .segments import AuditError, list_segments

_NAME: Final = re.compile(r"worker-([2-9]|[1-9][0-9]{1,3})")


def directory_of(configured: Path, worker: int) -> Path:
    """Where the journal of a worker is; they are counted from 1."""
    return configured if worker == 1 else configured / f"worker-{worker}"


def common_directory(directory: Path) -> Path:
    """The directory that is configured, where this is that of one of the workers."""
    return directory.parent if _NAME.fullmatch(directory.name) else directory


def journal_directories(configured: Path) -> list[Path]:
    """The directories that hold a journal, that of the first worker first.

    Raises OSError, and AuditError where there is none.
    """
    found = [path for path in (configured, *_below(configured).values()) if list_segments(path)]
    if not found:
        raise AuditError(f"there is no journal in {configured}")
    return found


def left_behind(configured: Path, workers: int) -> list[Path]:
    """The directories with a journal of workers of before, when there were more than `workers`. Raises OSError."""
    if not configured.exists():
        return []
    return [path for number, path in _below(configured).items() if number > workers and list_segments(path)]


def _below(configured: Path) -> dict[int, Path]:
    """The directories of the workers but the first, by their numbers."""
    found = ((_NAME.fullmatch(path.name), path) for path in configured.iterdir())
    return dict(sorted((int(match[1]), path) for match, path in found if match is not None and path.is_dir()))
