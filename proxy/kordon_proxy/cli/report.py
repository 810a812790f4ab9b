"""What the command prints: findings for people and for programs, and complaints of one line."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TextIO

from kordon_proxy.config.findings import Finding, Severity

if TYPE_CHECKING:
    from rich.table import Table as RichTable

OK: Final = 0
MISTAKES: Final = 1
UNTRIED: Final = 2


class Output(Enum):
    """For people or for programs."""

    TABLE = "table"
    JSON = "json"


class TextOutput(Enum):
    """For people, where it is sentences, or for programs."""

    TEXT = "text"
    JSON = "json"


STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTICE: "cyan"}

_GAP: Final = 2
_PAIR: Final = 2
_LEAST_LAST: Final = 16
"""So many letters of the last column have to fit into a line, if it has so many."""


def complain(message: str) -> None:
    """Say in one line on standard error why it did not work."""
    sys.stderr.write(f"kordon: {' '.join(message.split())}\n")


def print_findings(findings: Sequence[Finding], stream: TextIO) -> None:
    """Print each finding with its place and hint, then how many there are of each kind."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=True)
    for finding in findings:
        place = f"{finding.source}:{finding.line}:{finding.column}: "
        what = f"{finding.path}: {finding.message}" if finding.path else finding.message
        console.print(Text.assemble(place, (str(finding.severity), STYLES[finding.severity]), f": {shown(what)}"))
        if finding.hint:
            console.print(Text(f"    {shown(finding.hint)}", style="dim"))
    console.print(Text(summary(findings)))


def print_told(findings: Sequence[Mapping[str, str]], stream: TextIO) -> None:
    """Print findings as the admin API tells them."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=True)
    for finding in findings:
        severity = Severity(finding["severity"])
        what = f"{finding['path']}: {finding['message']}" if finding["path"] else finding["message"]
        console.print(Text.assemble((str(severity), STYLES[severity]), f": {shown(what)}"))
        if finding["hint"]:
            console.print(Text(f"    {shown(finding['hint'])}", style="dim"))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], stream: TextIO | None = None) -> None:
    """Print rows for people; names from elsewhere cannot move the cursor.

    Only the last column is ever wrapped. Where even that leaves no room, each row is a block of lines, so that nothing
    that one copies is cut in two. A file or a pipe has all the room there is.
    """
    from rich.cells import cell_len
    from rich.console import Console

    all_rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *all_rows, strict=True)]
    before_last = sum(widths[:-1]) + _GAP * (len(widths) - 1)
    needed = before_last + widths[-1]
    console = Console(file=stream, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = max(console.width, needed)
    fits = console.width >= before_last + min(widths[-1], _LEAST_LAST)
    if fits or len(columns) <= _PAIR:
        console.print(_grid(all_rows, columns))
        return
    for number, row in enumerate(all_rows):
        if number:
            console.print()
        console.print(_grid([pair for pair in zip(columns, row, strict=True) if pair[1]]))


def _grid(rows: Iterable[Sequence[str]], columns: Sequence[str] = ("", "")) -> "RichTable":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for number, column in enumerate(columns, 1):
        table.add_column(column, overflow="fold", no_wrap=number < len(columns))
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def findings_json(findings: Sequence[Finding]) -> str:
    """Return the findings as a JSON list."""
    return json_text(
        [
            {
                "severity": str(finding.severity),
                "source": finding.source,
                "line": finding.line,
                "column": finding.column,
                "path": finding.path,
                "message": finding.message,
                "hint": finding.hint,
            }
            for finding in findings
        ]
    )


def json_text(value: Any) -> str:
    """Return JSON in which every letter can be seen: what tenants have written must not reach a terminal as it is."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text)


def summary(findings: Sequence[Finding]) -> str:
    """Count the findings: `2 errors, 1 warning`, `no mistakes, 2 notices`."""
    counts = Counter(finding.severity for finding in findings)
    parts = [f"{counts[kind]} {kind}{'s' if counts[kind] > 1 else ''}" for kind in Severity if counts[kind]]
    harmless = set(counts) <= {Severity.NOTICE}
    return ", ".join(["no mistakes"] * harmless + parts)


def shown(text: str) -> str:
    """Return the text with its control characters visible: names from a file must not move the cursor."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
