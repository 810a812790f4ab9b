"""What the lines of the store's topic say, in their order, whichever of them compaction has left.

*Who made a change.* All who read the topic decide it alike, by the order of its lines: a change is made if its record
is at the revision that it begins with. Whoever writes has seen that revision, so this is so if it begins later than the
last change that was made began (`_is_made`). That can be said without the lines that compaction has taken out: the last
change that was made is never cleared away, and begins later than all that came before it, made or not.

*What may go.* A change that was replaced, or that came too late, is *litter*. Litter is cleared by tombstones in the
order in which it became litter, by everybody. So where compaction has taken out a change, all that it had beaten is
gone or has its tombstone, and whoever reads to the end takes no event of theirs for one of a change that was made.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from .entries import Change, Identity, Line, Tale, UnreadableEntry, read_entry
from .interface import Key, News, Record, Untold

TAKE_OVER: Final = 10.0
"""Seconds after which somebody else's litter is cleared here."""
FORGOTTEN: Final = 3600.0
"""Seconds for which it is known that a record was forgotten: longer than any change of it can be under way."""
MOST: Final = 200
"""Tombstones for litter at once."""


class OlderState(Exception):
    """What is read now cannot come after what was read before; the text says why, after `it is`."""


class Verdict(NamedTuple):
    """Whether the change of an attempt was made."""

    attempt: str
    made: bool


@dataclass(frozen=True, slots=True)
class _Standing:
    """The last change of a record."""

    line: bytes
    before: int
    revision: int  # 0: the record was forgotten


@dataclass(frozen=True, slots=True)
class _Litter:
    owner: str
    since: float
    attempt: str | None  # one that came too late

    def is_due(self, writer: str, now: float) -> bool:
        return self.owner == writer or now - self.since >= TAKE_OVER


class Facts:
    """What is known from the lines so far. Knows no Kafka. monotonic: in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.store: str | None = None
        """Which store it is; None before its first line."""
        self.position = 0
        """The offset after the last line."""
        self._monotonic = monotonic
        self._standing: dict[Key, _Standing] = {}
        self._keys: dict[bytes, Key] = {}  # of the lines that stand
        self._outbox: dict[bytes, Untold] = {}
        self._litter: dict[bytes, _Litter] = {}  # what became litter first, comes first
        self._too_late: dict[str, bytes] = {}  # attempts among the litter
        self._forgotten: dict[bytes, float] = {}  # lines that stand, and since when
        self._unreadable: dict[bytes, str] = {}
        self._new: dict[Key, Record] = {}
        self._gone: dict[Key, None] = {}
        self._is_new = True

    # ---- what there is

    @property
    def problem(self) -> str | None:
        """Why nobody can rely on this; None where everything could be read."""
        return next(iter(self._unreadable.values()), None)

    def is_at(self, key: Key, revision: int) -> bool:
        """Whether a record is at that revision; at 0 if there never was one."""
        standing = self._standing.get(key)
        return revision == 0 if standing is None else standing.revision == revision > 0

    def revision(self, key: Key) -> int:
        """Of a record, as it is now; 0 where there is none."""
        standing = self._standing.get(key)
        return 0 if standing is None else standing.revision

    def outbox(self, numbers: Collection[int]) -> Sequence[bytes]:
        """The keys of these events, as far as they have not been told."""
        wanted = frozenset(numbers)
        return [line for line, untold in self._outbox.items() if untold.number in wanted]

    def news(self) -> News | None:
        """What has changed since the last time; None where nothing has."""
        if not self._is_new:
            return None
        news = News(
            records=tuple((key.kind, record) for key, record in self._new.items()),
            untold=tuple(self._outbox.values()),
            gone=tuple(self._gone),
        )
        self._new.clear()
        self._gone.clear()
        self._is_new = False
        return news

    def litter(self, writer: str) -> Sequence[bytes]:
        """The keys that `writer` should clear now. In this order, and with nothing that stands before them left out."""
        now = self._monotonic()
        lines = tuple(self._litter)
        forgotten = [line for line, since in self._forgotten.items() if now - since >= FORGOTTEN]
        if forgotten:
            return (*lines, *forgotten)[:MOST]
        due = [number for number, litter in enumerate(self._litter.values()) if litter.is_due(writer, now)]
        return lines[: due[-1] + 1][:MOST] if due else ()

    def go_on_from(self, before: "Facts") -> None:
        """Be what was read anew, after `before`: what it has told is no news, but for what has gone since.

        Raises OlderState.
        """
        if self.store != before.store:
            raise OlderState("another store than the one that is in use")
        if self.position < before.position or any(
            0 < self.revision(key) < standing.revision for key, standing in before._standing.items()
        ):
            raise OlderState("an older state of the store than the one that is in use")
        for key, standing in before._standing.items():
            if key in self._new and key not in before._new and self._standing[key].line == standing.line:
                del self._new[key]
        # That something was forgotten may have been cleared away already: then nothing but its absence tells of it.
        self._gone |= {key: None for key in (*before._gone, *before._standing) if not self.revision(key)}

    # ---- what is read

    def see(self, offset: int, line: Line) -> Verdict | None:
        """Learn of the next line. The verdict on a change that somebody may wait for."""
        self.position = offset + 1
        self._unreadable.pop(line.key, None)
        if line.value is None:
            self._take_out(line.key)
            return None
        try:
            entry = read_entry(line.key, line.value)
        except UnreadableEntry as error:
            self._cannot_read(offset, line.key, str(error))
            return None
        match entry:
            case Identity():
                self._identify(line.key, entry)
            case Change():
                return self._judge(offset, line.key, entry)
            case Tale():
                self._hear(offset, line.key, entry)
        return None

    def _cannot_read(self, offset: int, line: bytes, reason: str) -> None:
        self._unreadable[line] = f"it holds what this Kordon cannot read, at offset {offset}: {reason}"

    def _identify(self, line: bytes, identity: Identity) -> None:
        if self.store is None:
            self.store = identity.id
        elif self.store != identity.id:  # two began it at the same time
            self._litter[line] = _Litter(identity.writer, self._monotonic(), None)

    def _judge(self, offset: int, line: bytes, change: Change) -> Verdict | None:
        if self.store is None:
            self._cannot_read(offset, line, "what says which store it is has gone")
            return None
        standing = self._standing.get(change.key)
        if line in self._litter or (standing is not None and standing.line == line):
            return None  # the same once more
        made = change.store == self.store and _is_made(change, standing)
        if made:
            self._replace(standing, change.writer)
            self._put(line, change)
        else:
            self._litter[line] = _Litter(change.writer, self._monotonic(), change.attempt)
            self._too_late[change.attempt] = line
        return Verdict(change.attempt, made)

    def _replace(self, standing: _Standing | None, writer: str) -> None:
        if standing is not None:
            del self._keys[standing.line]
            self._forgotten.pop(standing.line, None)
            self._litter[standing.line] = _Litter(writer, self._monotonic(), None)

    def _put(self, line: bytes, change: Change) -> None:
        self._standing[change.key] = _Standing(line, change.before, change.revision)
        self._keys[line] = change.key
        self._new.pop(change.key, None)  # the last change comes last
        self._gone.pop(change.key, None)
        self._is_new = True
        if change.record is None:
            self._forgotten[line] = self._monotonic()
            self._gone[change.key] = None
        else:
            self._new[change.key] = change.record

    def _hear(self, offset: int, line: bytes, tale: Tale) -> None:
        if (change := self._too_late.get(tale.attempt)) is not None:
            # It has to be cleared before its change: without that, it would be one to tell.
            self._litter[line] = self._litter[change]
            self._litter[change] = self._litter.pop(change)
        elif line not in self._outbox:
            self._outbox[line] = Untold(number=offset, writer=tale.writer, event=tale.event)
            self._is_new = True

    def _take_out(self, line: bytes) -> None:
        litter = self._litter.pop(line, None)
        if litter is not None and litter.attempt is not None and self._too_late.get(litter.attempt) == line:
            del self._too_late[litter.attempt]
        if self._outbox.pop(line, None) is not None:
            self._is_new = True
        key = self._keys.pop(line, None)
        if key is not None:
            del self._standing[key]
            self._new.pop(key, None)
            if self._forgotten.pop(line, None) is None:  # what replaced it was taken out before it came here
                self._gone[key] = None
                self._is_new = True


def _is_made(change: Change, standing: _Standing | None) -> bool:
    return standing is None or change.before > standing.before
