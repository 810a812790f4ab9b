"""A well-formed refusal for every API and version, made from the schemas and the request.

The rule: the code goes to the top of the response where that version has a place for it there. Where it has none, the
response mirrors what the request names (topics and partitions, groups, resources, ...) as deep as it takes to find a
place for the code. What identifies an entry is copied from the request; everything else is what Kafka's generated code
starts from. A request that names nothing can only be answered with nothing there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import response_frame, response_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.odd_times import OddTimestamp
from kordon_protocol.shapes import IDENTIFYING, Field, Shape, shape_of, zero_of


def refusal(
    api_key: int,
    api_version: int,
    request: Any,
    error_code: ErrorCode,
    message: str | None = None,
    *,
    deepest: bool = False,
) -> Any:
    """Return a response to request that carries the code where that API and version puts it.

    `request` is the decoded one, or None when it is not known; `message` goes where the response has an error message.
    With `deepest` the code goes not to the top but to the entries that are nested deepest, one for each that the
    request names: for what is refused in part. Raises `UnknownApi`, `UnsupportedVersion`.
    """
    refused = _Refused(api_key, error_code, message, deepest, everywhere=_is_said_twice(api_key, api_version))
    named = () if request is None else _NAMED.get(api_key, _first_array)(request)
    return refused.struct(shape_of(response_type(api_key, api_version)), None, named)


def refusal_frame(
    api_key: int,
    api_version: int,
    correlation_id: int,
    request: Any,
    error_code: ErrorCode,
    message: str | None = None,
) -> bytes:
    """Return the whole frame of a refusal, with its length prefix."""
    return response_frame(refusal(api_key, api_version, request, error_code, message), correlation_id)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What is said and where: in the innermost entries only (`deepest`), or at the top as well as in the entries."""

    api_key: int
    code: ErrorCode
    message: str | None
    deepest: bool
    everywhere: bool

    def struct(self, shape: Shape, source: Any, named: Iterable[Any]) -> Any:
        """Build a response or an entry of one.

        An entry mirrors its `source`: a struct of the request, or a bare name or number. `named` are the parts of the
        request that its own entries mirror.
        """
        nested = _array_with_codes(shape)
        entries = tuple(named) if nested is not None else ()
        here = not entries if self.deepest else _has_code(shape)
        values = {field.name: self._value(field, source, here) for field in (*shape.fields, *shape.tagged)}
        if nested is not None and nested.struct is not None and (self.everywhere or not here):
            inner = nested.struct
            values[nested.name] = tuple(self.struct(inner, entry, _first_array(entry)) for entry in entries)
        return shape.entity(**values)

    def _value(self, field: Field, source: Any, here: bool) -> Any:
        if field.wire == "error_code":
            return self.code if here else ErrorCode.none
        if field.name == "error_message":
            return (self.message if here else None) or (None if field.nullable else "")
        if source is not None and field.name in IDENTIFYING:
            return self._identity(field, source)
        known = (self.api_key, field.name)
        if known not in _UNKNOWN or (_UNKNOWN[known] is None and not field.nullable):
            return zero_of(field)
        return _UNKNOWN[known]

    def _identity(self, field: Field, source: Any) -> Any:
        value = _identity(field, source)
        if value is None:
            return None if field.nullable else zero_of(field)
        if field.array and field.struct is not None:
            inner = field.struct
            return tuple(self.struct(inner, entry, ()) for entry in value)
        return value


@cache
def _has_code(shape: Shape) -> bool:
    return any(field.wire == "error_code" for field in shape.fields)


@cache
def _array_with_codes(shape: Shape) -> Field | None:
    """The field whose entries, or the entries of these, have a place for a code."""
    for field in shape.fields:
        if field.array and field.struct and (_has_code(field.struct) or _array_with_codes(field.struct)):
            return field
    return None


def _first_array(source: Any) -> tuple[Any, ...]:
    """What a request or an entry of it names. In every request that is mirrored this is its first array."""
    if is_dataclass(source) and not isinstance(source, type):
        for field in shape_of(type(source)).fields:
            if field.array:
                return getattr(source, field.name) or ()
    return ()


def _identity(field: Field, source: Any) -> Any:
    """What the source says for an identifying field, or None."""
    if not is_dataclass(source):
        fits = isinstance(source, str if field.wire == "string" else int)
        return source if fits else None
    for name in (field.name, *IDENTIFYING[field.name]):
        if hasattr(source, name):
            return getattr(source, name)
    return None


SAID_TWICE: Final = frozenset({ApiKey.ELECT_LEADERS, ApiKey.ALTER_PARTITION_REASSIGNMENTS})


def _is_said_twice(api_key: int, api_version: int) -> bool:
    """Whether Kafka puts the code both at the top and into the entries."""
    return (api_key == ApiKey.FETCH and api_version < 13) or api_key in SAID_TWICE


def _users(request: Any) -> Iterable[Any]:
    entries = (*request.deletions, *request.upsertions)
    return {entry.name: entry for entry in entries}.values()


def _topics_of_dirs(request: Any) -> Iterable[Any]:
    return (topic for directory in request.dirs for topic in directory.topics)


def _nothing(_: Any) -> Iterable[Any]:
    return ()


_NAMED: Final[Mapping[int, Callable[[Any], Iterable[Any]]]] = {
    # The response is by topic, the request by log directory.
    ApiKey.ALTER_REPLICA_LOG_DIRS: _topics_of_dirs,
    # One entry for each user, whether credentials are deleted or set or both.
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: _users,
    # The entries of the response are the broker's log directories, which the request does not name.
    ApiKey.DESCRIBE_LOG_DIRS: _nothing,
}
"""Where what the request names is not simply its first array."""

_UNKNOWN: Final[Mapping[tuple[int, str], Any]] = {
    # What Kafka writes for "unknown" where its schema names no default.
    (ApiKey.CREATE_DELEGATION_TOKEN, "expiry_timestamp"): OddTimestamp(-1),
    (ApiKey.CREATE_DELEGATION_TOKEN, "issue_timestamp"): OddTimestamp(-1),
    (ApiKey.CREATE_DELEGATION_TOKEN, "max_timestamp"): OddTimestamp(-1),
    (ApiKey.DELETE_RECORDS, "low_watermark"): -1,
    (ApiKey.EXPIRE_DELEGATION_TOKEN, "expiry_timestamp"): OddTimestamp(-1),
    (ApiKey.FETCH, "high_watermark"): -1,
    (ApiKey.FETCH, "records"): b"",
    (ApiKey.FIND_COORDINATOR, "node_id"): -1,
    (ApiKey.FIND_COORDINATOR, "port"): -1,
    (ApiKey.INIT_PRODUCER_ID, "producer_epoch"): -1,
    (ApiKey.JOIN_GROUP, "protocol_name"): None,  # from v7 on, where it may be null
    (ApiKey.OFFSET_FETCH, "committed_offset"): -1,
    (ApiKey.PRODUCE, "base_offset"): -1,
    (ApiKey.RENEW_DELEGATION_TOKEN, "expiry_timestamp"): OddTimestamp(-1),
    # Null where its schema says null, which kio leaves out for arrays of structs.
    (ApiKey.STREAMS_GROUP_HEARTBEAT, "active_tasks"): None,
    (ApiKey.STREAMS_GROUP_HEARTBEAT, "partitions_by_user_endpoint"): None,
    (ApiKey.STREAMS_GROUP_HEARTBEAT, "standby_tasks"): None,
    (ApiKey.STREAMS_GROUP_HEARTBEAT, "warmup_tasks"): None,
}
