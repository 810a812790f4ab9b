"""YAML as plain values of text, lists and mappings, with the place of each in the file.

Read as policy files are: every scalar is text as it is spelt (`on`, `007`, `2026-01-01`), nothing is constructed, keys
stand once, sizes are bounded. What a text means is for the model to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kordon_policy import nodes
from kordon_policy.findings import Report
from kordon_policy.nodes import Node, Spot
from kordon_policy.yaml_text import read_yaml

from .findings import Finding, Refused

Path = tuple[str | int, ...]
Plain = str | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says, and where it says it."""

    source: str
    value: dict[str, Plain]
    values: Mapping[Path, Spot]
    keys: Mapping[Path, Spot]

    def place(self, path: Path, *, key: bool = False) -> Spot:
        """Return where the value (or its key) stands; for what is not there, the nearest thing around it."""
        for end in range(len(path), 0, -1):
            if key and path[:end] in self.keys:
                return self.keys[path[:end]]
            if path[:end] in self.values:
                return self.values[path[:end]]
        return Spot()


def read(text: str | bytes, source: str) -> Document:
    """Read one YAML mapping. Raises Refused with every mistake that was found."""
    report = Report(source)
    root = read_yaml(text, report)
    if report.has_errors:
        raise Refused(report.findings())
    if not isinstance(root, nodes.Mapping):
        raise Refused([Finding(message="the file must be a mapping of keys to values", source=source)])
    reader = _Reader()
    value = reader.mapping(root, ())
    return Document(source=source, value=value, values=reader.values, keys=reader.keys)


@dataclass(slots=True)
class _Reader:
    """Turns nodes into plain values, and notes their places."""

    values: dict[Path, Spot] = field(default_factory=dict)
    keys: dict[Path, Spot] = field(default_factory=dict)

    def mapping(self, node: nodes.Mapping, path: Path) -> dict[str, Plain]:
        result: dict[str, Plain] = {}
        for name, (key, value) in node.entries.items():
            self.keys[*path, name] = Spot(key.line, key.column)
            result[name] = self._value(value, (*path, name))
        return result

    def _value(self, node: Node, path: Path) -> Plain:
        self.values[path] = Spot(node.line, node.column)
        match node:
            case nodes.Mapping():
                return self.mapping(node, path)
            case nodes.Sequence():
                return [self._value(item, (*path, index)) for index, item in enumerate(node.items)]
            case nodes.Scalar():
                return node.text
        raise TypeError(f"a node of an unknown kind in line {node.line}")


def spell(path: Path) -> str:
    """Write a path as people do: `listeners[0].ports.base`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
