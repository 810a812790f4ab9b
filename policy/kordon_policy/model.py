"""What a policy file says, as values. Text becomes these once, in `load`; past that nobody checks it again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import PurePath
from typing import Final

from kordon_policy.actions import READS, Action, Domain, Kind
from kordon_policy.patterns import Pattern

# As a role in a rule: everybody who is in. No identity brings it, and nobody gets in by it.
EVERYBODY: Final = "*"

# Topics of Kafka's own machinery. A view shows one only if a path says so in as many letters.
INTERNAL: Final = "__"

# What Kordon keeps in Kafka. In no view but an administrator's, and written by nobody over the wire.
KORDONS_OWN: Final = "__kordon"
OWNABLE: Final = (Kind.TOPIC, Kind.GROUP, Kind.TRANSACTIONAL_ID)

EVERY_BROKER: Final = ""
"""The name that stands for all brokers, also those that are not there now: one that is taken away is missing from
them."""
EVERY_PRINCIPAL: Final = ""
"""The same for all principals."""
EVERYTHING: Final = frozenset({(Kind.BROKER, EVERY_BROKER), (Kind.PRINCIPAL, EVERY_PRINCIPAL)})


class Effect(StrEnum):
    """What a policy does to a request that it covers. Weaker first."""

    ALLOW = "Allow"
    STAGE = "Stage"
    DENY = "Deny"

    @property
    def strength(self) -> int:
        """Of the effects that meet, the strongest decides."""
        return _STRENGTH[self]

    @property
    def verb(self) -> str:
        """What it does, in a sentence: a policy `allows`."""
        return _VERB[self]


_VERB: Final = {Effect.ALLOW: "allows", Effect.STAGE: "stages", Effect.DENY: "denies"}
_STRENGTH: Final = {effect: strength for strength, effect in enumerate(Effect, start=1)}


class Outside(Enum):
    """What a client is told of a name outside its tenant."""

    NOT_FOUND = "not_found"  # what a cluster without that name would say
    DENIED = "denied"  # Kafka's authorization error, so that clients fail at once instead of retrying


class Presentation(Enum):
    """How the console shows what a tenant has none of. Protects nothing."""

    DEFAULT = "DEFAULT"
    HIDE_RESOURCES = "HIDE_RESOURCES"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRef:
    """Where a rule stands, as told to people: `policies[3] (rbac.yaml:41)`, `temporary policy 7f3a`."""

    place: str
    source: str = ""
    line: int = 0
    column: int = 0
    note: str = ""

    def __str__(self) -> str:
        # The name of the file alone: clients are told this too, and need not know where on the server it lies.
        return f"{self.place} ({PurePath(self.source).name}:{self.line})" if self.source else self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A set of resources: `[DOMAIN, DOMAIN_ID, TYPE, NAME]`. What is left out or is a star is `None`: any."""

    domain: Domain | None
    domain_id: str | None = None
    kind: Kind | None = None
    name: Pattern | None = None

    def is_about(self, domain: Domain) -> bool:
        """Does it reach into this domain?"""
        return self.domain is None or self.domain is domain

    def reaches(self, kind: Kind | None, domain: Domain) -> bool:
        """Does it cover something of this TYPE? For `None`: does it cover a cluster (registry, ...) as a whole?"""
        return self.is_about(domain) and (self.kind is None or self.kind is kind)

    def is_in(self, names: Collection[str]) -> bool:
        """Does it cover the cluster that is known by these names? Letter by letter: there are no patterns here."""
        return self.domain_id is None or self.domain_id in names


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One policy. `actions` has no umbrellas left, and names only what `paths` may be asked for by this effect."""

    ref: RuleRef
    effect: Effect
    actions: frozenset[Action]
    paths: tuple[Path, ...]
    roles: frozenset[str]
    shadow: bool = False
    shadow_until: int | None = None  # ms since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One include or one exclude of a tenant."""

    ref: RuleRef
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tenant:
    """A view, and the roles that may be in it."""

    ref: RuleRef
    name: str
    roles: frozenset[str]
    includes: tuple[Selector, ...] = ()
    excludes: tuple[Selector, ...] = ()
    description: str = ""
    presentation: Presentation = Presentation.DEFAULT
    outside: Outside = Outside.NOT_FOUND
    internal: bool = False  # shows internal topics by any include; only the built-in Global does
    shadow: bool = False
    shadow_until: int | None = None  # ms since the epoch

    def takes(self, roles: Collection[str]) -> bool:
        """May somebody with these roles be in this tenant?"""
        return EVERYBODY in self.roles or not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compat:
    """Readings of the language for older files, set in `kordon.yaml`."""

    group_edit_deletes: bool = False  # GROUP_EDIT includes GROUP_DELETE
    members_by_inspect: bool = False  # who may inspect a topic may join groups; who may produce, use transactional ids


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Document:
    """A policy file without mistakes. Compared by identity: what is compiled from one is kept with it."""

    admin_roles: frozenset[str] = frozenset()
    authorized_roles: frozenset[str] | None = None  # None: every role that the file names
    policies: Sequence[Rule] = ()
    tenants: tuple[Tenant, ...] = ()
    compat: Compat = field(default_factory=Compat)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryRule:
    """A policy with a beginning and an end, in ms since the epoch. At `expires_ts` it is over."""

    id: str
    rule: Rule
    starts_ts: int
    expires_ts: int | None  # None: until it is revoked
    principal: str | None = None  # only for this one of those who have the role

    def is_live(self, now: int) -> bool:
        """Is it in force at this instant (ms since the epoch)?"""
        return self.starts_ts <= now and not self.is_over(now)

    def is_over(self, now: int) -> bool:
        """Has its end come by this instant (ms since the epoch)?"""
        return self.expires_ts is not None and now >= self.expires_ts


def is_kordons_own(kind: Kind | None, name: str | None) -> bool:
    """Is it a topic, group or transactional id that Kordon keeps for itself?"""
    return name is not None and name.startswith(KORDONS_OWN) and kind in OWNABLE


def is_internal(kind: Kind, name: str) -> bool:
    """Is it one of Kafka's internal topics?"""
    return kind is Kind.TOPIC and name.startswith(INTERNAL)


def only_reads(action: Action) -> bool:
    """Does this action leave everything as it is?"""
    return action in READS


def named_roles(document: Document) -> frozenset[str]:
    """The roles that enforced policies, tenants and `admin_roles` name; "*" among them where it is written."""
    policies = (rule.roles for rule in document.policies if not rule.shadow)
    tenants = (tenant.roles for tenant in document.tenants if not tenant.shadow)
    return document.admin_roles.union(*policies, *tenants)


def roles_in(document: Document) -> frozenset[str]:
    """The roles that a policy file names, in its shadow parts too; without "*"."""
    named = [document.admin_roles, document.authorized_roles or frozenset()]
    tenants = [tenant.roles for tenant in document.tenants]
    # Few sets of roles, each of many policies.
    return frozenset().union(*named, *{rule.roles for rule in document.policies}, *tenants) - {EVERYBODY}
