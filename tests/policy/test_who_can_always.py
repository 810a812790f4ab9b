"""Who can and what can, over random files: the same as the evaluator says of one name after the other."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy.access import CREATES, Access, access_by
from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.holders import Asked, Person, WhoCan
from kordon_policy.listings import to_what_answer, to_who_answer
from kordon_policy.model import RuleRef, TemporaryRule, Tenant
from kordon_policy.patterns import pattern
from kordon_policy.question import Cluster, World
from kordon_policy.reach import shown
from kordon_policy.regions import Region, matches
from kordon_policy.snapshot import Compiled
from kordon_policy.what_can import Holder, what_can
from kordon_policy.who_can import who_can
from tests.policy.drawing import ROLES, actions, items, names, patterns, policies, some_roles
from tests.policy.given import a_document

SETS: Final = [frozenset(some) for size in range(4) for some in combinations(ROLES, size)]
CLUSTERS: Final = (Cluster("prod", frozenset({"prod", "lkc-1"})), Cluster("dev", frozenset({"dev"})))
ORDINARY: Final = ("a", "b", "ab", "ba", "__a", "__kordon", "_", "zz")


@dataclass(frozen=True)
class Setting:
    """A world, what is asked in it, and names to try."""

    file: Any
    world: World
    asked: Asked
    drawn: tuple[str, ...]

    @cached_property
    def found(self) -> WhoCan:
        return who_can(self.asked, self.world, [Person("dee", roles) for roles in SETS])

    @cached_property
    def snapshot(self) -> Any:
        return self.world.snapshot()

    def names(self, *regions: Region) -> set[str]:
        """Names that are asked about, in the regions and just outside them."""
        found = {*ORDINARY, *self.drawn}
        for region in regions:
            for cell in region:
                found.add(cell.example())
                for one in (cell.pattern, *cell.but):
                    found |= {one.text.replace("*", fill) for fill in ("", "x", "ab")}
        return {name for name in found if matches(self.asked.region, name)}

    def access(self, roles: frozenset[str], tenant: Tenant, cluster: Cluster, name: str, *, read: bool) -> Access:
        """What the evaluator says. read: every group that is shown reads the topic."""
        if not (self.snapshot.admits(roles) and tenant.takes(roles)):
            return Access.HIDDEN
        admin = self.snapshot.is_admin(roles)
        groups = [cell.example() for cell in shown(tenant, Kind.GROUP, cluster.names, admin=admin)]
        inferred = {group: frozenset({name}) for group in groups} if read else {}
        view = self.snapshot.view(tenant.name, cluster.names, inferred, admin=admin)
        kind = self.asked.kind
        if kind is None:
            seen = view.whole_cluster
        else:
            seen = view.sees_explicitly(kind, name) if self.asked.action in CREATES else view.sees(kind, name)
        if not seen:
            return Access.HIDDEN
        rights = self.snapshot.rights(roles, cluster.names, "dee")
        # An empty name is one here, and does not stand for every broker.
        return access_by(rights.decide(self.asked.action, kind, name if kind else None))


@st.composite
def worlds(draw: st.DrawFn) -> Setting:
    action = Action(draw(actions | st.just(Action.TOPIC_INSPECT)))
    kind = draw(st.sampled_from(action.kinds))
    about = st.fixed_dictionaries(
        {
            "effect": st.sampled_from(["Allow", "Allow", "Deny", "Stage"]),
            "actions": st.lists(st.sampled_from([str(one) for one in (action, *action.parts)]), min_size=1, max_size=2),
            "resources": st.lists(
                st.tuples(
                    st.just(str(action.domain)),
                    st.sampled_from(["*", "*", "prod", "dev"]),
                    st.just(str(kind or Kind.TOPIC)),
                    st.just("a*") | st.just("*") | patterns,
                ).map(lambda path: list(path) if kind else list(path[:2])),
                min_size=1,
                max_size=2,
            ),
            "roles": some_roles,
        }
    )
    every = st.sampled_from(
        [["*"], [str(action.domain), "*"], ["cluster", "*", "topic", "__*"], ["cluster", "*", "group", "a*"]]
    )
    some_items = st.lists(
        items | st.fixed_dictionaries({"include": st.lists(every, min_size=1, max_size=2)}), min_size=1, max_size=3
    )
    file: dict[str, Any] = {
        "admin_roles": draw(st.sampled_from([[], ["owners"]])),
        "policies": draw(st.lists(about | about | about | policies, min_size=1, max_size=6)),
    }
    if draw(st.integers(0, 3)):
        file["tenants"] = [
            {"name": one, "resources": draw(some_items), "roles": draw(some_roles)} for one in ("Trading", "Ops")
        ]
    if draw(st.booleans()):
        file["authorized_roles"] = draw(st.lists(st.sampled_from(ROLES), max_size=2))
    lent = tuple(_lent(at, rule) for at, rule in enumerate(draw(st.lists(about, max_size=2))))
    world = World(compiled=Compiled(a_document(json.dumps(file))), temporary=lent, clusters=CLUSTERS)
    wanted = pattern(draw(st.just("*") | st.just("*") | patterns)) if kind else None
    asked = Asked(action=action, kind=kind, pattern=wanted, clusters=CLUSTERS)
    return Setting(file, world, asked, tuple(draw(st.lists(names, max_size=5))))


def _lent(at: int, written: Any) -> TemporaryRule:
    (rule,) = a_document(json.dumps({"policies": [written]})).policies
    rule = replace(rule, ref=RuleRef(place=f"temporary policy {at}"))
    return TemporaryRule(id=str(at), rule=rule, starts_ts=0, expires_ts=100 * (at + 1), principal="dee" if at else None)


def told(
    setting: Setting, roles: frozenset[str], cluster: Cluster, name: str, *, read: bool
) -> set[tuple[str, Access]]:
    """What the rows say that somebody with these roles has, in whichever tenant: actions, and how he has them."""
    found, snapshot = setting.found, setting.snapshot
    held = roles | {"*"}
    his = {tenant.name for tenant in snapshot.tenants if snapshot.admits(roles) and tenant.takes(roles)}
    return {
        (row.action.value, row.access)
        for row in found.rows
        if row.role in held
        # What everybody may is told of those who are in.
        and (row.role != "*" or his.intersection(row.tenants))
        and row.principal in (None, "dee")
        and all(roles.intersection(some) or "*" in some for some in row.needs)
        and cluster.name in row.clusters
        and (matches(row.region, name) or (read and matches(row.if_read, name)))
        and not any(
            (less.role, less.action, less.access) == (row.role, row.action, row.access)
            and less.other in held
            and less.principal in (None, "dee")
            and cluster.name in less.clusters
            and matches(less.region, name)
            for less in found.less
        )
    }


def allowed_by(told_of: set[tuple[str, Access]], action: Action) -> bool:
    """Is the action among them, or are all of its parts?"""
    parts = {(part.value, Access.ALLOWED) for part in action.parts}
    return (action.value, Access.ALLOWED) in told_of or all(
        part in told_of or (action.value, Access.ALLOWED) in told_of for part in parts
    )


def tried(setting: Setting) -> set[str]:
    found = setting.found
    seen: Iterable[Any] = (*found.rows, *found.people)
    regions = [row.region for row in (*seen, *found.less)] + [row.if_read for row in seen]
    return set(list(setting.names(*regions))[:25])


@settings(max_examples=120, deadline=None)
@given(setting=worlds())
def test_rows_and_what_roles_take_from_each_other_tell_what_each_set_of_roles_may(setting: Setting) -> None:
    if setting.found.incomplete:
        return
    for name in tried(setting):
        for cluster in CLUSTERS:
            for roles in SETS:
                for read in (False, True):
                    answers = {
                        setting.access(roles, tenant, cluster, name, read=read) for tenant in setting.snapshot.tenants
                    }
                    rows = told(setting, roles, cluster, name, read=read)
                    assert allowed_by(rows, setting.asked.action) == (Access.ALLOWED in answers)
                    if setting.asked.action.parts == (setting.asked.action,):
                        staged = any(access is Access.STAGED for _, access in rows)
                        assert staged >= (Access.STAGED in answers)


@settings(max_examples=100, deadline=None)
@given(setting=worlds())
def test_people_are_told_of_exactly_what_they_may(setting: Setting) -> None:
    for name in tried(setting):
        for cluster in CLUSTERS:
            for roles in SETS:
                for tenant in setting.snapshot.tenants:
                    rows = [
                        row
                        for row in setting.found.people
                        if row.roles == tuple(sorted(roles))
                        and tenant.name in row.tenants
                        and cluster.name in row.clusters
                    ]
                    for read in (False, True):
                        access = setting.access(roles, tenant, cluster, name, read=read)
                        for asked in (Access.ALLOWED, Access.STAGED):
                            is_told = any(
                                row.access is asked
                                and (matches(row.region, name) or (read and matches(row.if_read, name)))
                                for row in rows
                            )
                            assert is_told == (access is asked)


@settings(max_examples=100, deadline=None)
@given(setting=worlds())
def test_what_can_is_who_can_seen_from_the_other_side(setting: Setting) -> None:
    for roles in SETS:
        for tenant in setting.snapshot.tenants:
            found = what_can(
                Holder(principal="dee", roles=roles, tenant=tenant.name), dict.fromkeys(Domain, CLUSTERS), setting.world
            )
            if found.refused:
                assert not [
                    row
                    for row in setting.found.people
                    if row.roles == tuple(sorted(roles)) and tenant.name in row.tenants
                ]
                continue
            for name in tried(setting):
                for cluster in CLUSTERS:
                    people = {
                        row.access
                        for row in setting.found.people
                        if row.roles == tuple(sorted(roles))
                        and tenant.name in row.tenants
                        and cluster.name in row.clusters
                        and matches(row.region, name)
                    }
                    rights: set[Access] = set()
                    parts = setting.asked.action.parts
                    by_part = [
                        {
                            right.access
                            for right in found.rights
                            if part in {each for one in right.actions for each in one.parts}
                            and right.kind is setting.asked.kind
                            and cluster.name in right.clusters
                            and matches(right.region, name)
                        }
                        for part in parts
                    ]
                    if all(by_part):
                        rights = {Access.STAGED} if any(one == {Access.STAGED} for one in by_part) else {Access.ALLOWED}
                    assert rights == people


@settings(max_examples=60, deadline=None)
@given(setting=worlds())
def test_answers_are_values_with_an_example_of_each_cell(setting: Setting) -> None:
    answer = json.loads(json.dumps(to_who_answer(setting.found)))
    for row in (*answer["roles"], *answer["less"], *answer["people"]):
        for cell in (*row["names"], *row.get("if_read", ())):
            assert matches(setting.asked.region, cell["example"])
    found = what_can(Holder(roles=frozenset({"devs"})), dict.fromkeys(Domain, CLUSTERS), setting.world)
    assert json.loads(json.dumps(to_what_answer(found)))["complete"] == (not found.incomplete)
