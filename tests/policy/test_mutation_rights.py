"""Who may make, approve and stop mutations that are not executed at once."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from kordon_policy.actions import Action, Kind
from kordon_policy.model import RuleRef, TemporaryRule
from kordon_policy.mutation_rights import (
    Demand,
    Ground,
    judge_approver,
    judge_cancelling,
    judge_execution,
    judge_offsets,
    judge_requester,
    judge_second,
    usable_topics,
)
from kordon_policy.offset_moves import Aim, Operation
from kordon_policy.own_rights import Author
from kordon_policy.snapshot import compile_snapshot
from tests.policy.given import PROD, a_document

ANN = Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading")
OLGA = Author(principal="olga", roles=frozenset({"owners"}), tenant="Trading")
BOB = Author(principal="bob", roles=frozenset({"devs"}), tenant="Trading")
AIM = Aim(group="trade_b2", operation=Operation.SKIP, topic="tx_1", partition=3)
DELETE = Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="tx_1")
CREATE = Demand(action=Action.TOPIC_CREATE, kind=Kind.TOPIC, name="tx_9", explicit=True)


def a_rule(effect: str, action: str, *path: str, to: str = "devs") -> Mapping[str, Any]:
    return {"effect": effect, "actions": [action], "resource": ["cluster", "*", *path], "role": to}


ALLOW = a_rule("Allow", "GROUP_EDIT", "group", "trade_*")
STAGE = a_rule("Stage", "TOPIC_DELETE", "topic", "tx_*")
OWN = a_rule("Allow", "TOPIC_DELETE", "topic", "*", to="owners")
TENANT = {
    "name": "Trading",
    "roles": ["owners", "devs"],
    "resources": [
        {"include": [["cluster", "*", "topic", "tx_*"], ["cluster", "*", "group", "trade_*"]]},
        {"exclude": [["cluster", "*", "topic", "*-secret"]]},
    ],
}
INFERRED = {"trade_b2": frozenset({"fx"}), "trade_b3": frozenset({"gx"})}


def ground(*rules: Mapping[str, Any], lent: Mapping[str, Any] | None = None, **changed: Any) -> Ground:
    """A file with these policies, and one more that holds for a time."""
    file = {"admin_roles": ["owners"], "policies": [*rules, *([lent] if lent else [])], "tenants": [TENANT], **changed}
    document = a_document(json.dumps(file))
    temporary = []
    if lent:
        # Read as a rule of a file is, and then lent.
        rule = document.policies[-1]
        document = a_document(json.dumps({**file, "policies": list(rules)}))
        temporary = [TemporaryRule(id="7f3a", rule=rule, starts_ts=0, expires_ts=None)]
    snapshot = compile_snapshot(document, epoch=1, temporary=temporary)
    return Ground(snapshot=snapshot, names=PROD, inferred=INFERRED)


# ---- scheduled


def test_offsets_are_moved_by_who_may_edit_the_group() -> None:
    judgement = judge_offsets(AIM, (), ANN, ground(ALLOW))
    assert (judgement.granted, judgement.reason) == (True, "GROUP_EDIT is allowed by policies[0] (rbac.yaml:1)")
    assert [str(rule) for rule in judgement.rules] == ["policies[0] (rbac.yaml:1)"]
    assert judge_offsets(AIM, (), ANN, ground()).reason == (
        "ann does not hold GROUP_EDIT on group trade_b2: no policy allows GROUP_EDIT on group trade_b2 to role devs"
    )


def test_a_right_that_is_lent_may_be_used() -> None:
    assert judge_offsets(AIM, (), ANN, ground(lent=ALLOW)).granted


@pytest.mark.parametrize(
    ("group", "topics", "told"),
    [
        ("trade_b2", ["tx_1", "fx"], ""),
        ("trade_b2", ["gx"], "group trade_b2 may not use topic gx, which is not the tenant's own"),
        ("trade_b2", ["tx-secret"], "group trade_b2 may not use topic tx-secret, which is not the tenant's own"),
        ("trade_b3", ["fx"], "group trade_b3 may not use topic fx, which is not the tenant's own"),
        ("pay_b1", [], "group pay_b1 is outside the tenant Trading"),
    ],
)
def test_only_what_the_group_of_this_tenant_may_use_is_moved(group: str, topics: list[str], told: str) -> None:
    aim = Aim(group=group, operation=Operation.CLEAR)
    judgement = judge_offsets(aim, topics, ANN, ground(a_rule("Allow", "GROUP_EDIT")))
    assert (judgement.granted, "" if judgement.granted else judgement.reason) == (not told, told)


def test_the_topic_that_is_named_is_judged_although_nothing_was_found_in_it() -> None:
    aim = Aim(group="trade_b2", operation=Operation.CLEAR, topic="gx")
    assert not judge_offsets(aim, (), ANN, ground(ALLOW)).granted


def test_of_a_whole_group_those_topics_are_moved_that_its_author_can_see_there() -> None:
    topics = ["fx", "gx", "tx_1", "tx-secret"]
    assert usable_topics("trade_b2", topics, ANN, ground(ALLOW)) == ("fx", "tx_1")
    assert usable_topics("trade_b2", topics, Author(principal="x", roles=frozenset(), tenant=None), ground()) == ()


EVERY_TOPIC = Aim(group="trade_b2", operation=Operation.CLEAR)
HELPER = Author(principal="hank", roles=frozenset({"helpers"}), tenant="Helpers")
HELPERS = {
    "name": "Helpers",
    "roles": ["helpers"],
    "resources": [
        {"include": [["cluster", "*", "topic", "tx_*"], ["cluster", "*", "group", "trade_*"]]},
        {"exclude": [["cluster", "*", "topic", "tx_pay*"]]},
    ],
}


def helped(*rules: Mapping[str, Any]) -> Ground:
    """Where somebody approves in a tenant that lacks a topic of the author's."""
    return ground(ALLOW, *rules, admin_roles=["owners", "helpers"], tenants=[TENANT, HELPERS])


def test_of_a_whole_group_its_approver_lets_those_topics_be_moved_that_he_sees_too() -> None:
    lets = helped(a_rule("Allow", "GROUP_EDIT", "group", "trade_*", to="helpers"))
    topics = ["fx", "gx", "tx_1", "tx_pay"]

    assert usable_topics("trade_b2", topics, ANN, lets) == ("fx", "tx_1", "tx_pay")
    assert usable_topics("trade_b2", topics, ANN, lets, approver=HELPER) == ("fx", "tx_1")
    nobody = Author(principal="x", roles=frozenset(), tenant=None)
    assert usable_topics("trade_b2", topics, ANN, lets, approver=nobody) == ()


def test_offsets_are_moved_by_an_approval_while_whoever_gave_it_could_give_it_again() -> None:
    lets = helped(a_rule("Allow", "GROUP_EDIT", "group", "trade_*", to="helpers"))

    judgement = judge_offsets(EVERY_TOPIC, ["fx", "tx_1"], ANN, lets, approved=True, approver=HELPER)
    assert (judgement.granted, [str(rule)[:11] for rule in judgement.rules]) == (True, ["policies[0]", "policies[1]"])
    hidden = judge_offsets(EVERY_TOPIC, ["tx_1", "tx_pay"], ANN, lets, approved=True, approver=HELPER)
    assert (hidden.granted, hidden.reason) == (False, "topic tx_pay is outside the tenant Helpers")
    named = Aim(group="trade_b2", operation=Operation.CLEAR, topic="tx_pay")
    assert not judge_offsets(named, (), ANN, lets, approved=True, approver=HELPER).granted
    gone = judge_offsets(EVERY_TOPIC, ["tx_1"], ANN, helped(), approved=True, approver=HELPER)
    assert (gone.granted, gone.reason.partition(":")[0]) == (
        False,
        "hank does not hold GROUP_EDIT on group trade_b2",
    )
    himself = judge_offsets(EVERY_TOPIC, ["tx_1"], ANN, lets, approved=True, approver=ANN)
    assert himself.reason == "ann has asked for it himself: it takes a second person"


def test_a_stage_is_an_obstacle_until_it_is_approved() -> None:
    staged = ground(ALLOW, a_rule("Stage", "GROUP_EDIT", "group", "*"))
    assert judge_offsets(AIM, (), ANN, staged).reason == (
        "ann does not hold GROUP_EDIT on group trade_b2: GROUP_EDIT is staged by policies[1] (rbac.yaml:1)"
    )
    assert judge_offsets(AIM, (), ANN, staged, approved=True).granted
    denied = ground(ALLOW, a_rule("Deny", "GROUP_EDIT", "group", "*"))
    assert not judge_offsets(AIM, (), ANN, denied, approved=True).granted


def test_who_cannot_log_in_or_has_lost_his_tenant_moves_nothing() -> None:
    out = ground(ALLOW, authorized_roles=["owners"])
    assert judge_offsets(AIM, (), ANN, out).reason == "ann could not log in: role devs is not in authorized_roles"
    moved = ground(ALLOW, tenants=[{**TENANT, "roles": ["owners"]}])
    assert judge_offsets(AIM, (), ANN, moved).reason == "ann is in tenant Trading no more"
    nowhere = Author(principal="ann", roles=frozenset({"devs"}), tenant=None)
    assert judge_offsets(AIM, (), nowhere, ground(ALLOW)).reason == "ann is in no tenant"


def test_it_is_called_off_by_its_author_by_an_administrator_or_by_who_could_have_asked_for_it() -> None:
    nothing = ground()
    assert judge_cancelling(AIM, ANN, ANN, nothing).granted
    assert judge_cancelling(AIM, ANN, OLGA, nothing).granted
    assert not judge_cancelling(AIM, ANN, BOB, nothing).granted
    assert judge_cancelling(AIM, ANN, BOB, ground(ALLOW)).granted
    elsewhere = ground(ALLOW, tenants=[TENANT, {**TENANT, "name": "Pay", "resources": [{"include": [["schema"]]}]}])
    stranger = Author(principal="per", roles=frozenset({"owners"}), tenant="Pay")
    assert judge_cancelling(AIM, ANN, stranger, elsewhere).reason == "group trade_b2 is outside the tenant Pay"


# ---- staged


def test_who_asked_needs_what_was_staged_no_more_but_all_else() -> None:
    judgement = judge_requester([DELETE], ANN, ground(STAGE))
    assert (judgement.granted, judgement.reason) == (True, "ann holds it by policies[0] (rbac.yaml:1)")
    assert judge_requester([DELETE], ANN, ground(STAGE, a_rule("Deny", "TOPIC_DELETE"))).reason == (
        "ann does not hold TOPIC_DELETE on topic tx_1: TOPIC_DELETE is denied by policies[1] (rbac.yaml:1)"
    )
    # The Stage is gone, and nothing else lets him.
    assert not judge_requester([DELETE], ANN, ground()).granted
    edit = Demand(action=Action.TOPIC_EDIT, kind=Kind.TOPIC, name="tx_1")
    assert not judge_requester([DELETE, edit], ANN, ground(STAGE)).granted


def test_what_is_not_in_the_view_any_more_is_not_done() -> None:
    rules = (a_rule("Stage", "TOPIC_DELETE"), a_rule("Stage", "TOPIC_CREATE"))
    hidden = Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="tx-secret")
    assert (
        judge_requester([DELETE, hidden], ANN, ground(*rules)).reason == "topic tx-secret is outside the tenant Trading"
    )
    read = Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="fx")
    assert judge_requester([read, CREATE], ANN, ground(*rules)).granted
    made = Demand(action=Action.TOPIC_CREATE, kind=Kind.TOPIC, name="fx", explicit=True)
    assert judge_requester([made], ANN, ground(*rules)).reason == (
        "topic fx is not tenant Trading's own, to be brought into being"
    )
    whole = Demand(action=Action.QUOTA_EDIT, kind=None, name=None)
    assert (
        judge_requester([whole], ANN, ground(*rules)).reason == "the cluster as a whole is outside the tenant Trading"
    )
    seen = Demand(action=None, kind=Kind.GROUP, name="trade_b2")
    assert judge_requester([seen], ANN, ground()).reason == "ann sees all of it"


def test_an_administrator_approves_who_holds_it_himself() -> None:
    judgement = judge_approver([DELETE], ANN, OLGA, ground(STAGE, OWN))
    assert (judgement.granted, judgement.reason) == (True, "olga holds it by policies[1] (rbac.yaml:1)")
    # That it is staged for him, too, does not matter: this is the approval.
    for_all = ground(a_rule("Stage", "TOPIC_DELETE", to="*"), OWN)
    assert judge_approver([DELETE], ANN, OLGA, for_all).granted


def approver_is_told(where: Ground, approver: Author = OLGA, *demands: Demand) -> str:
    judgement = judge_approver(demands or (DELETE,), ANN, approver, where)
    assert not judgement.granted
    return judgement.reason


def test_nobody_approves_what_he_has_asked_for_himself() -> None:
    ann_is_admin = ground(STAGE, OWN, a_rule("Allow", "TOPIC_DELETE"), admin_roles=["devs"])
    told = "ann has asked for it himself: it takes a second person"
    assert approver_is_told(ann_is_admin, ANN) == told
    assert judge_second([DELETE], ANN, ANN, ann_is_admin).reason == told
    assert judge_approver([DELETE], ANN, BOB, ann_is_admin).granted


def test_who_is_no_administrator_approves_nothing_although_he_might_do_it() -> None:
    holds = ground(STAGE, a_rule("Allow", "TOPIC_DELETE"))
    assert approver_is_told(holds, BOB) == "bob is no administrator: role devs is not in admin_roles"
    nobody = Author(principal="eve", roles=frozenset({"*"}), tenant="Trading")
    assert approver_is_told(holds, nobody) == "eve is no administrator"


def test_an_administrator_who_may_not_do_it_himself_approves_nothing() -> None:
    lacks = "olga does not hold TOPIC_DELETE on topic tx_1"
    assert approver_is_told(ground(STAGE)) == f"{lacks}: no policy allows TOPIC_DELETE on topic tx_1 to role owners"
    staged = ground(a_rule("Stage", "TOPIC_DELETE", to="owners"))
    assert approver_is_told(staged) == f"{lacks}: no policy allows TOPIC_DELETE on topic tx_1 to role owners"
    denied = ground(STAGE, OWN, a_rule("Deny", "TOPIC_DELETE", "topic", "tx_1", to="*"))
    assert approver_is_told(denied) == f"{lacks}: TOPIC_DELETE is denied by policies[2] (rbac.yaml:1)"


def test_what_is_lent_to_an_approver_does_not_count_and_what_is_denied_for_a_time_does() -> None:
    assert approver_is_told(ground(STAGE, lent=OWN)) == (
        "olga holds it only for a time, and what is lent cannot be lent on: olga does not hold "
        "TOPIC_DELETE on topic tx_1: no policy allows TOPIC_DELETE on topic tx_1 to role owners"
    )
    denied = ground(STAGE, OWN, lent=a_rule("Deny", "TOPIC_DELETE", to="owners"))
    assert approver_is_told(denied).startswith(
        "olga does not hold TOPIC_DELETE on topic tx_1: TOPIC_DELETE is denied by "
    )


def test_an_approver_is_judged_in_his_own_tenant() -> None:
    pay = {**TENANT, "name": "Pay", "resources": [{"include": [["cluster", "*", "topic", "pay_*"]]}]}
    where = ground(STAGE, OWN, tenants=[TENANT, pay])
    elsewhere = Author(principal="olga", roles=frozenset({"owners"}), tenant="Pay")
    assert approver_is_told(where, elsewhere) == "topic tx_1 is outside the tenant Pay"
    assert judge_approver([DELETE], ANN, OLGA, where).granted


def test_to_deny_takes_an_administrator_who_sees_it_and_no_right() -> None:
    assert judge_second([DELETE, CREATE], ANN, OLGA, ground(STAGE)).granted
    assert not judge_second([DELETE], ANN, BOB, ground(STAGE)).granted
    hidden = Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="tx-secret")
    assert not judge_second([DELETE, hidden], ANN, OLGA, ground(STAGE)).granted


def test_when_it_is_executed_both_are_judged_again() -> None:
    judgement = judge_execution([DELETE], ANN, OLGA, ground(STAGE, OWN))
    assert judgement.reason == ("ann holds it by policies[0] (rbac.yaml:1); olga holds it by policies[1] (rbac.yaml:1)")
    assert judgement.rules == tuple(
        RuleRef(place=f"policies[{at}]", source="rbac.yaml", line=1, column=rule.column)
        for at, rule in enumerate(judgement.rules)
    )
    assert judge_execution([DELETE], ANN, OLGA, ground(STAGE)).reason.startswith("olga does not hold")
    assert judge_execution([DELETE], ANN, OLGA, ground(OWN)).reason.startswith("ann does not hold")


# ---- everything of a type


EVERY_BROKER = Demand(action=Action.BROKER_EDIT, kind=Kind.BROKER, name="")
EVERY_PRINCIPAL = Demand(action=Action.ACL_EDIT, kind=Kind.PRINCIPAL, name="")
WHOLE = {"name": "Trading", "roles": ["owners", "devs"], "resources": [{"include": [["cluster", "*"]]}]}


@pytest.mark.parametrize(
    ("demand", "action", "one"),
    [(EVERY_BROKER, "BROKER_EDIT", ["broker", "3"]), (EVERY_PRINCIPAL, "ACL_EDIT", ["principal", "User:root"])],
)
def test_who_is_denied_one_approves_nothing_about_all_of_them(demand: Demand, action: str, one: list[str]) -> None:
    rules = (a_rule("Stage", action, one[0]), a_rule("Allow", action, one[0], to="owners"))
    assert judge_approver([demand], ANN, OLGA, ground(*rules, tenants=[WHOLE])).granted
    denied = ground(*rules, a_rule("Deny", action, *one, to="owners"), tenants=[WHOLE])
    assert approver_is_told(denied, OLGA, demand) == (
        f"olga does not hold {action} on every {one[0]}: {action} is denied by policies[2] (rbac.yaml:1)"
    )
    denied_to_author = ground(*rules, a_rule("Deny", action, *one), tenants=[WHOLE])
    assert not judge_requester([demand], ANN, denied_to_author).granted


@pytest.mark.parametrize(
    ("demand", "one"), [(EVERY_BROKER, ["broker", "3"]), (EVERY_PRINCIPAL, ["principal", "User:root"])]
)
def test_who_does_not_see_one_neither_sees_nor_approves_what_is_about_all_of_them(
    demand: Demand, one: list[str]
) -> None:
    rules = (a_rule("Stage", str(demand.action), one[0]), a_rule("Allow", str(demand.action), one[0], to="owners"))
    cut = {**WHOLE, "resources": [{"include": [["cluster", "*"]]}, {"exclude": [["cluster", "*", *one]]}]}
    where = ground(*rules, tenants=[cut])
    assert not judge_second([demand], ANN, OLGA, where).granted
    assert approver_is_told(where, OLGA, demand) == f"every {one[0]} is outside the tenant Trading"


def test_what_is_about_all_names_with_a_beginning_is_approved_by_who_has_all_of_them() -> None:
    rules = (a_rule("Stage", "ACL_EDIT", "principal"), a_rule("Allow", "ACL_EDIT", "principal", to="owners"))
    of_app = Demand(action=Action.ACL_EDIT, kind=Kind.PRINCIPAL, name="User:app")
    trade, every = (Demand(action=None, kind=Kind.TOPIC, name=name, beginning=True) for name in ("tx_", ""))
    where = ground(*rules, tenants=[{**TENANT, "resources": [{"include": PREFIXED}]}])
    assert judge_execution([of_app, trade], ANN, OLGA, where).granted
    assert not judge_second([of_app, every], ANN, OLGA, where).granted
    cut = {**TENANT, "resources": [{"include": PREFIXED}, {"exclude": [["cluster", "*", "topic", "tx_secret"]]}]}
    assert approver_is_told(ground(*rules, tenants=[cut]), OLGA, of_app, trade) == (
        "each topic that begins with tx_ is not all in the tenant Trading"
    )
    whole = ground(
        *rules, tenants=[{**WHOLE, "resources": [{"include": [["cluster", "*"], ["cluster", "*", "topic", "__*"]]}]}]
    )
    assert judge_second([of_app, trade], ANN, OLGA, whole).granted


PREFIXED = [["cluster", "*", "principal"], ["cluster", "*", "topic", "tx_*"]]
