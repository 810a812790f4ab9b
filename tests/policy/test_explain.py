"""Why somebody may not, and the least that would change it."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from kordon_policy.access import Access
from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.answers import to_answer
from kordon_policy.draft import Means
from kordon_policy.explain import Explanation, Stage, Step, explain
from kordon_policy.fixes import Fix
from kordon_policy.model import Compat, RuleRef, TemporaryRule
from kordon_policy.near import Coordinate
from kordon_policy.question import Cluster, Question, World
from kordon_policy.snapshot import Compiled
from tests.policy.given import a_document

FILE: Final = """
admin_roles: [owners]
policies:
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], role: owners}
  - {resource: [cluster, "*", topic, "tx_*"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}
  - {resource: [cluster, "*", topic, "tx_audit*"], effect: Deny, actions: [TOPIC_INSPECT], role: devs, note: kept}
  - {resource: [cluster, "*", topic, "tx_*"], effect: Allow, actions: [TOPIC_DELETE], role: owners}
  - {resource: [cluster, "*", topic, "tx_o*"], effect: Stage, actions: [TOPIC_DELETE], role: owners}
tenants:
  - name: Trading
    resources:
      - include: [[cluster, "*", topic, "tx_*"], [cluster, "*", group, "trade_*"]]
      - exclude: [cluster, "*", topic, "*-internal"]
    roles: [owners, devs]
  - name: Ops
    resources: [{include: [cluster, "*"]}]
    roles: [owners]
"""
PROD: Final = Cluster("prod", frozenset({"prod", "production"}))


def a_world(text: str = FILE, *lent: TemporaryRule, compat: Compat | None = None, **more: Any) -> World:
    return World(compiled=Compiled(a_document(text, compat)), temporary=lent, clusters=(PROD,), **more)


def asked(action: Action | None, kind: Kind | None, name: str | None, *roles: str, **more: Any) -> Question:
    return Question(
        principal="dee",
        roles=frozenset(roles or ("devs",)),
        action=action,
        cluster="prod",
        kind=kind,
        name=name,
        **more,
    )


MOVES: Final = asked(Action.GROUP_EDIT, Kind.GROUP, "trade_b2")


def lent(policy_id: str, *, starts: int = 0, ends: int | None = None, text: str = "", **more: Any) -> TemporaryRule:
    written = text or "{resource: [cluster, prod, group, trade_b2], effect: Allow, actions: [GROUP_EDIT], role: devs}"
    (rule,) = a_document(f"policies: [{written}]").policies
    ref = RuleRef(place=f"temporary policy {policy_id}")
    return TemporaryRule(id=policy_id, rule=replace(rule, ref=ref), starts_ts=starts, expires_ts=ends, **more)


def step(told: Explanation, wanted: Stage) -> Step:
    return next(one for one in told.steps if one.step is wanted)


def way(told: Explanation, means: Means) -> Fix:
    return next(fix for fix in told.fixes.ways if fix.means is means)


def words(fix: Fix) -> list[str]:
    return [change.text for change in fix.changes]


def opened(fix: Fix) -> list[str]:
    return [
        f"{'+'.join(row.who)}: {'+'.join(row.actions)} on {row.kind} {'; '.join(map(str, row.region))}"
        f" in {'+'.join(row.clusters)}"
        for row in fix.opens.rows
    ]


def test_a_denial_is_told_step_by_step_with_its_nearest_miss_and_the_least_that_helps() -> None:
    told = explain(MOVES, a_world(epoch=41))

    assert (told.access, told.epoch) == (Access.DENIED, 41)
    assert told.reason == "no policy allows GROUP_EDIT on group trade_b2 to role devs"
    assert [(one.step.value, one.passed) for one in told.steps] == [
        ("login", True), ("view", True), ("deny", True), ("stage", True), ("allow", False),
    ]  # fmt: skip
    assert (
        step(told, Stage.VIEW).text == "group trade_b2 is in tenant Trading by tenants[0].resources[0] (rbac.yaml:12)"
    )
    (near,) = step(told, Stage.ALLOW).near
    assert (near.rule.place, near.wrong, near.has, near.wants) == ("policies[0]", Coordinate.ROLE, "owners", "devs")
    assert [fix.means for fix in told.fixes.ways] == [Means.GRANT, Means.RULE, Means.MEND, Means.ROLE]
    grant, rule, mend, role = told.fixes.ways
    assert words(grant) == ["allow devs GROUP_EDIT on group trade_b2 for 1h"]
    assert grant.opens.nothing
    assert grant.grant == {
        "duration_ms": 3_600_000,
        "policy": {
            "role": "devs",
            "actions": ["GROUP_EDIT"],
            "effect": "Allow",
            "resource": ["cluster", "prod", "group", "trade_b2"],
        },
    }
    assert words(rule) == [
        "add a policy: {role: devs, effect: Allow, actions: [GROUP_EDIT], resource: [cluster, prod, group, trade_b2]}"
    ]
    assert words(mend) == ["add role devs"]
    assert opened(mend) == ["devs: GROUP_EDIT on group trade_* except trade_b2 in prod"]
    assert words(role) == ["give dee role owners"]
    assert role.opens.notes == ("role owners administers Kordon", "dee may choose tenant Ops")


def test_what_a_way_opens_leaves_out_what_is_open_or_denied_already() -> None:
    text = """
policies:
  - {resource: [cluster, prod, topic, "tx_*"], effect: Allow, actions: [TOPIC_EDIT], role: owners}
  - {resource: [cluster, prod, topic, "tx_prices*"], effect: Allow, actions: [TOPIC_EDIT], role: devs}
  - {resource: [cluster, prod, topic, "tx_b*"], effect: Deny, actions: [TOPIC_EDIT], role: "*"}
  - {resource: [cluster, prod, topic, "tx_c*"], effect: Stage, actions: [TOPIC_EDIT], role: devs}
"""
    told = explain(asked(Action.TOPIC_EDIT, Kind.TOPIC, "tx_z"), a_world(text))

    expected = "TOPIC_EDIT on topic tx_* except tx_c*, tx_b*, tx_prices*, tx_z in prod"
    assert opened(way(told, Means.MEND)) == [f"devs: {expected}"]
    assert opened(way(told, Means.ROLE)) == [one.replace("devs:", "dee:") for one in opened(way(told, Means.MEND))]


def test_of_an_excluded_name_the_line_that_would_have_to_go_is_named_and_no_grant_alone_helps() -> None:
    told = explain(asked(Action.TOPIC_INSPECT, Kind.TOPIC, "tx_a-internal"), a_world())

    excluded = "topic tx_a-internal is not in tenant Trading: excluded by tenants[0].resources[1] (rbac.yaml:13)"
    assert (told.access, told.reason) == (Access.HIDDEN, excluded)
    assert told.fixes.no_grant == f"no grant alone can help: {excluded}"
    (fix,) = told.fixes.ways
    assert words(fix) == [
        "include [cluster, prod, topic, tx_a-internal] in tenant Trading",
        "have the exclude leave topic tx_a-internal out",
    ]
    assert [change.at.place if change.at else None for change in fix.changes] == [
        "tenants[0]",
        "tenants[0].resources[1]",
    ]


def test_whoever_may_choose_a_tenant_that_shows_it_need_change_nothing() -> None:
    told = explain(asked(Action.TOPIC_DELETE, Kind.TOPIC, "tx_a-internal", "owners"), a_world())

    assert told.access is Access.HIDDEN
    assert words(told.fixes.ways[0]) == ["log in to tenant Ops"]
    assert told.fixes.ways[0].opens.nothing


def test_every_deny_has_to_give_way_and_then_every_stage() -> None:
    text = """
policies:
  - {resource: [cluster, prod, topic, "a*"], effect: Deny, actions: [TOPIC_EDIT], role: devs}
  - {resource: [cluster, prod, topic, "*b"], effect: Deny, actions: [TOPIC_EDIT], roles: [devs, ops]}
  - {resource: [cluster, prod, topic, ab], effect: Stage, actions: [TOPIC_EDIT], role: "*"}
"""
    told = explain(asked(Action.TOPIC_EDIT, Kind.TOPIC, "ab"), a_world(text))

    assert [rule.place for rule in step(told, Stage.DENY).rules] == ["policies[0]", "policies[1]"]
    assert [rule.place for rule in step(told, Stage.STAGE).rules] == ["policies[2]"]
    assert told.fixes.no_grant.startswith("no grant alone can help: policies[0] (rbac.yaml:3), policies[1]")
    grant = told.fixes.ways[0]
    assert words(grant) == [
        "have the Deny leave topic ab out for devs",
        "have the Deny leave topic ab out for devs",
        "have the Stage leave topic ab out for everybody",
        "allow devs TOPIC_EDIT on topic ab for 1h",
    ]
    assert grant.opens.at_most


def test_a_temporary_deny_is_revoked_or_waited_for() -> None:
    deny = lent(
        "7f3a", ends=5_000, text='{resource: [cluster, "*", topic], effect: Deny, actions: [TOPIC_INSPECT], role: devs}'
    )

    told = explain(asked(Action.TOPIC_INSPECT, Kind.TOPIC, "tx_a"), a_world(FILE, deny))

    assert (
        told.reason == "TOPIC_DATA_DOWNLOAD, TOPIC_DATA_QUERY is denied by temporary policy 7f3a"
        or told.access is Access.DENIED
    )
    assert words(told.fixes.ways[0]) == ["revoke temporary policy 7f3a, or wait for its end"]
    assert told.turn is not None
    assert (told.turn.ts, told.turn.access) == (5_000, Access.ALLOWED)
    assert [rule.place for rule in told.turn.rules] == ["temporary policy 7f3a"]


@pytest.mark.parametrize(
    ("now", "access", "turn"),
    [
        (0, Access.DENIED, (1_000, Access.ALLOWED)),
        (999, Access.DENIED, (1_000, Access.ALLOWED)),
        (1_000, Access.ALLOWED, (3_000, Access.DENIED)),
        (2_999, Access.ALLOWED, (3_000, Access.DENIED)),
        (3_000, Access.DENIED, None),
    ],
)
def test_the_next_start_or_end_that_turns_the_answer_is_told(now: int, access: Access, turn: Any) -> None:
    # Two that overlap, one that is about another group, and one that is for somebody else
    another = "{resource: [cluster, prod, group, x], effect: Allow, actions: [GROUP_EDIT], role: devs}"
    temporary = (
        lent("a", starts=1_000, ends=2_000),
        lent("b", starts=1_500, ends=3_000),
        lent("c", starts=500, ends=600, text=another),
        lent("d", starts=100, ends=200, principal="ann"),
    )

    told = explain(MOVES, a_world(FILE, *temporary, now=now))

    assert told.access is access
    assert (None if told.turn is None else (told.turn.ts, told.turn.access)) == turn


def test_what_is_allowed_tells_what_it_rests_on() -> None:
    told = explain(asked(Action.TOPIC_INSPECT, Kind.TOPIC, "tx_a"), a_world())

    assert told.access is Access.ALLOWED
    assert told.reason == "TOPIC_INSPECT is allowed by policies[1] (rbac.yaml:5)"
    assert [rule.place for rule in told.rests_on] == ["policies[1]"]
    assert told.fixes.ways == ()


def test_what_is_staged_says_so_and_by_which_rule() -> None:
    told = explain(asked(Action.TOPIC_DELETE, Kind.TOPIC, "tx_orders", "owners"), a_world())

    assert told.access is Access.STAGED
    assert told.reason == "TOPIC_DELETE is staged by policies[4] (rbac.yaml:8)"
    assert [(one.step, one.passed) for one in told.steps if not one.passed] == [(Stage.STAGE, False)]
    assert words(told.fixes.ways[0]) == ["have the Stage leave topic tx_orders out for owners"]


def test_seeing_alone_can_be_asked_for() -> None:
    told = explain(asked(None, Kind.TOPIC, "tx_a"), a_world())

    assert told.access is Access.ALLOWED
    assert told.reason == "topic tx_a is in tenant Trading by tenants[0].resources[0] (rbac.yaml:12)"
    assert [one.passed for one in told.steps] == [True, True, None, None, None]
    hidden = explain(asked(None, Kind.TOPIC, "hr_a"), a_world())
    assert hidden.access is Access.HIDDEN
    assert words(hidden.fixes.ways[0]) == ["include [cluster, prod, topic, hr_a] in tenant Trading"]


@pytest.mark.parametrize(
    ("rule", "wrong", "slip", "mended"),
    [
        ('{resource: [cluster, "trade_*"], role: devs}', "cluster", "stands in the place of the cluster",
         'add resource [cluster, "*", group, "trade_*"]'),
        ("{resource: [cluster, prdo, group, trade_b2], role: devs}", "cluster", "differs in a letter or two",
         "add resource [cluster, prod, group, trade_b2]"),
        ("{resource: [cluster, PROD, group, trade_b2], role: devs}", "cluster", "differs in case alone",
         "add resource [cluster, prod, group, trade_b2]"),
        ("{resource: [cluster, dev, group, trade_b2], role: devs}", "cluster", "",
         "add resource [cluster, prod, group, trade_b2]"),
        ('{resource: [cluster, prod, group, "Trade_*"], role: devs}', "name", "differs in case alone",
         'add resource [cluster, prod, group, "trade_*"]'),
        ('{resource: [cluster, prod, group, "tarde_*"], role: devs}', "name", "differs in a letter or two",
         'add resource [cluster, prod, group, "trade_*"]'),
        ('{resource: [cluster, prod, group, "*_B2"], role: devs}', "name", "differs in case alone",
         'add resource [cluster, prod, group, "*_b2"]'),
        ("{resource: [cluster, prod, group, trade_b3], role: devs}", "name", "differs in a letter or two",
         "add resource [cluster, prod, group, trade_b2]"),
        ("{resource: [cluster, prod, group, trade_b2], role: dev}", "role", "differs in a letter or two",
         "add role devs"),
        ("{resource: [cluster, prod, group, trade_b2], role: DEVS}", "role", "differs in case alone", "add role devs"),
        ("{resource: [cluster, prod, group, trade_b2], role: devs, mode: shadow, shadow_until: 2036-01-01}", "mode", "",
         "enforce it: leave `mode: shadow` out"),
    ],
)  # fmt: skip
def test_a_slip_is_seen_as_one_and_mended(rule: str, wrong: str, slip: str, mended: str) -> None:
    text = f"policies: [{rule.replace('{', '{effect: Allow, actions: [GROUP_EDIT], ', 1)}]\nauthorized_roles: [devs]"

    told = explain(MOVES, a_world(text))

    (near,) = step(told, Stage.ALLOW).near
    assert (near.wrong, near.slip) == (wrong, slip)
    assert words(way(told, Means.MEND)) == [mended]


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ('{resource: [cluster, prod, group, "pay_*"], actions: [GROUP_EDIT]}', "name"),
        ('{resource: [cluster, prod, topic, "trade_*"], actions: [GROUP_EDIT]}', "type"),
        ('{resource: [cluster, prod, group, "trade_*"], actions: [GROUP_CONSUME]}', "action"),
    ],
)
def test_a_policy_with_one_wrong_coordinate_is_a_near_miss(rule: str, wrong: str) -> None:
    told = explain(MOVES, a_world(f"policies: [{rule.replace('{', '{effect: Allow, role: devs, ', 1)}]"))

    assert [near.wrong for near in step(told, Stage.ALLOW).near] == [wrong]


@pytest.mark.parametrize(
    "rule",
    [
        "{resource: [cluster, dev, group, x], role: devs, effect: Allow, actions: [GROUP_EDIT]}",
        "{resource: [cluster, dev, group, trade_b2], role: ops, effect: Allow, actions: [GROUP_EDIT]}",
        "{resource: [cluster, prod, group, trade_b2], role: ops, effect: Allow, actions: [GROUP_CONSUME]}",
        "{resource: [cluster, prod, group, trade_b2], role: ops, effect: Stage, actions: [GROUP_EDIT]}",
        "{resource: [schema, prod], role: devs, effect: Allow, actions: [SCHEMA_EDIT]}",
    ],
)
def test_what_misses_by_more_is_no_near_miss(rule: str) -> None:
    told = explain(MOVES, a_world(f"policies: [{rule}]\nauthorized_roles: [devs]"))

    assert step(told, Stage.ALLOW).near == ()


def test_what_is_lent_to_somebody_else_is_a_near_miss_that_is_not_mended() -> None:
    told = explain(MOVES, a_world("policies: []\nauthorized_roles: [devs]", lent("7f3a", principal="ann")))

    (near,) = step(told, Stage.ALLOW).near
    assert (near.wrong, near.has, near.wants) == (Coordinate.PRINCIPAL, "ann", "dee")
    assert [fix.means for fix in told.fixes.ways] == [Means.GRANT, Means.RULE]


def test_of_an_umbrella_only_what_is_lacking_is_added() -> None:
    text = """
policies:
  - {resource: [cluster, prod, topic, "tx_*"], effect: Allow, actions: [TOPIC_DATA_QUERY], role: devs}
"""
    told = explain(asked(Action.TOPIC_INSPECT, Kind.TOPIC, "tx_a"), a_world(text))

    assert step(told, Stage.ALLOW).text == "no Allow of TOPIC_DATA_DOWNLOAD is about it"
    assert words(way(told, Means.MEND)) == ["add action TOPIC_DATA_DOWNLOAD"]
    assert words(way(told, Means.GRANT)) == ["allow devs TOPIC_DATA_DOWNLOAD on topic tx_a for 1h"]


def test_a_login_that_fails_says_so_and_a_role_may_be_all_that_it_takes() -> None:
    told = explain(asked(Action.GROUP_EDIT, Kind.GROUP, "trade_b2", "nobody"), a_world())

    assert (told.access, told.reason) == (Access.DENIED, "no role of dee may log in")
    assert step(told, Stage.LOGIN).passed is False
    assert words(told.fixes.ways[0]) == ["give dee role owners"]
    assert words(told.fixes.ways[1]) == [
        "add nobody to authorized_roles",
        "add nobody to the roles of tenant Trading",
        "allow nobody GROUP_EDIT on group trade_b2 for 1h",
    ]
    assert told.fixes.no_grant == "no grant alone can help: no role of dee may log in"


def test_a_tenant_that_none_of_the_roles_has_fails_the_login() -> None:
    told = explain(replace(MOVES, tenant="Ops"), a_world())

    assert (told.access, told.reason) == (Access.DENIED, "no tenant Ops for these roles")
    assert words(told.fixes.ways[0])[0] == "log in to tenant Trading"
    nowhere = explain(replace(MOVES, tenant="Nowhere"), a_world())
    assert nowhere.reason == "no tenant Nowhere for these roles"


def test_somebody_in_no_tenant_sees_nothing() -> None:
    world = a_world(FILE + "authorized_roles: [guests, devs, owners]\n")

    told = explain(asked(Action.GROUP_EDIT, Kind.GROUP, "trade_b2", "guests"), world)

    assert (told.access, told.tenant) == (Access.HIDDEN, None)
    assert told.reason == "group trade_b2 is hidden: no tenant"
    assert step(told, Stage.LOGIN).text == "role guests may log in, to no tenant"
    assert ["add guests to the roles of tenant Trading", "allow guests GROUP_EDIT on group trade_b2 for 1h"] in [
        words(fix) for fix in told.fixes.ways
    ]


def test_what_nobody_may_do_has_no_way() -> None:
    told = explain(asked(Action.TOPIC_DELETE, Kind.TOPIC, "__kordon_audit_log", "owners", tenant="Ops"), a_world())

    hidden = explain(asked(Action.TOPIC_DELETE, Kind.TOPIC, "__kordon_audit_log"), a_world())
    for one in (told, hidden):
        assert one.access in (Access.DENIED, Access.HIDDEN)
        assert one.fixes.ways == ()
        assert "nobody writes, alters or deletes it" in step(one, Stage.DENY).text
        assert one.fixes.no_grant.startswith("no grant can help")


def test_what_is_to_come_into_being_needs_more_than_a_group_that_reads_it() -> None:
    world = a_world(inferred={"trade_b2": frozenset({"ext_fx"})})

    told = explain(asked(Action.TOPIC_CREATE, Kind.TOPIC, "ext_fx", "owners", tenant="Trading"), world)

    assert (told.access, told.reason) == (Access.HIDDEN, "topic ext_fx is outside the tenant Trading")
    assert "to create it takes an include" in step(told, Stage.VIEW).text
    seen = explain(asked(Action.TOPIC_DELETE, Kind.TOPIC, "ext_fx", "owners", tenant="Trading"), world)
    assert step(seen, Stage.VIEW).text == "topic ext_fx is in tenant Trading because group trade_b2 reads it"


def test_a_name_that_no_file_can_hold_has_no_exact_way() -> None:
    for name in ("trade_*", "trade_\x07"):
        told = explain(asked(Action.GROUP_EDIT, Kind.GROUP, name), a_world())

        assert told.access is Access.DENIED
        assert {fix.means for fix in told.fixes.ways} == {Means.MEND, Means.ROLE}


def test_every_broker_is_explained_by_what_covers_all_and_by_what_takes_one_away() -> None:
    text = """
policies:
  - {resource: [cluster, prod, broker], effect: Allow, actions: [BROKER_EDIT], role: devs}
  - {resource: [cluster, prod, broker, "7"], effect: Deny, actions: [BROKER_EDIT], role: devs}
  - {resource: [cluster, prod, broker, "1*"], effect: Allow, actions: [BROKER_UNREGISTER], role: devs}
"""
    told = explain(asked(Action.BROKER_EDIT, Kind.BROKER, ""), a_world(text))

    assert told.access is Access.DENIED
    assert [rule.place for rule in step(told, Stage.DENY).rules] == ["policies[1]"]
    assert [rule.place for rule in step(told, Stage.ALLOW).rules] == ["policies[0]"]
    assert words(told.fixes.ways[0]) == ["have the Deny leave every broker out for devs"]
    partly = explain(asked(Action.BROKER_UNREGISTER, Kind.BROKER, ""), a_world(text))
    assert [(near.wrong, near.has, near.wants) for near in step(partly, Stage.ALLOW).near] == [
        ("action", "BROKER_EDIT", "BROKER_UNREGISTER"),
        ("name", "1*", "any"),
    ]
    assert words(way(partly, Means.RULE))[0].endswith("resource: [cluster, prod, broker]}")


def test_a_right_that_stands_in_for_another_is_told() -> None:
    world = a_world(FILE, compat=Compat(members_by_inspect=True))

    told = explain(asked(Action.GROUP_CONSUME, Kind.GROUP, "trade_b2"), world)

    assert told.access is Access.ALLOWED
    assert step(told, Stage.ALLOW).passed
    assert "compat.members_by_inspect" in step(told, Stage.ALLOW).text
    assert [rule.place for rule in told.rests_on] == ["policies[1]"]
    read = explain(asked(Action.TOPIC_INSPECT, Kind.TOPIC, "tx_a", "owners", tenant="Trading"), world)
    assert "members_by_inspect" in " ".join(way(read, Means.GRANT).opens.notes)


def test_a_trial_tells_what_it_would_be() -> None:
    trial = '{resource: [cluster, "*", topic], effect: Deny, actions: [TOPIC_INSPECT], role: devs, mode: shadow'
    text = FILE.replace("tenants:\n", f"  - {trial}, shadow_until: 2036-01-01}}\ntenants:\n")

    told = explain(asked(Action.TOPIC_INSPECT, Kind.TOPIC, "tx_a"), a_world(text))

    assert told.access is Access.ALLOWED
    assert told.would_be is not None
    assert told.would_be[0] is Access.DENIED
    assert to_answer(told)["shadow"] == {"answer": "denied", "reason": told.would_be[1]}


def test_who_is_no_administrator_is_not_told_of_other_roles_nor_of_other_clusters() -> None:
    text = """
policies:
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], role: secret}
  - {resource: [cluster, "*", group, "trade_*"], effect: Allow, actions: [GROUP_CONSUME], roles: [devs, secret]}
"""
    world = replace(a_world(text), clusters=(PROD, Cluster("hush", frozenset({"hush"}))))

    told = explain(MOVES, world, openly=False)

    assert [near.rule.place for near in step(told, Stage.ALLOW).near] == ["policies[1]"]
    assert [fix.means for fix in told.fixes.ways] == [Means.GRANT, Means.RULE, Means.MEND]
    answer = json.dumps(to_answer(told))
    assert "secret" not in answer
    assert "hush" not in answer
    assert "secret" in json.dumps(to_answer(explain(MOVES, world)))


def test_missing_and_hidden_names_are_one_answer_to_who_is_no_administrator() -> None:
    answers = []
    for name in ("tx_a-internal", "hr_1aaaaaaaaa", "__offsetsaaaa"):
        told = explain(asked(Action.TOPIC_INSPECT, Kind.TOPIC, name), a_world(), openly=False)
        answers.append(json.dumps(to_answer(told)).replace(name, "NAME"))

    assert len(set(answers)) == 1
    assert "topic NAME is outside the tenant Trading" in answers[0]


def test_an_answer_for_programs_has_every_place_and_an_example_of_each_region() -> None:
    answer = to_answer(explain(MOVES, a_world(now=1_700_000_000_000)))

    assert answer["question"] == {
        "principal": "dee",
        "roles": ["devs"],
        "tenant": "Trading",
        "action": "GROUP_EDIT",
        "path": ["cluster", "prod", "group", "trade_b2"],
        "at": 1_700_000_000_000,
        "epoch": 1,
    }
    (near,) = answer["steps"][4]["near"]
    assert near["rule"] == {
        "rule": "policies[0]", "file": "rbac.yaml", "line": 4, "note": None, "text": "policies[0] (rbac.yaml:4)",
    }  # fmt: skip
    (cell,) = answer["fixes"][2]["opens"]["rows"][0]["names"]
    assert cell == {
        "names": "trade_*",
        "exact": False,
        "except": ["trade_b2"],
        "text": "trade_* except trade_b2",
        "example": "trade_x",
    }
    json.dumps(answer)


def test_other_domains_are_explained_too() -> None:
    rule = "{resource: [schema, registry, subject, a], effect: Allow, actions: [SCHEMA_EDIT], role: ops}"
    text = f"policies: [{rule}]\nauthorized_roles: [devs]"
    question = replace(asked(Action.SCHEMA_EDIT, Kind.SUBJECT, "a"), domain=Domain.SCHEMA, cluster="registry")

    told = explain(question, a_world(text))

    assert told.access is Access.DENIED
    assert opened(way(told, Means.MEND)) == []
    assert told.question.path == ("schema", "registry", "subject", "a")
