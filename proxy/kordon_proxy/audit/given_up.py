"""Events that a sink will not get any more, and how that is told."""

import json
from dataclasses import dataclass
from datetime import datetime

from .event import KORDON, Event, EventType, What, Why, Window, new_id
from .tail import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """Events that a sink will not get. `first` and `last` are the outermost of them."""

    sink: str
    count: int
    first: Line
    last: Line
    reason: str


class Losses:
    """Counts events that are being given up."""

    def __init__(self) -> None:
        self.count = 0
        self._telling = 0
        self._first: Line | None = None
        self._last: Line | None = None

    def add(self, line: Line) -> None:
        """Count one more."""
        self.count += 1
        self._telling += json.loads(line.text)["type"] == EventType.DELIVERY
        self._first = self._first or line
        self._last = line

    def told(self, sink: str, reason: str) -> GivenUp | None:
        """Return what is to be told of it.

        None when all of them told of events given up before: a sink that takes nothing would be told of without end.
        """
        if self._first is None or self._last is None or self.count == self._telling:
            return None
        return GivenUp(sink=sink, count=self.count, first=self._first, last=self._last, reason=reason)


def event_of(given_up: GivenUp, *, now: int) -> Event:
    """Tell an auditor, and who reads the sink, which events are not there. `now` is in milliseconds."""
    first, last = given_up.first, given_up.last
    return Event(
        id=new_id(),
        type=EventType.DELIVERY,
        time=now,
        who=KORDON,
        what=What(
            action="GIVE_UP_EVENTS",
            parameters={"sink": given_up.sink, "first_sequence": first.sequence, "last_sequence": last.sequence},
        ),
        why=Why(reason=given_up.reason),
        window=Window(count=given_up.count, first=_milliseconds(first), last=_milliseconds(last)),
    )


def _milliseconds(line: Line) -> int:
    """When the event of a line happened."""
    return round(1000 * datetime.fromisoformat(json.loads(line.text)["time"]).timestamp())
