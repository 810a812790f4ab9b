"""What is wrong with a file of the deployment, and where."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from kordon_policy import findings
from kordon_policy.findings import Severity

__all__ = ["Finding", "Mistake", "Refused", "Severity", "has_errors"]


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

    @classmethod
    def of(cls, found: findings.Finding) -> Self:
        """Return what the policy's reader found."""
        return cls(
            severity=found.severity,
            message=found.message,
            hint=found.hint,
            source=found.source,
            line=found.line,
            column=found.column,
        )

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.severity}: {self.message}"


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
