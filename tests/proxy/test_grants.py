"""Temporary policies in one process and in several that share a store: what is in force when, and what is told."""

import asyncio
import shutil
import sqlite3
from collections.abc import Collection, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kordon_policy.actions import Domain
from kordon_policy.lifecycle import NotPossible
from kordon_policy.temporary import State
from kordon_proxy.asking import Malformed, NoSuchPolicy, NotGranted, Places
from kordon_proxy.audit.event import Who
from kordon_proxy.store import book
from kordon_proxy.store.interface import News, Step, StoreUnavailable
from kordon_proxy.store.ledger import KEPT, SILENT, STALE
from kordon_proxy.store.outbox import TAKE_OVER
from kordon_proxy.store.sqlite import SqliteStore
from tests.proxy.cluster.loops import until
from tests.proxy.granting import (
    ANN,
    HOUR,
    NOON,
    POLICY,
    PROD,
    Clocks,
    Log,
    Process,
    a_body,
    a_process,
    file_of,
    ids,
    stepped,
    told,
    until_taken_out,
    until_told,
    untold,
)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


# One process


def test_it_is_in_force_when_it_is_made_and_until_it_is_revoked(tmp_path: Path) -> None:
    async def work() -> None:
        async with a_process(tmp_path) as one:
            assert not one.may_edit()
            made = await one.create(principal="dana")
            assert one.may_edit()
            assert not one.may_edit(principal="dirk")
            await one.grants.revoke(made.id, ANN, "done")
            assert not one.may_edit()
            with pytest.raises(NotPossible, match="it was revoked at"):
                await one.grants.revoke(made.id, ANN)
            assert one.state(made.id) == "revoked"

    run(work())


def test_the_auditor_is_told_by_whom_what_and_why(tmp_path: Path) -> None:
    async def work() -> None:
        async with a_process(tmp_path) as one:
            made = await one.create()
            await one.grants.renew(made.id, {"duration_ms": 1_000, "reason": "shorter"}, ANN)
            await one.grants.revoke(made.id, ANN, "done")

    run(work())

    created, started, renewed, revoked = told(tmp_path)
    policy_id = created["data"]["why"]["temporary_policy"]
    assert [event["id"] for event in told(tmp_path)] == [f"{policy_id}/{revision}" for revision in range(1, 5)]
    assert {event["type"] for event in told(tmp_path)} == {"kordon.audit.temporary_policy.v1"}
    assert created["data"]["who"] == {
        "principal": "ann", "roles": ["owners"], "tenant": "Trading", "peer": "192.0.2.7:1"
    }  # fmt: skip
    assert created["data"]["what"] == {
        "action": "TEMPORARY_POLICY_CREATED",
        "cluster": "prod",
        "resources": [["cluster", "prod", "group", "trade_b2"]],
        "parameters": {
            "created_by": "ann",
            "tenant": "Trading",
            "role": "devs",
            "actions": ["GROUP_EDIT"],
            "effect": "Allow",
            "starts": "2026-02-25T00:09:49.708Z",
            "expires": "2026-02-25T01:09:49.708Z",
            "state": "scheduled",
            "reason": "poison",
            "ticket": "OPS-7",
        },
    }
    assert created["data"]["why"] == {
        "effect": "Allow",
        "rules": ["policies[0] (rbac.yaml:3)"],
        "temporary_policy": policy_id,
        "epoch": 1,
        "reason": "poison",
        "shadow": False,
    }
    assert started["data"]["what"]["parameters"]["state"] == "live"
    assert renewed["data"]["what"]["parameters"]["expires"] == "2026-02-25T00:09:50.708Z"
    assert [event["data"]["why"].get("reason") for event in (started, renewed, revoked)] == [
        None,
        "shorter",
        "done",
    ]


def test_it_ends_by_itself_at_its_end_and_the_store_hears_of_it(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            made = await one.create()
            clocks.pass_by(HOUR - 1)
            assert one.may_edit()
            clocks.pass_by(1)
            assert not one.may_edit()  # before anybody has looked
            await stepped(one)
            assert one.state(made.id) == "expired"
            await until_told(tmp_path, "CREATED", "STARTED", "EXPIRED", by=[one])

    run(work())
    assert told(tmp_path)[-1]["data"]["who"]["principal"] == "kordon"


def test_a_renewal_moves_the_end_both_ways(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            made = await one.create()
            clocks.pass_by(HOUR // 2)
            await stepped(one)
            await one.grants.renew(made.id, {"duration_ms": HOUR}, ANN)
            clocks.pass_by(HOUR - 1)
            await stepped(one)
            assert one.may_edit()
            await one.grants.renew(made.id, {"duration_ms": 1}, ANN)
            clocks.pass_by(1)
            assert not one.may_edit()
            with pytest.raises(NotPossible, match="it ended at"):
                await one.grants.renew(made.id, {"duration_ms": HOUR}, ANN)

    run(work())


@pytest.mark.parametrize(("effect", "before"), [("Deny", True), ("Stage", True), ("Allow", False)])
def test_every_effect_holds_for_its_time(tmp_path: Path, effect: str, before: bool) -> None:
    # Given
    rule = POLICY.splitlines()[2].replace("owners", "devs")
    (tmp_path / "rbac.yaml").write_text(POLICY.replace("tenants:", f"{rule}\ntenants:") if before else POLICY)

    async def work() -> None:
        async with a_process(tmp_path) as one:
            assert one.may_edit() is before
            made = await one.create(effect=effect)
            assert one.may_edit() is not before
            await one.grants.revoke(made.id, ANN)
            assert one.may_edit() is before

    run(work())


def test_what_starts_later_is_judged_again_when_it_starts(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            first, second = [await one.create(starts_ts=NOON + start) for start in (1_000, 2_000)]
            clocks.pass_by(999)
            await stepped(one)
            assert not one.may_edit()
            clocks.pass_by(1)
            await stepped(one)
            assert one.may_edit()

            (tmp_path / "rbac.yaml").write_text(POLICY.replace("role: owners", "role: others"))
            assert await one.policies.reload()
            clocks.pass_by(1_000)
            await stepped(one)
            assert [one.state(made.id) for made in (first, second)] == ["live", "refused"]
            await until_told(tmp_path, "CREATED", "STARTED", "CREATED", "REFUSED", by=[one])

    run(work())
    (refused,) = [event["data"] for event in told(tmp_path) if event["data"]["what"]["action"].endswith("REFUSED")]
    assert (refused["why"]["effect"], refused["who"]["principal"]) == ("Deny", "kordon")
    assert "ann does not hold GROUP_EDIT" in refused["why"]["reason"]


def test_what_may_be_about_a_cluster_whose_id_is_not_known_yet_waits_for_it(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        known = Places(known={Domain.CLUSTER: [PROD | {"x9Kz"}]}, complete=True)
        async with a_process(tmp_path, clocks=clocks) as one:
            one.places = known
            policy = a_body()["policy"] | {"resource": ["cluster", "x9Kz", "group", "trade_b2"]}
            made = await one.create(starts_ts=NOON + 1_000, policy=policy)
            clocks.pass_by(1_000)
            one.places = Places(known={Domain.CLUSTER: [PROD]}, complete=False)
            await stepped(one)
            assert one.state(made.id) == "scheduled"
            one.places = known
            await stepped(one)
            assert one.state(made.id) == "live"

    run(work())


def test_who_may_not_is_told_why_and_so_is_the_auditor(tmp_path: Path) -> None:
    async def work() -> None:
        async with a_process(tmp_path) as one:
            with pytest.raises(NotGranted, match="dana is no administrator"):
                await one.create(who=replace(ANN, principal="dana", roles=("devs",)))
            assert ids(tmp_path) == {"REFUSED": 1}  # on disk already
            assert one.grants.all == ()

    run(work())


def test_nobody_waits_for_the_audit_of_a_refusal_but_who_was_refused(tmp_path: Path) -> None:
    async def work() -> None:
        log = Log()
        log.flushes = False
        async with a_process(tmp_path, log=log) as one:
            refused = asyncio.create_task(one.create(who=replace(ANN, roles=("devs",))))
            await until(lambda: log.events)
            await one.create()
            assert one.may_edit()
            assert not refused.done()
            log.flush()
            with pytest.raises(NotGranted):
                await refused

    run(work())


def test_what_is_none_is_told_with_all_that_is_wrong_with_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with a_process(tmp_path) as one:
            with pytest.raises(Malformed) as malformed:
                await one.create(duration_ms=2 * HOUR, ticket=3)
            assert len(malformed.value.findings) == 2
            made = await one.create()
            with pytest.raises(Malformed):
                await one.grants.renew(made.id, {"duration_ms": 2 * HOUR}, ANN)

    run(work())


OTHERS = {
    "nobody's admin": (Who(principal="dana", roles=("devs",), tenant="Trading"), NotGranted),
    "another tenant's": (Who(principal="oz", roles=("outsiders",), tenant="Payments"), NoSuchPolicy),
}


@pytest.mark.parametrize("other", OTHERS)
def test_it_is_changed_by_administrators_of_its_tenant_alone(tmp_path: Path, other: str) -> None:
    who, refused = OTHERS[other]

    async def work() -> None:
        async with a_process(tmp_path) as one:
            made = await one.create()
            for change in (one.grants.revoke(made.id, who), one.grants.renew(made.id, {"duration_ms": 1}, who)):
                with pytest.raises(refused):
                    await change
            with pytest.raises(NoSuchPolicy):
                await one.grants.revoke("none", ANN)
            assert one.may_edit()

    run(work())


# The clock


async def is_over_after(ms: int, one: Process, clocks: Clocks, policy_id: str) -> None:
    """It is in force until then, and not a moment longer."""
    clocks.pass_by(ms - 1)
    await stepped(one)
    assert one.may_edit()
    clocks.pass_by(1)
    await stepped(one)
    assert not one.may_edit()
    assert one.state(policy_id) == "expired"


@pytest.mark.parametrize("back", [HOUR // 2, HOUR, 24 * HOUR])
def test_an_hour_is_over_after_an_hour_though_the_clock_is_set_back(tmp_path: Path, back: int) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            made = await one.create()
            clocks.pass_by(HOUR // 2)
            clocks.wall -= back
            await is_over_after(HOUR // 2, one, clocks, made.id)

    run(work())


@pytest.mark.parametrize("renewed", [False, True])
def test_an_hour_is_over_an_hour_after_a_restart_though_the_clock_was_set_back(tmp_path: Path, renewed: bool) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            made = await one.create()
            clocks.pass_by(HOUR // 2)
            await stepped(one)
            if renewed:
                await one.grants.renew(made.id, {"duration_ms": HOUR}, ANN)
            clocks.pass_by(HOUR // 4)
        clocks.wall -= 24 * HOUR
        async with a_process(tmp_path, clocks=clocks) as one:
            await is_over_after(HOUR, one, clocks, made.id)

    run(work())


@pytest.mark.parametrize(("before", "after"), [(0, -24 * HOUR), (24 * HOUR, 0)], ids=["set back", "no more ahead"])
def test_a_renewal_is_over_in_its_time_though_the_clock_was_set_before_it(
    tmp_path: Path, before: int, after: int
) -> None:
    async def work() -> None:
        clocks = Clocks()
        clocks.wall += before
        async with a_process(tmp_path, clocks=clocks) as one:
            made = await one.create()
            clocks.pass_by(HOUR // 2)
            clocks.wall += after - before
            await stepped(one)
            await one.grants.renew(made.id, {"duration_ms": HOUR}, ANN)
            await is_over_after(HOUR, one, clocks, made.id)

    run(work())


def test_what_is_over_is_not_in_force_again_when_the_clock_is_set_back(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            await one.create()
            clocks.pass_by(HOUR)
            assert not one.may_edit()
            clocks.wall -= HOUR  # before anybody has looked
            assert not one.may_edit()
            await stepped(one)
            clocks.wall -= HOUR
            await stepped(one)
            assert not one.may_edit()
        async with a_process(tmp_path, "two", clocks) as later:
            assert not later.may_edit()

    run(work())


def test_a_clock_that_is_set_forward_ends_what_should_be_over_by_then(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            await one.create()
            clocks.wall += HOUR
            assert not one.may_edit()

    run(work())


def test_nothing_is_lost_to_a_clock_that_was_in_the_future_for_a_moment(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            await one.create()
            clocks.wall += HOUR
            assert not one.may_edit()  # a request came in that moment
            clocks.wall -= HOUR
            await stepped(one)
            assert one.may_edit()

    run(work())


# Several processes


def test_others_have_it_in_force_at_their_next_look(tmp_path: Path) -> None:
    async def work() -> None:
        async with a_process(tmp_path) as one, a_process(tmp_path, "two") as two:
            made = await one.create()
            await stepped(two)
            assert two.may_edit()
            await two.grants.revoke(made.id, ANN)
            await stepped(one)
            assert not one.may_edit()
            await until_told(tmp_path, "CREATED", "STARTED", "REVOKED", by=[one, two])
            assert ids(tmp_path, "one") == {"CREATED": 1, "STARTED": 1}
            await until_taken_out(tmp_path, by=[one, two])

    run(work())


def test_each_transition_is_made_and_told_once(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with (
            a_process(tmp_path, "one", clocks) as one,
            a_process(tmp_path, "two", clocks) as two,
            a_process(tmp_path, "three", clocks) as three,
        ):
            everybody = (one, two, three)
            for number in range(5):
                await one.create(f"trade_{number}", starts_ts=NOON + 1_000)
            await stepped(*everybody)
            clocks.pass_by(1_000)
            await stepped(*everybody, times=2)
            assert all(process.may_edit("trade_4") for process in everybody)
            await until_taken_out(tmp_path, by=everybody)  # or it would be taken over in an hour
            clocks.pass_by(HOUR)
            await until_told(tmp_path, *5 * ["CREATED", "STARTED", "EXPIRED"], by=everybody)
            assert len({event["id"] for event in told(tmp_path)}) == 15
            await until_taken_out(tmp_path, by=everybody)

    run(work())


def test_of_two_who_change_the_same_at_the_same_time_both_are_done_or_one_is_told_why_not(tmp_path: Path) -> None:
    async def work() -> None:
        async with a_process(tmp_path) as one, a_process(tmp_path, "two") as two:
            for _ in range(10):
                made = await one.create()
                results = await asyncio.gather(
                    one.grants.renew(made.id, {"duration_ms": 1_000}, ANN),
                    two.grants.revoke(made.id, ANN),
                    one.grants.revoke(made.id, ANN),
                    return_exceptions=True,
                )
                failed = [result for result in results if isinstance(result, BaseException)]
                assert all(isinstance(failure, NotPossible) for failure in failed)
                await stepped(one, two)
                assert one.state(made.id) == two.state(made.id) == "revoked"
                assert not one.may_edit()
                assert not two.may_edit()

    run(work())


def test_what_a_process_has_not_told_before_its_end_is_told_by_another(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            one_ended = Log()
            one_ended.healthy = False
            async with a_process(tmp_path, "two", clocks, log=one_ended) as two:
                await two.create()
            clocks.pass_by(TAKE_OVER)
            await stepped(one)
            clocks.pass_by(TAKE_OVER - 1)
            await stepped(one, times=3)
            assert not told(tmp_path)
            clocks.pass_by(1)
            await until_told(tmp_path, "CREATED", "STARTED", by=[one])
            assert one_ended.events == []

    run(work())


def test_what_cannot_be_told_now_is_told_later_also_after_a_restart(tmp_path: Path) -> None:
    async def work() -> None:
        clocks, log = Clocks(), Log()
        log.healthy = False
        async with a_process(tmp_path, clocks=clocks, log=log) as one:
            await one.create()
            await stepped(one)
            log.healthy = True
            await stepped(one, times=3)
            assert [event.what.action for event in log.events] == [
                "TEMPORARY_POLICY_CREATED",
                "TEMPORARY_POLICY_STARTED",
            ]
            log.healthy = False
            await one.create()
        async with a_process(tmp_path, "later", clocks) as later:
            await stepped(later)
            clocks.pass_by(TAKE_OVER)
            await until_told(tmp_path, "CREATED", "STARTED", by=[later])

    run(work())


def test_an_event_stays_in_the_store_until_it_is_on_disk_in_an_audit_log(tmp_path: Path) -> None:
    async def work() -> None:
        log = Log()
        log.flushes = False
        async with a_process(tmp_path, log=log) as one:
            await one.create()
            await stepped(one, times=3)
            assert len(log.events) == len(untold(tmp_path)) == 2
            log.flush()
            await stepped(one)
            assert untold(tmp_path) == []

    run(work())


# Restart


def test_after_a_restart_all_is_as_time_has_it(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            await one.create("trade_live", principal="dana")
            over = await one.create("trade_over", duration_ms=1_000)
            missed = await one.create("trade_missed", starts_ts=NOON + 1_000, duration_ms=1_000)
            due = await one.create("trade_due", starts_ts=NOON + 1_000)
        clocks.pass_by(5_000)
        async with a_process(tmp_path, "two", clocks) as two:
            assert two.may_edit("trade_live")  # before its first look, so before its first client
            assert not two.may_edit("trade_live", "dirk")
            assert not two.may_edit("trade_over")
            await stepped(two)
            assert two.may_edit("trade_due")
            assert [two.state(made.id) for made in (over, missed, due)] == ["expired", "expired", "live"]

    run(work())


# The store


def test_without_its_store_it_keeps_what_it_knows_and_nothing_lives_past_its_end(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        file, away = file_of(tmp_path), tmp_path / "away.db"
        async with a_process(tmp_path, clocks=clocks) as one:
            made = await one.create()
            await stepped(one)
            assert (one.ledger.problem, one.ledger.stale) == (None, False)

            shutil.move(file, away)
            await stepped(one)
            assert one.may_edit()
            assert one.ledger.problem == f"the store {file} cannot be used: no such file or directory"
            assert not one.ledger.stale
            for change in (one.create(), one.grants.revoke(made.id, ANN), one.grants.renew(made.id, {}, ANN)):
                with pytest.raises(StoreUnavailable, match="no such file"):
                    await change

            clocks.wall -= HOUR
            clocks.pass_by(HOUR)
            await stepped(one)
            assert not one.may_edit()
            assert one.ledger.stale

            shutil.move(away, file)
            await stepped(one)
            assert (one.ledger.problem, one.ledger.stale) == (None, False)
            assert one.state(made.id) == "expired"
            assert not one.may_edit()
            await until_told(tmp_path, "CREATED", "STARTED", "EXPIRED", by=[one])

    run(work())


class Hanging(SqliteStore):
    """On a disk that does not answer any more."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "one")
        self.answers = asyncio.Event()
        self.answers.set()
        self.is_asked = False

    async def news(self) -> News | None:
        self.is_asked = not self.answers.is_set()
        await self.answers.wait()
        return await super().news()


def test_a_store_that_does_not_answer_is_told_and_nothing_lives_past_its_end(tmp_path: Path) -> None:
    async def work() -> None:
        clocks, store = Clocks(), Hanging(file_of(tmp_path))
        async with a_process(tmp_path, clocks=clocks, store=store) as one:
            await one.create()
            store.answers.clear()
            following = asyncio.create_task(one.ledger.run())
            await until(lambda: store.is_asked)
            clocks.wall -= HOUR
            clocks.pass_by(HOUR)
            await until(lambda: not one.may_edit())
            assert one.ledger.problem == f"the store has not answered for {HOUR / 1000:.0f} s"
            assert one.ledger.stale
            with pytest.raises(StoreUnavailable, match="has not answered"):
                await asyncio.wait_for(one.create(), 1)
            store.answers.set()
            await until(lambda: one.ledger.problem is None)
            following.cancel()

    run(work())


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (SILENT * 1000, (False, False)),
        (SILENT * 1000 + 1, (True, False)),
        (STALE * 1000 + 1, (True, True)),
    ],
)
def test_a_store_is_silent_and_a_process_stale_after_a_time(tmp_path: Path, ms: float, said: Collection[bool]) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, clocks=clocks) as one:
            clocks.monotonic += int(ms)
            assert (one.ledger.problem is not None, one.ledger.stale) == said

    run(work())


def test_a_policy_that_cannot_be_read_is_told_and_changes_nothing_and_nobody_starts_with_it(tmp_path: Path) -> None:
    def alter(schema: int) -> None:
        database = sqlite3.connect(file_of(tmp_path), isolation_level=None)
        database.execute("BEGIN")
        database.execute("UPDATE store SET changes = changes + 1")
        database.execute(
            "UPDATE records SET record = json_set(record, '$.schema', ?),"
            " changed = (SELECT changes FROM store) WHERE id = (SELECT min(id) FROM records)",
            (schema,),
        )
        database.execute("COMMIT")
        database.close()

    async def work() -> None:
        async with a_process(tmp_path) as one:
            made = await one.create()
            await one.create("trade_c3")
            first = min(policy.id for policy in one.grants.all)
            alter(2)
            await stepped(one)
            assert one.ledger.problem is not None
            assert f"temporary policy {first} in the store cannot be read: it was written by" in one.ledger.problem
            assert one.ledger.stale
            assert one.may_edit()
            assert one.may_edit("trade_c3")
            with pytest.raises(StoreUnavailable, match="cannot be read"):
                await one.grants.revoke(made.id, ANN)
            with pytest.raises(StoreUnavailable, match="cannot be read"):
                async with a_process(tmp_path, "two"):
                    pass
            alter(1)
            await stepped(one)
            assert one.ledger.problem is None
            await one.grants.revoke(made.id, ANN)

    run(work())


class Slower(SqliteStore):
    """Somebody else is always quicker."""

    async def take(self, step: Step) -> bool:
        return not step.before and await super().take(step)


def test_a_change_that_never_gets_its_turn_is_given_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with a_process(tmp_path, store=Slower(file_of(tmp_path), "one")) as one:
            made = await one.create()
            with pytest.raises(StoreUnavailable, match="others change the same"):
                await one.grants.revoke(made.id, ANN)
            assert one.may_edit()

    run(work())


def test_a_revocation_that_is_forgotten_before_another_process_looks_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "MOST_OVER", 2)

    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, "one", clocks) as one, a_process(tmp_path, "two", clocks) as two:
            made = await one.create()
            await stepped(two)
            assert two.may_edit()

            await one.grants.revoke(made.id, ANN)
            for number in range(2):
                clocks.pass_by(1)
                other = await one.create(f"trade_{number}")
                await one.grants.revoke(other.id, ANN)
            await stepped(one)
            await stepped(two)

            assert not two.may_edit()
            assert {policy.state for policy in two.grants.all} == {State.REVOKED}
            assert two.ledger.problem is None
            with pytest.raises(NoSuchPolicy):
                await two.grants.revoke(made.id, ANN)

    run(work())


def test_what_a_clock_that_was_ahead_has_ended_and_forgotten_has_ended_for_others(tmp_path: Path) -> None:
    async def work() -> None:
        ahead, theirs = Clocks(), Clocks()
        async with a_process(tmp_path, "one", ahead) as one, a_process(tmp_path, "two", theirs) as two:
            made = await two.create()
            ahead.wall += KEPT + 2 * HOUR
            await stepped(one)
            ahead.wall -= KEPT + 2 * HOUR
            await stepped(two)

            assert not two.may_edit()
            with pytest.raises(NoSuchPolicy):
                await two.grants.revoke(made.id, ANN)

    run(work())


def test_a_policy_that_cannot_be_read_is_no_trouble_when_it_has_gone(tmp_path: Path) -> None:
    async def work() -> None:
        async with a_process(tmp_path) as one, a_process(tmp_path, "two") as two:
            made = await one.create()
            record = sqlite3.connect(file_of(tmp_path), isolation_level=None)
            record.execute("UPDATE records SET record = json_set(record, '$.schema', 2)")
            await stepped(two)
            assert two.ledger.problem is not None
            record.execute("DELETE FROM records WHERE id = ?", (made.id,))
            record.close()
            await stepped(two)
            assert two.ledger.problem is None

    run(work())


def test_what_is_over_for_long_is_forgotten_by_every_process_and_by_the_store(tmp_path: Path) -> None:
    async def work() -> None:
        clocks = Clocks()
        async with a_process(tmp_path, "one", clocks) as one, a_process(tmp_path, "two", clocks) as two:
            over, later = await one.create(duration_ms=60_000), await one.create("trade_b3", duration_ms=60_000)
            clocks.pass_by(30_000)
            await stepped(one, two)
            await one.grants.renew(later.id, {"duration_ms": 3_600_000}, ANN)
            clocks.pass_by(30_000)
            await stepped(one, two)
            clocks.pass_by(KEPT)
            await stepped(one, two)
            assert one.state(over.id) == two.state(over.id) == "expired"  # for so long it is kept

            clocks.pass_by(1)
            await stepped(one, two)
            await stepped(one, two)
            assert [one.id for one in one.grants.all] == [two.id for two in two.grants.all] == [later.id]
        async with a_process(tmp_path, "three", clocks) as three:
            assert [one.id for one in three.grants.all] == [later.id]

    asyncio.run(work())
