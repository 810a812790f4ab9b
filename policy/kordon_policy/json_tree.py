"""What somebody asks an API for, as the tree that a file becomes: the same code reads both, and says the same."""

from dataclasses import replace
from typing import Final

from kordon_policy.findings import Finding, Report, Severity, TooManyFindings
from kordon_policy.nodes import Broken, Mapping, Node, Number, Scalar, Sequence

MAX_DEPTH: Final = 20
MAX_NODES: Final = 10_000
MAX_LETTERS: Final = 4_000
"""Of one text. What is refused stands in the audit, and who may do nothing at all must not fill disks with it."""
LONGEST_KEY: Final = 100
"""Letters of a key that are told of."""


class JsonTree:
    """Makes nodes of what `json.loads` returns, and remembers the way to each: `policy.resource[3]`.

    A node's column is its place in that list.
    """

    def __init__(self, body: object, report: Report) -> None:
        self._report = report
        self._steps: list[tuple[int, str]] = []
        """Of each node, the column of the one that it is in, and how one gets from there to it."""
        try:
            self.root = self._node(body, 0, "", 1)
        except TooManyFindings:
            self.root = Broken(line=1, column=1)

    def findings(self, *, strict: bool) -> tuple[Finding, ...]:
        """All that was found, each with the way to it. `strict` makes what has no effect an error."""
        return tuple(self._told(finding, strict) for finding in self._report.findings())

    def _told(self, finding: Finding, strict: bool) -> Finding:
        severity = finding.severity
        if strict and severity is Severity.WARNING:
            severity = Severity.ERROR
        return replace(finding, severity=severity, line=1, column=1, path=self._way(finding.column))

    def _way(self, column: int) -> str:
        """The way to a node. Written down for those alone of which something is told: a request may have long keys."""
        steps: list[str] = []
        while column:
            column, step = self._steps[column - 1]
            steps.append(step)
        return "".join(reversed(steps)).removeprefix(".")

    def _node(self, value: object, parent: int, step: str, depth: int) -> Node:
        self._steps.append((parent, step))
        at = len(self._steps)
        broken = Broken(line=1, column=at)
        if depth > MAX_DEPTH or at > MAX_NODES:
            what = f"more than {MAX_DEPTH} levels deep" if depth > MAX_DEPTH else f"more than {MAX_NODES} values"
            self._report.error(broken, what, "no policy needs that many")
            raise TooManyFindings
        match value:
            case dict():
                entries = {}
                for key, item in value.items():
                    node = self._node(item, at, f".{_cut(str(key))}", depth + 1)
                    entries[str(key)] = (Scalar(line=1, column=node.column, text=str(key)), node)
                return Mapping(line=1, column=at, entries=entries)
            case list() | tuple():
                items = tuple(self._node(item, at, f"[{place}]", depth + 1) for place, item in enumerate(value))
                return Sequence(line=1, column=at, items=items)
            case str():
                return self._text(value, broken)
            case int() | float():
                return Number(line=1, column=at, value=value)
            case None:
                message = "a null, which could mean nothing or everything"
                self._report.error(broken, message, "write a value, or leave the key out")
            case _:
                self._report.error(broken, "no value of JSON", "write a text, a number, a list or a mapping")
        return broken

    def _text(self, text: str, broken: Broken) -> Node:
        try:
            text.encode()
        except UnicodeEncodeError:
            self._report.error(broken, "a text with half a letter in it (a lone surrogate)", "write all of the letter")
            return broken
        if len(text) > MAX_LETTERS:
            self._report.error(broken, f"a text of more than {MAX_LETTERS} letters", "no name is that long")
            return broken
        return Scalar(line=1, column=broken.column, text=text)


def _cut(key: str) -> str:
    return key if len(key) <= LONGEST_KEY else f"{key[: LONGEST_KEY - 1]}…"
