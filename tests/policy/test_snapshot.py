"""Who gets in, and what time does."""

import gc
from weakref import ref

import pytest

from kordon_policy.actions import Action, Domain, Kind, parts_of
from kordon_policy.model import Effect, Path, Rule, RuleRef, TemporaryRule
from kordon_policy.patterns import pattern
from kordon_policy.snapshot import Compiled, compile_snapshot
from tests.policy.given import PROD, a_document, a_snapshot, rights_of

HOUR = 3_600_000


def a_grant(
    effect: Effect = Effect.ALLOW,
    starts_ts: int = 0,
    expires_ts: int | None = HOUR,
    principal: str | None = None,
    actions: tuple[Action, ...] = (Action.GROUP_EDIT,),
) -> TemporaryRule:
    path = Path(domain=Domain.CLUSTER, domain_id="prod", kind=Kind.GROUP, name=pattern("trade_b2"))
    rule = Rule(
        ref=RuleRef(place="temporary policy 7f3a"),
        effect=effect,
        actions=parts_of(actions),
        paths=(path,),
        roles=frozenset({"devs"}),
    )
    return TemporaryRule(id="7f3a", rule=rule, starts_ts=starts_ts, expires_ts=expires_ts, principal=principal)


@pytest.mark.parametrize(
    ("text", "roles", "admitted"),
    [
        ("{authorized_roles: [a], policies: []}", {"a"}, True),
        ("{authorized_roles: [a], policies: []}", {"b"}, False),
        ("{authorized_roles: [a], policies: []}", set(), False),
        ("{authorized_roles: ['*'], policies: []}", set(), True),
        ("{authorized_roles: ['*'], policies: []}", {"*"}, True),
        ("{authorized_roles: [], admin_roles: [a]}", {"a"}, True),
        ("{authorized_roles: [], admin_roles: [a]}", {"b"}, False),
        ("{admin_roles: [a]}", {"a"}, True),
        ("policies: [{effect: Deny, actions: [ADMIN], resource: ['*'], role: a}]", {"a"}, True),
        ("policies: [{effect: Allow, actions: [ADMIN], resource: ['*'], role: '*'}]", {"a"}, False),
        ("policies: [{effect: Allow, actions: [ADMIN], resource: ['*'], role: '*'}]", {"*"}, False),
        ("tenants: [{name: T, resources: [{include: ['*']}], roles: [a]}]", {"a"}, True),
        (
            "tenants: [{name: T, resources: [{include: ['*']}], roles: [a], mode: shadow, shadow_until: 2026-01-31}]",
            {"a"},
            False,
        ),
        (
            "policies: [{effect: Deny, actions: [ADMIN], resource: ['*'], role: a, "
            "mode: shadow, shadow_until: 2026-01-31}]",
            {"a"},
            False,
        ),
    ],
)
def test_who_gets_in(text: str, roles: set[str], admitted: bool) -> None:
    assert a_snapshot(text).admits(roles) is admitted


def test_a_grant_lets_nobody_in() -> None:
    snapshot = compile_snapshot(a_document("policies: []"), epoch=1, temporary=[a_grant()], now=1)
    assert not snapshot.admits({"devs"})


def test_without_temporary_policies_a_snapshot_holds_for_ever() -> None:
    assert a_snapshot("policies: []").valid_until is None


@pytest.mark.parametrize(
    ("now", "valid_until", "allowed"),
    [(99, 100, False), (100, 200, True), (199, 200, True), (200, None, False)],
)
def test_a_snapshot_holds_until_the_next_start_or_expiry(now: int, valid_until: int | None, allowed: bool) -> None:
    grant = a_grant(starts_ts=100, expires_ts=200)
    snapshot = compile_snapshot(a_document("policies: []"), epoch=1, temporary=[grant], now=now)

    assert snapshot.valid_until == valid_until
    decision = rights_of(snapshot, "devs").decide(Action.GROUP_EDIT, Kind.GROUP, "trade_b2")
    assert decision.allowed is allowed
    assert not allowed or decision.reason == "GROUP_EDIT is allowed by temporary policy 7f3a"


def test_a_grant_without_an_end_stays() -> None:
    snapshot = compile_snapshot(a_document("policies: []"), epoch=1, temporary=[a_grant(expires_ts=None)], now=HOUR * 9)
    assert snapshot.valid_until is None
    assert rights_of(snapshot, "devs").decide(Action.GROUP_EDIT, Kind.GROUP, "trade_b2").allowed


def test_a_temporary_deny_denies_what_the_file_allows() -> None:
    document = a_document("policies: [{effect: Allow, actions: [GROUP_EDIT], resource: ['*'], role: devs}]")
    snapshot = compile_snapshot(document, epoch=1, temporary=[a_grant(Effect.DENY)], now=1)
    assert rights_of(snapshot, "devs").decide(Action.GROUP_EDIT, Kind.GROUP, "trade_b2").effect is Effect.DENY
    assert rights_of(snapshot, "devs").decide(Action.GROUP_EDIT, Kind.GROUP, "other").allowed


def test_a_grant_to_one_person_is_nobody_elses() -> None:
    snapshot = compile_snapshot(a_document("policies: []"), epoch=1, temporary=[a_grant(principal="dee")], now=1)
    for principal, roles, allowed in (("dee", {"devs"}, True), ("bob", {"devs"}, False), ("dee", {"owners"}, False)):
        rights = snapshot.rights(frozenset(roles), PROD, principal)
        assert rights.decide(Action.GROUP_EDIT, Kind.GROUP, "trade_b2").allowed is allowed


def test_a_temporary_stage_of_a_read_denies_it() -> None:
    grant = a_grant(Effect.STAGE, actions=(Action.GROUP_CONSUME,))
    snapshot = compile_snapshot(a_document("policies: []"), epoch=1, temporary=[grant], now=1)
    decision = rights_of(snapshot, "devs").decide(Action.GROUP_CONSUME, Kind.GROUP, "trade_b2")
    assert decision.effect is Effect.DENY


def test_what_the_file_alone_decides_outlives_a_grant() -> None:
    document = a_document("tenants: [{name: T, resources: [{include: ['*']}], roles: [a]}]")
    before = compile_snapshot(document, epoch=1)

    after = compile_snapshot(before.compiled, epoch=2, temporary=[a_grant()], now=1)

    assert after.view("T", PROD) is before.view("T", PROD)
    assert after.epoch == 2
    assert rights_of(after, "devs").decide(Action.GROUP_EDIT, Kind.GROUP, "trade_b2").epoch == 2


def test_what_a_file_has_been_asked_for_can_be_prepared_of_the_next() -> None:
    text = """
        policies: [{effect: Allow, actions: [GROUP_EDIT], resource: ['*'], roles: [a, b]}]
        tenants: [{name: T, resources: [{include: ['*']}], roles: [a, b]}]
    """
    before = compile_snapshot(a_document(text), epoch=1)
    before.view("T", PROD)
    rights_of(before, "a").decide(Action.GROUP_EDIT, Kind.GROUP, "g")
    after = Compiled(a_document(text.replace("GROUP_EDIT", "GROUP_DELETE")))

    after.prepare(before.compiled.asked)

    assert list(after._indexes) == ["a"]
    assert list(after.views) == [("T", PROD, False)]
    allowed = rights_of(compile_snapshot(after, epoch=2), "a")
    assert not allowed.decide(Action.GROUP_EDIT, Kind.GROUP, "g").allowed
    assert allowed.decide(Action.GROUP_DELETE, Kind.GROUP, "g").allowed


def test_what_is_out_of_force_is_gone_without_the_garbage_collector() -> None:
    text = """
        policies: [{effect: Allow, actions: [GROUP_EDIT], resource: ['*'], roles: [a]}]
        tenants: [{name: T, resources: [{include: ['*']}], roles: [a]}]
    """
    gc.disable()
    try:
        snapshot = compile_snapshot(a_document(text), epoch=1)
        rights, view = rights_of(snapshot, "a"), snapshot.view("T", PROD)
        assert rights.decide(Action.GROUP_EDIT, Kind.GROUP, "g").allowed
        assert view.sees(Kind.GROUP, "g")
        parts = [ref(one) for one in (snapshot, snapshot.compiled, rights, view)]
        del snapshot, rights, view

        assert [part() for part in parts] == [None] * 4
    finally:
        gc.enable()
