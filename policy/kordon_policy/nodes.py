"""A file as a tree of texts with their places.

Nobody changes a node. They are not frozen all the same: a file has millions, and to make a frozen one takes three times
as long.
"""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """Where something stands, and what it weighs once aliases are followed. Lines and columns count from 1."""

    line: int
    column: int
    size: int = 1
    depth: int = 1


@dataclass(slots=True, kw_only=True, eq=False)
class Scalar(Node):
    """A text, as it is spelt."""

    text: str


@dataclass(slots=True, kw_only=True, eq=False)
class Number(Node):
    """A number or a truth value, which only JSON has: in a file, every scalar is a text."""

    value: float | bool


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Mapping(Node):
    """Keys, each once, with their values, in the order of the file."""

    entries: dict[str, tuple[Scalar, Node]]


@dataclass(slots=True, kw_only=True, eq=False)
class Broken(Node):
    """What has been reported already, and is passed over from here on."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that no node stands at."""

    line: int = 1
    column: int = 1
