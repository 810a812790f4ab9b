"""What was staged is approved by a second person, and happens once, or not at all."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_policy.lifecycle import NotPossible
from kordon_policy.staged import EXECUTES_WITHIN_MS, LEASE_MS, WAITS_MS, State
from kordon_policy.staged_record import to_answer
from kordon_policy.tenants import tenant_cluster_id
from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.bindings import ALLOW, LITERAL, PREFIXED
from kordon_proxy.asking import NoSuchMutation, NotGranted
from kordon_proxy.audit.event import Who
from kordon_proxy.audit.event import encode as event_text
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.cluster.brokers import HangUp
from tests.proxy.cluster.loops import scenario, until
from tests.proxy.granting import Clocks
from tests.proxy.sessions import Links
from tests.proxy.stages import (
    CLARA,
    DANA,
    OLGA,
    OSCAR,
    POLICY,
    TINA,
    HeldStore,
    SmallStore,
    Stage,
    a_stage,
    answered,
    delete,
    deleted,
)

TOPIC: Final = 2
WRITE: Final = 4
SALTED: Final = b"salted-and-secret"


def hang_up(_: Any) -> Any:
    raise HangUp


@scenario
async def test_what_was_approved_is_sent_once(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        stage.answers_with(ApiKey.DELETE_TOPICS, deleted)
        waiting = await stage.waits(delete("tx_keep"))

        await stage.staging.approve(waiting.id, OLGA, "OPS-7")
        over = await stage.until_over(waiting.id)
        for _ in range(5):
            await stage.ledger.step()

        assert over.state is State.SUCCEEDED
        assert stage.asked(ApiKey.DELETE_TOPICS) == [delete("tx_keep")]
        assert await stage.told() == ["STAGED", "APPROVED", "STARTED", "SUCCEEDED"]


@scenario
async def test_the_auditor_is_told_who_what_and_how_it_ended(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        stage.answers_with(ApiKey.DELETE_TOPICS, deleted)
        waiting = await stage.waits(delete("tx_keep"))
        await stage.staging.approve(waiting.id, OLGA, "OPS-7")
        await stage.until_over(waiting.id)
        await stage.ledger.step()

        asked, approved, started, over = stage.events
        assert [event.id for event in stage.events] == [f"{waiting.id}/{number}" for number in range(1, 5)]
        assert [event.who.principal for event in stage.events] == ["tina", "olga", "kordon", "kordon"]
        assert {event.what.resources for event in stage.events} == {(("cluster", "prod", "topic", "tx_keep"),)}
        assert {(event.what.api, event.what.api_version) for event in stage.events} == {("DeleteTopics", 5)}
        assert (asked.why.effect, asked.why.rules) == ("Stage", ("policies[1] (rbac.yaml:5)",))
        assert asked.what.parameters["request"] == over.what.parameters["request"] == {"topics": ["tx_keep"]}
        assert (approved.why.effect, approved.why.reason, approved.why.rules) == (
            *("Allow", "OPS-7", ("policies[0] (rbac.yaml:4)",)),
        )
        assert (over.what.parameters["created_by"], over.what.parameters["approved_by"]) == ("tina", "olga")
        assert (over.outcome.error_code, over.outcome.error_name, over.outcome.unknown) == (0, "NONE", False)
        assert "request" not in started.what.parameters


@scenario
async def test_a_refusal_of_the_brokers_is_how_it_ends(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        refused = said(
            ApiKey.DELETE_TOPICS, 5, "responses", name="tx_keep", error_code=ErrorCode.topic_deletion_disabled
        )
        answer = a_response(ApiKey.DELETE_TOPICS, 5, responses=(refused,))
        stage.answers_with(ApiKey.DELETE_TOPICS, lambda _: answer)
        waiting = await stage.waits(delete("tx_keep"))
        await stage.staging.approve(waiting.id, OLGA)

        over = await stage.until_over(waiting.id)

        await stage.ledger.step()
        assert over.ended is not None
        assert (over.state, over.ended.reason) == (State.FAILED, "responses[tx_keep]: TOPIC_DELETION_DISABLED")
        assert stage.events[-1].outcome.error_name == "TOPIC_DELETION_DISABLED"


@scenario
async def test_what_brokers_were_not_through_with_in_time_may_have_been_done(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        late = said(ApiKey.DELETE_TOPICS, 5, "responses", name="tx_keep", error_code=ErrorCode.request_timed_out)
        stage.answers_with(ApiKey.DELETE_TOPICS, lambda _: a_response(ApiKey.DELETE_TOPICS, 5, responses=(late,)))
        waiting = await stage.waits(replace(delete("tx_keep"), timeout=timedelta(0)))
        await stage.staging.approve(waiting.id, OLGA)

        over = await stage.until_over(waiting.id)

        await stage.ledger.step()
        assert over.ended is not None
        assert over.ended.reason == "nobody knows whether it was done: responses[tx_keep]: REQUEST_TIMED_OUT"
        outcome = stage.events[-1].outcome
        assert (outcome.error_name, outcome.unknown) == ("REQUEST_TIMED_OUT", True)


def many_settings() -> tuple[Any, Any]:
    """A change of 40,000 settings of one topic, and the answer to it."""
    key = ApiKey.INCREMENTAL_ALTER_CONFIGS
    config = asked(key, 1, "resources", "configs", name="a", config_operation=1, value=None)
    resource = asked(key, 1, "resources", resource_type=2, resource_name="tx_keep", configs=(config,) * 40_000)
    done = said(key, 1, "responses", resource_type=2, resource_name="tx_keep")
    return a_request(key, 1, resources=(resource,)), a_response(key, 1, responses=(done,))


def long_names() -> tuple[Any, Any]:
    """The deletion of groups whose names are as long as can be, and the answer that there are none."""
    key = ApiKey.DELETE_GROUPS
    names = [f"g_{number}".ljust(32_000, "x") for number in range(8)]
    missing = (said(key, 2, "results", group_id=name, error_code=ErrorCode.group_id_not_found) for name in names)
    return a_request(key, 2, groups_names=tuple(names)), a_response(key, 2, results=tuple(missing))


@pytest.mark.parametrize(("made", "state"), [(many_settings, State.SUCCEEDED), (long_names, State.FAILED)])
def test_how_it_ended_can_be_noted_however_much_there_is_to_say(
    links: Links, tmp_path: Path, made: Callable[[], tuple[Any, Any]], state: State
) -> None:
    @scenario
    async def work() -> None:
        async with a_stage(links, tmp_path, store=SmallStore(tmp_path)) as stage:
            request, answer = made()
            stage.answers_with(request.__api_key__, lambda _: answer)
            stage.world.cluster.answers = {
                **coordinated(**dict.fromkeys(getattr(request, "groups_names", ()), 2)),
                ApiKey.DESCRIBE_CONFIGS: a_response(ApiKey.DESCRIBE_CONFIGS, 1),
            }
            waiting = await stage.waits(request)
            await stage.staging.approve(waiting.id, OLGA)

            over = await stage.until_over(waiting.id)

            assert (over.state, over.outcome and over.outcome.unknown) == (state, False)
            assert await stage.told() == ["STAGED", "APPROVED", "STARTED", state.name]

    work()


@scenario
async def test_when_the_connection_breaks_nobody_knows_and_it_is_not_sent_again(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        stage.answers_with(ApiKey.DELETE_TOPICS, hang_up)
        waiting = await stage.waits(delete("tx_keep"))
        await stage.staging.approve(waiting.id, OLGA)

        over = await stage.until_over(waiting.id)
        for _ in range(5):
            await stage.ledger.step()

        assert over.outcome is not None
        assert (over.state, over.outcome.unknown) == (State.FAILED, True)
        assert not [text for text in (*over.outcome.errors, repr(over.ended)) if "127.0.0.1" in text]
        assert len(stage.asked(ApiKey.DELETE_TOPICS)) == 1
        assert stage.events[-1].outcome.unknown


# Who may


@pytest.mark.parametrize(
    ("who", "error", "told"),
    [
        (TINA, NotGranted, "tina has asked for it himself: it takes a second person"),
        (CLARA, NotGranted, "clara does not hold TOPIC_DELETE on topic tx_keep: no policy allows"),
        (DANA, NoSuchMutation, "there is no staged mutation"),
        (OSCAR, NoSuchMutation, "there is no staged mutation"),
    ],
)
def test_only_a_second_person_with_the_right_approves(
    links: Links, tmp_path: Path, who: Who, error: type[Exception], told: str
) -> None:
    @scenario
    async def work() -> None:
        async with a_stage(links, tmp_path) as stage:
            waiting = await stage.waits(delete("tx_keep"))

            with pytest.raises(error, match=told):
                await stage.staging.approve(waiting.id, who)

            await stage.ledger.step()
            assert stage.one(waiting.id).state is State.PENDING
            assert stage.asked(ApiKey.DELETE_TOPICS) == []

    work()


@scenario
async def test_each_sees_his_own_and_administrators_all_of_which_they_see_everything(
    links: Links, tmp_path: Path
) -> None:
    async with a_stage(links, tmp_path) as stage:
        waiting = await stage.waits(delete("tx_keep"))

        assert [stage.staged(who) for who in (TINA, OLGA, CLARA)] == [[waiting]] * 3
        assert [stage.staged(who) for who in (DANA, OSCAR)] == [[], []]


@pytest.mark.parametrize("pattern", [LITERAL, PREFIXED], ids=["literal", "prefixed"])
@pytest.mark.parametrize("key", [ApiKey.CREATE_ACLS, ApiKey.DELETE_ACLS], ids=["created", "deleted"])
def test_acls_about_another_tenants_topics_are_neither_seen_nor_approved_by_who_has_their_principal(
    links: Links, tmp_path: Path, key: ApiKey, pattern: int
) -> None:
    @scenario
    async def work() -> None:
        shared = POLICY.replace(
            '[cluster, prod, topic, "pay_*"]', '[[cluster, prod, topic, "pay_*"], [cluster, prod, principal]]'
        )
        async with a_stage(links, tmp_path, policy=shared) as stage:
            waiting = await stage.waits(acls(key, pattern))

            assert waiting.demands[0].action is Action.ACL_EDIT
            assert [stage.staged(who) for who in (OLGA, OSCAR)] == [[waiting], []]
            with pytest.raises(NoSuchMutation):
                await stage.staging.approve(waiting.id, OSCAR)

    work()


def acls(key: ApiKey, pattern: int) -> Any:
    """Let the application of both tenants write to a topic, or to all that begin like it; or do not."""
    if key is ApiKey.CREATE_ACLS:
        creation = asked(
            *(key, 3, "creations"),
            resource_type=TOPIC,
            resource_name="tx_one",
            resource_pattern_type=pattern,
            principal="User:app",
            host="*",
            operation=WRITE,
            permission_type=ALLOW,
        )
        return a_request(key, 3, creations=(creation,))
    wanted = asked(
        *(key, 3, "filters"),
        resource_type_filter=TOPIC,
        resource_name_filter="tx_one",
        pattern_type_filter=pattern,
        principal_filter="User:app",
        host_filter=None,
        operation=WRITE,
        permission_type=ALLOW,
    )
    return a_request(key, 3, filters=(wanted,))


Say = Callable[[Stage, str], Coroutine[Any, Any, Any]]


@pytest.mark.parametrize(
    ("say", "state", "by"),
    [
        (lambda stage, one: stage.staging.deny(one, CLARA, "no"), State.DENIED, "clara"),
        (lambda stage, one: stage.staging.withdraw(one, TINA, "no"), State.WITHDRAWN, "tina"),
    ],
    ids=["denied", "withdrawn"],
)
def test_what_is_denied_or_withdrawn_is_never_done(
    links: Links, tmp_path: Path, say: Say, state: State, by: str
) -> None:
    @scenario
    async def work() -> None:
        async with a_stage(links, tmp_path) as stage:
            waiting = await stage.waits(delete("tx_keep"))

            await say(stage, waiting.id)

            over = stage.one(waiting.id)
            assert over.ended is not None
            assert (over.state, over.ended.by, over.ended.reason) == (state, by, "no")
            with pytest.raises(NotPossible, match="it is over since"):
                await stage.staging.approve(waiting.id, OLGA)
            for _ in range(3):
                await stage.ledger.step()
            assert stage.asked(ApiKey.DELETE_TOPICS) == []

    work()


@scenario
async def test_nobody_denies_his_own_or_withdraws_anothers(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        waiting = await stage.waits(delete("tx_keep"))

        with pytest.raises(NotGranted, match="it takes a second person"):
            await stage.staging.deny(waiting.id, TINA)
        with pytest.raises(NotGranted, match="may deny it instead"):
            await stage.staging.withdraw(waiting.id, OLGA)
        assert stage.one(waiting.id).state is State.PENDING


@scenario
async def test_what_nobody_approves_in_time_is_over(links: Links, tmp_path: Path) -> None:
    clocks = Clocks()
    async with a_stage(links, tmp_path, clocks=clocks) as stage:
        waiting = await stage.waits(delete("tx_keep"))
        clocks.wall += WAITS_MS

        with pytest.raises(NotPossible, match="its time ended"):
            await stage.staging.approve(waiting.id, OLGA)
        over = await stage.until_over(waiting.id)

        assert over.ended is not None
        assert (over.state, over.ended.reason) == (State.EXPIRED, "nobody approved it")


# If it still holds


STAGE: Final = 'tx_keep*"], effect: Stage'


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda policy: policy.replace("tx_never*", "tx_keep"),
            "tina does not hold TOPIC_DELETE on topic tx_keep: TOPIC_DELETE is denied",
        ),
        (
            lambda policy: policy.replace('topic, "tx_*"], [', 'topic, "tx_o*"], ['),
            "topic tx_keep is outside the tenant Trading",
        ),
        (
            lambda policy: policy.replace("roles: [devs, owners]}", "roles: [devs]}"),
            "olga does not hold TOPIC_DELETE on topic tx_keep",
        ),
        (
            lambda policy: policy.replace("roles: [devs, owners, clerks]", "roles: [owners]"),
            "tina is in tenant Trading",
        ),
        (lambda policy: policy.replace("admin_roles: [owners, clerks]", ""), "olga is no administrator"),
    ],
    ids=["the author's right", "the view", "the approver's right", "the author's tenant", "the approver's role"],
)
def test_it_is_not_done_if_view_or_rights_are_gone(
    links: Links, tmp_path: Path, change: Callable[[str], str], told: str
) -> None:
    @scenario
    async def work() -> None:
        async with a_stage(links, tmp_path) as stage:
            waiting = await stage.waits(delete("tx_keep"))
            stage.world.cluster.may_refresh.clear()
            await stage.staging.approve(waiting.id, OLGA)
            await stage.ledger.step()
            stage.put_in_force(change(POLICY))
            stage.world.cluster.may_refresh.set()

            over = await stage.until_over(waiting.id)

            assert over.ended is not None
            assert (over.state, over.claim) == (State.FAILED, None)
            assert over.ended.reason.startswith(told)
            assert stage.asked(ApiKey.DELETE_TOPICS) == []
            assert (await stage.told())[-1] == "FAILED"
            assert stage.events[-1].why.effect == "Deny"

    work()


@scenario
async def test_it_waits_for_a_cluster_that_cannot_be_reached_and_is_given_up_after_a_while(
    links: Links, tmp_path: Path
) -> None:
    clocks = Clocks()
    async with a_stage(links, tmp_path, clocks=clocks) as stage:
        waiting = await stage.waits(delete("tx_keep"))
        for broker in stage.brokers.values():
            await broker.stop()
        await stage.staging.approve(waiting.id, OLGA)
        await stage.ledger.step()
        await until(lambda: any(one and one[1] for one in stage.staging.seen_by(TINA)))

        clocks.pass_by(EXECUTES_WITHIN_MS)
        over = await stage.until_over(waiting.id)

        assert over.ended is not None
        assert (over.state, over.ended.reason.partition(";")[0]) == (State.EXPIRED, "a broker cannot be reached")


@pytest.mark.parametrize("begun_later", [False, True], ids=["watched", "seen since then"])
def test_an_approval_lives_no_longer_because_the_clock_is_set_back(
    links: Links, tmp_path: Path, begun_later: bool
) -> None:
    clocks = Clocks()

    @scenario
    async def work() -> None:
        async with a_stage(links, tmp_path, clocks=clocks) as stage:
            waiting = await stage.waits(delete("tx_keep"))
            await stage.staging.approve(waiting.id, OLGA)
            clocks.wall -= 24 * 3_600_000
            async with a_stage(links, tmp_path, clocks=clocks, name="two") as later:
                for one in (stage, later):
                    one.answers_with(ApiKey.DELETE_TOPICS, deleted)
                clocks.monotonic += EXECUTES_WITHIN_MS

                over = await (later if begun_later else stage).until_over(waiting.id)

                assert over.state is State.EXPIRED
                assert [*stage.asked(ApiKey.DELETE_TOPICS), *later.asked(ApiKey.DELETE_TOPICS)] == []

    work()


# Several processes, and crashes


@scenario
async def test_of_two_processes_one_sends_it(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as one, a_stage(links, tmp_path, name="two") as two:
        for stage in (one, two):
            stage.answers_with(ApiKey.DELETE_TOPICS, deleted)
        waiting = await one.waits(delete("tx_keep"))
        await two.ledger.step()
        await two.staging.approve(waiting.id, OLGA)

        overs = await asyncio.gather(one.until_over(waiting.id), two.until_over(waiting.id))

        assert overs[0] == overs[1]
        assert overs[0].state is State.SUCCEEDED
        assert len([*one.asked(ApiKey.DELETE_TOPICS), *two.asked(ApiKey.DELETE_TOPICS)]) == 1


@scenario
async def test_of_two_approvals_at_once_one_counts(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as one, a_stage(links, tmp_path, name="two") as two:
        waiting = await one.waits(delete("tx_keep"))
        for stage in (one, two):
            stage.answers_with(ApiKey.DELETE_TOPICS, deleted)

        said = await asyncio.gather(
            one.staging.approve(waiting.id, OLGA), two.staging.approve(waiting.id, OLGA), return_exceptions=True
        )

        assert sorted(type(one).__name__ for one in said) == ["NotPossible", "StagedMutation"]


@scenario
async def test_what_a_process_leaves_behind_is_not_sent_by_another(links: Links, tmp_path: Path) -> None:
    clocks = Clocks()
    sent, never = asyncio.Event(), asyncio.Event()

    async def silent(_: Any) -> Any:
        sent.set()
        await never.wait()

    async with a_stage(links, tmp_path, name="two", clocks=clocks) as other:
        other.answers_with(ApiKey.DELETE_TOPICS, deleted)
        async with a_stage(links, tmp_path, clocks=clocks) as mortal:
            mortal.answers_with(ApiKey.DELETE_TOPICS, silent)
            waiting = await mortal.waits(delete("tx_keep"))
            await mortal.staging.approve(waiting.id, OLGA)
            await mortal.ledger.step()
            await sent.wait()
            for task in mortal.staging._attempts._tasks.values():
                task.cancel()  # the process dies
            await other.ledger.step()
            assert other.one(waiting.id).state is State.EXECUTING
            clocks.pass_by(LEASE_MS)

            over = await other.until_over(waiting.id)

            assert over.ended is not None
            assert over.ended.reason == "nobody knows whether it was done: one has not finished it"
            assert over.outcome is not None
            assert over.outcome.unknown
            assert other.asked(ApiKey.DELETE_TOPICS) == []
            assert len(mortal.asked(ApiKey.DELETE_TOPICS)) == 1


@scenario
async def test_a_process_that_stops_begins_nothing_more(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        waiting = await stage.waits(delete("tx_keep"))
        await stage.staging.approve(waiting.id, OLGA)
        await stage.staging.close()
        for _ in range(3):
            await stage.ledger.step()

        assert stage.one(waiting.id).state is State.APPROVED
        assert stage.asked(ApiKey.DELETE_TOPICS) == []


@scenario
async def test_what_has_become_of_it_is_noted_when_the_store_is_back(links: Links, tmp_path: Path) -> None:
    store = HeldStore(tmp_path)
    store.goes_on.set()
    async with a_stage(links, tmp_path, store=store) as stage:

        def answer(request: Any) -> Any:
            store.away = True
            return deleted(request)

        stage.answers_with(ApiKey.DELETE_TOPICS, answer)
        waiting = await stage.waits(delete("tx_keep"))
        await stage.staging.approve(waiting.id, OLGA)
        await stage.ledger.step()
        await until(lambda: any(one and "cannot be noted" in one[1] for one in stage.staging.seen_by(TINA)))
        assert stage.one(waiting.id).state is State.EXECUTING

        store.away = False
        over = await stage.until_over(waiting.id)

        assert over.state is State.SUCCEEDED
        assert len(stage.asked(ApiKey.DELETE_TOPICS)) == 1


# Whom it is sent to, and what is kept


@scenario
async def test_what_is_about_a_group_goes_to_its_coordinator(links: Links, tmp_path: Path) -> None:
    version = 8
    partition = asked(ApiKey.OFFSET_COMMIT, version, "topics", "partitions", partition_index=0, committed_offset=7)
    topic = asked(ApiKey.OFFSET_COMMIT, version, "topics", name="tx_one", partitions=(partition,))
    commit = a_request(
        ApiKey.OFFSET_COMMIT, version, group_id="g_one", generation_id_or_member_epoch=-1, topics=(topic,)
    )
    async with a_stage(links, tmp_path) as stage:
        node = said(ApiKey.FIND_COORDINATOR, 4, "coordinators", key="g_one", node_id=2)
        there = said(ApiKey.OFFSET_FETCH, 5, "topics", "partitions", partition_index=0, committed_offset=3)
        before = said(ApiKey.OFFSET_FETCH, 5, "topics", name="tx_one", partitions=(there,))
        stage.world.cluster.answers = {
            ApiKey.FIND_COORDINATOR: a_response(ApiKey.FIND_COORDINATOR, 4, coordinators=(node,)),
            ApiKey.OFFSET_FETCH: a_response(ApiKey.OFFSET_FETCH, 5, topics=(before,)),
        }
        stage.answers_with(ApiKey.OFFSET_COMMIT, lambda _: a_response(ApiKey.OFFSET_COMMIT, version))
        waiting = await stage.waits(commit)
        await stage.staging.approve(waiting.id, OLGA)

        assert (await stage.until_over(waiting.id)).state is State.SUCCEEDED
        assert stage.brokers[2].asked_for(ApiKey.OFFSET_COMMIT) == [commit]
        assert stage.world.cluster.hinted_groups == [("g_one", ("tx_one",))]
        await stage.ledger.step()
        assert stage.events[-1].what.parameters["request"] == {
            "group": "g_one",
            "offsets": {"tx_one-0": 7},
            "old_offsets": {"tx_one-0": 3},
        }


def delete_groups(*names: str) -> Any:
    return a_request(ApiKey.DELETE_GROUPS, 2, groups_names=names)


def coordinated(**node_ids: int) -> dict[int, Any]:
    """What the cluster says when it is asked who coordinates these groups."""
    nodes = (said(ApiKey.FIND_COORDINATOR, 4, "coordinators", key=key, node_id=at) for key, at in node_ids.items())
    return {ApiKey.FIND_COORDINATOR: a_response(ApiKey.FIND_COORDINATOR, 4, coordinators=tuple(nodes))}


def groups_deleted(request: Any) -> Any:
    """A coordinator's answer: g_full has members, and the others are gone."""
    full = {"g_full": ErrorCode.non_empty_group}
    results = (
        said(ApiKey.DELETE_GROUPS, 2, "results", group_id=name, error_code=full.get(name, ErrorCode.none))
        for name in request.groups_names
    )
    return a_response(ApiKey.DELETE_GROUPS, 2, results=tuple(results))


@scenario
async def test_groups_of_several_coordinators_go_each_to_its_own(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        stage.world.cluster.answers = coordinated(g_two=2, g_one=1, g_full=2, g_three=1)
        stage.answers_with(ApiKey.DELETE_GROUPS, groups_deleted)
        waiting = await stage.waits(delete_groups("g_one", "g_two", "g_three", "g_full"))
        await stage.staging.approve(waiting.id, OLGA)

        over = await stage.until_over(waiting.id)

        assert stage.brokers[1].asked_for(ApiKey.DELETE_GROUPS) == [delete_groups("g_one", "g_three")]
        assert stage.brokers[2].asked_for(ApiKey.DELETE_GROUPS) == [delete_groups("g_two", "g_full")]
        assert over.outcome is not None
        assert (over.state, over.outcome.errors) == (State.FAILED, ("results[g_full]: NON_EMPTY_GROUP",))
        assert not over.outcome.unknown
        await stage.ledger.step()
        assert stage.events[-1].outcome.failed == {"results[g_full]": "NON_EMPTY_GROUP"}


@scenario
async def test_what_one_of_several_coordinators_did_is_told_though_another_one_is_gone(
    links: Links, tmp_path: Path
) -> None:
    async with a_stage(links, tmp_path) as stage:
        stage.world.cluster.answers = coordinated(g_one=1, g_full=2)
        stage.brokers[1].on[ApiKey.DELETE_GROUPS] = hang_up
        stage.brokers[2].on[ApiKey.DELETE_GROUPS] = groups_deleted
        waiting = await stage.waits(delete_groups("g_one", "g_full"))
        await stage.staging.approve(waiting.id, OLGA)

        over = await stage.until_over(waiting.id)

        assert over.outcome is not None
        assert (over.state, over.outcome.unknown) == (State.FAILED, True)
        assert "results[g_full]: NON_EMPTY_GROUP" in over.outcome.errors
        assert len(over.outcome.errors) == 2
        assert [len(broker.asked_for(ApiKey.DELETE_GROUPS)) for broker in stage.brokers.values()] == [1, 1]


@scenario
async def test_what_is_about_a_partition_goes_to_its_leader(links: Links, tmp_path: Path) -> None:
    part = asked(ApiKey.DELETE_RECORDS, 2, "topics", "partitions", partition_index=1, offset=7)
    topic = asked(ApiKey.DELETE_RECORDS, 2, "topics", name="tx_keep", partitions=(part,))
    truncate = a_request(ApiKey.DELETE_RECORDS, 2, topics=(topic,))
    async with a_stage(links, tmp_path) as stage:
        leaders = tuple(
            said(ApiKey.METADATA, 12, "topics", "partitions", partition_index=index, leader_id=leader)
            for index, leader in enumerate((1, 2, 1))
        )
        seen = said(ApiKey.METADATA, 12, "topics", name="tx_keep", partitions=leaders)
        stage.world.cluster.answers = {ApiKey.METADATA: a_response(ApiKey.METADATA, 12, topics=(seen,))}
        stage.answers_with(ApiKey.DELETE_RECORDS, lambda _: a_response(ApiKey.DELETE_RECORDS, 2))
        waiting = await stage.waits(truncate)
        await stage.staging.approve(waiting.id, OLGA)

        await stage.until_over(waiting.id)

        assert stage.brokers[2].asked_for(ApiKey.DELETE_RECORDS) == [truncate]


@scenario
async def test_no_secret_is_told_by_anybody_but_to_the_brokers(
    links: Links, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    key = ApiKey.ALTER_USER_SCRAM_CREDENTIALS
    credential = asked(
        key, 0, "upsertions", name="app", mechanism=1, iterations=8192, salt=b"salty-salty", salted_password=SALTED
    )
    alter = a_request(key, 0, upsertions=(credential,))
    async with a_stage(links, tmp_path) as stage:
        stage.answers_with(key, lambda _: a_response(key, 0, results=(said(key, 0, "results", user="app"),)))
        waiting = await stage.waits(alter)
        await stage.staging.approve(waiting.id, OLGA)
        over = await stage.until_over(waiting.id)
        await stage.ledger.step()

        assert over.state is State.SUCCEEDED
        assert stage.asked(key) == [alter]
        assert (SALTED in waiting.call.request, over.call.request) == (True, b"")
        (client,) = stage.world.sessions
        told = [
            *(event_text(event, "urn:kordon:test") for event in (*stage.log.events, *stage.world.audit.events)),
            repr(to_answer(over)).encode(),
            repr(over).encode(),
            "".join(capfd.readouterr()).encode(),
            client.transport.written,
        ]
        assert b"SCRAM-SHA-256" in b"".join(told)
        assert [text for text in told if SALTED in text or b"salty-salty" in text] == []
        assert SALTED in encode(alter)


@scenario
async def test_of_a_request_that_was_done_in_part_the_rest_alone_is_done(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        stage.answers_with(ApiKey.DELETE_TOPICS, deleted)
        client = stage.connect()
        number = client.sends(delete("tx_one", "tx_keep"))
        await until(lambda: links.made)
        client.broker_answers(number, responses=(said(ApiKey.DELETE_TOPICS, 5, "responses", name="tx_one"),))
        await answered(client, number)
        (waiting,) = stage.staged()

        await stage.staging.approve(waiting.id, OLGA)
        await stage.until_over(waiting.id)

        assert stage.asked(ApiKey.DELETE_TOPICS) == [delete("tx_keep")]


CONTROLLERS: Final = """
admin_roles: [owners]
policies:
  - {resource: [cluster, prod, broker], effect: Allow, actions: [BROKER_EDIT], roles: [devs, owners]}
  - {resource: [cluster, prod, broker], effect: Stage, actions: [BROKER_EDIT], role: devs}
tenants: [{name: Trading, roles: [devs, owners], resources: [{include: [cluster, prod]}]}]
"""


@scenario
async def test_what_is_kept_is_what_came_and_what_is_sent_is_what_the_brokers_know(
    links: Links, tmp_path: Path
) -> None:
    key = ApiKey.REMOVE_RAFT_VOTER
    async with a_stage(links, tmp_path, policy=CONTROLLERS) as stage:
        told = tenant_cluster_id("real-cluster", "Trading")
        remove = a_request(key, 0, cluster_id=told, voter_id=7)
        stage.answers_with(key, lambda _: a_response(key, 0))
        waiting = await stage.waits(remove)
        assert waiting.call.request == encode(remove)
        await stage.staging.approve(waiting.id, OLGA)

        assert (await stage.until_over(waiting.id)).state is State.SUCCEEDED
        (sent,) = stage.asked(key)
        assert (sent.cluster_id, sent.voter_id) == ("real-cluster", 7)
