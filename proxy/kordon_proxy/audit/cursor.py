"""How far one sink has got in a journal, kept beside it."""

import json
import os
from pathlib import Path
from typing import Final

_BEFORE: Final = "cursor."
_AFTER: Final = ".json"


def load_cursor(directory: Path, sink: str, writer: str) -> int:
    """Return the last number that the sink has for sure; 0 when that is not known, so that it gets everything again."""
    try:
        return find_cursor(directory, sink, writer) or 0
    except (OSError, ValueError):
        return 0


def load_cursors(directory: Path, writer: str) -> dict[str, int]:
    """Return by sink what `load_cursor` does, of all that have or had one. Raises OSError."""
    sinks = sorted(
        path.name.removeprefix(_BEFORE).removesuffix(_AFTER) for path in directory.glob(f"{_BEFORE}*{_AFTER}")
    )
    return {sink: load_cursor(directory, sink, writer) for sink in sinks}


def find_cursor(directory: Path, sink: str, writer: str) -> int | None:
    """Return the last number that the sink has for sure; 0: it was another writer's; None: the sink is new.

    Raises OSError and ValueError when it cannot be read: then the sink is not new, and nothing is known.
    """
    try:
        text = cursor_path(directory, sink).read_bytes()
    except FileNotFoundError:
        return None
    try:
        kept = json.loads(text)
        return int(kept["sequence"]) if kept["writer"] == writer else 0
    except (KeyError, TypeError) as error:
        raise ValueError("it is no cursor") from error


def save_cursor(directory: Path, sink: str, writer: str, sequence: int) -> None:
    """Keep the number, whole or not at all. Raises OSError."""
    path = cursor_path(directory, sink)
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="ascii") as file:
        json.dump({"writer": writer, "sequence": sequence}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def cursor_path(directory: Path, sink: str) -> Path:
    """Return where the cursor of a sink is kept."""
    return directory / f"{_BEFORE}{sink}{_AFTER}"
