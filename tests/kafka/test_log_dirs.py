"""What lies in the log directories of a real broker is told to each as far as he sees it, and moved by who may."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.demo.tools import Finished
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.administration import CAF, UTP, a_kordon, at_broker, direct, say, things
from tests.kafka.fixtures import RunTool
from tests.kafka.requests import errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire


@pytest.fixture(scope="module")
def two_disks() -> Iterator[Kafka]:
    """Its working directory is the folder that it leaves nothing of."""
    with Kafka(properties={"log.dirs": "disk-a,disk-b"}) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def in_front(two_disks: Kafka) -> Iterator[Kordon]:
    with a_kordon(two_disks) as kordon:
        for name in ("tx.one", "tx.two", "pay.one", "hr.one"):
            assert errors_of(say(kordon, "kpow", ask.create_topics(7, things(name), num_partitions=2))) == []
        yield kordon


def held(answer: Any) -> dict[str, set[tuple[str, int]]]:
    """Directory -> topics and partitions."""
    return {
        one.log_dir: {(topic.name, part.partition_index) for topic in one.topics for part in topic.partitions}
        for one in answer.results
    }


TX: Final = {("tx.one", 0), ("tx.one", 1), ("tx.two", 0), ("tx.two", 1)}


@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_LOG_DIRS].versions)
def test_who_edits_the_broker_finds_its_directories_and_what_he_sees_in_them(
    two_disks: Kafka, in_front: Kordon, version: int
) -> None:
    eventually(lambda: len(set().union(*held(direct(two_disks, ask.describe_all_disks(1))[0]).values())) >= 8)

    for broker in (None, 1):
        answer = say(in_front, "ops", ask.describe_all_disks(version), broker=broker)

        found = held(answer)
        assert {Path(path).name for path in found} == {"disk-a", "disk-b"}
        assert set().union(*found.values()) == TX | {("pay.one", 0), ("pay.one", 1)}
        if version >= 4:
            assert all(one.total_bytes >= one.usable_bytes > 0 for one in answer.results)


@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_LOG_DIRS].versions)
def test_who_only_sees_the_broker_finds_what_is_his_in_one_place_without_a_name(
    two_disks: Kafka, in_front: Kordon, version: int
) -> None:
    eventually(lambda: set().union(*held(direct(two_disks, ask.describe_all_disks(1))[0]).values()) >= TX)
    foreign, missing, own = things("pay.one"), things("pay.non"), things("tx.one")

    with Wire(at_broker(in_front, "movers", 1)) as wire:
        everything, of_foreign, of_missing, of_own, mixed = wire.ask_all(
            [
                ask.describe_all_disks(version),
                ask.describe_disks(version, foreign),
                ask.describe_disks(version, missing),
                ask.describe_disks(version, own),
                ask.describe_disks(version, foreign, own, missing),
            ]
        )

    assert held(everything.message) == {"any": TX}
    assert of_foreign.body == of_missing.body
    assert held(of_foreign.message) == {"any": set()}
    assert held(of_own.message) == held(mixed.message) == {"any": {("tx.one", 0), ("tx.one", 1)}}
    assert of_own.body == mixed.body
    for reply in (everything, of_foreign, of_own, mixed):
        assert not [mark for mark in (b"disk-", b"pay.one", b"hr.one") if mark in reply.frame]
        if version >= 4:
            assert {(one.total_bytes, one.usable_bytes) for one in reply.message.results} == {(-1, -1)}


@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_LOG_DIRS].versions)
@pytest.mark.parametrize("listener", ["team", "kpow"])
def test_a_broker_outside_the_view_shows_no_directory(in_front: Kordon, version: int, listener: str) -> None:
    answer = say(in_front, listener, ask.describe_all_disks(version))

    assert answer.results == ()
    assert errors_of(answer) == ([CAF] if version >= 3 else [])


def test_the_tool_for_log_directories_tells_each_what_he_may_know(in_front: Kordon, kafka_tools: RunTool) -> None:
    def described(listener: str) -> Finished:
        return kafka_tools("kafka-log-dirs", "--describe", at=in_front.listener(listener))

    ops, movers, team = described("ops"), described("movers"), described("team")

    (of_ops,) = json.loads(ops.stdout.splitlines()[-1])["brokers"]
    (of_movers,) = json.loads(movers.stdout.splitlines()[-1])["brokers"]
    assert {Path(one["logDir"]).name for one in of_ops["logDirs"]} == {"disk-a", "disk-b"}
    assert [one["logDir"] for one in of_movers["logDirs"]] == ["any"]
    assert {part["partition"][:3] for one in of_movers["logDirs"] for part in one["partitions"]} == {"tx."}
    assert "ClusterAuthorizationException" in team.output


@pytest.mark.parametrize("version", APIS[ApiKey.ALTER_REPLICA_LOG_DIRS].versions)
def test_replicas_move_from_disk_to_disk_for_who_edits_the_broker_of_the_whole_cluster(
    two_disks: Kafka, in_front: Kordon, version: int
) -> None:
    named = [things(name) for name in ("hr.one", "tx.one", "hr.non", "pay.one")]
    for disk in ("disk-a", "disk-b"):
        path = str(two_disks.folder / disk)
        request = ask.move_between_disks(version, *named, path=path)
        for listener in ("team", "movers", "kpow"):
            assert set(errors_of(say(in_front, listener, request))) == {CAF}

        answer = say(in_front, "ops", request, broker=1)

        codes = {topic.topic_name: {int(part.error_code) for part in topic.partitions} for topic in answer.results}
        assert codes == {"tx.one": {0}, "pay.one": {0}, "hr.one": {UTP}, "hr.non": {UTP}}
        eventually(partial(holds, two_disks, path, {("tx.one", 0), ("tx.one", 1), ("pay.one", 0), ("pay.one", 1)}))


def holds(kafka: Kafka, path: str, partitions: set[tuple[str, int]]) -> bool:
    """Whether all of these lie in that directory, and are on their way to no other."""
    (answer,) = direct(kafka, ask.describe_all_disks(1))
    moving = [part for one in answer.results for topic in one.topics for part in topic.partitions if part.is_future_key]
    return not moving and held(answer)[path] >= partitions
