"""Scheduled mutations as a store keeps them, and as the API tells them: values that `json.dumps` takes."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final

from kordon_policy.offset_moves import Aim, Move, Operation, Point, To, TopicPartition, in_order
from kordon_policy.records import Fields, Record, UnreadableRecord, author_record, ended_record
from kordon_policy.scheduled import Claim, ScheduledMutation, State

SCHEMA: Final = 2
"""The version of the record. Raise it when an older Kordon would misread a newer record, and read the older here."""
_BEFORE_APPROVERS: Final = 1
"""That of a record without an approver, which an older Kordon reads as well."""

_MOVE: Final = 5  # a partition, its old offset, its new one, a note, an error


def to_record(mutation: ScheduledMutation) -> Record:
    """What a store keeps: all of it. Instants in ms since the epoch.

    Moves are rows, topic by topic: `[partition, old, new, note, error]`, as there may be thousands.
    """
    claim = mutation.claim
    approver = None if mutation.approver is None else author_record(mutation.approver)
    return {
        "schema": _BEFORE_APPROVERS if approver is None else SCHEMA,
        "id": mutation.id,
        "revision": mutation.revision,
        "state": mutation.state.value,
        "cluster": mutation.cluster,
        "aim": _aim_record(mutation.aim),
        "resolved": None if mutation.resolved is None else _resolved_record(mutation.resolved),
        "author": author_record(mutation.author),
        "created_ts": mutation.created_ts,
        "until_ts": mutation.until_ts,
        "reason": mutation.reason,
        "ticket": mutation.ticket,
        "staged_id": mutation.staged_id,
        "claim": None
        if claim is None
        else {"by": claim.by, "ts": claim.ts, "attempts": claim.attempts, "moves": _moves_record(claim.moves)},
        "results": _moves_record(mutation.results),
        "ended": ended_record(mutation.ended),
        **({} if approver is None else {"approver": approver}),
    }


def to_answer(mutation: ScheduledMutation) -> Record:
    """What the API tells: what was asked for in the words of the request, and what has become of it.

    `offsets` has a partition each: what was found and what is or was set, as soon as it is executed.
    """
    aim, claim = mutation.aim, mutation.claim
    moves = mutation.results or (() if claim is None else claim.moves)
    return {
        "id": mutation.id,
        "state": mutation.state.value,
        "cluster": mutation.cluster,
        "group": aim.group,
        "operation": aim.operation.value,
        "to": None if aim.to is None else _to_answer(aim.to),
        "topic": aim.topic,
        "partition": aim.partition,
        "count": aim.count if aim.operation is Operation.SKIP else None,
        "created_ts": mutation.created_ts,
        "created_by": mutation.author.principal,
        "tenant": mutation.author.tenant,
        "until_ts": mutation.until_ts,
        "duration_ms": mutation.until_ts - mutation.created_ts,
        "reason": mutation.reason,
        "ticket": mutation.ticket,
        "staged_id": mutation.staged_id,
        "started_ts": None if claim is None else claim.ts,
        "offsets": [
            {
                "topic": move.topic,
                "partition": move.partition,
                "old_offset": move.old,
                "new_offset": move.new,
                "note": move.note,
                "error": move.error,
            }
            for move in moves
        ],
        "ended": ended_record(mutation.ended),
    }


def from_record(record: object) -> ScheduledMutation:
    """Read what `to_record` wrote. Raises UnreadableRecord."""
    fields = Fields(record)
    fields.must_be_known(SCHEMA)
    state = fields.word("state", State)
    claim = fields.within_or_none("claim")
    if state is State.EXECUTING and claim is None:
        raise UnreadableRecord("it is executing, and `claim` says nobody does it")
    return ScheduledMutation(
        id=fields.text("id"),
        revision=fields.number("revision"),
        state=state,
        cluster=fields.text("cluster"),
        aim=_aim(fields.within("aim")),
        resolved=None if fields.get("resolved") is None else _resolved(fields),
        author=fields.author("author"),
        created_ts=fields.number("created_ts"),
        until_ts=fields.number("until_ts"),
        reason=fields.text("reason"),
        ticket=fields.text("ticket"),
        staged_id=fields.text_or_none("staged_id"),
        approver=None if fields.number("schema") <= _BEFORE_APPROVERS else fields.author("approver"),
        claim=None if claim is None else _claim(claim),
        results=_moves(fields, "results"),
        ended=fields.ended(state, final=state.final),
    )


def _aim_record(aim: Aim) -> Record:
    return {
        "group": aim.group,
        "operation": aim.operation.value,
        "topic": aim.topic,
        "partition": aim.partition,
        "to": None if aim.to is None else {"point": aim.to.point.value, "value": aim.to.value},
        "count": aim.count,
    }


def _aim(fields: Fields) -> Aim:
    to = fields.within_or_none("to")
    try:
        return Aim(
            group=fields.text("group"),
            operation=fields.word("operation", Operation),
            topic=fields.text_or_none("topic"),
            partition=None if fields.get("partition") is None else fields.whole("partition"),
            to=None if to is None else To(point=to.word("point", Point), value=to.whole("value")),
            count=fields.whole("count"),
        )
    except UnreadableRecord:
        raise
    except ValueError as error:
        raise UnreadableRecord(f"`aim` contradicts itself: {error}") from None


def _to_answer(to: To) -> str | Record:
    return {to.point.value: to.value} if to.point in (Point.OFFSET, Point.TIME) else to.point.value


def _claim(fields: Fields) -> Claim:
    return Claim(
        by=fields.text("by"),
        ts=fields.number("ts"),
        attempts=fields.whole("attempts"),
        moves=_moves(fields, "moves"),
    )


def _resolved_record(resolved: Mapping[TopicPartition, int]) -> list[Record]:
    rows = sorted(resolved.items())
    return [
        {"topic": topic, "partitions": [[at.partition, offset] for at, offset in rows_of_topic]}
        for topic, rows_of_topic in groupby(rows, key=lambda row: row[0].topic)
    ]


def _resolved(fields: Fields) -> dict[TopicPartition, int]:
    found = {}
    for topic, row, named in _rows(fields, "resolved"):
        partition, offset = _whole_numbers(row, 2, named)
        found[TopicPartition(topic, partition)] = offset
    return found


def _moves_record(moves: Iterable[Move]) -> list[Record]:
    return [
        {
            "topic": topic,
            "partitions": [[move.partition, move.old, move.new, move.note, move.error] for move in moves_of_topic],
        }
        for topic, moves_of_topic in groupby(in_order(moves), key=lambda move: move.topic)
    ]


def _moves(fields: Fields, key: str) -> tuple[Move, ...]:
    moves = []
    for topic, row, named in _rows(fields, key):
        if len(row) != _MOVE or not all(isinstance(text, str) for text in row[3:]):
            raise UnreadableRecord(f"{named} is no move of a partition")
        (partition,) = _whole_numbers(row[:1], 1, named)
        old, new = (None if end is None else _whole_numbers([end], 1, named)[0] for end in row[1:3])
        moves.append(Move(topic=topic, partition=partition, old=old, new=new, note=row[3], error=row[4]))
    return tuple(moves)


def _rows(fields: Fields, key: str) -> Iterable[tuple[str, list[Any], str]]:
    """Each row with its topic, and how it is named in a sentence."""
    for one in fields.each(key):
        topic = one.text("topic")
        for row in one.items("partitions"):
            named = one.named("partitions")
            if not isinstance(row, list):
                raise UnreadableRecord(f"{named} has a row that is no list")
            yield topic, row, f"a row of {named}"


def _whole_numbers(row: list[Any], length: int, named: str) -> list[int]:
    numbers = [one for one in row if isinstance(one, int) and not isinstance(one, bool) and one >= 0]
    if len(row) != length or len(numbers) != length:
        raise UnreadableRecord(f"{named} is not made of whole numbers")
    return numbers
