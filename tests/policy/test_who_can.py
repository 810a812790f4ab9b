"""Who may do something, and what somebody may do, over all names."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import pytest

from kordon_policy.access import Access
from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.folding import fold
from kordon_policy.holders import Asked, Person, Row, WhoCan
from kordon_policy.listings import to_what_answer, to_who_answer
from kordon_policy.model import Compat, RuleRef, TemporaryRule
from kordon_policy.patterns import pattern
from kordon_policy.question import Cluster, World
from kordon_policy.regions import at_most
from kordon_policy.snapshot import Compiled
from kordon_policy.what_can import Holder, Right, WhatCan, what_can
from kordon_policy.who_can import who_can
from tests.policy.given import a_document

FILE: Final = """
admin_roles: [owners]
policies:
  - {resource: [cluster, "*", topic, "tx_*"], effect: Allow, actions: [TOPIC_DELETE], role: owners}
  - {resource: [cluster, "*", topic, "tx_audit*"], effect: Deny, actions: [TOPIC_DELETE], role: "*"}
  - {resource: [cluster, "*", topic, "tx_raw*"], effect: Deny, actions: [TOPIC_DELETE], role: svc-trade}
  - {resource: [cluster, "*", topic, "tx_*"], effect: Allow, actions: [TOPIC_INSPECT], roles: [devs, svc-trade]}
  - {resource: [cluster, prod, topic, "pay_*"], effect: Allow, actions: [TOPIC_DELETE], role: payers}
tenants:
  - name: Trading
    resources:
      - include: [[cluster, "*", topic, "tx_*"], [cluster, "*", group, "trade_*"]]
      - exclude: [cluster, "*", topic, "*-internal"]
    roles: [owners, devs, svc-trade, svc-clean]
  - {name: Ops, resources: [{include: ["*"]}], roles: [owners]}
"""
PROD: Final = Cluster("prod", frozenset({"prod"}))
DEV: Final = Cluster("dev", frozenset({"dev"}))


def a_world(text: str = FILE, *lent: TemporaryRule, compat: Compat | None = None, **more: Any) -> World:
    compiled = Compiled(a_document(text, compat))
    return World(compiled=compiled, temporary=lent, clusters=(PROD, DEV), **more)


def lent(policy_id: str, text: str, **more: Any) -> TemporaryRule:
    (rule,) = a_document(f"policies: [{text}]").policies
    ref = RuleRef(place=f"temporary policy {policy_id}")
    return TemporaryRule(id=policy_id, rule=replace(rule, ref=ref), **{"starts_ts": 0, "expires_ts": None, **more})


def asked(action: Action, names: str = "*", clusters: Collection[Cluster] = (PROD, DEV)) -> Asked:
    return Asked(action=action, kind=action.kinds[0], pattern=pattern(names), clusters=tuple(clusters))


def told(found: WhoCan) -> list[str]:
    """Rows as people would read them."""
    return [
        f"{row.role}: {row.action} {'; '.join(map(str, row.region))}"
        + "".join(f" [if read {cell}]" for cell in row.if_read)
        + f" in {'+'.join(row.clusters)} for {'+'.join(row.tenants)}"
        + "".join(f" with {'/'.join(some)}" for some in row.needs)
        for row in found.rows
    ]


def test_roles_are_told_with_the_exceptions_of_policies_and_of_tenants() -> None:
    found = who_can(asked(Action.TOPIC_DELETE, "tx_*"), a_world())

    assert told(found) == [
        "owners: TOPIC_DELETE tx_* except tx_audit*, *-internal in prod+dev for Trading",
        "owners: TOPIC_DELETE tx_* except tx_audit* in prod+dev for Ops",
    ]
    assert [[rule.place for rule in row.rules] for row in found.rows] == [["policies[0]"], ["policies[0]"]]
    assert found.incomplete == ()


def test_what_one_role_takes_from_another_is_told_of_those_who_have_both() -> None:
    found = who_can(asked(Action.TOPIC_DELETE), a_world())

    (less,) = [one for one in found.less if one.role == "owners"]
    assert (less.other, less.effect, [rule.place for rule in less.rules]) == ("svc-trade", "Deny", ["policies[2]"])
    assert [str(cell) for cell in less.region] == ["tx_raw*"]
    assert less.clusters == ("prod", "dev")


def test_a_role_that_is_in_no_tenant_or_may_not_log_in_is_told_with_what_it_needs_besides() -> None:
    found = who_can(asked(Action.TOPIC_DELETE, "pay_*"), a_world(FILE + "authorized_roles: [owners, devs]\n"))

    assert told(found) == [
        "payers: TOPIC_DELETE  [if read pay_* except *-internal] in prod for Trading with devs/owners"
        " with devs/owners/svc-clean/svc-trade",
        "payers: TOPIC_DELETE pay_* in prod for Ops with devs/owners with owners",
    ]


def test_a_temporary_policy_is_a_row_of_its_own_with_its_end() -> None:
    rule = '{resource: [cluster, prod, topic, "tx_tmp*"], effect: Allow, actions: [TOPIC_DELETE], role: svc-clean}'
    world = a_world(FILE, lent("7f3a", rule, expires_ts=4_000), lent("9a0b", rule, principal="ann", starts_ts=9_000))

    found = who_can(asked(Action.TOPIC_DELETE, "tx_*"), world)

    (row,) = (row for row in found.rows if row.lent)
    assert (row.role, row.lent, row.until, row.principal) == ("svc-clean", "7f3a", 4_000, None)
    assert [str(cell) for cell in row.region] == ["tx_tmp* except *-internal"]
    assert found.until == 4_000
    later = who_can(asked(Action.TOPIC_DELETE, "tx_*"), replace(world, now=9_000))
    assert {(row.lent, row.principal, row.until) for row in later.rows if row.lent} == {("9a0b", "ann", None)}


def test_what_takes_for_a_time_or_from_one_person_is_told_so() -> None:
    rule = '{resource: [cluster, "*", topic, "tx_1*"], effect: Deny, actions: [TOPIC_DELETE], role: owners}'

    found = who_can(asked(Action.TOPIC_DELETE, "tx_*"), a_world(FILE, lent("a", rule, principal="ann", expires_ts=500)))

    (less,) = [one for one in found.less if one.principal]
    assert (less.role, less.other, less.principal, less.until) == ("owners", "owners", "ann", 500)
    for_all = who_can(asked(Action.TOPIC_DELETE, "tx_*"), a_world(FILE, lent("a", rule, expires_ts=500)))
    assert "tx_1*" in told(for_all)[0]
    assert for_all.until == 500


def test_roles_that_hold_the_parts_of_an_action_are_told_part_by_part() -> None:
    text = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_DATA_QUERY], role: one}
  - {resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_DATA_DOWNLOAD], role: two}
  - {resource: [cluster, "*", topic, "*b"], effect: Allow, actions: [TOPIC_INSPECT], role: both}
tenants: [{name: T, resources: [{include: [cluster, "*", topic]}], roles: ["*"]}]
"""
    found = who_can(asked(Action.TOPIC_INSPECT), a_world(text))

    assert told(found) == [
        "both: TOPIC_INSPECT *b except __* in prod+dev for T",
        "one: TOPIC_DATA_QUERY a* in prod+dev for T",
        "two: TOPIC_DATA_DOWNLOAD any name except __* in prod+dev for T",
    ]


def test_what_waits_for_an_approval_is_a_row_of_its_own() -> None:
    text = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_DELETE], role: devs}
  - {resource: [cluster, "*", topic, "ab*"], effect: Stage, actions: [TOPIC_DELETE], role: devs}
tenants: [{name: T, resources: [{include: [cluster, "*", topic]}], roles: ["*"]}]
"""
    found = who_can(asked(Action.TOPIC_DELETE), a_world(text))

    assert [(row.access, [str(cell) for cell in row.region]) for row in found.rows] == [
        (Access.ALLOWED, ["a* except ab*"]),
        (Access.STAGED, ["ab*"]),
    ]


def test_topics_that_a_group_may_bring_in_are_told_apart_unless_it_is_known_what_groups_read() -> None:
    text = FILE.replace(
        '"tx_*"], effect: Allow, actions: [TOPIC_INSPECT]', '"*"], effect: Allow, actions: [TOPIC_INSPECT]'
    )

    unknown = who_can(asked(Action.TOPIC_INSPECT, "ext_*", [PROD]), a_world(text))
    known = who_can(
        asked(Action.TOPIC_INSPECT, "ext_*", [PROD]),
        a_world(
            text, inferred={"trade_b2": frozenset({"ext_fx", "tx_1", "ext_x-internal"}), "hr": frozenset({"ext_hr"})}
        ),
    )

    assert told(unknown)[0] == "devs: TOPIC_INSPECT  [if read ext_* except *-internal] in prod for Trading"
    assert told(known)[0] == "devs: TOPIC_INSPECT ext_fx in prod for Trading"


def test_creating_takes_more_than_a_group_that_reads() -> None:
    text = FILE + '  - {name: T, resources: [{include: [cluster, "*", group]}], roles: [devs]}\n'
    text = text.replace("actions: [TOPIC_INSPECT]", "actions: [TOPIC_CREATE]")

    found = who_can(asked(Action.TOPIC_CREATE, "*", [PROD]), a_world(text))

    assert {row.if_read for row in found.rows if row.role == "devs"} == {()}


def test_known_people_are_told_with_all_their_roles_together() -> None:
    people = [
        Person("ann", frozenset({"owners", "svc-trade"})),
        Person("dee", frozenset({"devs"})),
        Person("eve", frozenset({"nobody"})),
    ]

    found = who_can(asked(Action.TOPIC_DELETE, "tx_*", [PROD]), a_world(), people)

    assert [(one.principal, one.tenants, [str(cell) for cell in one.region]) for one in found.people] == [
        ("ann", ("Trading",), ["tx_* except tx_raw*, tx_audit*, *-internal"]),
        ("ann", ("Ops",), ["tx_* except tx_raw*, tx_audit*"]),
    ]


def test_what_kordon_keeps_for_itself_is_read_by_who_has_an_admin_role_besides() -> None:
    text = """
admin_roles: [owners]
policies: [{resource: ["*"], effect: Allow, actions: [TOPIC_INSPECT, TOPIC_DELETE], role: devs}]
tenants: [{name: T, resources: [{include: [[cluster, "*"], [cluster, "*", topic, "__*"]]}], roles: [devs]}]
"""
    found = who_can(asked(Action.TOPIC_INSPECT, "__kordon*", [PROD]), a_world(text))

    assert told(found) == ["devs: TOPIC_INSPECT __kordon* in prod for T with owners"]
    assert who_can(asked(Action.TOPIC_DELETE, "__kordon*", [PROD]), a_world(text)).rows == ()


def test_what_concerns_the_cluster_as_a_whole_has_no_names() -> None:
    text = """
policies:
  - {resource: [cluster, prod], effect: Allow, actions: [QUOTA_EDIT], role: devs}
  - {resource: [cluster, dev, principal], effect: Allow, actions: [QUOTA_EDIT], role: devs}
tenants: [{name: T, resources: [{include: [cluster, "*"]}], roles: [devs]}]
"""
    whole = Asked(action=Action.QUOTA_EDIT, kind=None, pattern=None, clusters=(PROD, DEV))

    found = who_can(whole, a_world(text))

    assert [(row.clusters, row.tenants) for row in found.rows] == [(("prod",), ("T",))]
    assert to_who_answer(found)["question"]["type"] is None


def test_a_right_that_stands_in_for_another_makes_the_answer_incomplete_and_says_so() -> None:
    found = who_can(
        asked(Action.GROUP_CONSUME, "trade_*", [PROD]), a_world(FILE, compat=Compat(members_by_inspect=True))
    )

    assert told(found)[0] == "devs: GROUP_CONSUME trade_* in prod for Trading"
    assert [rule.place for rule in found.rows[0].rules] == ["policies[3]"]
    assert "compat.members_by_inspect" in found.incomplete[0]
    assert not to_who_answer(found)["complete"]


def test_what_takes_too_long_to_work_out_is_said_to_be_missing() -> None:
    one, other = ("*".join(["", *letters, ""]) for letters in ("abcdefgh", "ijklmnop"))
    text = f"""
policies:
  - {{resource: [cluster, "*", topic, "{one}"], effect: Allow, actions: [TOPIC_DELETE], role: devs}}
  - {{resource: [cluster, "*", topic, "x*"], effect: Allow, actions: [TOPIC_DELETE], role: others}}
tenants: [{{name: T, resources: [{{include: [cluster, "*", topic, "{other}"]}}], roles: ["*"]}}]
"""
    found = who_can(asked(Action.TOPIC_DELETE, "*", [PROD]), a_world(text))

    assert [row.role for row in found.rows] == ["others"]
    (why,) = found.incomplete
    assert why.startswith("devs: ")
    rights = what_can(Holder(roles=frozenset({"devs"})), {Domain.CLUSTER: [PROD]}, a_world(text))
    assert "have too much in common to be told" in rights.incomplete[0]


def rights(found: WhatCan) -> list[str]:
    return [
        f"{'+'.join(right.actions)}: {'; '.join(map(str, right.region))} in {'+'.join(right.clusters)}"
        f" for {'+'.join(right.tenants)} by {'+'.join(rule.place for rule in right.rules)}"
        for right in found.rights
        if right.region
    ]


def test_what_somebody_may_do_is_told_action_by_action() -> None:
    found = what_can(Holder(roles=frozenset({"owners", "svc-trade"})), {Domain.CLUSTER: [PROD, DEV]}, a_world())

    assert rights(found) == [
        "TOPIC_INSPECT: tx_* except *-internal in prod+dev for Trading by policies[3]",
        "TOPIC_INSPECT: tx_* in prod+dev for Ops by policies[3]",
        "TOPIC_DELETE: tx_* except tx_raw*, tx_audit*, *-internal in prod+dev for Trading by policies[0]",
        "TOPIC_DELETE: tx_* except tx_raw*, tx_audit* in prod+dev for Ops by policies[0]",
    ]
    assert found.tenants == ("Trading", "Ops")


def test_what_somebody_may_do_in_one_tenant_for_a_time() -> None:
    rule = '{resource: [cluster, prod, topic, "tx_tmp*"], effect: Allow, actions: [TOPIC_DELETE], role: devs}'
    holder = Holder(principal="dee", roles=frozenset({"devs"}), tenant="Trading")

    found = what_can(
        holder, {Domain.CLUSTER: [PROD]}, a_world(FILE, lent("7f3a", rule, expires_ts=4_000, principal="dee"))
    )

    (right,) = [right for right in found.rights if right.until]
    assert (right.actions, right.until, [str(cell) for cell in right.region]) == (
        (Action.TOPIC_DELETE,), 4_000, ["tx_tmp* except *-internal"],
    )  # fmt: skip
    assert found.until == 4_000
    another = what_can(
        replace(holder, principal="ann"), {Domain.CLUSTER: [PROD]}, a_world(FILE, lent("7f3a", rule, principal="dee"))
    )
    assert [right.actions for right in another.rights] == [(Action.TOPIC_INSPECT,)]


@pytest.mark.parametrize(
    ("roles", "tenant", "refused"),
    [
        (["nobody"], None, "no role of somebody may log in"),
        (["devs"], "Ops", "no tenant Ops for these roles"),
        (["devs"], "Trading", None),
    ],
)
def test_who_cannot_log_in_is_told_so(roles: list[str], tenant: str | None, refused: str | None) -> None:
    found = what_can(Holder(roles=frozenset(roles), tenant=tenant), {Domain.CLUSTER: [PROD]}, a_world())

    assert found.refused == refused
    assert to_what_answer(found)["refused"] == refused
    assert bool(found.rights) == (refused is None)


def test_rows_without_a_name_or_a_policy_cannot_be_built() -> None:
    row = who_can(asked(Action.TOPIC_DELETE), a_world()).rows[0]
    right = what_can(Holder(roles=frozenset({"owners"})), {Domain.CLUSTER: [PROD]}, a_world()).rights[0]
    for one in (row, right):
        with pytest.raises(ValueError, match="a name at least"):
            replace(one, region=(), if_read=())
        with pytest.raises(ValueError, match="a policy"):
            replace(one, rules=())


def test_rows_that_differ_in_one_thing_become_one_in_the_order_of_the_first() -> None:
    row = who_can(asked(Action.TOPIC_DELETE), a_world()).rows[0]
    rows: list[Row] = [replace(row, clusters=("b",)), replace(row, role="x"), replace(row, clusters=("a", "b"))]

    folded = fold(rows, "clusters")

    assert [(one.role, one.clusters) for one in folded] == [("owners", ("b", "a")), ("x", row.clusters)]


def test_answers_for_programs_name_places_and_show_examples() -> None:
    answer = to_who_answer(
        who_can(asked(Action.TOPIC_DELETE, "tx_*"), a_world(), [Person("ann", frozenset({"owners"}))])
    )

    assert answer["complete"] is True
    assert answer["roles"][0]["names"][0] == {
        "names": "tx_*",
        "exact": False,
        "except": ["tx_audit*", "*-internal"],
        "text": "tx_* except tx_audit*, *-internal",
        "example": "tx_y",
    }
    assert answer["roles"][0]["rules"][0]["line"] == 4
    assert answer["people"][0]["principal"] == "ann"
    assert answer["less"][0]["other"] == "svc-trade"


def test_a_right_is_told_once_for_actions_that_reach_as_far() -> None:
    text = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_INSPECT, TOPIC_EDIT], role: devs}
tenants: [{name: T, resources: [{include: [cluster, "*", topic]}], roles: [devs]}]
"""
    (right,) = what_can(Holder(roles=frozenset({"devs"})), {Domain.CLUSTER: [PROD]}, a_world(text)).rights

    assert isinstance(right, Right)
    assert right.kind is Kind.TOPIC
    assert right.actions == (Action.TOPIC_EDIT, Action.TOPIC_INSPECT)


def test_who_is_no_administrator_is_not_told_what_his_tenant_leaves_out() -> None:
    text = FILE.replace(
        "policies:\n",
        'policies:\n  - {resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_EDIT], role: devs}\n',
    )
    holder = Holder(roles=frozenset({"devs"}), tenant="Trading")
    inferred = {"trade_b1": frozenset({"fx_rates", "hush-internal"})}

    for world in (a_world(text), a_world(text, inferred=inferred)):
        openly = to_what_answer(what_can(holder, {Domain.CLUSTER: [PROD]}, world))
        answer = to_what_answer(what_can(holder, {Domain.CLUSTER: [PROD]}, world, openly=False))
        assert ("-internal" in str(openly), "-internal" in str(answer)) == (True, False)
        assert [one["actions"] for one in answer["rights"]] == [one["actions"] for one in openly["rights"]]
        assert all(one["names"] or one["if_read"] for one in answer["rights"])
    assert "fx_rates" in str(answer)


def test_what_takes_longer_than_one_waits_is_told_as_far_as_it_was_found() -> None:
    rules = [
        f'{{resource: [cluster, "*", topic, "*a{at}*b*"], effect: Allow, actions: [TOPIC_DELETE], role: r{at % 3}}}'
        for at in range(60)
    ]
    text = (
        "policies:\n  - "
        + "\n  - ".join(rules)
        + '\ntenants: [{name: T, resources: [{include: ["*"]}], roles: ["*"]}]\n'
    )

    for steps in (0, 100_000):
        with at_most(steps):
            found = who_can(asked(Action.TOPIC_DELETE, "a*b*" * 200), a_world(text))
            rights = what_can(Holder(roles=frozenset({"r1"})), {Domain.CLUSTER: [PROD]}, a_world(text))
        assert found.incomplete
        assert all(why.endswith("it would take too long to work out") for why in found.incomplete)
        assert bool(rights.incomplete) is not bool(rights.rights)
    assert who_can(asked(Action.TOPIC_DELETE, "a0x"), a_world(text)).incomplete == ()
