"""A topic as Kafka keeps it, with a cleaner that may have come as far as it likes; and what its lines mean, naively."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from kordon_proxy.store.entries import Change, Entry, Identity, Line, Tale, read_entry
from kordon_proxy.store.facts import Facts, Verdict
from kordon_proxy.store.interface import Key, Record


@dataclass
class Topic:
    """All lines that were ever appended, and those that compaction has left."""

    written: list[Line] = field(default_factory=list)
    left: dict[int, Line] = field(default_factory=dict)
    ends: list[int] = field(default_factory=lambda: [0])
    """The offset after each batch: nobody gets a part of one."""
    cleaned: int = 0
    """How far the cleaner has been through: tombstones before that may go."""

    def append(self, lines: Sequence[Line]) -> None:
        for line in lines:
            self.left[len(self.written)] = line
            self.written.append(line)
        self.ends.append(len(self.written))

    def read(self, position: int, upto: int) -> Iterator[tuple[int, Line]]:
        return ((offset, line) for offset, line in self.left.items() if position <= offset < upto)

    def compact(self, known: int, done: int, *, tombstones: bool) -> None:
        """The cleaner has looked at all keys before `known`, and ended when it had written anew what is before `done`.

        tombstones: those that an earlier run has seen are old enough to go.
        """
        last = {line.key: offset for offset, line in self.left.items() if offset < known}
        for offset, line in list(self.left.items()):
            is_old = line.value is None and offset < self.cleaned and tombstones
            if offset < min(known, done) and (last[line.key] > offset or is_old):
                del self.left[offset]
        if done >= known:
            self.cleaned = max(self.cleaned, known)


@dataclass(frozen=True, slots=True)
class Truth:
    """What somebody knows who has read every line that there ever was: who compares revisions, as they are told."""

    records: dict[Key, Record]
    untold: list[tuple[int, str]]
    """Number and id of the events that nobody has told."""
    verdicts: dict[str, bool]
    forgotten: frozenset[Key]


def the_truth(lines: Sequence[Line]) -> Truth:
    records: dict[Key, Record | None] = {}
    untold: dict[bytes, tuple[int, str]] = {}
    verdicts: dict[str, bool] = {}
    store = None
    for offset, line in enumerate(lines):
        entry = None if line.value is None else _entry(line.key, line.value)
        match entry:
            case None:
                untold.pop(line.key, None)
            case Identity():
                store = store or entry.id
            case Change():
                known = records.get(entry.key)
                made = entry.store == store and (
                    entry.before == 0
                    if entry.key not in records
                    else known is not None and known["revision"] == entry.before
                )
                verdicts[entry.attempt] = made
                if made:
                    records[entry.key] = entry.record
            case Tale():
                if verdicts[entry.attempt]:
                    untold[line.key] = offset, entry.event.id
    there = {key: record for key, record in records.items() if record is not None}
    return Truth(there, list(untold.values()), verdicts, frozenset(records) - frozenset(there))


@cache
def _entry(key: bytes, value: bytes) -> Entry:
    return read_entry(key, value)


def read_all(topic: Topic, facts: Facts) -> list[Verdict]:
    """Read all that is left of the topic."""
    return read_up_to(topic, facts, len(topic.written))


def read_up_to(topic: Topic, facts: Facts, upto: int) -> list[Verdict]:
    seen = [facts.see(offset, line) for offset, line in topic.read(facts.position, upto)]
    facts.position = max(facts.position, upto)
    return [verdict for verdict in seen if verdict is not None]


def shown(line: Line) -> str:
    """For a test that fails."""
    return f"{json.loads(line.key)}: {line.value!r}"
