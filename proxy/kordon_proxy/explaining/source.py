"""What questions about the policy are asked of: the policy, and who is known."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kordon_policy.holders import Person
from kordon_policy.model import EVERYBODY, Document, roles_in
from kordon_policy.question import World
from kordon_proxy.config.listeners import Listener
from kordon_proxy.identity.groups import Groups
from kordon_proxy.identity.users import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Someone:
    """Somebody who can log in, and the listener that he comes in by."""

    principal: str
    listener: str
    roles: frozenset[str]
    tenant: str | None = None
    """The listener's, where it has one."""
    default_tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The policy, who is known, and where the audit is. notes: what answers from these files do not know."""

    policy: Path
    document: Document
    world: World
    people: tuple[Someone, ...] = ()
    suffixes: frozenset[str] = frozenset({"@"})
    journal: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def persons(self) -> tuple[Person, ...]:
        """The people, each once for each set of roles that he may have."""
        return tuple(dict.fromkeys(Person(one.principal, one.roles) for one in self.people))


def people_of(
    listeners: Iterable[Listener], users: Mapping[str, Iterable[User]], groups: Groups, document: Document
) -> Iterator[Someone]:
    """Everybody who is known, by each listener that he may come in by. users: by provider."""
    known = roles_in(document)
    for listener in listeners:
        if listener.identity is not None:
            fixed = listener.identity
            yield _someone(listener, fixed.principal, frozenset(fixed.roles), groups, known)
        for user in (user for provider in listener.sasl.values() for user in users.get(provider, ())):
            yield _someone(listener, user.name, user.roles, groups, known, user.default_tenant)


def _someone(
    listener: Listener,
    principal: str,
    roles: frozenset[str],
    groups: Groups,
    known: frozenset[str],
    default_tenant: str | None = None,
) -> Someone:
    held = (roles | groups.get(principal, frozenset())) & known - {EVERYBODY}
    return Someone(
        principal=principal,
        listener=listener.name,
        roles=held,
        tenant=listener.tenant,
        default_tenant=default_tenant,
    )
