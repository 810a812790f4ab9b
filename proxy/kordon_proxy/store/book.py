"""What one process knows of everything of one kind in the store: each thing as it is now, and since when it is so."""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Sequence
from typing import Final, Generic, Protocol, TypeVar

from kordon_policy.lifecycle import Ended, Sighting
from kordon_policy.own_rights import Author
from kordon_proxy.audit.event import Event
from kordon_proxy.clock import Clock

from .interface import Kind, Record, Step

MOST_OVER: Final = 200
"""Things of one author that stay known when they are over: he may end one and make the next as fast as he likes."""


class State(Protocol):
    """Where something is in its life."""

    @property
    def final(self) -> bool:
        """Is nothing more to come?"""


class Kept(Protocol):
    """Something that has a life, and a record in the store."""

    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def state(self) -> State: ...
    @property
    def author(self) -> Author: ...
    @property
    def ended(self) -> Ended | None: ...


T = TypeVar("T", bound=Kept)


class Book(Generic[T]):
    """Everything of one kind, by id. Belongs to the event loop.

    read, write: how a record becomes a thing, which may raise UnreadableRecord, and a thing a record.
    """

    def __init__(self, kind: Kind, clock: Clock, *, read: Callable[[Record], T], write: Callable[[T], Record]) -> None:
        self.kind = kind
        self._clock = clock
        self._from_record = read
        self._to_record = write
        self._all: dict[str, T] = {}
        self._running: dict[str, T] = {}
        self._sightings: dict[str, Sighting] = {}
        self._over: dict[str, list[tuple[int, str]]] = {}
        """By author when what was over, the oldest first: it is looked through a few times a second."""
        self._listeners: list[Callable[[str], None]] = []

    @property
    def all(self) -> tuple[T, ...]:
        """Everything there has been, as it is now."""
        return tuple(self._all.values())

    @property
    def running(self) -> tuple[T, ...]:
        """What is not over."""
        return tuple(self._running.values())

    def get(self, thing_id: str) -> T | None:
        """The one of that id, as it is now."""
        return self._all.get(thing_id)

    def get_running(self, thing_id: str) -> T | None:
        """The one of that id, as it is now; None if it is over."""
        return self._running.get(thing_id)

    def reached(self, thing: T) -> int:
        """The instant that it is for something at least, wherever the clock was set since it has been as it is."""
        wall = self._clock.wall()
        sighting = self._sightings.get(thing.id)
        return wall if sighting is None else sighting.reached(wall, self._clock.monotonic())

    def watched(self, thing: T) -> int:
        """For how many ms it has been seen as it is, by a clock that nobody sets."""
        sighting = self._sightings.get(thing.id)
        return 0 if sighting is None else self._clock.monotonic() - sighting.monotonic

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Be told the id of what is over, when that is known."""
        self._listeners.append(listener)

    # ---- for the ledger

    def step(self, after: T, events: Sequence[Event]) -> Step:
        """What brings changes of one thing into the store. Each of them has its event."""
        before = after.revision - len(events)
        return Step(kind=self.kind, record=self._to_record(after), before=before, events=tuple(events))

    def read(self, record: Record) -> None:
        """Learn of something as it is now. Raises UnreadableRecord."""
        thing = self._from_record(record)
        known = self._all.get(thing.id)
        if known is not None and known.revision >= thing.revision:
            return
        self._all[thing.id] = thing
        self._running.pop(thing.id, None)
        self._sightings.pop(thing.id, None)
        if not thing.state.final:
            self._running[thing.id] = thing
            self._sightings[thing.id] = Sighting(wall=self._clock.wall(), monotonic=self._clock.monotonic())
            return
        assert thing.ended is not None, "what is over has ended"
        insort(self._over.setdefault(thing.author.principal, []), (thing.ended.ts, thing.id))
        self._tell_over(thing.id)

    def over(self, before: int) -> Collection[str]:
        """The ids of those that were over before that instant (ms since the epoch), and of any author all but the
        last."""
        found = []
        for ended in self._over.values():
            too_old, too_many = bisect_left(ended, (before, "")), len(ended) - MOST_OVER
            found += [one for _, one in ended[: max(too_old, too_many)]]
        return found

    def forget(self, ids: Collection[str]) -> None:
        """Know no more of these, which are over, though their end may not have been seen here."""
        for one in ids:
            thing = self._all.pop(one, None)
            if self._running.pop(one, None) is not None:
                del self._sightings[one]
                self._tell_over(one)
            elif thing is not None and thing.ended is not None:
                ended = self._over[thing.author.principal]
                ended.remove((thing.ended.ts, one))
                if not ended:
                    del self._over[thing.author.principal]

    def _tell_over(self, thing_id: str) -> None:
        for listener in self._listeners:
            listener(thing_id)
