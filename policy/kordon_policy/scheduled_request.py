"""What somebody asks to be scheduled becomes a scheduled mutation, or every reason why not.

```json
{"cluster": "prod", "group": "trade_b2", "operation": "skip", "topic": "tx_trade1", "partition": 3}
{"cluster": "prod", "group": "trade_b2", "operation": "skip", "topic": "tx_trade1", "partition": 3, "count": 10}
{"cluster": "prod", "group": "trade_b2", "operation": "reset", "to": "earliest", "topic": "tx_trade1"}
{"cluster": "prod", "group": "trade_b2", "operation": "reset", "to": {"offset": 41907}, "topic": "tx_trade1", "partition": 3}
{"cluster": "prod", "group": "trade_b2", "operation": "reset", "to": {"time": "2026-01-31T03:00:00Z"}}
{"cluster": "prod", "group": "trade_b2", "operation": "clear", "duration_ms": 60000, "reason": "moved", "ticket": "OPS-7"}
```
"""  # noqa: E501

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from kordon_policy.actions import Domain
from kordon_policy.findings import Finding, Report, TooManyFindings, shown
from kordon_policy.json_tree import JsonTree
from kordon_policy.lifecycle import instant
from kordon_policy.nodes import Broken, Mapping, Node, Number, Scalar
from kordon_policy.offset_moves import Aim, Operation, Point, To
from kordon_policy.own_rights import Author, Known
from kordon_policy.read import choice_of, instant_of, known_keys, name_of, report_missing
from kordon_policy.read_requests import (
    FIRST_INSTANT,
    free_text,
    hint_of_instant,
    long,
    milliseconds_of,
    must_be_known,
    whole_number_of,
)
from kordon_policy.scheduled import ScheduledMutation

TRIES_MS: Final = 900_000
"""How long one tries, unless it is said otherwise: 15 minutes."""
LONGEST_TRIES_MS: Final = 86_400_000
KEYS: Final = (
    "cluster",
    "group",
    "operation",
    "to",
    "topic",
    "partition",
    "count",
    "duration_ms",
    "reason",
    "ticket",
)
TO_KEYS: Final = ("offset", "time")
LARGEST_PARTITION: Final = 2**31 - 1
LARGEST_OFFSET: Final = 2**63 - 1
_WHAT: Final = "a scheduled mutation"
_TO: Final = 'write "earliest", "latest", {"offset": 41907} or {"time": "2026-01-31T18:00:00Z"}'
_WORDS: Final = (Point.EARLIEST.value, Point.LATEST.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A scheduled mutation that does not exist yet, unless there is an error among the findings.

    Whose offsets come from a time has no `resolved` yet.
    """

    mutation: ScheduledMutation | None
    findings: tuple[Finding, ...]


def read_request(
    body: object,
    *,
    mutation_id: str,
    author: Author,
    known: Known,
    now: int,
    max_duration: int | None = LONGEST_TRIES_MS,
) -> Asked:
    """Read what somebody asks to be scheduled, and find every mistake in it at once. Never raises, whatever the body.

    body: as `json.loads` returns it. `operation` is `reset`, which takes `to`; `skip`, which may take `count`; or
    `clear`. Without `topic` it is about the whole group, without `partition` about all of the topic. A `time` is in ms
    since the epoch, or a text with its offset from UTC. `duration_ms` is how long it waits for the group to be Empty.
    now, max_duration: in ms (since the epoch); a bound of `None` is none. known: all names of clusters, by DOMAIN.

    Whether the author may ask for it is another question: `mutation_rights.judge_offsets`.
    """
    report = Report("request")
    tree = JsonTree(body, report)
    mutation = None
    with suppress(TooManyFindings):
        values = known_keys(tree.root, _WHAT, KEYS, report)
        if values is not None:
            cluster = _required("cluster", values, tree.root, report)
            if cluster is not None:
                must_be_known(values["cluster"], Domain.CLUSTER, cluster, known, report)
            aim = _aim(values, tree.root, now, report)
            duration = _duration(values.get("duration_ms"), max_duration, report)
            reason, ticket = (free_text(key, values, report) for key in ("reason", "ticket"))
            if cluster is not None and aim is not None and not report.has_errors:
                mutation = ScheduledMutation(
                    id=mutation_id,
                    cluster=cluster,
                    aim=aim,
                    author=author,
                    created_ts=now,
                    until_ts=now + duration,
                    reason=reason,
                    ticket=ticket,
                )
    return Asked(mutation=mutation, findings=tree.findings(strict=True))


def _aim(values: dict[str, Node], root: Node, now: int, report: Report) -> Aim | None:
    """What is to be done, to which offsets. `None` if that is not said, which is reported."""
    group = _required("group", values, root, report)
    operation = _operation(values, root, report)
    topic = name_of(values["topic"], "`topic`", report) if "topic" in values else None
    partition = _number("partition", values, 0, LARGEST_PARTITION, report)
    if "partition" in values and "topic" not in values:
        report.error(values["partition"], "`partition` without `topic`", "name the topic that it is of")
    count = _number("count", values, 1, LARGEST_OFFSET, report)
    if "count" in values and operation not in (Operation.SKIP, None):
        report.error(values["count"], f"`count` with `operation` {operation}", "only what is skipped is counted")
    to = _to(values["to"], now, report) if "to" in values else None
    if "to" in values and operation not in (Operation.RESET, None):
        report.error(values["to"], f"`to` with `operation` {operation}", 'write `"operation": "reset"`')
    if "to" not in values and operation is Operation.RESET:
        report.error(root, "a reset without `to`", _TO)
    if group is None or operation is None or report.has_errors:
        return None
    aim = Aim(group=group, operation=operation, topic=topic, partition=partition, to=to, count=count or 1)
    _lint_width(aim, root, report)
    return aim


def _lint_width(aim: Aim, root: Node, report: Report) -> None:
    """Say what may be wider than it was meant. It is done nevertheless."""
    everywhere = f"every partition of topic {shown(aim.topic)}" if aim.topic else "every partition that the group reads"
    narrower = "name a topic and a partition, if that is not meant"
    if aim.partition is None and aim.operation is Operation.SKIP:
        report.notice(root, f"it skips {aim.count} in {everywhere}", narrower)
    elif aim.partition is None and aim.to is not None and aim.to.point is Point.OFFSET:
        report.notice(root, f"it sets {everywhere} to the same offset", narrower)


def _operation(values: dict[str, Node], root: Node, report: Report) -> Operation | None:
    if "operation" not in values:
        report.error(root, f"{_WHAT} without `operation`", f"one of {', '.join(Operation)}")
        return None
    text = choice_of(values["operation"], "operation", tuple(Operation), report)
    return None if text is None or text not in tuple(Operation) else Operation(text)


def _to(node: Node, now: int, report: Report) -> To | None:
    """Where offsets are reset to. What is no such place is reported."""
    if isinstance(node, Scalar):
        if node.text in _WORDS:
            return To(point=Point(node.text))
        report.error(node, f"{shown(node.text)} is no place to reset to", report.nearest(node.text, _WORDS) or _TO)
        return None
    if not isinstance(node, Mapping):
        if not isinstance(node, Broken):
            hint = f'write {{"offset": {node.value}}}' if _is_whole(node) and isinstance(node, Number) else _TO
            report.error(node, "`to` is a word or a mapping", hint)
        return None
    values = known_keys(node, "`to`", TO_KEYS, report) or {}
    if len(node.entries) != 1:
        report.error(node, "`to` has one key, `offset` or `time`", _TO)
        return None
    if "offset" in values:
        offset = _number("offset", values, 0, LARGEST_OFFSET, report)
        return None if offset is None else To(point=Point.OFFSET, value=offset)
    return _to_time(values["time"], now, report) if "time" in values else None


def _to_time(node: Node, now: int, report: Report) -> To | None:
    if isinstance(node, Scalar):
        ts = instant_of(node, "time", report)
    else:
        ts = milliseconds_of(node, "`time`", report, example='1767225600000, or "2026-01-01T00:00:00Z"')
    if ts is None:
        return None
    if ts > now:
        report.error(node, f"{instant(ts)} is still to come", hint_of_instant(ts, now))
    elif ts < FIRST_INSTANT:
        report.error(node, f"{instant(ts)} is before there was Kafka", hint_of_instant(ts, now))
    return To(point=Point.TIME, value=ts)


def _duration(node: Node | None, max_duration: int | None, report: Report) -> int:
    if node is None:
        return TRIES_MS if max_duration is None else min(TRIES_MS, max_duration)
    duration = milliseconds_of(node, "`duration_ms`", report, example=str(TRIES_MS))
    if duration is not None and max_duration is not None and duration > max_duration:
        report.error(node, f"it would try for {long(duration)}", f"at most {long(max_duration)}")
    return duration or 0


def _required(key: str, values: dict[str, Node], root: Node, report: Report) -> str | None:
    if key not in values:
        report_missing(key, _WHAT, root, report)
        return None
    return name_of(values[key], f"`{key}`", report)


def _number(key: str, values: dict[str, Node], least: int, most: int, report: Report) -> int | None:
    if key not in values:
        return None
    value = whole_number_of(values[key], f"`{key}`", report, hint="write it without quotes")
    if value is not None and not least <= value <= most:
        report.error(values[key], f"`{key}` is {'too large' if value > most else f'below {least}'}")
        return None
    return value


def _is_whole(node: Node) -> bool:
    return isinstance(node, Number) and isinstance(node.value, int) and not isinstance(node.value, bool)
