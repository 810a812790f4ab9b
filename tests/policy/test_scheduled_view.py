"""What a tenant is told of offsets that are moved in its groups."""

from dataclasses import replace
from typing import Final

from kordon_policy.lifecycle import Ended
from kordon_policy.offset_moves import Aim, Move, Operation
from kordon_policy.own_rights import Author
from kordon_policy.scheduled import ScheduledMutation, State
from kordon_policy.scheduled_record import to_answer
from kordon_policy.scheduled_view import shown
from kordon_policy.view import View
from tests.policy.given import PROD, a_snapshot, tenants

SNAPSHOT: Final = a_snapshot(
    tenants(
        {"name": "Trading", "resources": [{"include": [["cluster", "prod"]]}]},
        {
            "name": "Reports",
            "resources": [{"include": [["cluster", "prod", "group"], ["cluster", "prod", "topic", "tx"]]}],
        },
    )
)
FAILED: Final = ScheduledMutation(
    id="7f3a",
    revision=3,
    state=State.FAILED,
    cluster="prod",
    aim=Aim(group="trade_b2", operation=Operation.CLEAR),
    author=Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading"),
    created_ts=100,
    until_ts=900,
    reason="the audit of hush",
    ticket="OPS-7",
    staged_id="9b1c",
    results=(Move(topic="hush", partition=0, old=3, new=None), Move(topic="tx", partition=0, old=4, new=None)),
    ended=Ended(ts=500, by="ann", reason="ann does not hold it"),
)


def view(tenant: str) -> View:
    return SNAPSHOT.view(tenant, PROD)


def test_a_tenant_is_told_all_of_its_own() -> None:
    assert shown(FAILED, view("Trading")) == FAILED


def test_another_tenant_is_told_what_becomes_of_its_topics_and_not_of_whose_doing_it_is() -> None:
    found = shown(FAILED, view("Reports"))

    assert found is not None
    assert (found.state, found.aim, [move.topic for move in found.results]) == (State.FAILED, FAILED.aim, ["tx"])
    answer = repr((found, to_answer(found)))
    assert not [word for word in ("ann", "devs", "Trading", "hush", "OPS-7", "9b1c") if word in answer]


def test_an_administrator_of_another_tenant_is_told_whose_doing_it_is() -> None:
    found = shown(FAILED, view("Reports"), openly=True)

    assert found is not None
    assert (found.author, found.ticket, [move.topic for move in found.results]) == (FAILED.author, "OPS-7", ["tx"])
    assert found.ended == replace(FAILED.ended or Ended(ts=0), reason="some of it is outside the tenant")
