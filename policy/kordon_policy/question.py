"""One question, whole: who wants to do what, where and when; and the answer that he would get on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kordon_policy.access import CREATES, Access, access_by, decide, is_in_view
from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.decision import Decision, outside, printable
from kordon_policy.model import EVERYBODY, Document, TemporaryRule, Tenant
from kordon_policy.rights import Rights
from kordon_policy.snapshot import Compiled, Snapshot, compile_snapshot
from kordon_policy.tenants import NoTenant, Refused
from kordon_policy.view import NOTHING_INFERRED, View

SOMEBODY: Final = "somebody"
"""Who asks, where only his roles are known."""


class Cluster(NamedTuple):
    """A cluster: what it is called, and all names that policies may call it by."""

    name: str
    names: frozenset[str]


OTHER_CLUSTERS: Final = "any other"
"""What stands for clusters (registries, ...) that nothing names."""


def named_in(document: Document, domain: Domain) -> tuple[Cluster, ...]:
    """The clusters (registries, ...) that a policy file names, each by one name, and one that stands for all others.

    None where the file says nothing of this DOMAIN.
    """
    rules = (path for rule in document.policies for path in rule.paths)
    selectors = (one for tenant in document.tenants for one in (*tenant.includes, *tenant.excludes))
    every = [*rules, *(path for one in selectors for path in one.paths)]
    named = sorted({path.domain_id for path in every if path.domain is domain and path.domain_id is not None})
    if not any(path.is_about(domain) for path in every):
        return ()
    return (*(Cluster(name, frozenset({name})) for name in named), Cluster(OTHER_CLUSTERS, frozenset()))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What holds when a question is asked. Instants are in ms since the epoch.

    temporary: those in force, and those to come. inferred: which group reads which topics; `None`: that is not known,
    and is taken for none.
    """

    compiled: Compiled
    now: int = 0
    epoch: int = 1
    temporary: tuple[TemporaryRule, ...] = ()
    inferred: Mapping[str, frozenset[str]] | None = None
    clusters: tuple[Cluster, ...] = ()

    def snapshot(self, at: int | None = None) -> Snapshot:
        """The policy at an instant; now, if none is said."""
        now = self.now if at is None else at
        return compile_snapshot(self.compiled, epoch=self.epoch, temporary=self.temporary, now=now)

    def view(self, snapshot: Snapshot, tenant: str | None, names: frozenset[str], *, admin: bool) -> View:
        """What a tenant sees of the cluster that is known by these names."""
        return snapshot.view(tenant, names, self.inferred or NOTHING_INFERRED, admin=admin)

    def cluster(self, name: str, domain: Domain = Domain.CLUSTER) -> Cluster:
        """The cluster (registry, ...) of this name. One that is not known has this name alone."""
        known = self.clusters if domain is Domain.CLUSTER else ()
        exact = next((one for one in known if one.name == name), None)
        return exact or next((one for one in known if name in one.names), Cluster(name, frozenset({name})))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May somebody do this to that? Without an action: may he see it?

    name: `None` with a TYPE of `None`, for the cluster as a whole; empty for every broker or every principal.
    tenant: the one that is chosen. default_tenant: the one that his identity has where none is.
    """

    principal: str = SOMEBODY
    roles: frozenset[str]
    tenant: str | None = None
    default_tenant: str | None = None
    action: Action | None
    domain: Domain = Domain.CLUSTER
    cluster: str
    kind: Kind | None
    name: str | None

    @property
    def held(self) -> frozenset[str]:
        """The roles, as no identity brings `"*"`."""
        return self.roles - {EVERYBODY}

    @property
    def path(self) -> tuple[str, ...]:
        """The thing as a path of the policy language."""
        whole = (self.domain.value, self.cluster)
        if self.kind is None:
            return whole
        return (*whole, self.kind.value, *((self.name,) if self.name else ()))

    @property
    def explicit(self) -> bool:
        """Must the tenant's own paths show it, with nothing inferred?"""
        return self.action in CREATES

    @property
    def parts(self) -> tuple[Action, ...]:
        """The actions that are asked for; none where only seeing is."""
        return () if self.action is None else self.action.parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """The answer to a question, with what gave it.

    refused: why he cannot log in. decision: what the policies say; also of what is not in the view.
    """

    access: Access
    reason: str
    snapshot: Snapshot = field(repr=False)
    tenant: Tenant | None
    refused: str | None = None
    view: View = field(repr=False)
    rights: Rights = field(repr=False)
    decision: Decision | None

    @property
    def tenant_name(self) -> str | None:
        return None if self.tenant is None else self.tenant.name


def not_admitted(principal: str) -> str:
    """Why somebody without an authorized role cannot log in."""
    return f"no role of {printable(principal)} may log in"


def judge(question: Question, world: World, at: int | None = None, *, openly: bool = True) -> Ruled:
    """Answer a question as the wire would, at an instant (ms since the epoch; `None`: now).

    openly: say of what is hidden why it is. Else the reason is the same in whichever way it is hidden, and the policies
    are not asked.
    """
    snapshot = world.snapshot(at)
    names = world.cluster(question.cluster, question.domain).names
    refused, tenant = _enter(question, snapshot)
    view = world.view(snapshot, None if tenant is None else tenant.name, names, admin=snapshot.is_admin(question.held))
    rights = snapshot.rights(question.held, names, question.principal)
    seen = is_in_view(view, question.kind, question.name, explicit=question.explicit)
    decision = None
    if question.action is not None and (seen or openly):
        decision = decide(rights, question.action, question.kind, question.name)
    access, reason = _answer(question, view, decision, seen=seen, openly=openly)
    return Ruled(
        access=access if refused is None else Access.DENIED,
        reason=reason if refused is None else refused,
        snapshot=snapshot,
        tenant=tenant,
        refused=refused,
        view=view,
        rights=rights,
        decision=decision,
    )


def _enter(question: Question, snapshot: Snapshot) -> tuple[str | None, Tenant | None]:
    """Why he cannot log in, if he cannot; and the tenant that he is in, or would be."""
    refused = None if snapshot.admits(question.held) else not_admitted(question.principal)
    match snapshot.choose_tenant(question.held, question.tenant, question.default_tenant):
        case Refused(reason):
            return refused or reason, None
        case NoTenant():
            return refused, None
        case tenant:
            return refused, tenant


def _answer(
    question: Question, view: View, decision: Decision | None, *, seen: bool, openly: bool
) -> tuple[Access, str]:
    kind, name = question.kind, question.name
    if not seen:
        inferred = openly and is_in_view(view, kind, name)  # and what would come into being needs more than that
        why = view.reason(kind, name) if openly and not inferred else outside(kind, name, view.tenant)
        return Access.HIDDEN, why
    if decision is None:
        return Access.ALLOWED, view.reason(kind, name)
    return access_by(decision), decision.reason
