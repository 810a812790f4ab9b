"""An audit event is a value, and its text is CloudEvents 1.0 JSON (structured mode), one event a line.

The envelope is the CloudEvents one; `data` has the four parts who, what, why and outcome. What the journal adds when
the event gets its place stands after them: see `line`.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

from kordon_proxy.principals import OWN
from kordon_proxy.redaction import masked

Path = tuple[str, ...]  # as in the policy language: ("cluster", "prod", "topic", "tx_trade1")

# An event has to fit into one Kafka record of the default size (1 MiB). One request can name 100,000 topics.
_TEXT_OF_ONE_EVENT: Final = 60_000
MOST_RULES: Final = 20
"""Rules that an event names. A policy has up to 100,000, and each part of an event that is cut would repeat them."""


class EventType(StrEnum):
    """The CloudEvents type: what a reader filters on first."""

    DECISION = "kordon.audit.decision.v1"
    LOGIN = "kordon.audit.login.v1"
    AGGREGATE = "kordon.audit.aggregate.v1"
    CONFIGURATION = "kordon.audit.configuration.v1"
    TEMPORARY_POLICY = "kordon.audit.temporary_policy.v1"  # one change of one temporary policy
    SCHEDULED_MUTATION = "kordon.audit.scheduled_mutation.v1"  # one change of one scheduled mutation
    STAGED_MUTATION = "kordon.audit.staged_mutation.v1"
    INTERRUPTION = "kordon.audit.interruption.v1"  # for a time, the log could not be written
    DELIVERY = "kordon.audit.delivery.v1"  # events that a sink will not get any more

    @property
    def kind(self) -> str:
        """The middle of the name: `decision`, `login`, ... as a metric's label."""
        return self.value.split(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whose connection it is. Made at login, and anew when the client says what it is or its roles change; `key` is
    what reads and produces are counted under."""

    principal: str
    roles: tuple[str, ...] = ()
    mechanism: str | None = None
    client_id: str | None = None
    software_name: str | None = None
    software_version: str | None = None
    peer: str | None = None
    listener: str | None = None
    tenant: str | None = None
    connection_id: str | None = None
    key: tuple[Any, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Without what differs from one connection to the next: a service of 1,000 pods would be 1,000 rows a window.
        key = (self.principal, self.roles, self.mechanism, self.listener, self.tenant)
        object.__setattr__(self, "key", key)

    def without_connection(self) -> "Who":
        """Return the part that all connections with the same `key` have in common."""
        principal, roles, mechanism, listener, tenant = self.key
        return Who(principal=principal, roles=roles, mechanism=mechanism, listener=listener, tenant=tenant)


KORDON: Final = Who(principal=OWN)
"""Who does what Kordon does by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class What:
    """What was asked for. `parameters` are the facts that matter: old and new offsets, names of changed configs."""

    action: str | None = None
    cluster: str | None = None
    api: str | None = None
    api_version: int | None = None
    resources: tuple[Path, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    correlation_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Who decided. `effect` is Allow, Deny or Stage, `rules` are places in the policy file, `reason` is a sentence.

    rules_total: how many decided, where those are more than are named. Only the first are, of whatever is given.
    temporary_policy: the first of `temporary_policies`, the ids of those among the rules, of which the first are named,
    too; or that which the event is of.
    """

    effect: str | None = None
    rules: tuple[str, ...] = ()
    rules_total: int | None = None
    temporary_policy: str | None = None
    temporary_policies: tuple[str, ...] | None = None
    epoch: int | None = None
    reason: str | None = None
    shadow: bool = False

    def __post_init__(self) -> None:
        if len(self.rules) > MOST_RULES:
            object.__setattr__(self, "rules_total", len(self.rules))
            object.__setattr__(self, "rules", self.rules[:MOST_RULES])
        if self.temporary_policies is not None and len(self.temporary_policies) > MOST_RULES:
            object.__setattr__(self, "temporary_policies", self.temporary_policies[:MOST_RULES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended, as the client was told. `unknown`: the broker's connection broke before it answered.

    failed: the parts of a request that failed, such as `topics[orders].partitions[3]`, with Kafka's names of their
    errors: some, where `items_failed` says that there are more. All other parts succeeded.
    """

    error_code: int | None = None
    error_name: str | None = None
    items_allowed: int | None = None
    items_denied: int | None = None
    items_failed: int | None = None
    failed: Mapping[str, str] | None = None
    bytes: int | None = None
    duration_ms: float | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """An event that stands for `count` others, the first and last of which happened at these times (ms)."""

    count: int
    first: int
    last: int
    repeats: str | None = None  # id of the event that was written whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the audit log. `time` is in milliseconds since the epoch, like every instant of a request."""

    id: str
    type: EventType
    time: int
    who: Who
    what: What = field(default_factory=What)
    why: Why = field(default_factory=Why)
    outcome: Outcome = field(default_factory=Outcome)
    window: Window | None = None


def new_id() -> str:
    """Return an id for an event, known before the event is written, so that an error text may name it."""
    return uuid4().hex


def encode(event: Event, source: str) -> bytes:
    """Return the event as one line of ASCII without its end, in CloudEvents' JSON shape, to be sealed by the journal.

    Written field by field, as each login waits for one: with the dictionaries that an encoder wants it took twice as
    long.
    """
    about = _subject(event)
    subject = f',"subject":{_text(about)}' if about else ""
    return (
        f'{{"specversion":"1.0","id":{_text(event.id)},"source":{_text(source)},"type":{_text(event.type)},'
        f'"time":"{rfc3339(event.time)}","datacontenttype":"application/json"{subject},"data":{_data(event)}'
    ).encode("ascii")


def parts(event: Event) -> Iterator[Event]:
    """Return the event, cut into several when it names more resources than one record holds.

    The parts have ids `…/1`, `…/2`, and each is whole in itself but for the list of resources, and for the parameters,
    which the first has: what a request says once would be written as many times as there are parts.
    """
    slices = list(_slices(event.what.resources)) if len(event.what.resources) > 1 else ()
    if len(slices) < 2:
        yield event
        return
    for number, resources in enumerate(slices, start=1):
        parameters = event.what.parameters if number == 1 else {}
        what = replace(event.what, resources=resources, parameters=parameters)
        yield replace(event, id=f"{event.id}/{number}", what=what)


def rfc3339(milliseconds: int) -> str:
    """Return the instant in RFC 3339 with milliseconds, in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=16)  # events come many in a second
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


# ASCII only: control characters, bidirectional marks and lone surrogates of hostile names come out as \uXXXX.
_to_json = json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":")).encode
_text = json.encoder.encode_basestring_ascii


def _subject(event: Event) -> str:
    return "/".join(event.what.resources[0]) if event.what.resources else event.who.principal


def _data(event: Event) -> str:
    what, window = event.what, event.window
    if what.parameters:
        what = replace(what, parameters=masked(what.parameters))
    who, why, outcome = _facts(event.who), _facts(event.why), _facts(event.outcome)
    told = f'"who":{who},"what":{_facts(what)},"why":{why},"outcome":{outcome}'
    if window is None:
        return f"{{{told}}}"
    repeats = f',"repeats":{_text(window.repeats)}' if window.repeats else ""
    times = f'"first":"{rfc3339(window.first)}","last":"{rfc3339(window.last)}"'
    return f'{{{told},"window":{{"count":{window.count},{times}{repeats}}}}}'


def _facts(part: Who | What | Why | Outcome) -> str:
    """Write what is known of a part."""
    labels, values = _FIELDS[type(part)]
    known = [
        label + _WRITERS.get(type(value), _to_json)(value)
        for label, value in zip(labels, values(part), strict=True)
        if value is not None
    ]
    return f"{{{','.join(known)}}}"


def _fields(kind: type[Who | What | Why | Outcome]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return how the fields that are written begin, and what gets their values."""
    names = [one.name for one in fields(kind) if one.init]
    return tuple(f'"{name}":' for name in names), attrgetter(*names)


_FIELDS: Final = {kind: _fields(kind) for kind in (Who, What, Why, Outcome)}


def _listed(values: tuple[Any, ...]) -> str:
    if values and not isinstance(values[0], str):
        return _to_json(values)
    return f"[{','.join(map(_text, values))}]"


def _mapped(values: Mapping[str, Any]) -> str:
    return _to_json(values) if values else "{}"


_WRITERS: Final[Mapping[type, Callable[[Any], str]]] = {
    str: _text,
    bool: {True: "true", False: "false"}.__getitem__,
    int: int.__repr__,
    tuple: _listed,
    dict: _mapped,
    MappingProxyType: _mapped,
}
"""For what is nearly always there. Anything else is the encoder's."""


def _slices(resources: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    start = size = 0
    for index, path in enumerate(resources):
        length = sum(map(len, path)) + 4 * len(path)
        if size and size + length > _TEXT_OF_ONE_EVENT:
            yield resources[start:index]
            start, size = index, 0
        size += length
    yield resources[start:]
