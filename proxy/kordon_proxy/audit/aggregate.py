"""Reads and produces, and denials that repeat, are counted and written once a window.

Both collectors are plain values in memory, for the event loop's thread, and write nothing themselves. What a crash
takes with it is the counts of the running window, never a mutation, and never the first of several denials.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from .event import Event, EventType, Outcome, Path, What, Who, Why, Window, new_id

_Key = tuple[tuple[Any, ...], str, Path, str]

MOST_TEXT: Final = 32 << 20
"""Letters of the events that are kept to be counted. Clients choose the names in them, and one request has room for a
million."""
OF_ONE: Final = 300
"""What an event, or one resource in it, weighs besides its letters."""


@dataclass(slots=True)
class _Tally:
    who: Who
    first: int
    last: int = 0
    count: int = 0
    bytes: int = 0


class Aggregates:
    """Counts by principal (with roles, mechanism, listener and tenant), action, resource and verdict.

    `now` gives milliseconds. When there are more than `most` kinds, the window is closed early: `on_full` says so,
    and counting goes on in a new one. Nothing is dropped.
    """

    def __init__(self, *, most: int, now: Callable[[], int], on_full: Callable[[], None]) -> None:
        self._most = most
        self._now = now
        self._on_full = on_full
        self._open: dict[_Key, _Tally] = {}
        self._closed: list[dict[_Key, _Tally]] = []

    def tally(
        self,
        who: Who,
        action: str,
        path: Path,
        verdict: str,
        bytes: int = 0,  # noqa: A002 (the field's name in the event)
        count: int = 1,
    ) -> None:
        """Count one thing that was done, or several at once."""
        now = self._now()
        key = (who.key, action, path, verdict)
        tally = self._open.get(key)
        if tally is None:
            tally = self._begin(key, who, now)
        tally.count += count
        tally.bytes += bytes
        tally.last = now

    def close_window(self) -> None:
        """Begin to count anew. `events` gives what has been counted."""
        if self._open:
            self._closed.append(self._open)
            self._open = {}

    def events(self) -> Iterator[Event]:
        """Take what was counted in closed windows, one event for each kind. May be taken in several goes."""
        while self._closed:
            window = self._closed[0]
            while window:
                key, tally = window.popitem()
                yield _event(key, tally)
            self._closed.pop(0)

    def _begin(self, key: _Key, who: Who, now: int) -> _Tally:
        if len(self._open) >= self._most:
            self.close_window()
            self._on_full()
        tally = self._open[key] = _Tally(who.without_connection(), first=now)
        return tally


class Repeats:
    """Lets the first `free` of alike events in a window pass, and counts the rest."""

    def __init__(self, *, free: int, most: int, most_text: int = MOST_TEXT) -> None:
        self._free = free
        self._most = most
        self._most_text = most_text
        self._text = 0
        self._seen: dict[Hashable, tuple[Event, Window]] = {}

    def is_repeat(self, key: Hashable, event: Event) -> bool:
        """Whether the event is one too many; then it has been counted and need not be written itself."""
        found = self._seen.get(key)
        if found is None:
            self._remember(key, event)
            return False
        first, window = found
        self._seen[key] = (first, replace(window, count=window.count + 1, last=event.time))
        return window.count >= self._free

    def _remember(self, key: Hashable, event: Event) -> None:
        """What there is no room for is written, and so are those after it that are like it: more, never less."""
        text = _weight(event)
        if len(self._seen) < self._most and self._text + text <= self._most_text:
            self._text += text
            self._seen[key] = (event, Window(count=1, first=event.time, last=event.time, repeats=event.id))

    def close_window(self) -> list[Event]:
        """Forget all, and return one event for each kind of which some were counted rather than written."""
        closed, self._seen, self._text = self._seen, {}, 0
        return [
            replace(
                event, id=new_id(), type=EventType.AGGREGATE, time=window.last, window=replace(window, count=counted)
            )
            for event, window in closed.values()
            if (counted := window.count - self._free) > 0
        ]


def _weight(event: Event) -> int:
    """How many letters an event has, about."""
    what = event.what
    names = sum(OF_ONE + sum(map(len, path)) for path in what.resources)
    return OF_ONE + names + (len(repr(what.parameters)) if what.parameters else 0)


def _event(key: _Key, tally: _Tally) -> Event:
    _, action, path, verdict = key
    return Event(
        id=new_id(),
        type=EventType.AGGREGATE,
        time=tally.last,
        who=tally.who,
        what=What(action=action, cluster=path[1] if len(path) > 1 else None, resources=(path,)),
        why=Why(effect=verdict),
        outcome=Outcome(bytes=tally.bytes),
        window=Window(count=tally.count, first=tally.first, last=tally.last),
    )
