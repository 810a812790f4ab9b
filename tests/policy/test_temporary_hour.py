"""One hour, from asking for a right to its end: every step of it, and nothing but values."""

import json
from pathlib import Path

from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.own_rights import Author, Judgement, Known, judge_author
from kordon_policy.snapshot import Compiled, Snapshot, compile_snapshot
from kordon_policy.temporary import Event, TemporaryPolicy, create, due, enforced, expire, start
from kordon_policy.temporary_record import from_record, to_record
from kordon_policy.temporary_request import HOUR, read_request
from tests.policy.given import a_document

REAL_ID = "N9xnGujkR32eYxHICeaHuQ"
NAMES = frozenset({REAL_ID, "prod"})
KNOWN: Known = {Domain.CLUSTER: (NAMES,)}
NOON = 1_771_978_189_708
FILE = Compiled(a_document((Path(__file__).parent / "kpow.yaml").read_text()))
OWNER = Author(principal="olga", roles=frozenset({"owners"}), tenant="Trading")
DEV = Author(principal="dee", roles=frozenset({"devs"}), tenant="Trading")


def asked(*path: str, effect: str = "Allow", starts_ts: int = NOON) -> TemporaryPolicy:
    policy = {"role": "devs", "actions": ["GROUP_EDIT"], "effect": effect, "resource": path}
    body = {"duration_ms": HOUR, "starts_ts": starts_ts, "policy": policy}
    snapshot = compile_snapshot(FILE, epoch=1)
    read = read_request(body, policy_id="7f3a", author=OWNER, snapshot=snapshot, known=KNOWN, now=NOON)
    assert read.policy is not None, read.findings
    return read.policy


def at(now: int, *policies: TemporaryPolicy, file: Compiled = FILE) -> Snapshot:
    return compile_snapshot(file, epoch=1, temporary=enforced(policies), now=now)


def dee_may(snapshot: Snapshot, group: str = "trade_b2") -> bool:
    return snapshot.rights(frozenset({"devs"}), NAMES, "dee").decide(Action.GROUP_EDIT, Kind.GROUP, group).allowed


def kept(policy: TemporaryPolicy) -> TemporaryPolicy:
    """What is left of it after a restart."""
    return from_record(json.loads(json.dumps(to_record(policy))))


def test_a_right_is_given_for_an_hour_used_and_gone() -> None:
    policy = asked("cluster", "prod", "group", "trade_b2")
    judgement = judge_author(policy.rule, OWNER, at(NOON), KNOWN)
    # The file speaks of the cluster by its id, the request by its name.
    assert judgement.reason == "olga holds it by policies[0] (rbac.yaml:7)"

    created, started = create(policy, judgement, NOON)
    assert (created.event, started.event) == (Event.CREATED, Event.STARTED)

    running = kept(started.policy)
    assert not dee_may(at(NOON))
    assert dee_may(at(NOON, running))
    assert not dee_may(at(NOON, running), "trade_b3")
    assert dee_may(at(NOON + HOUR - 1, running))
    assert not dee_may(at(NOON + HOUR, running))
    assert due(running, NOON + HOUR) is not None
    over = kept(expire(running, NOON + HOUR + 300).policy)
    assert not dee_may(at(NOON + 1, over))


def test_nobody_gives_what_is_not_his_or_what_he_has_been_given() -> None:
    running = create(asked("cluster", "prod", "group", "trade_b2"), judge(OWNER), NOON)[-1].policy
    assert judge(DEV, running).reason == "dee is no administrator: role devs is not in admin_roles"
    wider = asked("cluster", "*", "group", "trade_*")
    assert judge_author(wider.rule, OWNER, at(NOON), KNOWN).reason == (
        "olga does not hold GROUP_EDIT on all of group trade_*: "
        "policies[0] (rbac.yaml:7) allows it on a part of that alone"
    )
    elsewhere = asked("cluster", "prod", "group", "*", effect="Deny")
    assert judge_author(elsewhere.rule, OWNER, at(NOON), KNOWN).reason == (
        "not all of group * in cluster prod is in tenant Trading: no include covers it"
    )


def judge(author: Author, *running: TemporaryPolicy) -> Judgement:
    return judge_author(asked("cluster", "prod", "group", "trade_b2").rule, author, at(NOON, *running), KNOWN)


def test_a_right_that_its_author_has_lost_meanwhile_does_not_start() -> None:
    later = asked("cluster", "prod", "group", "trade_b2", starts_ts=NOON + HOUR)
    (created,) = create(later, judge(OWNER), NOON)
    scheduled = kept(created.policy)
    text = (Path(__file__).parent / "kpow.yaml").read_text().replace('role: "owners"', 'role: "svc-trade"')
    without = Compiled(a_document(text))

    again = judge_author(scheduled.rule, scheduled.author, at(NOON + HOUR, file=without), KNOWN)
    assert not again.granted
    assert start(scheduled, again, NOON + HOUR).event is Event.REFUSED

    kept_right = judge_author(scheduled.rule, scheduled.author, at(NOON + HOUR), KNOWN)
    assert dee_may(at(NOON + HOUR, start(scheduled, kept_right, NOON + HOUR).policy))
