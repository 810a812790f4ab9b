"""Why there is nothing to show. Messages say whose fault it is and what to do about it."""

from collections.abc import Iterable

from kordon_policy.findings import Finding


class InspectionError(Exception):
    """Nothing was read."""


class Unusable(InspectionError):
    """What was asked for cannot be: for who asks to change."""


class Malformed(Unusable):
    """A request with mistakes: all of them."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(f"{one.path}: {one.message}" if one.path else one.message for one in self.findings))


class NotThere(InspectionError):
    """There is no such topic, partition or offset."""


class Busy(InspectionError):
    """As many inspections run as may at once: for who asks to try again."""


class Unreachable(InspectionError):
    """Brokers do not answer, or Kordon cannot do its work: for operators to look at."""
