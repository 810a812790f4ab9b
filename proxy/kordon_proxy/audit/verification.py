"""Whether a journal is what was written: lines in, breaks out. No files here.

A break is told once, and what follows is checked against what stands there: one line that was changed does not put all
the others into doubt. What was cut off at the end cannot be seen in the lines; it takes something that was noted.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from .breaks import Break, Fault, Noted, Summary
from .event import EventType
from .line import BEGINNING, Place, link, place_of, sealed_part


@dataclass(slots=True)
class _File:
    name: str
    writer: str
    first: int
    lines: int = 0


@dataclass(slots=True)
class _Known:
    """What the next line may follow. Several: a break leaves open which. None: a break leaves nothing."""

    chains: frozenset[bytes] = frozenset()
    last: int = 0
    is_number_sure: bool = True
    unreadable: int = 0


_INTERRUPTION: Final = b'"type":"%b"' % EventType.INTERRUPTION.encode("ascii")


@dataclass(slots=True)
class Verifier:
    """Takes the files of one journal, the oldest first, line by line.

    `noted` are single events that must be in it. `forwarded` are the chain values by number that another place has,
    which may have begun later, or have forgotten older ones.
    """

    noted: Iterable[Noted] = ()
    forwarded: Mapping[int, bytes | None] | None = None
    summary: Summary = field(default_factory=Summary)
    _file: _File | None = None
    _begins: int = 0
    _known: _Known = field(default_factory=_Known)
    _wanted: dict[int, list[Noted]] = field(default_factory=dict)
    _range: tuple[int, int] = (1, 0)

    def __post_init__(self) -> None:
        for one in self.noted:
            self._wanted.setdefault(one.sequence, []).append(one)
        if self.forwarded:
            self._range = (min(self.forwarded), max(self.forwarded))

    def begin_file(self, name: str, writer: str, first: int) -> None:
        """Go on with the next file; by its name it is of that writer and begins with that number."""
        if self._file is None:
            self._begins = first
        self._file = _File(name, writer, first)
        self.summary.writer = writer
        self.summary.files += 1

    def line(self, text: bytes) -> Iterator[Break]:
        """Take a line, without its end, and return what is wrong with it."""
        file = self._open_file
        file.lines += 1
        for one in self._line(text, file):
            self.summary.breaks += 1
            yield one

    def half_line(self, text: bytes, *, is_last: bool) -> Iterator[Break]:
        """Take what stands at the end of a file, without the end of a line. `is_last`: of the last file."""
        file = self._open_file
        file.lines += 1
        whole = sealed_part(text)
        if is_last and (whole is None or whole == len(text)):
            self.summary.half_written = len(text)
            return
        self.summary.breaks += 1
        yield self._break(Fault.UNREADABLE, "this is no line of a journal: the end of it was changed", None)

    def end(self) -> Iterator[Break]:
        """Say what of that which somebody knows of is not there."""
        for one in self._missing():
            self.summary.breaks += 1
            yield one

    @property
    def _open_file(self) -> _File:
        assert self._file is not None, "no file was begun"
        return self._file

    def _line(self, text: bytes, file: _File) -> Iterator[Break]:
        place = place_of(text)
        if place is None:
            self._known.unreadable += 1
            yield self._break(Fault.UNREADABLE, "this is no line of a journal: it was changed, or added", None)
            return
        if place.writer != file.writer:
            self._known.unreadable += 1
            yield self._break(Fault.FOREIGN, f"this line is not of {file.writer}: it was changed, or added", place)
            return
        found = list(self._link(text, place))
        yield from found
        if not found and file.lines == 1 and place.sequence != file.first:
            yield self._misnamed(place)
        yield from self._compare(place)
        self._count(text, place, is_sound=not found)

    # ---- the chain

    def _link(self, text: bytes, place: Place) -> Iterator[Break]:
        if place.chain is None:
            yield from self._unchained(place)
            return
        known, summary = self._known, self.summary
        text, chain = text[: place.linked], place.chain
        if summary.chained_from is None:
            summary.chained_from = place.sequence
            summary.follows = place.previous
            known.chains = self._what_a_chain_begins_with(place)
        computed = {link(before, text) for before in known.chains or filter(None, [place.previous])}
        follows = not computed or chain in computed
        says_so = place.previous is None or not known.chains or place.previous in known.chains
        if follows and says_so and (self._is_next(place) or not known.is_number_sure):
            self._known = _Known(frozenset({chain}), place.sequence)
            return
        is_itself = place.previous is None or link(place.previous, text) == chain
        yield from self._out_of_order(place) if not self._is_next(place) else [self._changed(place)]
        if not self._is_next(place) and not is_itself:
            yield self._changed(place)
        self._go_on(place, computed | {chain})

    def _what_a_chain_begins_with(self, place: Place) -> frozenset[bytes]:
        if self._known.last or place.sequence == 1:
            return frozenset({BEGINNING})
        if place.previous is None and self._known.unreadable:
            return frozenset()  # the line that said it cannot be read
        return frozenset({place.previous or b""})

    def _unchained(self, place: Place) -> Iterator[Break]:
        known = self._known
        if self.summary.chained_from is not None:
            meaning = "this line has no chain value, and lines before it have: it was taken off, or the line was added"
            yield self._break(Fault.UNCHAINED, meaning, place)
        elif not self._is_next(place):
            yield from self._out_of_order(place)
        self._known = _Known(frozenset(), max(known.last, place.sequence))

    def _is_next(self, place: Place) -> bool:
        return place.sequence == self._expected

    @property
    def _expected(self) -> int:
        return self._known.last + 1 if self._known.last else self._begins

    def _out_of_order(self, place: Place) -> Iterator[Break]:
        first, last = self._expected, place.sequence - 1
        if place.sequence < first and not self._known.last:
            yield self._misnamed(place)
        elif place.sequence < first:
            yield self._break(Fault.MOVED, f"event {first - 1} stands before it: it was copied, or moved", place)
        elif last - first >= self._known.unreadable:  # else they are those that cannot be read
            events = f"event {first} is" if first == last else f"events {first} to {last} are"
            yield self._break(
                Fault.MISSING, f"{events} missing before it: deleted, or moved, or its number changed", place
            )

    def _misnamed(self, place: Place) -> Break:
        return self._break(Fault.MISNAMED, f"by its name the file begins with event {self._open_file.first}", place)

    def _changed(self, place: Place) -> Break:
        meaning = "the line, or its chain value, is not what was written"
        return self._break(Fault.CHANGED, meaning, place)

    def _go_on(self, place: Place, chains: Iterable[bytes]) -> None:
        """After a break, take it that either the line or its chain value is right."""
        known = self._known
        if place.sequence <= known.last:  # it does not belong here: what follows may as well follow what was before
            self._known = _Known(known.chains.union(chains), known.last, is_number_sure=False)
        else:
            self._known = _Known(frozenset(chains), place.sequence, is_number_sure=self._is_next(place))

    # ---- what others know

    def _compare(self, place: Place) -> Iterator[Break]:
        for one in self._wanted.pop(place.sequence, ()):
            if one.writer != place.writer:
                yield self._another_writer(one)
            elif one.chain is not None and one.chain != place.chain:
                meaning = f"{one.by} has another chain value: this event, or some before it, was written anew"
                yield self._break(Fault.NOT_AS_NOTED, meaning, place)
        first, last = self._range
        if self.forwarded is None or not first <= place.sequence <= last:
            return
        if place.sequence not in self.forwarded:
            yield self._break(Fault.NOT_FORWARDED, "the topic has events before and after it, and not this one", place)
        elif self.forwarded[place.sequence] != place.chain:
            meaning = "the topic has another event with this number: one of the two was written anew"
            yield self._break(Fault.NOT_AS_NOTED, meaning, place)

    def _missing(self) -> Iterator[Break]:
        last = self.summary.last or 0
        cut = f"and the journal ends with {last}: its end was cut off"
        file = self._file
        if file is not None and not file.lines and file.first > last + 1:
            yield self._of_all(Fault.ENDS_EARLY, f"by its name it follows event {file.first - 1}, {cut}")
        for one in (one for some in self._wanted.values() for one in some):
            if one.writer != self.summary.writer:
                yield self._another_writer(one)
            elif one.sequence > last:
                yield self._of_all(Fault.ENDS_EARLY, f"{one.by} knows of event {one.sequence}, {cut}")
            elif one.chain is not None and not self._is_what_comes_first(one):
                meaning = f"{one.by} knows of event {one.sequence}, which is not there any more: it cannot be compared"
                yield self._of_all(Fault.UNCONFIRMED, meaning)
        if self._range[1] > last:
            yield self._of_all(Fault.ENDS_EARLY, f"the topic knows of event {self._range[1]}, {cut}")

    def _is_what_comes_first(self, one: Noted) -> bool:
        """Whether it is the last event of those that are gone, which the first that is left follows."""
        summary = self.summary
        is_last = one.sequence + 1 == summary.first == summary.chained_from
        return is_last and one.chain == summary.follows

    def _another_writer(self, one: Noted) -> Break:
        meaning = f"{one.by} knows of writer {one.writer}, and this is the journal of {self.summary.writer}"
        return self._of_all(Fault.NOT_AS_NOTED, meaning)

    # ---- counting

    def _count(self, text: bytes, place: Place, *, is_sound: bool) -> None:
        summary = self.summary
        summary.events += 1
        summary.first = place.sequence if summary.first is None else summary.first
        summary.last = self._known.last
        if place.sequence == summary.last:
            summary.chain = place.chain
        if is_sound and _INTERRUPTION in text:
            event = json.loads(text)
            summary.lost += event["data"]["window"]["count"] if event["type"] == EventType.INTERRUPTION else 0

    def _break(self, fault: Fault, meaning: str, place: Place | None) -> Break:
        return Break(
            fault=fault,
            meaning=meaning,
            file=self._open_file.name,
            line=self._open_file.lines,
            writer=None if place is None else place.writer,
            sequence=None if place is None else place.sequence,
        )

    def _of_all(self, fault: Fault, meaning: str) -> Break:
        """What is wrong with the journal, and not with a line of it."""
        return Break(fault=fault, meaning=meaning, file=self._open_file.name)
