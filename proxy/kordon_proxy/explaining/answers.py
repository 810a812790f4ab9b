"""Answers to `kordon explain`, `who-can` and `what-can`, as values for `json.dumps`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kordon_policy.actions import Domain
from kordon_policy.answers import to_answer
from kordon_policy.explain import explain
from kordon_policy.holders import Asked
from kordon_policy.listings import to_what_answer, to_who_answer
from kordon_policy.patterns import STAR
from kordon_policy.question import Question
from kordon_policy.regions import at_most
from kordon_policy.what_can import Holder, what_can
from kordon_policy.who_can import who_can
from kordon_proxy.config.findings import Mistake

from .source import Source
from .wanted import Asker, action_of, asker_of, clusters_of, region_of, thing_of

EXAMPLE: Final = "kordon explain --as dee GROUP_EDIT cluster/prod/group/trade_b2"
ONLY_SEEN: Final = "of these names, those count that are in the tenant: what it leaves out, administrators are told"
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who is asked about, as it is typed: somebody by name, or a holder of some roles."""

    principal: str | None = None
    roles: Sequence[str] = ()
    tenant: str | None = None
    listener: str | None = None

    def __bool__(self) -> bool:
        return bool(self.principal or self.roles or self.tenant or self.listener)


def explain_question(
    source: Source, who: Who | Asker, action: str | None, path: str | None, *, openly: bool = True
) -> Answer:
    """Why somebody may or may not do something. Raises Mistake.

    openly: for an administrator; nobody else is told of names outside the view, nor of roles that he has not.
    """
    if action is None or path is None:
        raise Mistake(f"what, and on what? As in {EXAMPLE}; or --event ID")
    wanted = action_of(action)
    thing = thing_of(path, wanted, source, openly=openly)
    asker = _asker(source, who)
    return explained(
        source,
        Question(
            principal=asker.principal,
            roles=asker.roles,
            tenant=asker.tenant,
            default_tenant=asker.default_tenant,
            action=wanted,
            domain=thing.domain,
            cluster=thing.cluster,
            kind=thing.kind,
            name=thing.name,
        ),
        openly=openly,
    )


def explained(source: Source, question: Question, *, openly: bool = True) -> Answer:
    """Why that question is answered as it is."""
    return {**to_answer(explain(question, source.world, openly=openly)), "notes": list(source.notes)}


def who_can_do(source: Source, action: str, path: str, *, steps: int | None = None) -> Answer:
    """Who may do something, on names that a path with patterns covers. Raises Mistake.

    steps: how many it may take to work it out (`kordon_policy.regions.at_most`).
    """
    wanted = action_of(action)
    if wanted is None:
        raise Mistake("who sees something is said by tenants alone: ask about an action")
    region = region_of(path, wanted, source)
    asked = Asked(action=wanted, kind=region.kind, pattern=region.pattern, clusters=region.clusters)
    with at_most(steps):
        found = who_can(asked, source.world, source.persons)
    return {**to_who_answer(found), "notes": list(source.notes)}


def what_can_be_done(
    source: Source, who: Who | Asker, cluster: str, *, openly: bool = True, steps: int | None = None
) -> Answer:
    """What somebody may do, in one cluster or (by a star) in each. Raises Mistake.

    openly: for an administrator; nobody else is told which names his tenant leaves out. steps: as for `who_can_do`.
    """
    asker = _asker(source, who)
    # Gateways have other names, so a cluster's name asks for nothing of them.
    others = {domain: clusters_of(STAR, domain, source) for domain in Domain if cluster == STAR}
    clusters = {**others, Domain.CLUSTER: clusters_of(cluster, Domain.CLUSTER, source, openly=openly)}
    holder = Holder(principal=asker.principal, roles=asker.roles, tenant=asker.tenant)
    with at_most(steps):
        answer = to_what_answer(what_can(holder, clusters, source.world, openly=openly))
    return {**answer, "notes": [*source.notes, *(() if openly else (ONLY_SEEN,))]}


def _asker(source: Source, who: Who | Asker) -> Asker:
    if isinstance(who, Asker):
        return who
    return asker_of(source, principal=who.principal, roles=who.roles, tenant=who.tenant, listener=who.listener)
