"""An approval allows what it was given for, and nothing besides."""

from dataclasses import replace
from typing import Final

import pytest

from kordon_policy.actions import Action, Kind
from kordon_policy.mutation_rights import Demand
from kordon_policy.rights import Staging
from kordon_proxy.judging.approvals import Approved, demands_of, settled, with_text
from kordon_proxy.judging.may import Access, May
from tests.proxy.judging.worlds import CLUSTER, make_may

POLICY: Final = """
policies:
  - {resource: [cluster, prod, topic, "acme.*"], effect: Stage, actions: [TOPIC_DELETE, TOPIC_CREATE], role: devs}
  - {resource: [cluster, prod, topic, "acme.free"], effect: Allow, actions: [TOPIC_EDIT], role: devs}
  - {resource: [cluster, prod, topic, "acme.no"], effect: Deny, actions: [TOPIC_DELETE], role: devs}
  - {resource: [cluster, prod, broker, "1"], effect: Allow, actions: [BROKER_EDIT], role: devs}
  - {resource: [cluster, prod, broker, "2"], effect: Stage, actions: [BROKER_EDIT], role: devs}
tenants:
  - {name: acme, roles: [devs], resources: [{include: [[cluster, prod, topic, "acme.*"], [cluster, prod, broker]]}]}
"""
DELETE_A: Final = Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="acme.a")


def approved(*demands: Demand) -> May:
    may = make_may(POLICY)
    standing = may.standing
    rights = standing.snapshot.rights(frozenset({"devs"}), CLUSTER, "User:somebody", staging=Staging.APPROVED)
    may.standing = Approved(standing.snapshot, standing.view, rights, own=standing.rights, demands=demands)
    return may


@pytest.mark.parametrize(
    ("action", "kind", "name", "access"),
    [
        (Action.TOPIC_DELETE, Kind.TOPIC, "acme.a", Access.ALLOWED),
        (Action.TOPIC_DELETE, Kind.TOPIC, "acme.b", Access.STAGED),  # staged alike, and not approved
        (Action.TOPIC_EDIT, Kind.TOPIC, "acme.free", Access.DENIED),  # his own right, and not asked for
        (Action.TOPIC_DELETE, Kind.TOPIC, "pay.a", Access.HIDDEN),
        (None, Kind.TOPIC, "acme.b", Access.ALLOWED),
        (Action.BROKER_EDIT, Kind.BROKER, "1", Access.ALLOWED),  # by his own right
        (Action.BROKER_EDIT, Kind.BROKER, "2", Access.STAGED),
        (Action.BROKER_EDIT, Kind.BROKER, "3", Access.DENIED),
    ],
)
def test_what_was_approved_is_allowed_and_nothing_else(
    action: Action | None, kind: Kind, name: str, access: Access
) -> None:
    assert approved(DELETE_A)(action, kind, name) is access


def test_a_deny_does_not_give_way_to_an_approval() -> None:
    may = approved(replace(DELETE_A, name="acme.no"))

    assert may(Action.TOPIC_DELETE, Kind.TOPIC, "acme.no") is Access.DENIED


def test_what_brings_a_topic_into_being_is_asked_of_the_tenants_own_paths() -> None:
    may = approved(Demand(action=Action.TOPIC_CREATE, kind=Kind.TOPIC, name="acme.new", explicit=True))

    assert may.create_topic("acme.new") is None
    assert demands_of(may.notes) == (
        Demand(action=Action.TOPIC_CREATE, kind=Kind.TOPIC, name="acme.new", explicit=True),
    )


def test_a_request_takes_each_thing_once_and_nothing_that_is_refused() -> None:
    may = approved(DELETE_A)
    for _ in range(2):
        may.topic(Action.TOPIC_DELETE, "acme.a")
    may.topic(Action.TOPIC_DELETE, "acme.b")
    may.topic(None, "acme.b")

    assert demands_of(may.notes) == (DELETE_A, Demand(action=None, kind=Kind.TOPIC, name="acme.b"))


@pytest.mark.parametrize("ask", ["delete", "create"])
def test_what_is_settled_is_told_to_client_and_audit_alike(ask: str) -> None:
    def refusal_of(may: May) -> object:
        return may.topic(Action.TOPIC_DELETE, "acme.a") if ask == "delete" else may.create_topic("acme.a")

    may = make_may(POLICY)
    refusal_of(may)
    (ruling,) = may.notes
    again = make_may(POLICY)
    again.standing = settled(again.standing, [with_text(ruling, "it waits")])

    assert refusal_of(again) == replace(ruling.refusal, text="it waits")  # type: ignore[type-var]
    (noted,) = again.notes
    assert noted.access is Access.STAGED
    assert noted.decision is not None
    assert (noted.decision.reason, noted.decision.staged) == ("it waits", True)
    assert again.topic(Action.TOPIC_EDIT, "acme.free") is None
