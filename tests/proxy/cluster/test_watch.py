"""Kordon's picture of one cluster, kept up to date."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from kio.schema.errors import ErrorCode
from structlog.testing import capture_logs

from kordon_protocol.codec import request_type
from kordon_protocol.frames import with_prefix
from kordon_protocol.keys import ApiKey
from kordon_proxy.cluster import groups, watch
from kordon_proxy.cluster.errors import UpstreamTimeout, UpstreamUnavailable
from kordon_proxy.cluster.picture import Inferred, Picture
from kordon_proxy.cluster.pool import Reach
from kordon_proxy.cluster.watch import Cluster, Settings
from kordon_proxy.judging.entries import make
from tests.proxy.cluster.brokers import SPOKEN, Answer, FakeCluster, speaks
from tests.proxy.cluster.loops import on_both_loops, scenario, settle, until
from tests.proxy.cluster.messages import (
    a_classic_group,
    some_committed,
    some_coordinators,
    some_described,
    some_listed,
)

ANY_AGE = float("inf")
NEVER = 3_600.0


def a_watch(kafka: FakeCluster, *, wanted: Callable[[str], bool] | None = None, **fields: Any) -> Cluster:
    """Looks once, and then only when told to."""
    settings = {"topics_every": NEVER, "groups_every": NEVER, "request_timeout": 5.0, **fields}
    return Cluster(Settings(name="prod", bootstrap=kafka.bootstrap, **settings), wanted=wanted)


class Gate:
    """Holds answers back until it is opened. `waiting` tells how many it holds."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._open = asyncio.Event()
        self.waiting = 0

    def open(self) -> None:
        self._open.set()

    async def __call__(self, request: Any) -> Any:
        self.waiting += 1
        await self._open.wait()
        return self._answer(request)


@on_both_loops
@scenario
async def test_it_looks_by_itself_and_keeps_what_it_saw(loop: str) -> None:
    async with FakeCluster(3) as kafka:
        kafka.topics = {"orders": 1, "trades": 2}
        async with a_watch(kafka) as cluster:
            picture = await cluster.refresh(ANY_AGE)

            assert picture.names == ("orders", "trades")
            assert set(picture.brokers) == {1, 2, 3}
            assert picture.api_versions == SPOKEN
            assert cluster.picture is picture
            assert cluster.state.reachable
            assert cluster.state.surveyed


@scenario
async def test_it_puts_a_question_to_any_broker_and_gives_its_answer() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        kafka.topics = {"orders": 1}
        question = make(request_type(ApiKey.METADATA, 12), topics=None)

        answer = await cluster.ask(question)

        assert [topic.name for topic in answer.topics] == ["orders"]
        assert kafka.brokers[1].asked_for(ApiKey.METADATA)[-1] == question


@scenario
async def test_it_puts_a_question_to_the_broker_that_is_named() -> None:
    async with FakeCluster(2) as kafka, a_watch(kafka) as cluster:
        question = make(request_type(ApiKey.METADATA, 12), topics=())

        await cluster.ask(question, 2)

        assert kafka.brokers[2].asked_for(ApiKey.METADATA)[-1] == question


@scenario
async def test_a_picture_that_is_young_enough_needs_no_question() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        await cluster.refresh(ANY_AGE)
        asked = kafka.questions()

        await asyncio.gather(*(cluster.refresh(NEVER) for _ in range(10)))

        assert kafka.questions() == asked


@on_both_loops
@scenario
async def test_all_who_ask_at_the_same_time_share_one_question(loop: str) -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        await cluster.refresh(ANY_AGE)
        asked = kafka.questions()

        await asyncio.gather(*(cluster.refresh(0.0) for _ in range(50)))

        assert kafka.questions() == asked + 1


@scenario
async def test_a_question_that_was_asked_before_the_call_is_not_fresh() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        await cluster.refresh(ANY_AGE)
        gate = kafka.brokers[1].on[ApiKey.METADATA] = Gate(kafka.describe)
        early = asyncio.create_task(cluster.refresh(0.0))
        await until(lambda: gate.waiting == 1)

        late = asyncio.create_task(cluster.refresh(0.0))
        later = asyncio.create_task(cluster.refresh(0.0))
        await asyncio.sleep(0)
        kafka.topics = {"orders": 1}
        gate.open()

        await early
        assert (await late).names == ("orders",)
        assert (await later).names == ("orders",)
        assert gate.waiting == 2


@scenario
async def test_who_stops_waiting_does_not_end_the_question_for_others() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        await cluster.refresh(ANY_AGE)
        gate = kafka.brokers[1].on[ApiKey.METADATA] = Gate(kafka.describe)
        first, second = (asyncio.create_task(cluster.refresh(0.0)) for _ in range(2))
        await until(lambda: gate.waiting == 1)

        first.cancel()
        await settle(first)
        gate.open()

        assert await second is cluster.picture


@scenario
async def test_topics_come_and_go_and_who_subscribed_hears_of_each_change_once() -> None:
    seen: list[Picture] = []
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        await cluster.refresh(ANY_AGE)
        end = cluster.subscribe(seen.append)

        kafka.topics = {"orders": 1}
        await cluster.refresh(0.0)
        await cluster.refresh(0.0)
        kafka.topics = {"trades": 2}
        await cluster.refresh(0.0)
        end()
        kafka.topics = {}
        await cluster.refresh(0.0)

    assert [picture.names for picture in seen] == [("orders",), ("trades",)]
    assert seen[0].version < seen[1].version


def fail(_: object) -> None:
    raise RuntimeError("on purpose")


@scenario
async def test_a_subscriber_that_fails_harms_nobody() -> None:
    seen: list[Picture] = []
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        cluster.subscribe(fail)
        cluster.subscribe(seen.append)

        assert await cluster.refresh(ANY_AGE) == seen[0]


@scenario
async def test_a_hint_makes_it_look_soon() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        await cluster.refresh(ANY_AGE)
        kafka.topics = {"orders": 1}

        cluster.hint()

        await until(lambda: cluster.picture and cluster.picture.names == ("orders",))


@scenario
async def test_a_hint_that_was_too_early_makes_it_look_once_more() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        await cluster.refresh(ANY_AGE)
        asked = kafka.questions()

        cluster.hint()
        await until(lambda: kafka.questions() > asked)
        kafka.topics = {"orders": 1}  # the broker hears of it only now

        await until(lambda: cluster.picture and cluster.picture.names == ("orders",))


@scenario
async def test_it_looks_now_and_then_without_a_hint() -> None:
    async with FakeCluster() as kafka, a_watch(kafka, topics_every=0.02) as cluster:
        await cluster.refresh(ANY_AGE)

        kafka.topics = {"orders": 1}

        await until(lambda: cluster.picture and cluster.picture.names == ("orders",))


@on_both_loops
@scenario
async def test_a_cluster_that_is_down_at_the_start_is_found_when_it_comes_up(loop: str) -> None:
    kafka = FakeCluster(2)
    async with kafka:
        pass
    async with a_watch(kafka) as cluster:
        with pytest.raises(UpstreamUnavailable, match="no broker of cluster prod answers"):
            await cluster.refresh(ANY_AGE)
        assert cluster.picture is None
        state = cluster.state
        assert not state.reachable
        assert "cannot be reached" in str(state.error)

        async with kafka:
            await until(lambda: cluster.picture)
            assert cluster.state.reachable
            assert cluster.state.error is None


@scenario
async def test_an_outage_keeps_the_picture_and_is_told_to_who_wants_a_new_one() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        before = await cluster.refresh(ANY_AGE)
        await kafka.brokers[1].stop()

        with pytest.raises(UpstreamUnavailable):
            await cluster.refresh(0.0)
        assert cluster.picture is before
        assert await cluster.refresh(ANY_AGE) is before
        assert not cluster.state.reachable

        await kafka.brokers[1].start()
        kafka.topics = {"orders": 1}
        await until(lambda: cluster.picture is not before)
        assert cluster.state.reachable


@scenario
async def test_another_broker_is_asked_when_the_one_asked_last_is_lost() -> None:
    async with FakeCluster(3) as kafka, a_watch(kafka) as cluster:
        await cluster.refresh(ANY_AGE)
        kafka.topics = {"orders": 1}

        lost = next(broker for broker in kafka.brokers.values() if broker.asked_for(ApiKey.METADATA))
        await lost.stop()

        assert (await cluster.refresh(0.0)).names == ("orders",)


@scenario
async def test_another_broker_is_asked_when_one_stays_silent() -> None:
    async with FakeCluster(2) as kafka, a_watch(kafka, request_timeout=0.1) as cluster:
        await cluster.refresh(ANY_AGE)
        asked = next(broker for broker in kafka.brokers.values() if broker.asked_for(ApiKey.METADATA))
        asked.on[ApiKey.METADATA] = lambda _: asyncio.Event().wait()
        kafka.topics = {"orders": 1}

        assert (await cluster.refresh(0.0)).names == ("orders",)


@scenario
async def test_brokers_that_all_stay_silent_are_not_waited_for_one_after_the_other() -> None:
    async with (
        FakeCluster(40) as kafka,
        a_watch(kafka, request_timeout=0.1, reach=Reach(connect_timeout=0.1)) as cluster,
    ):
        for broker in kafka.brokers.values():
            broker.on[ApiKey.METADATA] = lambda _: asyncio.Event().wait()

        with pytest.raises(UpstreamTimeout, match=r"no broker of cluster prod answered in 0\.3 s"):
            await cluster.refresh(ANY_AGE)
        assert kafka.questions() < 40


@scenario
async def test_the_broker_that_answered_last_is_asked_again() -> None:
    async with FakeCluster(3) as kafka, a_watch(kafka) as cluster:
        for _ in range(5):
            await cluster.refresh(0.0)

        asked = [len(broker.asked_for(ApiKey.METADATA)) for broker in kafka.brokers.values()]
        assert max(asked) == kafka.questions()


@scenario
async def test_bootstrap_addresses_are_asked_again_when_no_known_broker_answers() -> None:
    async with FakeCluster(3) as kafka:
        kafka.live = {2, 3}
        async with a_watch(kafka) as cluster:
            await cluster.refresh(0.0)
            await kafka.brokers[2].stop()
            await kafka.brokers[3].stop()
            kafka.live = {1}

            picture = await cluster.refresh(0.0)

    assert set(picture.brokers) == {1}


@scenario
async def test_the_connection_that_was_only_for_bootstrapping_is_not_kept() -> None:
    async with FakeCluster(2) as kafka:
        kafka.live = {2}
        async with a_watch(kafka) as cluster:
            await cluster.refresh(0.0)
            await cluster.refresh(0.0)

            kafka.brokers[1].on.clear()
            assert (await cluster.refresh(0.0)).brokers.keys() == {2}
            assert len(kafka.brokers[2].asked_for(ApiKey.METADATA)) > 1


@scenario
async def test_only_versions_that_every_live_broker_speaks_are_offered() -> None:
    async with FakeCluster(2) as kafka:
        kafka.brokers[2].on[ApiKey.API_VERSIONS] = speaks({**SPOKEN, ApiKey.LIST_GROUPS: (0, 3)})
        async with a_watch(kafka) as cluster:
            picture = await cluster.refresh(ANY_AGE)

            assert ApiKey.LIST_GROUPS not in picture.api_versions
            assert picture.api_versions[ApiKey.METADATA] == (12, 12)


@scenario
async def test_a_broker_that_joins_is_asked_what_it_speaks_before_it_is_shown() -> None:
    async with FakeCluster(2) as kafka:
        kafka.live = {1}
        kafka.brokers[2].on[ApiKey.API_VERSIONS] = speaks({**SPOKEN, ApiKey.OFFSET_FETCH: (1, 7)})
        async with a_watch(kafka) as cluster:
            await cluster.refresh(ANY_AGE)
            kafka.live = {1, 2}

            picture = await cluster.refresh(0.0)

            assert picture.brokers.keys() == {1, 2}
            assert ApiKey.OFFSET_FETCH not in picture.api_versions


@scenario
async def test_features_that_are_finalized_at_run_time_are_noticed() -> None:
    async with FakeCluster() as kafka, a_watch(kafka, topics_every=0.02) as cluster:
        await cluster.refresh(ANY_AGE)

        kafka.brokers[1].on[ApiKey.API_VERSIONS] = speaks(finalized={"share.version": 1}, epoch=4)

        await until(lambda: cluster.picture and cluster.picture.features.finalized == {"share.version": 1})


@scenario
async def test_features_are_noticed_even_if_hints_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SPACING", 0.0)
    async with FakeCluster() as kafka, a_watch(kafka, topics_every=0.05) as cluster:
        await cluster.refresh(ANY_AGE)
        kafka.brokers[1].on[ApiKey.API_VERSIONS] = speaks(finalized={"share.version": 1}, epoch=4)

        def noticed() -> bool:
            cluster.hint()
            return bool(cluster.picture and cluster.picture.features.finalized == {"share.version": 1})

        await until(noticed)


@scenario
async def test_a_live_broker_that_cannot_be_reached_is_named_and_does_not_count() -> None:
    async with FakeCluster(2) as kafka:
        await kafka.brokers[2].stop()
        async with a_watch(kafka, topics_every=0.02) as cluster:
            picture = await cluster.refresh(ANY_AGE)

            assert picture.brokers.keys() == {1, 2}
            assert picture.api_versions == SPOKEN
            assert "cannot be reached" in cluster.state.unreachable[2]
            assert cluster.state.reachable

            await kafka.brokers[2].start()
            await until(lambda: not cluster.state.unreachable)


@scenario
async def test_an_address_that_belongs_to_another_cluster_now_is_not_believed() -> None:
    async with FakeCluster(2) as kafka:
        kafka.live = {2}
        async with Cluster(Settings(name="prod", bootstrap=(kafka.brokers[1].address,), topics_every=NEVER)) as cluster:
            await cluster.refresh(0.0)
            kafka.name = "cluster-b"
            kafka.brokers[1].on.clear()

            with pytest.raises(UpstreamUnavailable, match=r"closed|cluster-b"):
                await cluster.refresh(0.0)
            assert cluster.picture
            assert cluster.picture.cluster_id == "cluster-a"


@scenario
async def test_brokers_that_change_while_the_topics_stay_are_noticed() -> None:
    async with FakeCluster(2) as kafka:
        kafka.topics = {"orders": 1}
        kafka.live = {1}
        async with a_watch(kafka) as cluster:
            before = await cluster.refresh(0.0)
            kafka.live = {1, 2}

            after = await cluster.refresh(0.0)

            assert after.brokers.keys() == {1, 2}
            assert after.topics is before.topics
            assert after.ids is before.ids


@scenario
async def test_topics_that_change_back_are_noticed_both_times() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        for topics in ({"orders": 1}, {"orders": 2}, {"orders": 1}, {}, {"orders": 1}):
            kafka.topics = topics
            picture = await cluster.refresh(0.0)
            assert {topic.id.int: name for name, topic in picture.topics.items() if topic.id} == {
                number: name for name, number in topics.items()
            }


@pytest.mark.parametrize("body", [b"", b"\x00\x00\x00\x00\x02", b"\x00" * 40])
def test_metadata_that_cannot_be_read_is_an_upstream_error(body: bytes) -> None:
    @scenario
    async def look() -> None:
        async with FakeCluster() as kafka:
            broker = kafka.brokers[1]
            broker.on[ApiKey.METADATA] = lambda _: with_prefix(len(broker.asked).to_bytes(4, "big"), b"\x00", body)
            async with a_watch(kafka) as cluster:
                with pytest.raises(UpstreamUnavailable, match="no broker of cluster prod answers"):
                    await cluster.refresh(ANY_AGE)

    look()


@scenario
async def test_a_cluster_that_was_replaced_behind_its_configured_address_is_taken_as_new() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        before = await cluster.refresh(ANY_AGE)
        kafka.name = "cluster-b"

        after = await cluster.refresh(0.0)

        assert after.cluster_id == "cluster-b"
        assert after.version > before.version


@scenario
async def test_a_broker_that_knows_of_no_broker_is_not_believed() -> None:
    async with FakeCluster() as kafka, a_watch(kafka) as cluster:
        before = await cluster.refresh(ANY_AGE)
        kafka.live = set()

        with pytest.raises(UpstreamUnavailable, match="no live broker"):
            await cluster.refresh(0.0)
        assert cluster.picture is before


@scenario
async def test_its_connections_are_there_for_other_questions_of_kordon() -> None:
    async with FakeCluster(2) as kafka, a_watch(kafka) as cluster:
        assert (await cluster.connection()).address in kafka.bootstrap
        assert (await cluster.connection(2)).address == kafka.brokers[2].address
        assert await cluster.connection(2) is await cluster.connection(2)
        with pytest.raises(UpstreamUnavailable, match="has no live broker 7"):
            await cluster.connection(7)


@on_both_loops
@scenario
async def test_closing_ends_all_waiting_and_all_connections(loop: str) -> None:
    async with FakeCluster(2) as kafka:
        cluster = a_watch(kafka)
        cluster.start()
        await cluster.refresh(ANY_AGE)
        connection = await cluster.connection(1)
        gate = Gate(kafka.describe)
        for broker in kafka.brokers.values():
            broker.on[ApiKey.METADATA] = gate
        waiting = asyncio.create_task(cluster.refresh(0.0))
        await until(lambda: gate.waiting)

        await cluster.close()

        with pytest.raises(UpstreamUnavailable, match="not watched any more"):
            await waiting
        with pytest.raises(UpstreamUnavailable, match="not watched any more"):
            await cluster.refresh(0.0)
        assert not connection.usable


def a_group(kafka: FakeCluster, name: str) -> dict[str, int]:
    """Let broker 1 have a classic group without members. Returns its offsets, to be changed: topic to offset."""
    offsets: dict[str, int] = {}
    answers: dict[int, Answer] = {
        ApiKey.LIST_GROUPS: lambda _: some_listed((name, "classic")),
        ApiKey.OFFSET_FETCH: lambda request: some_committed({group.group_id: offsets for group in request.groups}),
        ApiKey.DESCRIBE_GROUPS: lambda request: some_described(*(a_classic_group(group) for group in request.groups)),
        ApiKey.FIND_COORDINATOR: lambda request: some_coordinators(dict.fromkeys(request.coordinator_keys, 1)),
    }
    kafka.brokers[1].on |= answers
    return offsets


def everything(_: str) -> bool:
    return True


def inferred(cluster: Cluster) -> Inferred:
    return cluster.picture.inferred if cluster.picture else {}


@on_both_loops
@scenario
async def test_what_groups_consume_from_is_part_of_the_picture(loop: str) -> None:
    async with FakeCluster() as kafka:
        a_group(kafka, "billing")["orders"] = 5
        async with a_watch(kafka, wanted=everything) as cluster:
            await cluster.refresh(ANY_AGE)

            await until(lambda: cluster.state.surveyed)

            assert inferred(cluster) == {"billing": {"orders"}}


@scenario
async def test_what_is_inferred_is_the_same_object_until_it_changes() -> None:
    async with FakeCluster() as kafka:
        offsets = a_group(kafka, "billing")
        offsets["orders"] = 5
        async with a_watch(kafka, wanted=everything, groups_every=0.01) as cluster:
            await until(lambda: cluster.state.surveyed)
            before = inferred(cluster)
            asked = len(kafka.brokers[1].asked_for(ApiKey.LIST_GROUPS))
            await until(lambda: len(kafka.brokers[1].asked_for(ApiKey.LIST_GROUPS)) > asked + 2)
            kafka.topics = {"orders": 1}
            await cluster.refresh(0.0)
            assert inferred(cluster) is before

            offsets["refunds"] = 1
            await until(lambda: inferred(cluster) == {"billing": {"orders", "refunds"}})


@scenario
async def test_a_commit_that_was_seen_makes_it_look_at_that_group_soon() -> None:
    async with FakeCluster() as kafka:
        offsets = a_group(kafka, "billing")
        async with a_watch(kafka, wanted=everything) as cluster:
            await until(lambda: cluster.state.surveyed)
            offsets["orders"] = 5

            cluster.hint_group("billing", ["orders"])

            await until(lambda: inferred(cluster) == {"billing": {"orders"}})
            assert len(kafka.brokers[1].asked_for(ApiKey.FIND_COORDINATOR)) == 1


@scenario
async def test_a_hinted_group_that_nobody_can_tell_about_is_asked_about_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "SPACING", 0.01)
    async with FakeCluster() as kafka:
        offsets = a_group(kafka, "billing")
        broker = kafka.brokers[1]
        tell = broker.on[ApiKey.DESCRIBE_GROUPS]
        moving = a_classic_group("billing", error=ErrorCode.not_coordinator)
        async with a_watch(kafka, wanted=everything) as cluster:
            await until(lambda: cluster.state.surveyed)
            offsets["orders"] = 5
            broker.on[ApiKey.DESCRIBE_GROUPS] = lambda _: some_described(moving)
            cluster.hint_group("billing")
            await until(lambda: broker.asked_for(ApiKey.FIND_COORDINATOR))

            broker.on[ApiKey.DESCRIBE_GROUPS] = tell

            await until(lambda: inferred(cluster) == {"billing": {"orders"}})


@scenario
async def test_a_hinted_group_that_nobody_can_ever_tell_about_is_left_alone_after_some_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "SPACING", 0.01)
    async with FakeCluster() as kafka:
        a_group(kafka, "billing")
        broker = kafka.brokers[1]
        async with a_watch(kafka, wanted=everything) as cluster:
            await until(lambda: cluster.state.surveyed)
            broker.on[ApiKey.DESCRIBE_GROUPS] = lambda _: some_described(
                a_classic_group("billing", error=ErrorCode.group_authorization_failed)
            )
            cluster.hint_group("billing")
            await until(lambda: len(broker.asked_for(ApiKey.FIND_COORDINATOR)) == groups.TRIES)
            await asyncio.sleep(0.1)

            assert len(broker.asked_for(ApiKey.FIND_COORDINATOR)) == groups.TRIES


@scenario
async def test_a_commit_that_tells_nothing_new_asks_nothing() -> None:
    async with FakeCluster() as kafka:
        a_group(kafka, "billing")["orders"] = 5
        async with a_watch(kafka, wanted=lambda group: group == "billing") as cluster:
            await until(lambda: cluster.state.surveyed)

            cluster.hint_group("billing", ["orders", "__audit"])
            cluster.hint_group("unwanted", ["orders"])
            cluster.hint_group("billing", ["refunds"])  # this one does
            await until(lambda: kafka.brokers[1].asked_for(ApiKey.FIND_COORDINATOR))

            (asked,) = kafka.brokers[1].asked_for(ApiKey.FIND_COORDINATOR)
            assert asked.coordinator_keys == ("billing",)


@scenario
async def test_hints_that_tell_nothing_new_do_not_wake_it_at_all() -> None:
    async with FakeCluster() as kafka:
        a_group(kafka, "billing")["orders"] = 5
        async with a_watch(kafka, wanted=lambda group: group == "billing") as cluster:
            await until(lambda: cluster.state.surveyed)
            asked = len(kafka.brokers[1].asked)

            for _ in range(100):
                cluster.hint_group("billing", ["orders"])
                cluster.hint_group("unwanted")
            await asyncio.sleep(0.05)

            assert len(kafka.brokers[1].asked) == asked


@scenario
async def test_what_was_seen_here_is_told_once_to_who_wants_to_know_and_what_others_saw_is_not() -> None:
    async with FakeCluster() as kafka:
        a_group(kafka, "billing")["orders"] = 5
        async with a_watch(kafka, wanted=lambda group: group != "unwanted") as cluster:
            await until(lambda: cluster.state.surveyed)
            told: list[str | None] = []
            cluster.echo = told.append

            for _ in range(100):
                cluster.hint()
            cluster.hint_group("billing", ["orders"])
            cluster.hint_group("unwanted")
            cluster.hint_group("audit", ["refunds"])
            cluster.heard(None)
            cluster.heard("other")

            assert told == [None, "audit"]


@scenario
async def test_what_others_have_seen_makes_it_look_soon() -> None:
    async with FakeCluster() as kafka:
        offsets = a_group(kafka, "billing")
        async with a_watch(kafka, wanted=everything) as cluster:
            await until(lambda: cluster.state.surveyed)
            offsets["orders"] = 5
            kafka.topics = {"orders": 1}

            cluster.heard("billing")
            cluster.heard(None)

            await until(lambda: inferred(cluster) == {"billing": {"orders"}})
            await until(lambda: cluster.picture and cluster.picture.names == ("orders",))


@scenario
async def test_too_many_groups_at_once_are_looked_at_together() -> None:
    async with FakeCluster() as kafka:
        offsets = a_group(kafka, "billing")
        async with a_watch(kafka, wanted=everything) as cluster:
            await until(lambda: cluster.state.surveyed)
            offsets["orders"] = 5

            for number in range(groups.MOST_HINTS + 1):
                cluster.hint_group(f"group-{number}")

            await until(lambda: inferred(cluster) == {"billing": {"orders"}})
            assert not kafka.brokers[1].asked_for(ApiKey.FIND_COORDINATOR)


@scenario
async def test_new_tenants_make_it_look_at_all_groups_soon() -> None:
    wanted: set[str] = set()
    async with FakeCluster() as kafka:
        a_group(kafka, "billing")["orders"] = 5
        async with a_watch(kafka, wanted=lambda group: group in wanted) as cluster:
            await until(lambda: cluster.state.surveyed)
            assert inferred(cluster) == {}

            wanted.add("billing")
            cluster.hint_groups()

            await until(lambda: inferred(cluster) == {"billing": {"orders"}})


@scenario
async def test_a_cluster_where_no_broker_tells_of_groups_is_not_surveyed() -> None:
    with capture_logs() as logs:
        async with FakeCluster() as kafka, a_watch(kafka, wanted=everything) as cluster:
            await until(lambda: "broker_tells_no_groups" in [line["event"] for line in logs])

            assert cluster.state.reachable
            assert not cluster.state.surveyed
