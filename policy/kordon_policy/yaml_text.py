"""YAML as a tree of texts with places. Nothing is typed, nothing constructed, and everything bounded.

PyYAML's own composer builds the whole tree before anybody can look at it and follows aliases without counting, so this
one is built on the parser's events and stops at the first limit. Only libyaml is fast enough for the bound on time.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml
from yaml import CSafeLoader
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError

from kordon_policy.findings import Report, shown
from kordon_policy.nodes import Broken, Mapping, Node, Scalar, Sequence, Spot

MAX_DEPTH: Final = 20

_CORE: Final = "tag:yaml.org,2002:"
_SCALAR_TAGS: Final = frozenset(_CORE + name for name in ("str", "int", "float", "bool", "null"))
_TAG_DIRECTIVE: Final = re.compile("(?:\\A\ufeff?|[\n\r\x85\u2028\u2029])%TAG")
_SEQUENCE_TAGS: Final = frozenset({f"{_CORE}seq"})
_MAPPING_TAGS: Final = frozenset({f"{_CORE}map"})
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


class Bounds(NamedTuple):
    """How large a file may be: in bytes, and in nodes once aliases are followed."""

    size: int
    nodes: int


SMALL: Final = Bounds(8 << 20, 100_000)
"""Of files that somebody writes by hand."""


class _Stop(Exception):
    """The rest cannot be read; the reason is reported."""


def read_yaml(text: str | bytes, report: Report, *, if_empty: str = "", bounds: Bounds = SMALL) -> Node | None:
    """Read one YAML document. `None` if it cannot be read to its end; what is wrong is in the report.

    if_empty: what to do about a file that says nothing.
    """
    decoded = _decoded(text, report, bounds)
    if decoded is None:
        return None
    try:
        return _Composer(decoded, report, bounds).document(if_empty)
    except _Stop:
        return None
    except yaml.YAMLError as error:
        _report_syntax(error, decoded, report)
        return None


def _decoded(text: str | bytes, report: Report, bounds: Bounds) -> str | None:
    try:
        encoded = text.encode() if isinstance(text, str) else text
        if len(encoded) > bounds.size:
            report.error(Spot(), f"file of {len(encoded)} bytes, limit {bounds.size}", "split it, or use patterns")
            return None
        decoded = encoded.decode("utf-8-sig")
    except UnicodeError as error:
        report.error(Spot(), f"not UTF-8: {error}", "save the file as UTF-8")
        return None
    # The parser compares each such directive with all before it, and nothing here needs them.
    if _TAG_DIRECTIVE.search(decoded):
        report.error(Spot(), "%TAG is not for this file", "leave the directive and the tags that it declares out")
        return None
    return decoded


def _report_syntax(error: yaml.YAMLError, text: str, report: Report) -> None:
    hint = "the file is not read past this place"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        at = Spot(mark.line + 1, mark.column + 1) if mark else Spot()
        report.error(at, f"not YAML: {_told(error)}", _way_out(error, text) or hint)
    elif isinstance(error, ReaderError):
        lines = text.encode()[: error.position].decode(errors="ignore").split("\n")
        report.error(Spot(len(lines), len(lines[-1]) + 1), f"not YAML: {error.reason}", hint)
    else:
        report.error(Spot(), "not YAML", hint)


def _told(error: MarkedYAMLError) -> str:
    """Say what the parser says, and where that began: a quote that is never closed is noticed at the file's end."""
    if not error.context:
        return f"{error.problem}"
    begun, noticed = error.context_mark, error.problem_mark
    where = f" that begins in line {begun.line + 1}" if begun and noticed and begun.line < noticed.line else ""
    return f"{error.problem} {error.context}{where}"


def _way_out(error: MarkedYAMLError, text: str) -> str:
    """Say what to do about slips that the parser tells in its own terms; nothing about all others."""
    at = error.problem_mark.index if error.problem_mark else len(text)
    if text[at : at + 1] == "\t":
        return "a tab indents nothing in YAML: use spaces"
    if error.problem == "found character that cannot start any token":
        return "put a text that begins with this character in quotes"
    if error.problem == "mapping values are not allowed in this context":
        return "is the line indented as those around it? A text with a colon and a space in it stands in quotes"
    return ""


class _Composer:
    """Most nodes are scalars without anchor and tag, so the way of these is the short one."""

    def __init__(self, text: str, report: Report, bounds: Bounds) -> None:
        self._next: Callable[[], Any] = CSafeLoader(text).get_event
        self._report = report
        self._anchors: dict[str, Node | None] = {}  # None while the node is being read
        self._texts: dict[str, str] = {}  # the words of the language come again and again, and are kept once
        self._nodes, self._most = 0, bounds.nodes

    def document(self, if_empty: str) -> Node | None:
        self._next()  # the stream's start
        event = self._next()
        if isinstance(event, StreamEndEvent):
            self._fail(Spot(), "the file is empty", if_empty)
        node = self._node(self._next(), depth=1)
        self._next()  # the document's end
        event = self._next()
        if not isinstance(event, StreamEndEvent):
            self._fail(_spot(event), "a second document in the same file", "one file holds one document")
        return node

    def _node(self, event: Event, depth: int) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        assert isinstance(event, NodeEvent)
        self._nodes += 1
        if self._nodes > self._most or depth > MAX_DEPTH:
            self._refuse(event, depth)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        if isinstance(event, ScalarEvent):
            node: Node = self._scalar(event)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event, depth)
        else:
            node = self._mapping(event, depth)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _refuse(self, event: Event, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._fail(_spot(event), f"more than {MAX_DEPTH} levels deep", "no policy needs that many")
        self._fail(_spot(event), f"more than {self._most} values once aliases are followed", "use patterns")

    def _alias(self, event: AliasEvent, depth: int) -> Node:
        at = _spot(event)
        name = event.anchor or ""
        if name not in self._anchors:
            self._report.error(at, f"no anchor {shown(name)} before this alias", "anchors stand above their aliases")
            return _broken(at)
        node = self._anchors[name]
        if node is None:
            self._report.error(
                at, f"alias {shown(name)} stands inside what it stands for", "loops are not for this file"
            )
            return _broken(at)
        self._nodes += node.size
        deepest = depth + node.depth - 1
        if self._nodes > self._most or deepest > MAX_DEPTH:
            self._refuse(event, deepest)
        return node

    def _scalar(self, event: ScalarEvent) -> Node:
        text: str = event.value
        tag: str | None = event.tag
        if tag is not None:
            self._check_tag(event, _spot(event), _SCALAR_TAGS)
        if (tag is None and text in _NULLS and event.implicit[0]) or tag == f"{_CORE}null":
            at = _spot(event)
            self._report.error(
                at,
                "a null, which could mean nothing or everything",
                "write a value, or leave the key out; a text that looks like a null is put in quotes",
            )
            return _broken(at)
        mark = event.start_mark
        assert mark is not None
        return Scalar(line=mark.line + 1, column=mark.column + 1, text=self._texts.setdefault(text, text))

    def _check_tag(self, event: Event, at: Spot, allowed: frozenset[str]) -> None:
        tag = getattr(event, "tag", None)
        if tag not in (None, "!") and tag not in allowed:
            self._report.error(at, f"tag {shown(tag)} is not for this file", "leave the tag out: texts are texts")

    def _sequence(self, event: SequenceStartEvent, depth: int) -> Sequence:
        at = _spot(event)
        self._check_tag(event, at, _SEQUENCE_TAGS)
        items = []
        size = deepest = 0
        while not isinstance(one := self._next(), SequenceEndEvent):
            node = self._node(one, depth + 1)
            items.append(node)
            size += node.size
            deepest = max(deepest, node.depth)
        return Sequence(line=at.line, column=at.column, items=tuple(items), size=1 + size, depth=1 + deepest)

    def _mapping(self, event: Event, depth: int) -> Mapping:
        at = _spot(event)
        self._check_tag(event, at, _MAPPING_TAGS)
        entries: dict[str, tuple[Scalar, Node]] = {}
        merged: list[Mapping] = []
        merge: Scalar | None = None
        while not isinstance(one := self._next(), MappingEndEvent):
            is_merge = isinstance(one, ScalarEvent) and one.value == "<<" and one.implicit[0] and one.tag is None
            key = self._node(one, depth + 1)
            value = self._node(self._next(), depth + 1)
            if not isinstance(key, Scalar):
                if not isinstance(key, Broken):
                    self._report.error(key, "a list or mapping as a key", "keys are words")
            elif is_merge:
                if self._is_first(key, merge):
                    merge, merged = key, self._to_merge(value)
            elif self._is_first(key, entries[key.text][0] if key.text in entries else None):
                entries[key.text] = (key, value)
        for mapping in merged:
            for text, entry in mapping.entries.items():
                entries.setdefault(text, entry)
        size = 1 + sum([key.size + value.size for key, value in entries.values()])
        deepest = 1 + max([max(key.depth, value.depth) for key, value in entries.values()], default=0)
        return Mapping(line=at.line, column=at.column, entries=entries, size=size, depth=deepest)

    def _is_first(self, key: Scalar, earlier: Scalar | None) -> bool:
        if earlier is not None:
            self._report.error(key, f"{shown(key.text)} is already in line {earlier.line}", "a key stands once")
        return earlier is None

    def _to_merge(self, value: Node) -> list[Mapping]:
        values = value.items if isinstance(value, Sequence) else (value,)
        for one in values:
            if not isinstance(one, Mapping | Broken):
                self._report.error(one, "<< merges mappings, and this is none", "give it an alias of a mapping")
        return [one for one in values if isinstance(one, Mapping)]

    def _fail(self, at: Spot, message: str, hint: str) -> None:
        self._report.error(at, message, hint)
        raise _Stop


def _spot(event: Event) -> Spot:
    mark = event.start_mark
    return Spot(mark.line + 1, mark.column + 1) if mark else Spot()


def _broken(at: Spot) -> Broken:
    return Broken(line=at.line, column=at.column)
