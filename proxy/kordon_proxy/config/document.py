"""YAML as plain values of text, lists and mappings, with the place of each in the file.

Every scalar is text as it is spelt (`on`, `007`, `2026-01-01`): what it means is for the model to say, so that YAML's
own typing surprises nobody. Nothing is ever constructed: only the nodes are read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from .findings import Finding, Refused

Path = tuple[str | int, ...]
Plain = str | list["Plain"] | dict[str, "Plain"]

MAX_SIZE: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 20
MAX_NODES: Final = 200_000
"""Counted with aliases expanded, so that a few lines cannot become millions."""

LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CORE: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says, and where it says it."""

    source: str
    value: dict[str, Plain]
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Return where the value (or its key) stands; for what is not there, the nearest thing around it."""
        for end in range(len(path), 0, -1):
            if key and path[:end] in self.keys:
                return self.keys[path[:end]]
            if path[:end] in self.values:
                return self.values[path[:end]]
        return Place(1, 1)


def read(text: str | bytes, source: str) -> Document:
    """Read one YAML mapping. Raises Refused with every mistake that was found."""
    node = _compose(text, source)
    if not isinstance(node, yaml.MappingNode):
        raise Refused([Finding(message="the file must be a mapping of keys to values", source=source)])
    reader = _Reader(source)
    value = reader.mapping(node, ())
    if reader.findings:
        raise Refused(reader.findings)
    return Document(source=source, value=value, values=reader.values, keys=reader.keys)


def _compose(text: str | bytes, source: str) -> yaml.Node | None:
    if len(text) > MAX_SIZE:
        raise Refused([Finding(message=f"{len(text)} bytes, limit {MAX_SIZE}", source=source)])
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        if (deep := _too_deep(text)) is not None:
            message = f"nested deeper than {MAX_DEPTH} levels"
            raise Refused([Finding(message=message, source=source, line=deep.line, column=deep.column)])
        return yaml.compose(text, Loader=LOADER)
    except UnicodeDecodeError:
        raise Refused([Finding(message="the file is not UTF-8 text", source=source)]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        message = ": ".join(part for part in (error.context, error.problem) if part)
        raise Refused([Finding(message=f"not YAML: {message}", source=source, line=line, column=column)]) from None
    except yaml.YAMLError as error:
        raise Refused([Finding(message=f"not YAML: {' '.join(str(error).split())}", source=source)]) from None


def _too_deep(text: str) -> Place | None:
    """Look for deep nesting in the events first: the composer recurses, and libyaml's would overrun the stack."""
    depth = 0
    events: Iterator[Any] = yaml.parse(text, Loader=LOADER)
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark: Any = event.start_mark
                return Place(mark.line + 1, mark.column + 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


@dataclass(slots=True)
class _Reader:
    """Turns nodes into plain values, noting places, and goes on after a mistake."""

    source: str
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    nodes: int = 0

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Plain]:
        self.values[path] = _place(node)
        result: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.tag.startswith(CORE):
                self._note(key_node, path, "a key must be plain text")
                continue
            key = str(key_node.value)
            if key in result:
                first = self.keys[*path, key].line
                self._note(key_node, (*path, key), f"`{key}` is given twice, first on line {first}", "keep one of them")
                continue
            self.keys[*path, key] = _place(key_node)
            result[key] = self._value(value_node, (*path, key))
        return result

    def _value(self, node: yaml.Node, path: Path) -> Plain:
        self.values[path] = _place(node)
        self.nodes += 1
        if len(path) > MAX_DEPTH or self.nodes > MAX_NODES:
            # Only aliases come this far, perhaps one that contains itself: stop, rather than expand them.
            self._note(node, path, f"aliases unfold into more than {MAX_DEPTH} levels or {MAX_NODES} values")
            raise Refused(self.findings)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if not node.tag.startswith(CORE) or node.tag.startswith(f"{CORE}python"):
            self._note(node, path, f"the tag {node.tag} means nothing here", "write the value without a tag")
        elif node.tag == f"{CORE}null":
            self._note(node, path, "no value", "give it one, or leave the key out")
        return str(node.value)

    def _note(self, node: yaml.Node, path: Path, message: str, hint: str = "") -> None:
        at = _place(node)
        self.findings.append(
            Finding(message=message, hint=hint, source=self.source, line=at.line, column=at.column, path=spell(path))
        )


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def spell(path: Path) -> str:
    """Write a path as people do: `listeners[0].ports.base`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
