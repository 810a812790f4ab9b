"""The question that every judge asks: answers are remembered, within bounds, and noted."""

from typing import Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_proxy.judging.may import MEMO_LIMIT, Access, May
from tests.proxy.judging.worlds import make_may, topic_id

POLICY: Final = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_INSPECT, TOPIC_CREATE], role: devs}
  - {resource: [cluster, "*", group, "a*"], effect: Stage, actions: [GROUP_EDIT], role: devs}
tenants:
  - name: acme
    resources: [{include: [[cluster, "*", topic, "a*"], [cluster, "*", group, "*"]]}]
    roles: [devs]
"""
DENYING: Final = POLICY.replace("name: acme", "name: acme\n    outside_view: denied")


def may(policy: str = POLICY) -> May:
    return make_may(policy, topics=("a1", "foreign"), inferred={"g": ("foreign-2",)})


def test_outside_the_view_a_topic_does_not_exist_or_is_denied_as_the_tenant_says() -> None:
    not_found, denied = (
        may().topic(Action.TOPIC_INSPECT, "foreign"),
        may(DENYING).topic(Action.TOPIC_INSPECT, "foreign"),
    )

    assert not_found is not None
    assert not_found.code is ErrorCode.unknown_topic_or_partition
    assert denied is not None
    assert denied.code is ErrorCode.topic_authorization_failed


def test_an_id_outside_the_view_is_unknown_whatever_the_tenant_says() -> None:
    for policy in (POLICY, DENYING):
        refusal = may(policy).topic_id(None, topic_id("foreign"))
        assert refusal is not None
        assert refusal.code is ErrorCode.unknown_topic_id


def test_what_is_staged_is_refused_for_now_as_a_policy_violation() -> None:
    refusal = may().group(Action.GROUP_EDIT, "a-group")

    assert refusal is not None
    assert refusal.code is ErrorCode.policy_violation


def test_bringing_into_being_outside_the_view_is_denied_with_a_text_and_noted_so() -> None:
    rights = may()

    refusal = rights.create_topic("foreign-2")

    assert refusal is not None
    assert refusal.code is ErrorCode.topic_authorization_failed
    assert refusal.text == "topic foreign-2 is outside the tenant acme"
    assert [(note.access, note.refusal) for note in rights.notes] == [(Access.HIDDEN, refusal)]


@pytest.mark.parametrize("policy", [POLICY, DENYING])
def test_a_group_outside_the_view_is_not_edited_into_being_and_the_audit_tells_what_the_client_is_told(
    policy: str,
) -> None:
    rights = may(policy.replace('group, "*"]]', 'group, "a*"]]'))

    refusal = rights.edit_group("foreign")

    assert refusal is not None
    assert (refusal.code, refusal.text) == (
        ErrorCode.group_authorization_failed,
        "group foreign is outside the tenant acme",
    )
    assert [(note.access, note.refusal) for note in rights.notes] == [(Access.HIDDEN, refusal)]


def test_what_is_inferred_may_be_seen_and_not_created() -> None:
    rights = may()

    assert rights.sees(Kind.TOPIC, "foreign-2")
    assert rights.create_topic("foreign-2") is not None


def test_permission_bits_and_lists_are_no_questions_for_the_audit() -> None:
    rights = may()

    rights.sees(Kind.TOPIC, "foreign")
    rights.is_allowed(Action.TOPIC_INSPECT, Kind.TOPIC, "foreign")

    assert rights.notes == []


def test_the_memo_is_bounded_in_number_and_in_length() -> None:
    rights = may()

    for number in range(MEMO_LIMIT + 1_000):
        rights.group(None, f"group-{number}")
        if number % 100 == 0:
            rights.group(None, f"{number}" * 400)

    remembered = rights.standing.rulings
    assert 0 < len(remembered) <= MEMO_LIMIT
    assert max(len(name or "") for *_, name in remembered) <= 255


def test_a_denial_tells_the_client_the_action_and_the_rule_but_no_path_of_the_server() -> None:
    denying = POLICY.replace("effect: Stage", "effect: Deny")

    refusal = may(denying).group(Action.GROUP_EDIT, "a-group")

    assert refusal is not None
    assert refusal.text == "GROUP_EDIT is denied by policies[1] (rbac.yaml:4)"
