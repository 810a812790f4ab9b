"""A run's figures with all that it takes to judge them, as a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.figures import Compare, Figure, Row
from benchmarks.machine import timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a run found. Rows are in the order in which they were measured."""

    command: str
    versions: Mapping[str, str]
    machine: Mapping[str, str | int | float]
    sizes: Mapping[str, Any]
    targets: tuple[str, ...]
    rows: Sequence[Row]
    failures: tuple[str, ...] = ()
    when: str = field(default_factory=timestamp)
    seconds: int = 0

    def write(self, file: Path) -> None:
        """With one row a line, so that versions of the file can be compared."""
        head = {
            "command": self.command,
            "when": self.when,
            "seconds": self.seconds,
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "sizes": dict(self.sizes),
            "targets": list(self.targets),
            "failures": list(self.failures),
        }
        rows = ",\n  ".join(
            json.dumps([row.target, row.round, row.figure.name, float(f"{row.figure.value:.6g}"), row.figure.compare])
            for row in self.rows
        )
        text = json.dumps(head, indent=1, ensure_ascii=False)[:-2]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'{text},\n "rows": [\n  {rows}\n ]\n}}\n', encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises OSError, and ValueError, KeyError or TypeError for a file that is none of ours."""
        told = json.loads(file.read_text(encoding="utf-8"))
        rows = [
            Row(target, number, Figure(name, value, Compare(compare)))
            for target, number, name, value, compare in told.pop("rows")
        ]
        told |= {name: tuple(told[name]) for name in ("targets", "failures")}
        return cls(**told, rows=rows)
