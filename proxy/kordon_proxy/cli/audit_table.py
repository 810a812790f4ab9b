"""Audit events as rows for people: facts are wrapped and never cut, and no letter of a name moves the cursor."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from kordon_proxy.audit.filters import SHADOW, kind_of, tenants_of, verdict_of

from .audit_details import details_of
from .report import shown

Event = Mapping[str, Any]

COLUMNS: Final = ("time", "who\ntenant", "action\non", "verdict, outcome\nwhat changed, reason")
STYLES: Final = {"allow": "green", "deny": "bold red", "stage": "yellow", SHADOW: "cyan"}
WIDTH: Final = 120
"""Of a file or a pipe, which have none."""
_LEAST: Final = 60
_ROOMY: Final = 100
"""From so many columns on a time stands in one line; in fewer, date and time are one below the other."""
_TIME: Final = 20
_DATE: Final = 10
_ACTION: Final = 28
"""The longest action, which is not to be cut in two where there is room for it: SCHEDULED_MUTATION_SUCCEEDED."""
_GAPS: Final = 6
_THINGS: Final = 3
"""Resources that are named; of further ones there is the number."""


NOT_OURS: Final = (ValueError, LookupError, TypeError, AttributeError)
"""What comes of events that are none of Kordon's: whoever may write to a topic can put anything there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is shown of one event."""

    time: str
    who: str
    tenant: str
    action: str
    things: tuple[str, ...]
    verdict: str
    outcome: str
    reason: str
    details: tuple[str, ...] = ()


def row_of(event: Event) -> Row:
    """Return what is shown of an event."""
    data = event["data"]
    who, what, why = data["who"], data["what"], data["why"]
    verdict = verdict_of(event)
    return Row(
        time=f"{str(event['time'])[:19]}Z",
        who=str(who["principal"]),
        tenant=next(iter(tenants_of(event)), ""),
        action=str(what.get("action") or kind_of(event)),
        things=tuple(_things(what.get("resources", ()))),
        verdict=verdict.capitalize(),
        outcome=", ".join(_outcome(data)),
        reason=str(why.get("reason") or ""),
        details=tuple(details_of(event)),
    )


def _things(paths: Sequence[Sequence[str]]) -> Iterator[str]:
    for path in paths[:_THINGS]:
        yield " ".join(map(str, path[1:] if path[0] == "cluster" else path))
    if len(paths) > _THINGS:
        yield f"and {len(paths) - _THINGS} more"


def _outcome(data: Mapping[str, Any]) -> Iterator[str]:
    outcome = data.get("outcome", {})
    if outcome.get("unknown"):
        yield "outcome unknown"
    elif code := outcome.get("error_code"):
        yield str(outcome.get("error_name") or code)
    elif code == 0:
        yield "done"
    if window := data.get("window"):
        yield "once" if window["count"] == 1 else f"{window['count']} times"
    if outcome.get("bytes"):
        yield f"{outcome['bytes']} bytes"


class Table:
    """Prints rows as they come, below a heading that is printed once."""

    def __init__(self, console: Console | None = None) -> None:
        is_wide = sys.stdout.isatty() or "COLUMNS" in os.environ
        self._console = console or Console(highlight=False, width=None if is_wide else WIDTH)
        self._is_headed = False

    def print(self, events: Iterable[Event]) -> None:
        """Print a row for each event."""
        rows = list(map(_shown, events))
        if not rows:
            return
        table = self._empty()
        for row in rows:
            table.add_row(*_cells(row, is_roomy=self._console.width >= _ROOMY))
        self._console.print(table)
        self._is_headed = True

    def _empty(self) -> RichTable:
        width = max(_LEAST, self._console.width)
        time = _TIME if width >= _ROOMY else _DATE
        rest = width - time - _GAPS
        who, what = rest * 18 // 94, max(rest * 32 // 94, min(_ACTION, rest * 4 // 9))
        table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=not self._is_headed)
        for heading, width in zip(COLUMNS, (time, who, what, rest - who - what), strict=True):
            table.add_column(heading, width=width, overflow="fold", header_style="bold")
        return table


def _shown(event: Event) -> Row:
    try:
        return row_of(event)
    except NOT_OURS:
        nothing = "not shown: see --output json"
        return Row(time="", who="", tenant="", action="", things=(), verdict="", outcome="", reason=nothing)


def _cells(row: Row, *, is_roomy: bool) -> Iterator[Text]:
    decided = (shown(row.verdict), STYLES.get(row.verdict.lower(), ""))
    yield Text(shown(row.time)) if is_roomy else _lines(row.time.split("T", 1))
    yield _lines([row.who, row.tenant])
    yield _lines([row.action, *row.things])
    ended = Text(" ").join(_said(decided, row.outcome))
    told = (*map(Text, map(shown, row.details)), Text(shown(row.reason), "dim"))
    yield Text("\n").join(part for part in (ended, *told) if part)


def _said(verdict: tuple[str, str], outcome: str) -> Iterator[Text]:
    if verdict[0]:
        yield Text(*verdict)
    if outcome:
        yield Text(shown(outcome))


def _lines(texts: Sequence[str]) -> Text:
    first, *others = (shown(text) for text in texts)
    return Text("\n").join([Text(first), *(Text(other, "dim") for other in others if other)])
