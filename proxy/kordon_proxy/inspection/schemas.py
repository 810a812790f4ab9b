"""A schema with all that it refers to, as the registry gives it, and what decoders make of bytes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from .framing import Framed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A schema that another one uses, by the name that it uses."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema of the registry."""

    type: str
    """`AVRO`, `JSON`, `PROTOBUF`, or what a newer registry has."""
    text: str
    """Of Protobuf: a FileDescriptorProto in base64."""
    references: tuple[Reference, ...] = ()
    """All that it uses, directly or not, in such an order that each stands behind what it uses itself."""

    def to_json(self) -> dict[str, Any]:
        """As a plain value, for the process that decodes."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The schema of such a value."""
        references = tuple(Reference(**one) for one in value["references"])
        return cls(type=value["type"], text=value["text"], references=references)


class SchemaFault(Exception):
    """Why something cannot be decoded by its schema. The message holds nothing of what was to be decoded."""


class Decoded(NamedTuple):
    """What a decoder made of bytes, not plain yet."""

    format: str
    data: Any
    name: str | None = None
    """Of the record or message."""
    problem: str | None = None


Decoder = Callable[[Framed], Decoded]
"""Raises SchemaFault, or whatever a library raises for bytes that are not as the schema says."""
