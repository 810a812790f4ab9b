"""Leaders and replicas of a real cluster are moved where that is allowed, in the view and nowhere else; so are topics
that are placed, grown and truncated in one request with what is refused."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.administration import (
    CAF,
    TAF,
    UTP,
    MakePlaced,
    ToolAt,
    direct,
    leader,
    moves,
    reorder,
    replicas,
    say,
    things,
)
from tests.kafka.fixtures import Fresh
from tests.kafka.tenants import eventually
from tests.kafka.wire import a_batch
from tests.proxy.apis.messages import asked

# Leaders


def test_an_election_everywhere_moves_leaders_in_the_view_where_that_is_allowed(
    quiet_cluster: Kafka, administered: Kordon, tool_at: ToolAt, make_placed: MakePlaced
) -> None:
    names = own, kept, foreign = [make_placed(beginning, 1, 2, 3) for beginning in ("tx", "tx.keep", "pay")]
    for name in names:
        reorder(quiet_cluster, name, 2, 1, 3)

    done = tool_at("team", "kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")

    eventually(lambda: leader(quiet_cluster, own) == 2)
    assert [leader(quiet_cluster, name) for name in (kept, foreign)] == [1, 1]
    assert own in done.output
    assert f"{kept}-0" in done.output
    assert "no policy allows" not in done.output  # it is a Deny that keeps it
    assert foreign not in done.output
    events = [event["data"] for event in administered.audit() if event["data"]["what"].get("api") == "ElectLeaders"]
    assert [event["why"]["effect"] for event in events if event["what"]["parameters"].get("topics") == "all"]


@pytest.mark.parametrize("version", APIS[ApiKey.ELECT_LEADERS].versions)
def test_leaders_are_elected_where_they_may_be_and_the_rest_is_told_in_its_place(
    quiet_cluster: Kafka, administered: Kordon, make_placed: MakePlaced, version: int
) -> None:
    first, kept, foreign, last = (make_placed(beginning, 1, 2) for beginning in ("tx", "tx.keep", "pay", "tx"))
    for name in (first, kept, foreign, last):
        reorder(quiet_cluster, name, 2, 1)

    named = [things(name) for name in (first, kept, foreign, "pay.none", last)]
    answer = say(administered, "team", ask.elect_leaders(version, *named, partitions=(0,)))

    results = answer.replica_election_results
    assert [result.topic for result in results] == [one.topic for one in named]
    assert [int(result.partition_result[0].error_code) for result in results] == [0, CAF, UTP, UTP, 0]
    assert len({result.partition_result[0].error_message for result in results[2:4]}) == 1
    assert int(getattr(answer, "error_code", 0)) == 0
    eventually(lambda: leader(quiet_cluster, first) == leader(quiet_cluster, last) == 2)
    assert leader(quiet_cluster, kept) == leader(quiet_cluster, foreign) == 1


def test_the_tool_that_elects_finds_a_foreign_topic_as_little_as_a_missing_one(
    tool_at: ToolAt, make_placed: MakePlaced
) -> None:
    foreign = make_placed("pay", 1, 2)
    missing = foreign[:-3] + "non"

    def ended(name: str) -> tuple[int, str]:
        done = tool_at(
            "team", "kafka-leader-election", "--election-type", "preferred", "--topic", name, "--partition", "0"
        )
        return done.code, done.output.replace(name, "TOPIC")

    assert ended(foreign) == ended(missing)
    assert "UnknownTopicOrPartition" in ended(foreign)[1]


# Replicas


def places_file(folder: Path, places: Mapping[str, Sequence[int]], **more: Any) -> str:
    """What kafka-reassign-partitions reads: on which nodes the first partition of each topic is to be."""
    partitions = [{"topic": name, "partition": 0, "replicas": list(nodes), **more} for name, nodes in places.items()]
    file = folder / "places.json"
    file.write_text(json.dumps({"version": 1, "partitions": partitions}))
    return str(file)


def test_replicas_of_the_tenants_topics_are_moved_and_looked_after(
    quiet_cluster: Kafka, tool_at: ToolAt, make_placed: MakePlaced, tmp_path: Path
) -> None:
    own = make_placed("tx", 1)
    file = ("--reassignment-json-file", places_file(tmp_path, {own: [3]}))

    moved = tool_at("movers", "kafka-reassign-partitions", "--execute", *file)
    eventually(lambda: replicas(quiet_cluster, own) == [3])
    verified = tool_at("movers", "kafka-reassign-partitions", "--verify", "--preserve-throttles", *file)

    assert (moved.code, verified.code) == (0, 0), moved.output + verified.output
    assert f"Successfully started partition reassignment for {own}-0" in moved.output
    assert f"Reassignment of partition {own}-0 is completed." in verified.output


def test_what_the_tool_writes_down_before_it_moves_leads_back(
    quiet_cluster: Kafka, tool_at: ToolAt, make_placed: MakePlaced, tmp_path: Path
) -> None:
    own = make_placed("tx", 1)
    there, back = places_file(tmp_path, {own: [3]}), tmp_path / "back.json"

    moved = tool_at("movers", "kafka-reassign-partitions", "--execute", "--reassignment-json-file", there)
    eventually(lambda: replicas(quiet_cluster, own) == [3])
    back.write_text(next(line for line in moved.stdout.splitlines() if line.startswith("{")))
    returned = tool_at("movers", "kafka-reassign-partitions", "--execute", "--reassignment-json-file", str(back))

    assert (moved.code, returned.code) == (0, 0), moved.output + returned.output
    eventually(lambda: replicas(quiet_cluster, own) == [1])


def test_what_others_move_is_neither_listed_nor_given_up(
    quiet_cluster: Kafka, administered: Kordon, tool_at: ToolAt, make_placed: MakePlaced, tmp_path: Path
) -> None:
    own, foreign, hidden = (make_placed(beginning, 1, slow=True) for beginning in ("tx", "pay", "hr"))
    for name in (own, foreign, hidden):
        direct(quiet_cluster, ask.move_replicas(1, things(name), to=(1, 2)))
    eventually(lambda: {own, foreign, hidden} <= moves(quiet_cluster))
    file = ("--reassignment-json-file", places_file(tmp_path, {own: [1, 2], foreign: [1, 2]}))

    listed = {
        listener: tool_at(listener, "kafka-reassign-partitions", "--list").output for listener in ("movers", "ops")
    }
    by_name = say(administered, "team", ask.list_moves(0, things(foreign), things(own), things("pay.none")))
    only_foreign = [say(administered, "team", ask.list_moves(0, things(name))) for name in (foreign, "pay.none")]
    cancelled = tool_at("movers", "kafka-reassign-partitions", "--cancel", "--preserve-throttles", *file)

    assert {name: own in output for name, output in listed.items()} == {"movers": True, "ops": True}
    assert {name: foreign in output for name, output in listed.items()} == {"movers": False, "ops": True}
    assert not any(hidden in output for output in listed.values())
    assert [topic.name for topic in by_name.topics] == [own]
    assert only_foreign[0] == only_foreign[1]
    assert own in cancelled.output
    eventually(lambda: own not in moves(quiet_cluster))
    assert {foreign, hidden} <= moves(quiet_cluster)
    direct(quiet_cluster, *(ask.move_replicas(1, things(name), to=None) for name in (foreign, hidden)))


@pytest.mark.parametrize("version", APIS[ApiKey.ALTER_PARTITION_REASSIGNMENTS].versions)
def test_replicas_move_where_they_may_and_the_rest_is_told_in_its_place(
    quiet_cluster: Kafka, administered: Kordon, make_placed: MakePlaced, version: int
) -> None:
    first, kept, foreign, last = (make_placed(beginning, 1) for beginning in ("tx", "tx.keep", "pay", "tx"))
    named = [things(name) for name in (first, kept, foreign, "pay.none", last)]

    answer = say(administered, "movers", ask.move_replicas(version, *named, to=(2,)))

    assert [topic.name for topic in answer.responses] == [one.topic for one in named]
    assert [int(topic.partitions[0].error_code) for topic in answer.responses] == [0, CAF, UTP, UTP, 0]
    assert int(answer.error_code) == 0
    eventually(lambda: replicas(quiet_cluster, first) == replicas(quiet_cluster, last) == [2])
    assert replicas(quiet_cluster, kept) == replicas(quiet_cluster, foreign) == [1]


@pytest.mark.parametrize("listener", ["team", "kpow"])
def test_replicas_go_to_no_broker_outside_the_view(
    quiet_cluster: Kafka, administered: Kordon, tool_at: ToolAt, make_placed: MakePlaced, tmp_path: Path, listener: str
) -> None:
    own = make_placed("tx", 1)
    file = ("--reassignment-json-file", places_file(tmp_path, {own: [2]}))

    refused = tool_at(listener, "kafka-reassign-partitions", "--execute", *file)

    assert refused.code != 0
    assert "broker 2 is outside the tenant" in refused.output
    assert replicas(quiet_cluster, own) == [1]


# Topics that are placed


def test_of_topics_that_are_created_each_is_placed_or_refused_by_itself(
    quiet_cluster: Kafka, administered: Kordon, make_placed: MakePlaced, fresh: Fresh
) -> None:
    version = 7
    there = make_placed("tx", 1)
    names = [fresh(f"{beginning}.").replace("-", "") for beginning in ("tx", "hr", "tx", "tx", "tx")]
    placed, hidden, twice, nowhere, plain = names

    def topic(name: str, *brokers: int) -> Any:
        place = asked(ApiKey.CREATE_TOPICS, version, "topics", "assignments", partition_index=0, broker_ids=brokers)
        values = (
            {"num_partitions": -1, "replication_factor": -1, "assignments": (place,)}
            if brokers
            else {"num_partitions": 2, "replication_factor": 3}
        )
        return asked(ApiKey.CREATE_TOPICS, version, "topics", name=name, **values)

    topics = (
        topic(twice, 1),
        topic(placed, 3, 1),
        topic(hidden, 2),
        topic(nowhere, 9),
        topic(twice, 2),
        topic(there),
        topic(plain),
    )
    expected = {twice: 42, placed: 0, hidden: TAF, nowhere: 39, there: 36, plain: 0}
    request = ask.create_topics(version)

    def answered(listener: str, *, only_validate: bool) -> dict[str, int]:
        said = say(administered, listener, replace(request, topics=topics, validate_only=only_validate))
        return {one.name: int(one.error_code) for one in said.topics}

    of_team = answered("team", only_validate=True)
    tried = answered("ops", only_validate=True)
    assert not {placed, plain} & topics_of(quiet_cluster)
    created = answered("ops", only_validate=False)

    assert of_team == expected | {placed: TAF, nowhere: TAF}  # who may not say where data lies
    assert tried == created == expected
    eventually(lambda: {placed, plain} <= topics_of(quiet_cluster))
    assert replicas(quiet_cluster, placed) == [3, 1]
    assert not {twice, hidden, nowhere} & topics_of(quiet_cluster)


def topics_of(kafka: Kafka) -> set[str]:
    (answer,) = direct(kafka, ask.find_all_topics(12))
    return {topic.name for topic in answer.topics}


def test_of_topics_that_grow_each_is_placed_or_refused_by_itself(
    quiet_cluster: Kafka, administered: Kordon, make_placed: MakePlaced
) -> None:
    version = 3
    placed, hidden, twice, nowhere, kept = (
        make_placed(beginning, 1) for beginning in ("tx", "hr", "tx", "tx", "tx.keep")
    )

    def topic(name: str, broker: int) -> Any:
        place = asked(ApiKey.CREATE_PARTITIONS, version, "topics", "assignments", broker_ids=(broker,))
        return asked(ApiKey.CREATE_PARTITIONS, version, "topics", name=name, count=2, assignments=(place,))

    topics = (topic(twice, 1), topic(hidden, 2), topic(placed, 2), topic(nowhere, 9), topic(kept, 2), topic(twice, 2))
    expected = {twice: 42, hidden: UTP, placed: 0, nowhere: 39, kept: TAF}
    request = ask.grow_topics(version)

    def answered(listener: str, *, only_validate: bool) -> dict[str, int]:
        said = say(administered, listener, replace(request, topics=topics, validate_only=only_validate))
        return {one.name: int(one.error_code) for one in said.results}

    assert answered("team", only_validate=False) == expected | {placed: TAF, nowhere: TAF}
    assert answered("ops", only_validate=True) == expected
    assert answered("ops", only_validate=False) == expected
    eventually(lambda: partitions_of(quiet_cluster, placed) == 2)
    assert [partitions_of(quiet_cluster, name) for name in (hidden, twice, nowhere, kept)] == [1] * 4


def partitions_of(kafka: Kafka, topic: str) -> int:
    (answer,) = direct(kafka, ask.find_topics(12, things(topic), creating=False))
    return len(answer.topics[0].partitions)


def test_of_records_that_are_deleted_the_tenants_go_and_no_others(
    quiet_cluster: Kafka, administered: Kordon, make_placed: MakePlaced
) -> None:
    first, kept, foreign, last = names = [make_placed(beginning, 1) for beginning in ("tx", "tx.keep", "pay", "tx")]
    direct(quiet_cluster, *(ask.produce(12, things(name), batch=a_batch(b"a", b"b")) for name in names), node=1)

    named = [things(name) for name in (first, kept, foreign, "pay.none", last)]
    answer = say(administered, "team", ask.truncate(2, *named), broker=1)

    codes = {topic.name: int(topic.partitions[0].error_code) for topic in answer.topics}
    assert codes == {first: 0, kept: TAF, foreign: UTP, "pay.none": UTP, last: 0}
    (starts,) = direct(quiet_cluster, ask.list_offsets(11, *map(things, names), timestamp=-2), node=1)
    begins = {topic.name: topic.partitions[0].offset for topic in starts.topics}
    assert begins == {first: 2, kept: 0, foreign: 0, last: 2}
