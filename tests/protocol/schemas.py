"""Every schema of kio, and Hypothesis strategies for its messages, made from the shapes."""

from functools import cache
from typing import Any

from hypothesis import strategies as st
from kio.index import load_entity_schema
from kio.schema.errors import ErrorCode
from kio.schema.index import schema_name_map
from kio.static.constants import EntityType

from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.odd_times import LATEST, OddTimestamp, duration_from, timestamp_from
from kordon_protocol.shapes import Entity, Field, shape_of, zero_of

EVERY_SCHEMA: list[Entity] = [
    load_entity_schema(name, version, kind)
    for name, by_version in schema_name_map.items()
    for version, kinds in by_version.items()
    for kind in kinds
    if kind is not EntityType.header  # these are not kio's here: test_header compares them
]
EVERY_VERSION = [(key, version) for key in ApiKey for version in versions(key)]


def schema_id(entity: Entity) -> str:
    return f"{entity.__name__}-{entity.__version__}"


_INT64 = st.integers(-(2**63), 2**63 - 1)
_STRINGS = st.text(max_size=6) | st.just("x" * 130)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int8": st.integers(-(2**7), 2**7 - 1),
    "uint8": st.integers(0, 2**8 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int64": _INT64,
    "uint64": st.integers(0, 2**64 - 1),
    "float64": st.floats(allow_nan=False),
    "error_code": st.sampled_from(ErrorCode),
    "string": _STRINGS,
    "bytes": st.binary(max_size=12) | st.just(bytes(200)),
    "records": st.binary(max_size=12) | st.just(bytes(300)),
    "uuid": st.none() | st.uuids(),
    "timedelta_i32": st.integers(-(2**31), 2**31 - 1).map(duration_from),
}
# kio's own reader and writer take these. Its reader is a few microseconds off within a second.
_PLAIN = {
    "timedelta_i64": st.integers(-(2**50), 2**50).map(duration_from),
    "datetime_i64": st.integers(0, LATEST // 1_000).map(lambda seconds: timestamp_from(seconds * 1_000)),
}
_ODD = {
    "timedelta_i64": _INT64.map(duration_from),
    "datetime_i64": _PLAIN["datetime_i64"]
    | st.builds(OddTimestamp, st.integers(-(2**63), -1))
    | st.builds(OddTimestamp, st.integers(LATEST + 1, 2**63 - 1)),
}


@cache
def messages(entity: Entity, *, odd: bool = True, full: bool = False) -> st.SearchStrategy[Any]:
    """Messages of a schema; with `odd`, also those whose times kio refuses; with `full`, no array is empty or null."""
    shape = shape_of(entity)
    fields = (*shape.fields, *shape.tagged)
    return st.builds(entity, **{field.name: _values(field, odd, full) for field in fields})


def _values(field: Field, odd: bool, full: bool) -> st.SearchStrategy[Any]:
    if field.struct is not None:
        values = messages(field.struct.entity, odd=odd, full=full)
    else:
        values = (_VALUES | (_ODD if odd else _PLAIN))[field.wire]
    if field.array:
        values = st.lists(values, min_size=int(full), max_size=2).map(tuple)
    elif field.wire == "datetime_i64" and field.nullable:
        # Here -1 is the null.
        values = values.filter(lambda time: getattr(time, "milliseconds", 0) != -1)
    if field.nullable and (field.tag is None or odd) and not full:
        values |= st.none()
    return values


def build(entity: Entity, values: dict[str, Any]) -> Any:
    """A message or struct from plain dictionaries and lists; what is left out is zero."""
    shape = shape_of(entity)
    fields = (*shape.fields, *shape.tagged)
    assert values.keys() <= {field.name for field in fields}
    return entity(**{field.name: _built(field, values) for field in fields})


def _built(field: Field, values: dict[str, Any]) -> Any:
    if field.name not in values:
        return zero_of(field)
    value = values[field.name]
    if value is None or field.struct is None:
        return tuple(value) if isinstance(value, list) else value
    if field.array:
        return tuple(build(field.struct.entity, entry) for entry in value)
    return build(field.struct.entity, value)
