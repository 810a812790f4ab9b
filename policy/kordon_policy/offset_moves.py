"""What becomes of the committed offsets of a group: what is aimed at, each partition's move, and what is left of them.

A group's offsets can be set by others at any time, and Kafka knows no "set it if it is still that". So a move names
both ends, as they were found before anything was set. Whoever goes on with it compares: what is at its new end is done,
what is at its old one is still to be set, and anything else was moved by somebody. So one record is skipped once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from kordon_policy.decision import printable


class Operation(StrEnum):
    """What is done to offsets, in Kpow's words."""

    RESET = "reset"
    SKIP = "skip"
    CLEAR = "clear"


class Point(StrEnum):
    """What offsets are reset to."""

    EARLIEST = "earliest"
    LATEST = "latest"
    OFFSET = "offset"
    TIME = "time"


class TopicPartition(NamedTuple):
    """One partition of a topic; written `tx_trade1-3`, as Kafka's tools do."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{printable(self.topic)}-{self.partition}"


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """Where to. value: the offset, or the instant in ms since the epoch; 0 where the point says it all."""

    point: Point
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What somebody wants done: to the whole group, to a topic of it, or to one partition.

    to: where offsets are reset to, and `None` for anything else. count: how many records are skipped in each partition.
    """

    group: str
    operation: Operation
    topic: str | None = None
    partition: int | None = None
    to: To | None = None
    count: int = 1

    def __post_init__(self) -> None:
        if (self.to is not None) != (self.operation is Operation.RESET):
            raise ValueError(f"{self.operation} {'with' if self.to else 'without'} an offset to reset to")
        if self.partition is not None and self.topic is None:
            raise ValueError(f"partition {self.partition} of no topic")

    def concerns(self, at: TopicPartition) -> bool:
        """Is it about this partition?"""
        return self.topic in (None, at.topic) and self.partition in (None, at.partition)

    def overlaps(self, other: "Aim") -> bool:
        """Can both be about one partition?"""
        return self.group == other.group and all(
            None in ends or ends[0] == ends[1]
            for ends in ((self.topic, other.topic), (self.partition, other.partition))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A partition as it is. committed: the group's offset; `None` if it has none.

    earliest, latest: the offset of its first record and of the next that will come; to clear needs neither.
    error: why it cannot be moved, if so ("topic tx is no more").
    """

    committed: int | None
    earliest: int | None = None
    latest: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What becomes of one partition. old: the offset that was found; new: that to be set; `None` is no offset.

    note: what else there is to know, such as that Kafka has no record there. error: why it is not done.
    """

    topic: str
    partition: int
    old: int | None
    new: int | None
    note: str = ""
    error: str = ""

    @property
    def at(self) -> TopicPartition:
        """Where."""
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What is left to do. to_set: moves to be made; settled: those of which it is known what became of them."""

    to_set: tuple[Move, ...]
    settled: tuple[Move, ...]

    def given_up(self, why: str) -> tuple[Move, ...]:
        """All moves, none of the rest made."""
        return in_order((*self.settled, *(replace(move, error=why) for move in self.to_set)))


def plan(aim: Aim, found: Mapping[TopicPartition, Found], resolved: Mapping[TopicPartition, int]) -> tuple[Move, ...]:
    """Work out each partition's move from what has been found.

    found: of a whole group those with an offset; of a topic all of its partitions. What the aim is not about is left
    alone. resolved: where a time has led to, when it was scheduled.

    An offset where a partition has no record, and will not have the next one, is brought to its beginning or its end,
    as Kafka's own tool does, with a note: left there, consumers would start anew by `auto.offset.reset`.
    """
    moves = [
        _move(aim, at, one, resolved)
        for at, one in found.items()
        if aim.concerns(at) and (aim.topic is not None or one.committed is not None or one.error)
    ]
    if aim.topic is not None and aim.partition is not None and not moves:
        error = f"topic {printable(aim.topic)} has no such partition"
        moves = [Move(topic=aim.topic, partition=aim.partition, old=None, new=None, error=error)]
    if aim.operation is Operation.SKIP and all(move.old == move.new for move in moves):
        # Of a topic those partitions are meant that have a record to skip. But somebody meant one at least.
        moves = [replace(move, note="", error=move.error or move.note) for move in moves]
    return in_order(moves)


def hopeless(aim: Aim, found: Mapping[TopicPartition, Found], *, is_there: bool, may_commit: bool) -> str:
    """Say why what is asked for could only fail, from what has been found as for `plan`; "" if it need not.

    is_there: whether there is such a group. may_commit: whether it may have other offsets until it is done, as it has
    members or another change of its offsets comes first.
    """
    concerned = [one for at, one in found.items() if aim.concerns(at)]
    topic, group = printable(aim.topic or ""), printable(aim.group)
    if aim.topic is not None and not found:
        return f"there is no topic {topic}"
    if aim.partition is not None and not concerned:
        return f"topic {topic} has no partition {aim.partition}: it has {_partitions(found)}"
    needs_offsets = aim.topic is None or aim.operation is not Operation.RESET
    if may_commit or not needs_offsets:
        return ""
    if not is_there:
        return f"there is no group {group}"
    if aim.topic is None and not concerned:
        return f"group {group} has no offsets"
    if aim.operation is Operation.SKIP and not any(one.error or one.committed is not None for one in concerned):
        where = topic if aim.partition is None else f"{topic}-{aim.partition}"
        return f"group {group} has no offset of {where} to skip from"
    return ""


def _partitions(found: Iterable[TopicPartition]) -> str:
    last = max(at.partition for at in found)
    return f"partitions 0 to {last}" if last else "partition 0 alone"


def compare(
    moves: Iterable[Move], committed: Mapping[TopicPartition, int | None], *, begun: bool, relative: bool
) -> Rest:
    """Find out what is left to do, from the offsets as they are now.

    begun: whether some moves may have been made already. relative: whether a move is about the offset that was found,
    as skipping is. Then an offset that is at its new end before anything was set was brought there by somebody else.
    """
    to_set: list[Move] = []
    settled: list[Move] = []
    for move in moves:
        if move.error or move.at not in committed:
            settled.append(move if move.error else replace(move, error="its offset cannot be read"))
            continue
        now = committed[move.at]
        if now == move.new and (begun or not relative or move.old == move.new):
            settled.append(move)
        elif now == move.old:
            to_set.append(move)
        else:
            done = "has deleted it" if now is None else f"has moved it to {now}"
            settled.append(replace(move, error=f"somebody {done} meanwhile"))
    return Rest(to_set=tuple(to_set), settled=tuple(settled))


def in_order(moves: Iterable[Move]) -> tuple[Move, ...]:
    """Moves as people look for them."""
    return tuple(sorted(moves, key=lambda move: move.at))


def _move(aim: Aim, at: TopicPartition, found: Found, resolved: Mapping[TopicPartition, int]) -> Move:
    move = Move(topic=at.topic, partition=at.partition, old=found.committed, new=found.committed)
    if found.error:
        return replace(move, error=found.error)
    if aim.operation is Operation.CLEAR:
        return replace(move, new=None, note="it had no offset" if found.committed is None else "")
    if found.earliest is None or found.latest is None:
        return replace(move, error="it is not known where its records begin and end")
    if aim.operation is Operation.SKIP:
        return _skip(aim.count, move, found.earliest, found.latest)
    return _reset(aim.to, move, found.earliest, found.latest, resolved)


def _reset(to: To | None, move: Move, earliest: int, latest: int, resolved: Mapping[TopicPartition, int]) -> Move:
    match to:
        case To(point=Point.EARLIEST):
            return replace(move, new=earliest)
        case To(point=Point.LATEST):
            return replace(move, new=latest)
        case To(point=Point.OFFSET, value=offset):
            return _within(move, offset, earliest, latest)
        case _ if move.at in resolved:
            return _within(move, resolved[move.at], earliest, latest)
        case _:
            return replace(move, error="it was not there when the time was looked up")


def _skip(count: int, move: Move, earliest: int, latest: int) -> Move:
    if move.old is None:
        return replace(move, error="it has no offset to skip from")
    if move.old >= latest:
        return replace(move, note=f"there is no record to skip: the next one will be at {latest}")
    return _within(move, move.old + count, earliest, latest)


def _within(move: Move, target: int, earliest: int, latest: int) -> Move:
    if target < earliest:
        return replace(move, new=earliest, note=f"{target} is before its first record, which is at {earliest}")
    if target > latest:
        return replace(move, new=latest, note=f"{target} is after its last record; the next one will be at {latest}")
    return replace(move, new=target)
