"""What policies decide, rule by rule of the language."""

from collections.abc import Mapping

import pytest

from kordon_policy.actions import Action, Kind
from kordon_policy.model import Compat, Effect
from kordon_policy.rights import Staging
from tests.policy.given import PROD, a_policy, a_snapshot, policies, rights_of


def test_without_a_policy_everything_is_denied_and_the_reason_says_what_is_missing() -> None:
    rights = rights_of(a_snapshot("policies: []"), "devs")

    decision = rights.decide(Action.GROUP_EDIT, Kind.GROUP, "trade_b2")

    assert not decision.allowed
    assert decision.effect is None
    assert decision.rules == ()
    assert decision.reason == "no policy allows GROUP_EDIT on group trade_b2 to role devs"


def test_a_decision_names_the_rule_that_made_it_with_its_line_and_note() -> None:
    text = """\
policies:
  - {effect: Allow, actions: [TOPIC_EDIT], resource: [cluster, "*"], role: devs}
  - effect: Deny
    note: >
      frozen until
      the audit
    actions: [TOPIC_EDIT]
    resource: [cluster, prod, topic, "tx_*"]
    role: devs
"""
    rights = rights_of(a_snapshot(text), "devs")

    assert (
        rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").reason == "TOPIC_EDIT is allowed by policies[0] (rbac.yaml:2)"
    )
    denied = rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "tx_1")
    assert denied.effect is Effect.DENY
    assert denied.reason == "TOPIC_EDIT is denied by policies[1] (rbac.yaml:3) “frozen until the audit”"


def test_deny_beats_stage_beats_allow_whatever_their_order_and_precision() -> None:
    allow, stage, deny = (
        {"effect": effect, "actions": ["TOPIC_EDIT"], "resource": path, "role": "devs"}
        for effect, path in (
            ("Allow", ["cluster", "prod", "topic", "exact"]),
            ("Stage", ["cluster", "*", "topic", "ex*"]),
            ("Deny", ["*"]),
        )
    )

    def effect_of(*rules: Mapping[str, object]) -> Effect | None:
        return rights_of(a_snapshot(policies(*rules)), "devs").decide(Action.TOPIC_EDIT, Kind.TOPIC, "exact").effect

    assert effect_of(allow) is Effect.ALLOW
    assert effect_of(stage, allow) is effect_of(allow, stage) is Effect.STAGE
    assert effect_of(allow, deny, stage) is effect_of(deny, stage, allow) is Effect.DENY


def test_all_rules_with_the_deciding_effect_are_named_in_the_order_of_the_file() -> None:
    rule = {"effect": "Allow", "actions": ["TOPIC_EDIT"], "resource": ["*"], "role": "devs"}
    rights = rights_of(a_snapshot(policies(*[rule] * 12)), "devs")

    decision = rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "a")

    assert [ref.place for ref in decision.rules] == [f"policies[{at}]" for at in range(12)]
    assert decision.reason.endswith("policies[7] (rbac.yaml:1) and 4 more")


@pytest.mark.known_fault(21)
def test_a_deny_on_one_action_denies_nothing_else() -> None:
    actions = [str(action) for action in Action if Kind.TOPIC in action.kinds and action is not Action.TOPIC_DELETE]
    text = policies(
        {"effect": "Allow", "actions": [*actions, "TOPIC_DELETE"], "resource": ["cluster", "*"], "role": "devs"},
        {"effect": "Deny", "actions": ["TOPIC_DELETE"], "resource": ["cluster", "*"], "role": "devs"},
    )
    rights = rights_of(a_snapshot(text), "devs")

    assert not rights.decide(Action.TOPIC_DELETE, Kind.TOPIC, "a").allowed
    assert all(rights.decide(Action(action), Kind.TOPIC, "a").allowed for action in actions)


@pytest.mark.known_fault(20)
def test_a_longer_prefix_that_does_not_match_hides_no_shorter_one() -> None:
    text = a_policy(
        "Allow",
        ["TOPIC_PRODUCE"],
        ["cluster", "*", "topic", "pay*"],
        ["cluster", "*", "topic", "payments-internal-*"],
    )
    assert rights_of(a_snapshot(text), "devs").decide(Action.TOPIC_PRODUCE, Kind.TOPIC, "payments-public").allowed


@pytest.mark.known_fault(5)
@pytest.mark.parametrize("role", ["*", "de*", "d?vs", "[a-z]evs"])
def test_a_role_from_an_identity_is_literal(role: str) -> None:
    text = a_policy("Allow", ["TOPIC_EDIT"], ["*"], to=("devs",))
    snapshot = a_snapshot(text)
    assert not rights_of(snapshot, role).decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").allowed
    assert not snapshot.admits({role})


@pytest.mark.known_fault(5)
def test_a_star_in_a_name_that_a_client_sends_is_a_letter() -> None:
    rights = rights_of(a_snapshot(a_policy("Allow", ["TOPIC_EDIT"], ["cluster", "*", "topic", "tx_a"])), "devs")
    assert not rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "tx_*").allowed
    assert not rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "*").allowed


@pytest.mark.parametrize("letter", ["?", "[", "]", ".", "+", "\\", "^", "$"])
def test_only_the_star_is_special_in_a_pattern(letter: str) -> None:
    text = a_policy("Allow", ["TOPIC_EDIT"], ["cluster", "*", "topic", f"a{letter}b*"])
    rights = rights_of(a_snapshot(text), "devs")
    assert rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, f"a{letter}bc").allowed
    assert not rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "axbc").allowed


def test_what_is_for_everybody_is_for_those_without_any_role_too() -> None:
    snapshot = a_snapshot(a_policy("Allow", ["TOPIC_EDIT"], ["*"], to=("*",)))
    assert rights_of(snapshot).decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").allowed
    assert rights_of(snapshot, "other").decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").allowed


def test_admin_roles_give_no_right() -> None:
    snapshot = a_snapshot('{"admin_roles": ["owners"], "policies": []}')
    assert snapshot.is_admin({"owners"})
    assert not any(rights_of(snapshot, "owners").decide(action, action.kinds[0], "a").allowed for action in Action)


def test_a_cluster_is_known_by_any_of_its_names() -> None:
    text = a_policy("Allow", ["TOPIC_EDIT"], ["cluster", "N9xnGujkR32eYxHICeaHuQ"])
    names = frozenset({"N9xnGujkR32eYxHICeaHuQ", "prod", "production"})
    snapshot = a_snapshot(text)
    assert rights_of(snapshot, "devs", cluster_names=names).decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").allowed
    assert not rights_of(snapshot, "devs").decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").allowed


def test_a_pattern_in_the_place_of_a_cluster_is_a_name() -> None:
    text = a_policy("Allow", ["TOPIC_EDIT"], ["cluster", "pr*", "topic", "a"])
    assert not rights_of(a_snapshot(text), "devs").decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").allowed


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        (["*"], True),
        (["cluster"], True),
        (["cluster", "*"], True),
        (["cluster", "prod"], True),
        (["cluster", "dev"], False),
        (["cluster", "prod", "topic"], False),
        (["cluster", "prod", "transactional-id", "*"], False),
        (["schema", "prod"], False),
    ],
)
def test_the_whole_cluster_is_covered_by_paths_without_a_type(path: list[str], covered: bool) -> None:
    rights = rights_of(a_snapshot(a_policy("Allow", ["PRODUCER_EDIT"], path)), "devs")
    assert rights.decide(Action.PRODUCER_EDIT, None, None).allowed is covered


def test_an_empty_name_is_covered_by_what_covers_every_name() -> None:
    every = rights_of(a_snapshot(a_policy("Allow", ["BROKER_EDIT"], ["cluster", "*", "broker", "*"])), "devs")
    some = rights_of(a_snapshot(a_policy("Allow", ["BROKER_EDIT"], ["cluster", "*", "broker", "1*"])), "devs")
    assert every.decide(Action.BROKER_EDIT, Kind.BROKER, "").allowed
    assert not some.decide(Action.BROKER_EDIT, Kind.BROKER, "").allowed
    assert "every broker" in some.decide(Action.BROKER_EDIT, Kind.BROKER, "").reason


@pytest.mark.parametrize("action", list(Action))
def test_an_action_asked_of_another_type_is_denied(action: Action) -> None:
    rights = rights_of(a_snapshot(a_policy("Allow", [action], ["*"])), "devs")
    for kind in (None, *Kind):
        assert rights.decide(action, kind, "a" if kind else None).allowed is (kind in action.kinds)
    assert "no action on" in rights.decide(Action.TOPIC_EDIT, Kind.GROUP, "a").reason


def test_an_umbrella_is_allowed_only_if_all_its_parts_are() -> None:
    half = rights_of(a_snapshot(a_policy("Allow", ["TOPIC_DATA_QUERY"], ["*"])), "devs")
    decision = half.decide(Action.TOPIC_INSPECT, Kind.TOPIC, "a")
    assert not decision.allowed
    assert decision.reason == (
        "no policy allows TOPIC_DATA_DOWNLOAD (needed for TOPIC_INSPECT) on topic a to role devs"
    )
    both = rights_of(a_snapshot(a_policy("Allow", ["TOPIC_DATA_QUERY", "TOPIC_DATA_DOWNLOAD"], ["*"])), "devs")
    assert both.decide(Action.TOPIC_INSPECT, Kind.TOPIC, "a").allowed


def test_an_umbrella_in_a_deny_denies_all_its_parts() -> None:
    text = policies(
        {"effect": "Allow", "actions": ["CONNECT_INSPECT"], "resource": ["*"], "role": "devs"},
        {"effect": "Deny", "actions": ["CONNECT_EDIT"], "resource": ["*"], "role": "devs"},
    )
    rights = rights_of(a_snapshot(text), "devs")
    assert rights.decide(Action.CONNECT_INSPECT, Kind.CONNECTOR, "a").effect is Effect.DENY


def test_of_an_umbrella_the_rules_of_all_deciding_parts_are_named() -> None:
    text = policies(
        {"effect": "Allow", "actions": ["TOPIC_DATA_QUERY"], "resource": ["*"], "role": "devs"},
        {"effect": "Allow", "actions": ["TOPIC_DATA_DOWNLOAD"], "resource": ["*"], "role": "devs"},
    )
    decision = rights_of(a_snapshot(text), "devs").decide(Action.TOPIC_INSPECT, Kind.TOPIC, "a")
    assert [rule.place for rule in decision.rules] == ["policies[0]", "policies[1]"]


def test_of_an_umbrella_the_part_that_is_least_allowed_decides() -> None:
    edit, delete = "SCHEMA_VERSION_EDIT", "SCHEMA_DELETE"

    def effect_of(**effects: str) -> Effect | None:
        rules = (
            {"effect": effect, "actions": [one], "resource": ["*"], "role": "devs"} for effect, one in effects.items()
        )
        return rights_of(a_snapshot(policies(*rules)), "devs").decide(Action.SCHEMA_EDIT, Kind.SUBJECT, "a").effect

    assert effect_of(Deny=edit) is Effect.DENY
    assert effect_of(Deny=edit, Stage=delete) is Effect.DENY
    assert effect_of(Stage=edit) is None
    assert effect_of(Allow=edit) is None
    assert effect_of(Stage=edit, Allow=delete) is Effect.STAGE


@pytest.mark.parametrize(
    "action", ["TOPIC_INSPECT", "TOPIC_PRODUCE", "GROUP_CONSUME", "TRANSACTION_PRODUCE", "KSQLDB_QUERY"]
)
def test_a_stage_on_a_read_or_a_produce_denies_it(action: str) -> None:
    rule = {"actions": [action], "resource": ["*"], "role": "devs"}
    text = policies({"effect": "Allow", **rule}, {"effect": "Stage", **rule})
    asked = Action(action)
    decision = rights_of(a_snapshot(text), "devs").decide(asked, asked.kinds[-1], "a")
    assert decision.effect is Effect.DENY
    assert decision.reason == f"{action} is denied by policies[1] (rbac.yaml:1): a Stage on what is never staged"


def test_a_stage_on_a_mixed_umbrella_means_its_mutations() -> None:
    text = policies(
        {"effect": "Allow", "actions": ["CONNECT_EDIT"], "resource": ["*"], "role": "devs"},
        {"effect": "Stage", "actions": ["CONNECT_EDIT"], "resource": ["*"], "role": "devs"},
    )
    rights = rights_of(a_snapshot(text), "devs")
    assert rights.decide(Action.CONNECT_DELETE, Kind.CONNECTOR, "a").staged
    assert rights.decide(Action.CONNECT_INSPECT, Kind.CONNECTOR, "a").allowed
    assert rights.decide(Action.CONNECT_EDIT, Kind.CONNECTOR, "a").staged


@pytest.mark.parametrize("kind", [Kind.TOPIC, Kind.GROUP, Kind.TRANSACTIONAL_ID])
def test_what_is_kordons_own_is_written_by_nobody(kind: Kind) -> None:
    everything = [str(action) for action in Action]
    rights = rights_of(a_snapshot(a_policy("Allow", everything, ["*"])), "devs")
    for action in (action for action in Action if kind in action.kinds):
        decision = rights.decide(action, kind, "__kordon_audit_log")
        reads = action in (Action.TOPIC_INSPECT, Action.TOPIC_DATA_QUERY, Action.TOPIC_DATA_DOWNLOAD)
        assert decision.allowed is reads
        assert reads or "Kordon's own" in decision.reason
    assert rights.decide(Action.BROKER_EDIT, Kind.BROKER, "__kordon").allowed


def test_editing_a_group_deletes_it_only_in_older_files() -> None:
    text = a_policy("Allow", ["GROUP_EDIT"], ["*"])
    older = Compat(group_edit_deletes=True)
    assert not rights_of(a_snapshot(text), "devs").decide(Action.GROUP_DELETE, Kind.GROUP, "a").allowed
    assert rights_of(a_snapshot(text, older), "devs").decide(Action.GROUP_DELETE, Kind.GROUP, "a").allowed
    denied = policies(
        {"effect": "Allow", "actions": ["GROUP_DELETE"], "resource": ["*"], "role": "devs"},
        {"effect": "Deny", "actions": ["GROUP_EDIT"], "resource": ["*"], "role": "devs"},
    )
    assert not rights_of(a_snapshot(denied, older), "devs").decide(Action.GROUP_DELETE, Kind.GROUP, "a").allowed


def test_in_older_files_who_inspects_a_topic_joins_groups_and_who_produces_uses_transactional_ids() -> None:
    text = a_policy("Allow", ["TOPIC_INSPECT", "TOPIC_PRODUCE"], ["cluster", "prod", "topic", "tx_*"])
    older = rights_of(a_snapshot(text, Compat(members_by_inspect=True)), "devs")

    joins = older.decide(Action.GROUP_CONSUME, Kind.GROUP, "any")
    assert joins.allowed
    assert "policies[0]" in joins.reason
    assert "members_by_inspect" in joins.reason
    assert older.decide(Action.TRANSACTION_PRODUCE, Kind.TRANSACTIONAL_ID, "any").allowed
    assert not rights_of(a_snapshot(text), "devs").decide(Action.GROUP_CONSUME, Kind.GROUP, "any").allowed


@pytest.mark.parametrize(
    "barrier",
    [
        {"effect": "Deny", "actions": ["TOPIC_INSPECT"], "resource": ["cluster", "*", "topic", "t*"], "role": "devs"},
        {"effect": "Deny", "actions": ["GROUP_CONSUME"], "resource": ["cluster", "*", "group", "g"], "role": "devs"},
    ],
)
def test_a_stand_in_gives_nothing_past_a_deny(barrier: dict[str, object]) -> None:
    given = {
        "effect": "Allow",
        "actions": ["TOPIC_INSPECT"],
        "resource": ["cluster", "*", "topic", "tx_*"],
        "role": "devs",
    }
    rights = rights_of(a_snapshot(policies(given, barrier), Compat(members_by_inspect=True)), "devs")
    assert not rights.decide(Action.GROUP_CONSUME, Kind.GROUP, "g").allowed


def test_somewhere_is_on_any_name_that_is_left() -> None:
    def somewhere(*denied: str, also: tuple[str, ...] = ()) -> bool:
        named = [("Allow", "tx_*"), *(("Allow", one) for one in also), *(("Deny", one) for one in denied)]
        rule = {"actions": ["TOPIC_PRODUCE"], "role": "devs"}
        text = policies(
            *({**rule, "effect": effect, "resource": ["cluster", "*", "topic", one]} for effect, one in named)
        )
        return rights_of(a_snapshot(text), "devs").decide_somewhere(Action.TOPIC_PRODUCE, Kind.TOPIC).allowed

    assert somewhere()
    assert somewhere("tx_a*", "*b")
    assert not somewhere("tx*")
    assert somewhere("tx*", also=("pay*",))
    nowhere = rights_of(a_snapshot("policies: []"), "devs").decide_somewhere(Action.TOPIC_PRODUCE, Kind.TOPIC)
    assert nowhere.reason == "no policy allows TOPIC_PRODUCE on any topic to role devs"


@pytest.mark.parametrize(
    ("allowed", "taken", "expected"),
    [
        (["*"], [], True),
        ([None], [], True),
        (["1*", "2"], [], False),
        (["*"], [("Deny", "2")], False),
        (["*"], [("Deny", "9*")], False),
        (["*"], [("Stage", "2")], False),
        (["*"], [("Deny", None)], False),
        (["1", "2"], [("Deny", "2")], False),
    ],
)
def test_everywhere_is_on_every_name_that_there_may_ever_be(
    allowed: list[str | None], taken: list[tuple[str, str | None]], expected: bool
) -> None:
    text = policies(
        *(
            {
                "effect": effect,
                "actions": ["BROKER_EDIT"],
                "resource": ["cluster", "*", *(() if name is None else ("broker", name))],
                "role": "devs",
            }
            for effect, name in [*(("Allow", name) for name in allowed), *taken]
        )
    )

    decision = rights_of(a_snapshot(text), "devs").decide_everywhere(Action.BROKER_EDIT, Kind.BROKER)

    assert decision.allowed is expected
    assert decision.name == ""
    assert expected or decision.reason


def test_a_shadow_policy_changes_nothing_and_tells_what_it_would_decide() -> None:
    text = policies(
        {"effect": "Allow", "actions": ["TOPIC_EDIT"], "resource": ["*"], "role": "devs"},
        {
            "effect": "Deny",
            "actions": ["TOPIC_EDIT"],
            "resource": ["cluster", "*", "topic", "tx_*"],
            "role": "devs",
            "mode": "shadow",
            "shadow_until": "2026-01-31",
        },
    )
    rights = rights_of(a_snapshot(text), "devs")

    decision = rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "tx_a")
    assert decision.allowed
    assert decision.shadow is not None
    assert decision.shadow.reason == "TOPIC_EDIT is denied by policies[1] (rbac.yaml:1)"
    assert rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").shadow is None


def test_a_name_that_a_client_chose_is_safe_in_a_reason() -> None:
    rights = rights_of(a_snapshot("policies: []"), "devs")
    reason = rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "a\r\nallowed by policies[0]" + "x" * 100_000).reason
    assert reason.isprintable()
    assert len(reason) < 500


def test_a_note_is_safe_in_a_reason() -> None:
    rule = {"effect": "Allow", "actions": ["TOPIC_EDIT"], "resource": ["*"], "role": "devs", "note": "\x1b[2J"}
    decision = rights_of(a_snapshot(policies(rule)), "devs").decide(Action.TOPIC_EDIT, Kind.TOPIC, "a")
    assert decision.reason.isprintable()


def test_the_same_question_is_answered_by_the_same_object() -> None:
    rights = rights_of(a_snapshot(a_policy("Allow", ["TOPIC_EDIT"], ["*"])), "devs")
    first = rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "a")
    assert rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "a") is first


def test_an_answer_about_a_name_longer_than_any_topics_takes_no_memory() -> None:
    rights = rights_of(a_snapshot(a_policy("Allow", ["GROUP_EDIT"], ["cluster", "*", "group", "g*"])), "devs")
    name = "g" * 100_000
    first, second = (rights.decide(Action.GROUP_EDIT, Kind.GROUP, name) for _ in range(2))
    assert first.allowed
    assert first == second
    assert first is not second


def test_rights_are_kept_by_roles_and_cluster_and_not_by_principal() -> None:
    snapshot = a_snapshot("policies: []")
    first = snapshot.rights(frozenset({"devs"}), PROD, "alice")
    assert snapshot.rights(frozenset({"devs"}), PROD, "bob") is first
    assert snapshot.rights(frozenset({"owners"}), PROD, "alice") is not first


def test_what_is_staged_is_allowed_by_an_approval_and_what_is_denied_is_not() -> None:
    stage = {"effect": "Stage", "actions": ["TOPIC_EDIT"], "resource": ["cluster", "*", "topic", "a*"], "role": "devs"}
    deny = {"effect": "Deny", "actions": ["TOPIC_EDIT"], "resource": ["cluster", "*", "topic", "ab"], "role": "devs"}
    snapshot = a_snapshot(policies(stage, deny))
    approved = snapshot.rights(frozenset({"devs"}), PROD, staging=Staging.APPROVED)

    decision = approved.decide(Action.TOPIC_EDIT, Kind.TOPIC, "a")
    assert (decision.effect, decision.reason) == (
        Effect.ALLOW,
        "TOPIC_EDIT is staged by policies[0] (rbac.yaml:1), and approved",
    )
    assert approved.decide(Action.TOPIC_EDIT, Kind.TOPIC, "ab").effect is Effect.DENY
    assert approved.decide(Action.TOPIC_EDIT, Kind.TOPIC, "b").effect is None
    assert rights_of(snapshot, "devs").decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").effect is Effect.STAGE


def test_with_stages_set_aside_it_takes_an_allow() -> None:
    stage, allow = (
        {"effect": effect, "actions": ["TOPIC_EDIT"], "resource": ["cluster", "*", "topic", name], "role": "devs"}
        for effect, name in (("Stage", "*"), ("Allow", "a"))
    )
    aside = a_snapshot(policies(stage, allow)).rights(frozenset({"devs"}), PROD, staging=Staging.SET_ASIDE)
    assert (
        aside.decide(Action.TOPIC_EDIT, Kind.TOPIC, "a").reason == "TOPIC_EDIT is allowed by policies[1] (rbac.yaml:1)"
    )
    assert aside.decide(Action.TOPIC_EDIT, Kind.TOPIC, "b").effect is None
