"""What is asked for becomes a temporary policy, or every reason why not."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.findings import Severity
from kordon_policy.lifecycle import LAST_INSTANT
from kordon_policy.load import load
from kordon_policy.model import Effect
from kordon_policy.own_rights import Author, Known
from kordon_policy.snapshot import Snapshot
from kordon_policy.temporary import State, TemporaryPolicy
from kordon_policy.temporary_request import HOUR, Asked, read_renewal, read_request
from tests.policy.given import a_snapshot

NOW = 1_771_978_189_708
ANN = Author(principal="ann", roles=frozenset({"owners"}), tenant=None)
KNOWN: Known = {Domain.CLUSTER: (frozenset({"prod", "lkc-1"}), frozenset({"test"}))}
ROLES = '{"admin_roles": ["owners"], "authorized_roles": ["devs"], "policies": []}'
POLICY = {
    "role": "devs",
    "actions": ["GROUP_EDIT"],
    "effect": "Allow",
    "resource": ["cluster", "prod", "group", "trade_b2"],
}
BODY: dict[str, Any] = {"duration_ms": HOUR, "policy": POLICY}


def asked(body: object, *, snapshot: Snapshot | None = None, max_duration: int | None = HOUR) -> Asked:
    return read_request(
        body,
        policy_id="7f3a",
        author=ANN,
        snapshot=snapshot or a_snapshot(ROLES),
        known=KNOWN,
        now=NOW,
        max_duration=max_duration,
    )


def accepted(body: object, **more: Any) -> TemporaryPolicy:
    read = asked(body, **more)
    assert read.policy is not None, read.findings
    return read.policy


def refused(body: object, **more: Any) -> list[str]:
    """Each mistake as `place: message (hint)`."""
    read = asked(body, **more)
    assert read.policy is None
    return [f"{one.path}: {one.message} ({one.hint})" for one in read.findings if one.severity is Severity.ERROR]


def a_policy(**changed: Any) -> dict[str, Any]:
    return {**BODY, "policy": {**POLICY, **changed}}


def test_kpows_shape_is_a_temporary_policy_from_now_on() -> None:
    policy = accepted(BODY)
    assert (policy.starts_ts, policy.expires_ts, policy.duration_ms) == (NOW, NOW + HOUR, HOUR)
    assert (policy.id, policy.author, policy.created_ts, policy.state) == ("7f3a", ANN, NOW, State.SCHEDULED)
    assert str(policy.rule.ref) == "temporary policy 7f3a"
    assert policy.rule.effect is Effect.ALLOW
    assert set(policy.rule.actions) == {Action.GROUP_EDIT}
    assert set(policy.rule.roles) == {"devs"}
    (path,) = policy.rule.paths
    assert (path.domain, path.domain_id, path.kind) == (Domain.CLUSTER, "prod", Kind.GROUP)
    assert path.name is not None
    assert path.name.text == "trade_b2"


def test_what_is_ours_is_kept() -> None:
    body = {**BODY, "starts_ts": NOW + 5, "principal": "dee", "reason": "poison\nmessage", "ticket": "OPS-7"}
    policy = accepted(body)
    assert (policy.principal, policy.reason, policy.ticket) == ("dee", "poison\nmessage", "OPS-7")
    assert (policy.starts_ts, policy.expires_ts) == (NOW + 5, NOW + 5 + HOUR)


@pytest.mark.parametrize(
    ("times", "starts", "expires"),
    [
        ({"duration_ms": 1}, NOW, NOW + 1),
        ({"expires_ts": NOW + 1}, NOW, NOW + 1),
        ({"duration_ms": 7, "expires_ts": NOW + 7}, NOW, NOW + 7),
        ({"starts_ts": NOW - 5, "duration_ms": 6}, NOW - 5, NOW + 1),
        ({"starts_ts": NOW + 5, "expires_ts": NOW + 5 + HOUR}, NOW + 5, NOW + 5 + HOUR),
    ],
)
def test_the_duration_counts_from_the_start(times: dict[str, int], starts: int, expires: int) -> None:
    policy = accepted({"policy": POLICY, **times})
    assert (policy.starts_ts, policy.expires_ts) == (starts, expires)


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ({}, ": no end: neither `duration_ms` nor `expires_ts` (say how long it holds, in milliseconds)"),
        ({"duration_ms": 0}, "duration_ms: `duration_ms` is not above 0 (it is in milliseconds)"),
        ({"duration_ms": -1}, "duration_ms: `duration_ms` is not above 0 (it is in milliseconds)"),
        ({"duration_ms": 10**5_000}, "duration_ms: `duration_ms` is after the year 9999 (it is in milliseconds)"),
        (
            {"duration_ms": "1h"},
            "duration_ms: `duration_ms` is a whole number of milliseconds "
            '(write it like 3600000, or "unlimited")',
        ),
        ({"duration_ms": 1.0}, 'duration_ms: `duration_ms` is a whole number of milliseconds '
         '(write it like 3600000, or "unlimited")'),
        ({"duration_ms": True}, 'duration_ms: `duration_ms` is a whole number of milliseconds '
         '(write it like 3600000, or "unlimited")'),
        (
            {"duration_ms": 5, "expires_ts": NOW + 6},
            "expires_ts: `duration_ms` and `expires_ts` give different ends (leave one of them out)",
        ),
        (
            {"expires_ts": NOW},
            "expires_ts: it would end before it starts (an end is later than the start)",
        ),
        (
            {"starts_ts": NOW - 5, "duration_ms": 5},
            "duration_ms: it would be over already, since 2026-02-25T00:09:49Z (now it is 2026-02-25T00:09:49Z)",
        ),
        (
            {"starts_ts": NOW // 1000, "duration_ms": HOUR},
            "duration_ms: it would be over already, since 1970-01-21T13:12:58Z "
            "(instants are in milliseconds since the epoch)",
        ),
        (
            {"duration_ms": HOUR + 1},
            "duration_ms: it would hold for 3600001 ms (1:00:00.001000), longer than max_duration "
            "(at most 3600000 ms (1:00:00))",
        ),
        (
            {"starts_ts": NOW + 7, "expires_ts": NOW + 8 + HOUR},
            "expires_ts: it would hold for 3600001 ms (1:00:00.001000), longer than max_duration "
            "(at most 3600000 ms (1:00:00))",
        ),
        (
            {"duration_ms": "unlimited"},
            "duration_ms: it would have no end, and there is a max_duration (at most 3600000 ms (1:00:00))",
        ),
        ({"duration_ms": None}, "duration_ms: a null, which could mean nothing or everything "
         "(write a value, or leave the key out)"),
        ({"starts_ts": "now", "duration_ms": 1}, "starts_ts: `starts_ts` is a whole number of milliseconds "
         "(write it like 1767225600000)"),
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(times: dict[str, Any], told: str) -> None:
    assert refused({"policy": POLICY, **times}) == [told]


def test_without_a_bound_it_may_hold_long_and_until_it_is_revoked() -> None:
    assert accepted({**BODY, "duration_ms": 9_999 * HOUR}, max_duration=None).duration_ms == 9_999 * HOUR
    policy = accepted({**BODY, "duration_ms": "unlimited"}, max_duration=None)
    assert policy.expires_ts is policy.duration_ms is None
    assert refused({**BODY, "duration_ms": "unlimited", "expires_ts": NOW + 1}, max_duration=None) == [
        "duration_ms: `duration_ms` is unlimited, and `expires_ts` is an end (leave one of them out)"
    ]
    (told,) = refused({**BODY, "starts_ts": LAST_INSTANT}, max_duration=None)
    assert "it would end after the year 9999" in told


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"actions": ["GROUP_EDITT"]},
            'policy.actions[0]: "GROUP_EDITT" is no action: here this Allow allows nothing '
            '(did you mean "GROUP_EDIT"?)',
        ),
        ({"actions": ["*"]}, 'policy.actions[0]: "*" is no action (name the actions)'),
        (
            {"actions": []},
            "policy.actions: no actions: here this Allow allows nothing (name the actions)",
        ),
        (
            {"actions": ["TOPIC_EDIT"]},
            "policy: no path of this policy is of a TYPE of its actions: this Allow allows nothing "
            "(TOPIC_EDIT is about a topic)",
        ),
        (
            {"actions": ["GROUP_EDIT", "TOPIC_EDIT"], "effect": "deny"},
            "policy.actions[1]: TOPIC_EDIT is about a topic, covered by no path here: this Deny denies nothing by it "
            "(put it into a policy of its own, with a path of that TYPE)",
        ),
        (
            {"effect": "Stage", "actions": ["GROUP_CONSUME"]},
            "policy.actions[0]: GROUP_CONSUME is never staged: this Stage denies it "
            "(write Deny, or leave the action out)",
        ),
        ({"effect": "Alow"}, 'policy.effect: "Alow" is no effect (did you mean "Allow"?)'),
        (
            {"resource": ["cluster", "prod", "groups", "a"]},
            'policy.resource[2]: "groups" is no TYPE of cluster: here this Allow allows nothing '
            '(did you mean "group"?)',
        ),
        (
            {"resource": ["cluster", "pr*", "group", "a"]},
            'policy.resource[1]: "pr*" is taken letter by letter, there are no patterns of cluster names: '
            'here this Allow allows nothing (name each cluster, or write "*" for all of them)',
        ),
        (
            {"resource": ["cluster", "prdo", "group", "a"]},
            'policy.resource[1]: no cluster is known as "prdo" (did you mean "prod"?)',
        ),
        (
            {"resource": ["cluster", "elsewhere", "group", "a"]},
            'policy.resource[1]: no cluster is known as "elsewhere" (known are lkc-1, prod, test)',
        ),
        (
            {"actions": ["SCHEMA_EDIT"], "resource": ["schema", "registry"]},
            'policy.resource[1]: no schema is known as "registry" (none is configured)',
        ),
        ({"resource": []}, "policy.resource: a path of 0 elements (a path is [DOMAIN, DOMAIN_ID, TYPE, NAME], "
         "or the first of these)"),
        ({"resource": ["cluster", "prod", "group", ""]}, "policy.resource[3]: an element of a path is empty "
         "(write a name)"),
        (
            {"resource": ["flink", "*"]},
            "policy.resource[0]: Kordon has nothing to do with flink: here this Allow allows nothing ()",
        ),
        (
            {"resource": ["cluster", "prod", "topic", "__kordon_audit_log"], "actions": ["TOPIC_PRODUCE"]},
            "policy.resource: nobody writes, alters or deletes what is Kordon's own: "
            "this Allow allows nothing by this path ()",
        ),
        ({"role": "*"}, 'policy.role: "*" as a role would be for everybody (name the role)'),
        ({"role": "dev"}, 'policy.role: role "dev" alone cannot log in (did you mean "devs"?)'),
        ({"role": "strangers"}, 'policy.role: role "strangers" alone cannot log in (it is not in authorized_roles)'),
        ({"role": ["devs"]}, "policy.role: `role` is one text (write it without brackets or dashes)"),
        ({"role": 7}, "policy.role: `role` is one text (put it in quotes)"),
        ({"roles": ["devs"]}, 'policy.roles: "roles" is no key of the policy (did you mean "role"?)'),
        ({"mode": "shadow"}, 'policy.mode: "mode" is no key of the policy '
         '(did you mean "role"?)'),
    ],
)  # fmt: skip
def test_a_policy_that_would_not_do_what_it_says_is_refused_in_the_words_of_a_file(
    changed: dict[str, Any], told: str
) -> None:
    assert refused(a_policy(**changed)) == [told]


@pytest.mark.parametrize("key", POLICY)
def test_each_part_of_the_policy_must_be_there(key: str) -> None:
    policy = {name: value for name, value in POLICY.items() if name != key}
    assert refused({**BODY, "policy": policy}) == [f"policy: a policy without `{key}` (write `{key}:`)"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"reason": "x" * 1_001}, "reason: `reason` is longer than 1000 letters (say it in fewer)"),
        ({"ticket": ["OPS-7"]}, "ticket: `ticket` is one text (write it without brackets or dashes)"),
        ({"principal": ""}, "principal: `principal` is empty (write a name)"),
        ({"reason": "\ud83d"}, "reason: a text with half a letter in it (a lone surrogate) (write all of the letter)"),
        ({"duration": 5}, 'duration: "duration" is no key of a temporary policy (the keys of a temporary policy are '
         "duration_ms, starts_ts, expires_ts, principal, reason, ticket, policy)"),
        ({"polcy": {}}, 'polcy: "polcy" is no key of a temporary policy (did you mean "policy"?)'),
        ({"policy": []}, "policy: the policy is a mapping with the keys role, actions, effect, resource "
         "(write key: value)"),
    ],
)  # fmt: skip
def test_what_is_around_the_policy_is_checked_too(changed: dict[str, Any], told: str) -> None:
    assert refused({**BODY, **changed}) == [told]


def test_every_mistake_is_told_at_once() -> None:
    body = {
        "duration_ms": -5,
        "starts": 3,
        "policy": {"role": "*", "actions": ["GROUP_EDITT"], "effect": "Al", "resource": ["cluster", "prdo"]},
    }
    assert [told.partition(":")[0] for told in refused(body)] == [
        "duration_ms",
        "starts",
        "policy.role",
        "policy.actions[0]",
        "policy.effect",
        "policy.resource[1]",
    ]


def test_what_is_only_good_to_know_refuses_nothing() -> None:
    snapshot = a_snapshot(
        '{"admin_roles": ["owners"], "authorized_roles": ["devs"], '
        '"tenants": [{"name": "T", "resources": [{"include": ["*"]}], "roles": ["owners"]}]}'
    )
    body = a_policy(actions="KPOW_ADMIN", resource=["cluster", "*"])
    read = asked(body, snapshot=snapshot)
    assert read.policy is not None
    assert {(one.path, one.severity) for one in read.findings} == {
        ("policy.actions", Severity.NOTICE),
        ("policy.role", Severity.NOTICE),
    }
    assert read.policy.wording.actions == ("KPOW_ADMIN",)


def test_a_role_that_everybody_may_come_with_is_one_that_can_log_in() -> None:
    open_to_all = a_snapshot('{"admin_roles": ["owners"], "authorized_roles": ["*"], "policies": []}')
    assert accepted(a_policy(role="strangers"), snapshot=open_to_all)
    assert accepted(a_policy(role="owners"))


def a_running_policy() -> TemporaryPolicy:
    return accepted(BODY)


@pytest.mark.parametrize(
    ("body", "expires"),
    [({"duration_ms": HOUR}, NOW + 9 + HOUR), ({"expires_ts": NOW + 10}, NOW + 10)],
)
def test_a_renewal_counts_from_now(body: dict[str, int], expires: int) -> None:
    renewal = read_renewal({**body, "reason": "more"}, a_running_policy(), now=NOW + 9)
    assert (renewal.possible, renewal.expires_ts, renewal.reason) == (True, expires, "more")


def test_a_renewal_of_what_has_not_begun_counts_from_its_start() -> None:
    scheduled = accepted({**BODY, "starts_ts": NOW + 500})
    assert read_renewal({"duration_ms": HOUR}, scheduled, now=NOW).expires_ts == NOW + 500 + HOUR


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"duration_ms": HOUR + 1}, "duration_ms: it would hold for"),
        ({"duration_ms": "unlimited"}, "duration_ms: it would have no end"),
        ({"expires_ts": NOW + 9}, "expires_ts: it would end before it starts"),
        ({}, ": no end"),
        ({"starts_ts": NOW, "duration_ms": 1}, 'starts_ts: "starts_ts" is no key of a renewal'),
        ([], ": a renewal is a mapping"),
    ],
)
def test_a_renewal_is_checked_as_the_request_was(body: object, told: str) -> None:
    renewal = read_renewal(body, a_running_policy(), now=NOW + 9)
    assert not renewal.possible
    (found,) = renewal.findings
    assert f"{found.path}: {found.message}".startswith(told)
    assert read_renewal({"duration_ms": "unlimited"}, a_running_policy(), now=NOW, max_duration=None).possible


words = st.sampled_from(
    ["cluster", "prod", "*", "group", "topic", "a*", "GROUP_EDIT", "TOPIC_INSPECT", "Allow", "Deny", "devs", "", "\0"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(body=values | st.fixed_dictionaries({"duration_ms": values, "policy": values}))
def test_whatever_is_asked_is_answered(body: object) -> None:
    read = asked(body)
    assert (read.policy is None) == any(one.severity is Severity.ERROR for one in read.findings)


@settings(max_examples=300, deadline=None)
@given(
    role=st.sampled_from(["devs", "owners", "dev*"]),
    actions=st.lists(st.sampled_from(["GROUP_EDIT", "GROUP_EDITT", "TOPIC_EDIT", "CONNECT_EDIT"]), max_size=2),
    effect=st.sampled_from(["Allow", "stage", "Den"]),
    resource=st.lists(words, max_size=5),
)
def test_the_policy_is_told_what_a_file_would_be_told(role: str, actions: Any, effect: str, resource: Any) -> None:
    policy = {"role": role, "actions": actions, "effect": effect, "resource": resource}
    in_file = load(json.dumps({"authorized_roles": ["*"], "policies": [policy]}), "rbac.yaml")
    told = {one.message for one in asked({**BODY, "policy": policy}).findings}
    # A file is told as a whole, too; that is about members of groups alone here.
    of_policy = {one.message for one in in_file.findings if not one.message.startswith("no rule lets anybody")}
    assert of_policy <= told


def test_what_is_too_deep_or_too_much_is_not_read_to_its_end() -> None:
    deep: object = "x"
    for _ in range(5_000):
        deep = [deep]
    (told,) = refused({**BODY, "policy": deep})
    assert "more than 20 levels deep" in told
    (told,) = refused({**BODY, "reason": ["x"] * 20_000})
    assert "more than 10000 values" in told


def test_who_is_no_administrator_is_not_told_which_roles_and_clusters_there_are() -> None:
    body = a_policy(role="devz", resource=["cluster", "prot", "group", "trade_b2"])
    assert len(refused(body)) == 2
    dee = Author(principal="dee", roles=frozenset({"devs"}), tenant=None)
    read = read_request(body, policy_id="7f3a", author=dee, snapshot=a_snapshot(ROLES), known=KNOWN, now=NOW)
    assert read.findings == ()
