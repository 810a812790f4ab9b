"""What is wrong with a file, and where."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake or doubt. Line and column count from 1; `path` is the way to the key, as `listeners[0].bind`."""

    severity: Severity = Severity.ERROR
    message: str
    hint: str = ""
    source: str
    line: int = 1
    column: int = 1
    path: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.severity.value}: {self.message}"


class Refused(Exception):
    """A file that cannot be used, with every mistake in it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class Mistake(ValueError):
    """Raised by a value's own check: what is wrong, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of them is an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)
