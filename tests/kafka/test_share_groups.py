"""Share groups (KIP-932) in a tenant: Kafka's own share consumer and tool, sessions, and rights that come and go."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from kio.schema.errors import ErrorCode

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.demo.tools import Finished
from tests.kafka import requests as ask
from tests.kafka import share_requests as share
from tests.kafka.changing import Changing, hiding, without
from tests.kafka.fetching import LONG_POLL, append, topic_id_of
from tests.kafka.fixtures import Fresh, RunTool, two_at_a_time
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import GROUP, Things, errors_of
from tests.kafka.tenants import POLICY, MakeTenantTopic, Names, eventually
from tests.kafka.wire import Gone, Wire

SOON: Final = timedelta(seconds=10)
DENIED: Final = ErrorCode.topic_authorization_failed
NONE: Final = ErrorCode.none
EARLIEST: Final = ("share.auto.offset.reset", "earliest")

# ---- Kafka's own programs


def the_rest(done: Finished, names: Names) -> tuple[int, str]:
    """How a tool ended, without names, times and the width of columns."""
    output = done.output.replace(names.topic, "TOPIC").replace(names.group, "GROUP")
    output = "".join(line for line in output.splitlines(keepends=True) if " WARN " not in line)
    return done.code, re.sub(r"\d\d:\d\d:\d\d.\d\d\d| +", " ", output)


def test_a_share_consumer_reads_and_the_tool_describes_resets_and_deletes(
    kordon: Kordon, kafka_tools: RunTool, tenant_topic: MakeTenantTopic, shared_by_payments: Names, fresh: Fresh
) -> None:
    topic, group = tenant_topic(partitions=2), fresh("trade_share")
    about, everything = ("--group", group), ("--group", group, "--topic", topic)

    def run(name: str, *arguments: str, stdin: str = "") -> str:
        done = kafka_tools(name, *arguments, at=kordon.listener("trading"), stdin=stdin)
        assert done.code == 0, done.output
        return done.output

    # It reads
    run("kafka-configs", "--alter", *about, "--add-config", "=".join(EARLIEST))
    run("kafka-console-producer", "--topic", topic, stdin="one\ntwo\nthree\n")
    read = run("kafka-console-share-consumer", *everything, "--max-messages", "3", "--timeout-ms", "30000")
    assert {"one", "two", "three"} <= set(read.split())
    assert re.search(rf"{topic}\s+\d\s+[03]\s+0", run("kafka-share-groups", "--describe", *about))

    # It is listed, without what others have
    listed = run("kafka-share-groups", "--list").split()
    assert group in listed
    assert not [name for name in listed if not name.startswith("trade_")]
    assert re.search(rf"{group}\s+Share", run("kafka-groups", "--list"))

    # It begins anew, and goes
    reset = run("kafka-share-groups", "--reset-offsets", *everything, "--to-earliest", "--execute")
    assert re.search(rf"{group}\s+{topic}\s+0\s+0", reset)
    again = run("kafka-console-share-consumer", *everything, "--max-messages", "3", "--timeout-ms", "30000")
    assert {"one", "two", "three"} <= set(again.split())
    assert "Successful" in run("kafka-share-groups", "--delete-offsets", *everything)
    assert "no offset information" in run("kafka-share-groups", "--describe", *about)
    assert "successful" in run("kafka-share-groups", "--delete", *about)
    assert group not in run("kafka-share-groups", "--list").split()


@pytest.fixture(scope="module")
def shared_by_payments(kordon: Kordon, tenant_topic: MakeTenantTopic, fresh: Fresh) -> Names:
    """A share group of Payments that has read one of its topics, and has a member."""
    names = Names(topic=tenant_topic("pay_share"), group=fresh("pay_share"), transactional_id="unused")
    with Wire(kordon.listener("admin")) as wire:
        member = Member(wire, names.group, names.topic)
        member.join()
        wire.ask(ask.produce(12, member.things))
        assert records_of(member.fetch(member.things, wait=SOON))
    return names


def test_the_programs_find_what_another_tenant_has_as_little_as_what_nobody_has(
    kordon: Kordon, kafka_tools: RunTool, shared_by_payments: Names, missing: Names, fresh: Fresh
) -> None:
    reading = fresh("trade_none")  # a group has one type, and other tests make theirs

    def asked(names: Names) -> dict[str, tuple[str, ...]]:
        tool, group, topic = "kafka-share-groups", ("--group", names.group), ("--topic", names.topic)
        return {
            "describe": (tool, "--describe", *group),
            "members": (tool, "--describe", *group, "--members"),
            "state": (tool, "--describe", *group, "--state"),
            "delete": (tool, "--delete", *group),
            "delete offsets": (tool, "--delete-offsets", *group, *topic),
            "consume": (
                "kafka-console-share-consumer",
                *topic,
                *("--group", reading, "--timeout-ms", "3000"),
            ),
        }

    def answers(names: Names) -> dict[str, tuple[int, str]]:
        commands = asked(names)
        ends = two_at_a_time(kafka_tools, commands.values(), at=kordon.listener("trading"))
        return {what: the_rest(done, names) for what, done in zip(commands, ends, strict=True)}

    assert answers(shared_by_payments) == answers(missing)


def test_what_is_denied_is_told_in_kafkas_words(
    kordon: Kordon, kafka_tools: RunTool, tenant_topic: MakeTenantTopic, denied: Names, shared_by_payments: Names
) -> None:
    allowed = tenant_topic()
    consume = ("kafka-console-share-consumer", "--timeout-ms", "9000")
    reset = ("kafka-share-groups", "--reset-offsets", "--topic", allowed, "--to-earliest", "--execute")
    asked = {
        (*consume, "--topic", denied.topic, "--group", "trade_share"): "TopicAuthorizationException",
        (*consume, "--topic", allowed, "--group", shared_by_payments.group): "GroupAuthorizationException",
        (*consume, "--topic", allowed, "--group", denied.group): "GroupAuthorizationException",
        (*reset, "--group", denied.group): "GroupAuthorizationException",
    }

    ends = two_at_a_time(kafka_tools, asked, at=kordon.listener("trading"))

    for error, done in zip(asked.values(), ends, strict=True):
        assert error in done.output


# ---- over a bare connection


def records_of(answer: Any, topic: Things | None = None) -> bytes:
    """All that the answer has of a topic, or of all of them."""
    return b"".join(
        part.records or b""
        for one in answer.responses
        for part in one.partitions
        if topic is None or one.topic_id == topic.topic_id
    )


def codes(answer: Any) -> list[tuple[ErrorCode, int]]:
    """For each partition what became of the fetch and of the acknowledgement."""
    return [(part.error_code, part.acknowledge_error_code) for one in answer.responses for part in one.partitions]


def joined(wire: Wire, member: Things, *topics: Things) -> None:
    """Join a share group, and wait until these topics are assigned."""
    epoch = 0
    assigned: set[UUID] = set()

    def has_all() -> bool:
        nonlocal epoch
        names = () if epoch else tuple(one.topic for one in topics)
        answer = wire.ask(share.beat(1, member, *names, epoch=epoch)).message
        epoch = answer.member_epoch  # 0 where it failed
        if answer.assignment is not None:
            assigned.update(part.topic_id for part in answer.assignment.topic_partitions)
        return len(assigned) == len(topics)

    eventually(has_all)
    assert assigned == {one.topic_id for one in topics}


class Member:
    """A member of a share group, which reads the first partition of a topic."""

    def __init__(self, wire: Wire, group: str, topic: str, *, version: int = 2) -> None:
        self.wire = wire
        self.version = version
        self.epoch = 0
        """Of the share session: the next request's."""
        self.things = Things(
            topic=topic,
            topic_id=topic_id_of(wire, topic),
            group=group,
            transactional_id="unused",
            member_id=str(uuid4()),
        )

    def join(self) -> None:
        """Read from the beginning, and wait for the assignment."""
        eventually(lambda: not errors_of(self.wire.ask(ask.find_coordinator(6, self.things.group)).message))
        setting = ask.alter_settings(1, (GROUP, self.things.group), setting=EARLIEST)
        assert errors_of(self.wire.ask(setting).message) == []
        joined(self.wire, self.things, self.things)

    def beat(self, *topics: str, epoch: int = 0) -> Any:
        return self.wire.ask(share.beat(1, self.things, *topics, epoch=epoch)).message

    def request(self, *all_things: Things, wait: timedelta = timedelta(), **values: Any) -> Any:
        """The next fetch of the session, which names these topics."""
        self.epoch += 1
        return share.fetch(
            self.version, self.things, *all_things, epoch=self.epoch - 1, max_wait=wait, min_bytes=1, **values
        )

    def fetch(self, *all_things: Things, **values: Any) -> Any:
        return self.wire.ask(self.request(*all_things, **values)).message

    def acknowledge(self, *all_things: Things, **values: Any) -> Any:
        self.epoch += 1
        asking = share.acknowledge(self.version, self.things, *all_things, epoch=self.epoch - 1, **values)
        return self.wire.ask(asking).message


@pytest.fixture
def topic(changing: Changing, tenant_topic: MakeTenantTopic) -> str:
    return tenant_topic("tx_share", at=changing.kordon)


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def member(request: pytest.FixtureRequest, changing: Changing, topic: str, fresh: Fresh) -> Iterator[Member]:
    """A trader, in its group."""
    with Wire(changing.trading) as wire:
        member = Member(wire, fresh("trade_share"), topic, version=request.param)
        member.join()
        yield member


def left(kafka: Kafka, things: Things) -> int:
    """How many records the group has still to accept, as the broker says; -1 where it does not know yet."""
    with Wire(kafka.bootstrap) as wire:
        (group,) = wire.ask(share.describe_offsets(1, (things, (things,)))).message.groups
    lag: int = group.topics[0].partitions[0].lag
    return lag


def test_reads_are_counted_and_leaving_and_resetting_are_written_down(
    changing: Changing, kafka: Kafka, topic: str, member: Member
) -> None:
    append(kafka, topic, b"one")
    assert b"one" in records_of(member.fetch(member.things, wait=SOON))
    member.acknowledge(member.things)
    member.beat(epoch=-1)
    eventually(lambda: not errors_of(member.wire.ask(share.alter_offsets(0, member.things, member.things)).message))

    eventually(lambda: changing.reads(topic))
    found = {}
    for event in changing.kordon.audit():
        what = event["data"]["what"]
        if what.get("parameters", {}).get("group") == member.things.group:
            found[what["api"]] = what["action"], event["data"]["why"]["effect"], what["parameters"]
    assert found["ShareGroupHeartbeat"][:2] == ("GROUP_CONSUME", "Allow")
    assert found["ShareGroupHeartbeat"][2]["members"] == [member.things.member_id]
    assert found["AlterShareGroupOffsets"][:2] == ("GROUP_EDIT", "Allow")
    assert found["AlterShareGroupOffsets"][2]["offsets"] == {f"{topic}-0": 1}


@pytest.mark.parametrize("how", ["denied", "hidden"])
def test_a_fetch_that_was_parked_is_judged_before_it_is_answered(
    changing: Changing, kafka: Kafka, topic: str, member: Member, how: str
) -> None:
    # Given
    forwarded = changing.metric("kordon_requests_total", api="ShareFetch", verdict="forwarded")
    member.wire.send(member.request(member.things, wait=LONG_POLL))
    eventually(lambda: changing.metric("kordon_requests_total", api="ShareFetch", verdict="forwarded") > forwarded)

    # When
    changing.put_in_force(without("TOPIC_INSPECT", "topic", topic) if how == "denied" else hiding(topic))
    append(kafka, topic, b"meanwhile")

    # Then
    gone = DENIED if how == "denied" else ErrorCode.unknown_topic_id
    answer = member.wire.receive().message
    assert (codes(answer), records_of(answer)) == ([(gone, 0)], b"")
    assert not [part.acquired_records for one in answer.responses for part in one.partitions if part.acquired_records]
    # By its id a topic that is hidden is one that nobody knows. The denial is on disk before the client hears of it.
    (denial,) = changing.denials(member.things.topic_id if how == "hidden" else topic)
    assert denial["data"]["outcome"]["error_code"] == gone
    assert codes(member.fetch()) == [(gone, 0)]

    # When
    changing.put_in_force(POLICY)
    append(kafka, topic, b"afterwards")

    # Then
    assert b"afterwards" in until_records(member)
    eventually(lambda: changing.reads(topic))


def until_records(member: Member) -> bytes:
    """What comes first in the session that goes on."""
    found: list[bytes] = []

    def came() -> bool:
        answer = member.fetch(wait=timedelta(milliseconds=200))
        assert answer.error_code is NONE, answer
        found.append(records_of(answer))
        return bool(found[-1])

    eventually(came)
    return found[-1]


def test_a_right_that_goes_and_comes_back_takes_and_gives_within_the_session(
    changing: Changing, kafka: Kafka, topic: str, member: Member
) -> None:
    append(kafka, topic, b"before")
    assert b"before" in records_of(member.fetch(member.things, wait=SOON))
    opened = changing.opened()

    # When it goes, although the client says nothing of the topic
    changing.put_in_force(without("TOPIC_INSPECT", "topic", topic))
    append(kafka, topic, b"meanwhile")
    answers = [member.fetch() for _ in range(3)]

    # Then
    assert [codes(answer) for answer in answers] == [[(DENIED, 0)]] * 3
    assert not any(map(records_of, answers))
    assert changing.denials(topic)

    # When it comes back
    changing.put_in_force(POLICY)

    # Then what nobody was given meanwhile is given
    assert b"meanwhile" in until_records(member)
    assert changing.opened() == opened


def test_what_may_not_be_read_may_not_be_acknowledged_either(
    changing: Changing, kafka: Kafka, topic: str, member: Member
) -> None:
    # Given a record that the member has
    append(kafka, topic, b"one")
    assert b"one" in records_of(member.fetch(member.things, wait=SOON))

    # When its right goes
    changing.put_in_force(without("TOPIC_INSPECT", "topic", topic))
    along = member.fetch(member.things, acks=(0, 0))
    alone = member.acknowledge(member.things)

    # Then
    assert codes(along) == [(DENIED, DENIED)]
    assert [int(part.error_code) for one in alone.responses for part in one.partitions] == [DENIED]
    assert left(kafka, member.things) != 0

    # When it is back
    changing.put_in_force(POLICY)

    # Then
    assert codes(member.fetch(member.things, acks=(0, 0))) == [(NONE, 0)]
    eventually(lambda: left(kafka, member.things) == 0)


def test_who_is_expelled_from_the_group_gets_nothing_more(
    changing: Changing, kafka: Kafka, topic: str, member: Member
) -> None:
    member.fetch(member.things)
    changing.put_in_force(without("GROUP_CONSUME", "group", member.things.group))
    append(kafka, topic, b"meanwhile")

    answers = (member.fetch(), member.acknowledge(member.things), member.beat(member.things.topic))

    assert {answer.error_code for answer in answers} == {ErrorCode.group_authorization_failed}
    # The refused requests were none of the session, as at a broker.
    changing.put_in_force(POLICY)
    member.epoch = 1
    assert b"meanwhile" in until_records(member)


# ---- sessions are of connections


@pytest.mark.parametrize("version", [1, 2])
def test_nobody_goes_on_with_a_session_from_another_connection(
    changing: Changing, kafka: Kafka, topic: str, fresh: Fresh, version: int
) -> None:
    append(kafka, topic, b"one")
    with Wire(changing.trading) as wire, Wire(changing.trading) as other:
        member = Member(wire, fresh("trade_share"), topic, version=version)
        member.join()
        member.fetch(member.things, max_bytes=0)

        stolen = [
            share.fetch(version, member.things, member.things, epoch=1),
            share.acknowledge(version, member.things, member.things, epoch=1),
            share.fetch(version, member.things, epoch=-1),
            share.acknowledge(version, member.things, epoch=-1),
        ]
        answers = [reply.message for reply in other.ask_all(stolen)]

        assert {answer.error_code for answer in answers} == {ErrorCode.share_session_not_found}
        assert b"one" in records_of(member.fetch(wait=SOON))


def test_an_answer_of_somebody_elses_session_never_gets_through(neighbours: Neighbours, fresh: Fresh) -> None:
    """`rita` may not read what `alice` reads. Both are in the group, and rita knows alice's member id."""
    own, secret = neighbours.own, neighbours.secret
    member = replace(own, group=fresh("acme-share"), member_id=str(uuid4()), instance_id=None)
    with ExitStack() as stack:
        alice, rita = (stack.enter_context(neighbours.through(who)) for who in ("acme", "reader"))
        alice.ask(ask.alter_settings(1, (GROUP, member.group), setting=EARLIEST))
        joined(alice, member, own, secret)

        # Given a session of rita's, and then, at the broker in its place, one of alice's
        assert errors_of(rita.ask(share.fetch(2, member, own, max_bytes=0)).message) == []
        assert errors_of(alice.ask(share.fetch(2, member, secret, max_bytes=0)).message) == []

        # When rita goes on with hers, then she is told nothing of it, and nothing more
        answers: list[Any] = []
        with pytest.raises(Gone):
            go_on(rita, member, answers)
    assert {(answer.error_code, answer.responses) for answer in answers} <= {(NONE, ())}


def go_on(wire: Wire, member: Things, answers: list[Any]) -> None:
    """Fetch in a session that is open."""
    asking = (share.fetch(2, member, epoch=epoch, max_wait=SOON, min_bytes=1) for epoch in range(1, 100))
    answers.extend(wire.ask(one).message for one in asking)


def test_descriptions_and_offsets_of_a_group_tell_of_the_tenants_topics_alone(neighbours: Neighbours) -> None:
    """Somebody at the broker made the group read what another tenant has, too."""
    shared = neighbours.shared
    with neighbours.through() as wire, neighbours.direct() as direct:
        asking = [
            share.describe(1, shared.group),
            *(share.describe_offsets(version, (shared, None)) for version in (0, 1)),
        ]
        told, known = wire.ask_all(asking), direct.ask_all(asking)

    for reply in told:
        assert not neighbours.traces(reply)
    (member,) = told[0].message.groups[0].members
    assert member.subscribed_topic_names == (shared.topic,)
    assert [part.topic_name for part in member.assignment.topic_partitions] == [shared.topic]
    assert len(known[0].message.groups[0].members[0].assignment.topic_partitions) == 2
    for ours, theirs in zip(told[1:], known[1:], strict=True):
        assert [one.topic_name for one in ours.message.groups[0].topics] == [shared.topic]
        assert len(theirs.message.groups[0].topics) == 2


def test_what_is_allowed_in_a_request_happens_whatever_is_asked_for_beside_it(
    neighbours: Neighbours, fresh: Fresh
) -> None:
    own, foreign, missing = neighbours.own, neighbours.foreign[2], neighbours.missing[2]
    group, state = replace(own, group=fresh("acme-share")), neighbours.state()
    with neighbours.through() as wire:
        altered = wire.ask(share.alter_offsets(0, group, foreign, own, missing, offset=2))
        described = wire.ask(share.describe_offsets(1, (group, (foreign, own, missing))))
        deleted = wire.ask(share.delete_offsets(0, group, foreign, own, missing))

    topics = [foreign.topic, own.topic, missing.topic]
    ids: list[UUID | None] = [None, own.topic_id, None]
    unknown = ErrorCode.unknown_topic_or_partition
    assert [one.topic_name for one in altered.message.responses] == topics
    assert [one.topic_id for one in altered.message.responses] == ids
    assert [one.partitions[0].error_code for one in altered.message.responses] == [unknown, NONE, unknown]
    offsets = {one.topic_name: one.partitions[0].start_offset for one in described.message.groups[0].topics}
    assert offsets == {own.topic: 2, foreign.topic: -1, missing.topic: -1}
    assert [(one.topic_name, one.topic_id) for one in deleted.message.responses] == list(zip(topics, ids, strict=True))
    assert [one.error_code for one in deleted.message.responses] == [unknown, NONE, unknown]
    assert neighbours.state() == state
