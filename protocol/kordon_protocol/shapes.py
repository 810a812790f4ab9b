"""kio's schemas as plain descriptions, from which the other modules derive their readers, writers and checks.

kio writes its schemas as dataclasses; what is on the wire stands in the metadata and in the annotations of the fields.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from dataclasses import Field as DataclassField
from datetime import timedelta
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, get_args, get_origin

from kio.schema.errors import ErrorCode

from kordon_protocol.odd_times import EPOCH

Entity: TypeAlias = Any
"""A class of kio's: a message or a struct in one version. (mypy takes `type[Any]` for unhashable.)"""

FIXED_SIZES: Final = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "error_code": 2,
    "int32": 4,
    "uint32": 4,
    "timedelta_i32": 4,
    "int64": 8,
    "uint64": 8,
    "float64": 8,
    "timedelta_i64": 8,
    "datetime_i64": 8,
    "uuid": 16,
}
"""Bytes of each type whose size does not depend on its value. The others are string, bytes, records and struct."""

IDENTIFYING: Final[Mapping[str, tuple[str, ...]]] = {
    "entity": (),
    "entity_name": (),
    "entity_type": (),
    "feature": (),
    "group_id": (),
    "group_instance_id": (),
    "id": (),
    "index": ("partition",),
    "key": (),
    "log_dir": (),
    "member_id": (),
    "name": (),
    "partition": (),
    "partition_id": (),
    "partition_index": ("partition",),
    "producer_id": (),
    "resource_name": (),
    "resource_type": (),
    "topic": (),
    "topic_id": (),
    "topic_name": ("name",),
    "transactional_id": (),
    "user": ("name",),
}
"""Fields of an entry that say what it is about, with other names that requests have for them."""

_ZEROES: Final = {
    "bool": False,
    "float64": 0.0,
    "error_code": ErrorCode.none,
    "string": "",
    "bytes": b"",
    "uuid": None,
    "datetime_i64": EPOCH,
    "timedelta_i32": timedelta(0),
    "timedelta_i64": timedelta(0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a schema in one version.

    `wire` is kio's name of the type, or "struct"; of an array, that of its elements. `nullable` is said of the whole
    field, so of an array and not of its elements. A UUID is never nullable: kio shows the zero UUID as None.
    """

    name: str
    wire: str
    array: bool
    nullable: bool
    tag: int | None
    struct: "Shape | None"
    default: object

    @property
    def has_default(self) -> bool:
        """Whether the schema names a default. Defaults matter for tagged fields: those that have it are not written."""
        return self.default is not MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A message or a struct in one version: `fields` in the order of the wire, then the `tagged` ones by tag."""

    entity: Entity
    flexible: bool
    fields: tuple[Field, ...]
    tagged: tuple[Field, ...]


@cache
def shape_of(entity: Entity) -> Shape:
    """Describe a message or struct of kio."""
    described = [_describe(field) for field in fields(entity)]
    return Shape(
        entity=entity,
        flexible=entity.__flexible__,
        fields=tuple(field for field in described if field.tag is None),
        tagged=tuple(sorted((f for f in described if f.tag is not None), key=lambda f: f.tag or 0)),
    )


@cache
def least_size(shape: Shape) -> int:
    """Return the bytes of the shortest encoding. At least one, so that a count can be held against what is left."""
    return sum(_least_size_of_field(field, shape.flexible) for field in shape.fields) + shape.flexible


def least_size_of_element(field: Field, flexible: bool) -> int:
    """Return the bytes of the shortest value of a field, or of the shortest element when it is an array."""
    if field.struct is not None:
        return least_size(field.struct)
    if field.wire in FIXED_SIZES:
        return FIXED_SIZES[field.wire]
    if flexible:
        return 1
    return 2 if field.wire == "string" else 4


@cache
def fixed_size(shape: Shape) -> int | None:
    """Return the bytes of every encoding, or None when they depend on the values."""
    sizes = [_fixed_size_of_field(field) for field in shape.fields]
    known = [size for size in sizes if size is not None]
    return None if shape.flexible or len(known) < len(sizes) else sum(known)


def zero_of(field: Field) -> Any:
    """Return the default of a field, or where the schema names none, what Kafka's generated code starts from."""
    if field.has_default:
        return field.default
    if field.array:
        return ()
    if field.wire == "records":
        return None if field.nullable else b""
    if field.struct is not None:
        shape = field.struct
        return shape.entity(**{inner.name: zero_of(inner) for inner in (*shape.fields, *shape.tagged)})
    return _ZEROES.get(field.wire, 0)


def _describe(field: DataclassField[Any]) -> Field:
    annotation, nullable = _without_none(field.type)
    origin: Any = get_origin(annotation)
    array = origin is tuple
    if array:
        annotation, _ = _without_none(get_args(annotation)[0])
    struct = _struct_of(annotation)
    wire = "struct" if struct else field.metadata["kafka_type"]
    return Field(
        name=field.name,
        wire=wire,
        array=array,
        nullable=nullable and (array or wire != "uuid"),
        tag=field.metadata.get("tag"),
        struct=struct,
        default=field.default,
    )


def _struct_of(annotation: Entity) -> Shape | None:
    entity: Entity = annotation
    return shape_of(entity) if is_dataclass(annotation) else None


def _without_none(annotation: Any) -> tuple[Entity, bool]:
    if get_origin(annotation) is not UnionType:
        return annotation, False
    (inner,) = (argument for argument in get_args(annotation) if argument is not NoneType)
    return inner, True


def _least_size_of_field(field: Field, flexible: bool) -> int:
    if field.array:
        return 1 if flexible else 4
    if field.struct is not None and field.nullable:
        return 1
    return least_size_of_element(field, flexible)


def _fixed_size_of_field(field: Field) -> int | None:
    if field.array or (field.nullable and field.struct is not None):
        return None
    return FIXED_SIZES.get(field.wire) if field.struct is None else fixed_size(field.struct)
