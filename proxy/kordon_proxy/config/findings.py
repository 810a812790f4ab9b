"""What is wrong with a file of the deployment, and where."""

from collections.abc import Iterable

from kordon_policy.findings import Finding, Severity

__all__ = ["Finding", "Mistake", "Refused", "Severity", "has_errors"]


class Refused(Exception):
    """A file that cannot be used, with every mistake in it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))

    @property
    def brief(self) -> str:
        """The first mistake, and how many more there are, in one line."""
        first, *more = [one for one in self.findings if one.severity is Severity.ERROR] or self.findings
        return f"{first} (and {len(more)} more)" if more else str(first)


class Mistake(ValueError):
    """Raised by a value's own check: what is wrong, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of them is an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)
