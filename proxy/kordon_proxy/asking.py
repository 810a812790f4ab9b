"""What people ask of Kordon's books: who asks, of which places, and why he does not get it."""

from dataclasses import dataclass

from kordon_policy.findings import Finding
from kordon_policy.own_rights import Author, Known

from .audit.event import Who


class Malformed(Exception):
    """What somebody asks for makes no sense; `findings` has every reason."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings


class NotGranted(Exception):
    """Whoever asks may not; the text says why."""


class NoSuchPolicy(Exception):
    """There is no temporary policy of that id, or none that whoever asks may see."""


class NoSuchMutation(Exception):
    """There is no mutation of that id, or none that whoever asks may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The names of what is configured. complete: no cluster may still turn out to have another name, its id."""

    known: Known
    complete: bool


def author_of(who: Who) -> Author:
    """Return `who` as the policy judges it."""
    return Author(principal=who.principal, roles=frozenset(who.roles), tenant=who.tenant)
