"""Who may make, approve and stop mutations that are not executed at once, judged anew whenever it matters.

A scheduled mutation is judged as the same edit on the wire is. A staged one is judged twice when it is executed: its
author still needs all that his request takes, where what was staged is allowed by the approval, and whoever approved
still needs it himself, in his own tenant.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kordon_policy.access import decide, is_in_view
from kordon_policy.actions import Action, Kind
from kordon_policy.decision import Decision, listed, outside, printable, thing, who
from kordon_policy.model import EVERYBODY, RuleRef
from kordon_policy.offset_moves import Aim
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.rights import Rights, Staging
from kordon_policy.snapshot import Snapshot
from kordon_policy.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One action on one thing that a request takes; of the whole cluster, `kind` and `name` are `None`.

    action: `None` where the thing has only to be seen. explicit: it is brought into being, for which what is inferred
    does not count. beginning: it is about everything of this TYPE whose name begins like this, whether it is there or
    not, which has only to be seen.
    """

    action: Action | None
    kind: Kind | None
    name: str | None
    explicit: bool = False
    beginning: bool = False

    def __str__(self) -> str:
        return f"{self.action or 'seeing'} on {_thing(self)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is judged on: the policy in force, and one cluster (registry, ...) with its names and who reads what there.

    names: a frozenset or a tuple. inferred: the same object while the picture is the same.
    """

    snapshot: Snapshot
    names: Collection[str]
    inferred: Mapping[str, frozenset[str]]


def judge_offsets(
    aim: Aim,
    topics: Iterable[str],
    author: Author,
    ground: Ground,
    *,
    approved: bool = False,
    approver: Author | None = None,
) -> Judgement:
    """May he move these offsets, as a tool on the wire may that is no member of the group?

    topics: all that would be touched, for which `usable_topics` has been asked. approved: a Stage is no obstacle.
    approver: by whose approval they are moved, who still needs what he needed to give it.
    """
    staging = Staging.APPROVED if approved else Staging.WAITS
    home = _home(author, ground)
    if isinstance(home, Judgement):
        return home
    if not home.sees(Kind.GROUP, aim.group):
        return _no(_hidden(Demand(action=Action.GROUP_EDIT, kind=Kind.GROUP, name=aim.group), home))
    decision = _rights(author, ground, staging).decide(Action.GROUP_EDIT, Kind.GROUP, aim.group)
    if not decision.allowed:
        return _denied(author, decision)
    named = tuple(topics) if aim.topic is None else (aim.topic, *topics)
    for topic in named:
        if not home.topic_for_group(topic, aim.group):
            group = thing(Kind.GROUP, aim.group)
            return _no(f"{group} may not use {thing(Kind.TOPIC, topic)}, which is not the tenant's own")
    asked = Judgement(granted=True, reason=decision.reason, rules=decision.rules)
    if approver is None:
        return asked
    lets = judge_approver(offset_demands(aim.group, named), author, approver, ground)
    return _both(asked, lets) if lets.granted else lets


def offset_demands(group: str, topics: Iterable[str]) -> tuple[Demand, ...]:
    """What it takes to move the offsets of a group in these topics."""
    edit = Demand(action=Action.GROUP_EDIT, kind=Kind.GROUP, name=group)
    seen = (Demand(action=None, kind=Kind.TOPIC, name=topic) for topic in dict.fromkeys(topics))
    return (edit, *seen)


def usable_topics(
    group: str, topics: Iterable[str], author: Author, ground: Ground, *, approver: Author | None = None
) -> tuple[str, ...]:
    """Those of a group's topics that are there for its author: what is done to the whole group leaves others alone.

    approver: who has approved it, and let only those be touched that are there for him too.
    """
    kept = tuple(topics)
    for one in (author,) if approver is None else (author, approver):
        home = _home(one, ground)
        if isinstance(home, Judgement):
            return ()
        kept = tuple(topic for topic in kept if home.topic_for_group(topic, group))
    return kept


def judge_cancelling(aim: Aim, author: Author, somebody: Author, ground: Ground) -> Judgement:
    """May he call off what the author has scheduled? His own, as an administrator who sees the group, or as one who may
    move its offsets himself."""
    if somebody.principal == author.principal:
        return Judgement(granted=True, reason="it is his own")
    home = _home(somebody, ground)
    if isinstance(home, Judgement):
        return home
    if not home.sees(Kind.GROUP, aim.group):
        return _no(_hidden(Demand(action=Action.GROUP_EDIT, kind=Kind.GROUP, name=aim.group), home))
    if ground.snapshot.is_admin(somebody.roles):
        return Judgement(granted=True, reason=f"{_name(somebody)} is an administrator")
    decision = _rights(somebody, ground, Staging.WAITS).decide(Action.GROUP_EDIT, Kind.GROUP, aim.group)
    if not decision.allowed:
        return _denied(somebody, decision)
    return Judgement(granted=True, reason=decision.reason, rules=decision.rules)


def judge_execution(demands: Iterable[Demand], author: Author, approver: Author, ground: Ground) -> Judgement:
    """May what has been approved be executed: do its author and its approver still hold what it takes?"""
    kept = tuple(demands)
    asked = judge_requester(kept, author, ground)
    if not asked.granted:
        return asked
    approved = judge_approver(kept, author, approver, ground)
    if not approved.granted:
        return approved
    return _both(asked, approved)


def judge_requester(demands: Iterable[Demand], author: Author, ground: Ground) -> Judgement:
    """Does he who has asked for it still hold all that it takes, where what is staged is allowed by the approval?

    The rights that are lent to him count, as they did when he asked.
    """
    home = _home(author, ground)
    if isinstance(home, Judgement):
        return home
    return _judge(tuple(demands), author, home, _rights(author, ground, Staging.APPROVED))


def judge_approver(demands: Iterable[Demand], author: Author, approver: Author, ground: Ground) -> Judgement:
    """May he approve what the author has asked for?

    Only a second person may, who is an administrator, who sees all of it in his own tenant, and who holds each action
    himself by an Allow that is not lent. What is staged for himself is set aside, what is denied to him is not.
    """
    kept = tuple(demands)
    second = judge_second(kept, author, approver, ground)
    if not second.granted:
        return second
    home = _home(approver, ground)
    if isinstance(home, Judgement):
        return home
    own = _judge(kept, approver, home, _rights(approver, _unlent(ground), Staging.SET_ASIDE))
    if own.granted or not _judge(kept, approver, home, _rights(approver, ground, Staging.SET_ASIDE)).granted:
        return own
    return _no(f"{_name(approver)} holds it only for a time, and what is lent cannot be lent on: {own.reason}")


def judge_second(demands: Iterable[Demand], author: Author, second: Author, ground: Ground) -> Judgement:
    """May he deny what the author has asked for? Another administrator who sees all of it may: a no takes no right."""
    if second.principal == author.principal:
        return _no(f"{_name(second)} has asked for it himself: it takes a second person")
    if not ground.snapshot.is_admin(second.roles):
        roles = second.roles - {EVERYBODY}
        return _no(f"{_name(second)} is no administrator" + (f": {who(roles)} is not in admin_roles" if roles else ""))
    home = _home(second, ground)
    if isinstance(home, Judgement):
        return home
    hidden = next((one for one in demands if not _sees(one, home)), None)
    if hidden is not None:
        return _no(_hidden(hidden, home))
    return Judgement(granted=True, reason=f"{_name(second)} sees all of it")


def _home(somebody: Author, ground: Ground) -> View | Judgement:
    """What he sees there, or why he sees nothing at all any more."""
    snapshot = ground.snapshot
    held = somebody.roles - {EVERYBODY}
    if not snapshot.admits(held):
        return _no(f"{_name(somebody)} could not log in: {who(held)} is not in authorized_roles")
    if not any(tenant.name == somebody.tenant and tenant.takes(held) for tenant in snapshot.tenants):
        tenant = "no tenant" if somebody.tenant is None else f"tenant {printable(somebody.tenant)} no more"
        return _no(f"{_name(somebody)} is in {tenant}")
    return snapshot.view(somebody.tenant, ground.names, ground.inferred, admin=snapshot.is_admin(held))


def _rights(somebody: Author, ground: Ground, staging: Staging) -> Rights:
    return ground.snapshot.rights(somebody.roles, ground.names, somebody.principal, staging=staging)


def _unlent(ground: Ground) -> Ground:
    return Ground(snapshot=ground.snapshot.unlent(), names=ground.names, inferred=ground.inferred)


def _judge(demands: Collection[Demand], somebody: Author, view: View, rights: Rights) -> Judgement:
    rests_on: dict[RuleRef, None] = {}
    for one in demands:
        if not _sees(one, view):
            return _no(_hidden(one, view))
        if one.action is None:
            continue
        decision = decide(rights, one.action, one.kind, one.name)
        if not decision.allowed:
            return _denied(somebody, decision)
        rests_on.update(dict.fromkeys(decision.rules))
    reason = f"{_name(somebody)} holds it by {listed(rests_on)}" if rests_on else f"{_name(somebody)} sees all of it"
    return Judgement(granted=True, reason=reason, rules=tuple(rests_on))


def _sees(demand: Demand, view: View) -> bool:
    if demand.beginning and demand.kind is not None:
        return view.covers(demand.kind, demand.name or "")
    return is_in_view(view, demand.kind, demand.name, explicit=demand.explicit)


def _thing(demand: Demand) -> str:
    if demand.beginning and demand.kind is not None and demand.name:
        return f"each {demand.kind.words} that begins with {printable(demand.name)}"
    return thing(demand.kind, demand.name)


def _hidden(demand: Demand, view: View) -> str:
    # The same for what is hidden and what is missing, and no word of who hides it.
    if demand.beginning:
        return f"{_thing(demand)} is not all in the tenant {printable(view.tenant or '')}"
    if demand.explicit and demand.kind is not None and view.sees(demand.kind, demand.name or ""):
        return f"{thing(demand.kind, demand.name)} is not tenant {view.tenant}'s own, to be brought into being"
    return outside(demand.kind, demand.name, view.tenant)


def _denied(somebody: Author, decision: Decision) -> Judgement:
    on = f"{decision.action} on {thing(decision.kind, decision.name)}"
    return _no(f"{_name(somebody)} does not hold {on}: {decision.reason}", decision.rules)


def _name(author: Author) -> str:
    return printable(author.principal)


def _both(asked: Judgement, approved: Judgement) -> Judgement:
    """What author and approver may rests on the rules of both."""
    rules = tuple(dict.fromkeys((*asked.rules, *approved.rules)))
    return Judgement(granted=True, reason=f"{asked.reason}; {approved.reason}", rules=rules)


def _no(reason: str, rules: tuple[RuleRef, ...] = ()) -> Judgement:
    return Judgement(granted=False, reason=reason, rules=rules)
