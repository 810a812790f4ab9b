"""One connection: what it forwards, answers, holds back and records, and how it ends."""

import asyncio
import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode
from structlog.testing import capture_logs

from kordon_protocol.codec import decode_request, decode_response, request_frame, request_type, response_type
from kordon_protocol.frames import FrameSplitter, with_prefix
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy.cluster.errors import UpstreamUnavailable
from kordon_proxy.holds import Hold
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.parts import refuse
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.verdict import Ask, Forward, Verdict
from kordon_proxy.link import LAST_BYTES
from kordon_proxy.memory import VIEWED
from kordon_proxy.session import STORED_LIMIT, TURN
from kordon_proxy.table import APIS
from tests.proxy.apis.messages import a_request, asked, said
from tests.proxy.cluster.loops import scenario
from tests.proxy.judging.worlds import a_picture
from tests.proxy.sessions import (
    POLICY,
    Connected,
    FakeTransport,
    Links,
    World,
    a_snapshot,
    a_world,
    arrive,
    heartbeat,
    tick,
)

UNKNOWN_KEY: Final = struct.pack(">ihhih", 10, 9999, 0, 7, -1)
NOBODY: Final = "policies: []\ntenants: [{name: Other, roles: [others], resources: [{include: ['*']}]}]\n"


def delete(name: str = "tx_one") -> Any:
    """A mutation."""
    return a_request(ApiKey.DELETE_TOPICS, 5, topic_names=(name,))


def fetch(name: str = "tx_one") -> Any:
    kind = request_type(ApiKey.FETCH, 4)
    partition = make(
        struct_type(kind, "topics", "partitions"), partition=0, fetch_offset=0, partition_max_bytes=1 << 20
    )
    topic = make(struct_type(kind, "topics"), topic=name, partitions=(partition,))
    return a_request(ApiKey.FETCH, 4, min_bytes=1, topics=(topic,))


def fetched(records: bytes, name: str = "tx_one") -> Any:
    kind = response_type(ApiKey.FETCH, 4)
    partition = make(struct_type(kind, "responses", "partitions"), partition_index=0, records=records)
    return make(struct_type(kind, "responses"), topic=name, partitions=(partition,))


def produce(*, acks: int = 1, name: str = "tx_one") -> Any:
    kind = request_type(ApiKey.PRODUCE, 9)
    partition = make(struct_type(kind, "topic_data", "partition_data"), index=0, records=bytes(70))
    topic = make(struct_type(kind, "topic_data"), name=name, partition_data=(partition,))
    return a_request(ApiKey.PRODUCE, 9, acks=acks, topic_data=(topic,))


def produce_to(*names: str) -> Any:
    """A Produce of so many bytes that they are not copied."""
    kind = request_type(ApiKey.PRODUCE, 9)
    partitions = struct_type(kind, "topic_data", "partition_data")
    topics = tuple(
        make(
            struct_type(kind, "topic_data"),
            name=name,
            partition_data=(make(partitions, index=0, records=bytes(VIEWED)),),
        )
        for name in names
    )
    return a_request(ApiKey.PRODUCE, 9, acks=-1, topic_data=topics)


class Slow(FakeTransport):
    """A transport whose other side takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[Any] = []

    def write(self, data: Any) -> None:
        self.pieces.append(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.pieces.extend(list_of_data)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def memories(self) -> int:
        """How many pieces of what connections read into are kept by it."""
        return len({id(piece.obj) for piece in self.pieces if isinstance(piece, memoryview)})


async def a_client(world: World) -> Connected:
    """A client whose connection to the broker stands."""
    client = world.connect()
    number = client.sends(heartbeat())
    await tick()
    client.broker_answers(number)
    assert client.answers().keys() == {number}
    assert client.forwarded() == [number]
    return client


# ---- requests on their way


def of_hidden_topics() -> Any:
    """A question that Kordon answers itself, with a quarter of what may wait."""
    topic = struct_type(request_type(ApiKey.METADATA, 9), "topics")
    names = (f"pay_{number:0240}" for number in range(STORED_LIMIT // 4 // 250))
    return a_request(ApiKey.METADATA, 9, topics=tuple(make(topic, name=name) for name in names))


@scenario
async def test_answers_of_kordons_own_that_wait_for_an_earlier_one_are_bounded(links: Links) -> None:
    client = await a_client(a_world(links))
    parked = client.sends(fetch())

    asked = [client.sends(of_hidden_topics()) for _ in range(20)]
    await tick()

    assert not client.transport.reading
    assert client.session._answers.stored < 2 * STORED_LIMIT
    client.broker_answers(parked, responses=(fetched(b"records"),))
    await tick(50)
    assert client.transport.reading
    assert list(client.answers()) == [parked, *asked]


@scenario
async def test_an_answer_that_others_wait_for_is_read_on_whatever_waits(links: Links) -> None:
    client = await a_client(a_world(links))
    parked = client.sends(fetch())
    asked = [client.sends(of_hidden_topics()) for _ in range(5)]
    await tick()
    answer = client.broker_frame(parked, responses=(fetched(bytes(1_000)),))

    arrive(client.link.link, answer[:100])

    assert not client.link.held
    arrive(client.link.link, answer[100:])
    await tick()
    assert list(client.answers()) == [parked, *asked]


@scenario
async def test_a_client_that_does_not_take_its_answers_is_not_waited_for_once_it_has_ended(links: Links) -> None:
    client = await a_client(a_world(links))
    client.session.transport = slow = Slow()
    number = client.sends(fetch())
    client.broker_answers(number, responses=(fetched(b"records"),))
    later: list[tuple[float, Callable[[], None]]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "call_later", lambda *what: later.append(what))
        client.session.close("idle")

    assert (slow.closing, slow.aborted) == (True, False)
    ((seconds, end),) = later
    end()
    assert (seconds, slow.aborted) == (LAST_BYTES, True)


@scenario
async def test_nothing_waits_for_a_client_that_has_gone(links: Links) -> None:
    client = await a_client(a_world(links))
    client.session.transport = Slow()
    client.session.transport.write(b"an answer")
    client.session.close("idle")
    assert client.session._end is not None

    client.session.connection_lost(None)

    assert client.session._end.cancelled()


@scenario
async def test_others_have_their_turn_between_the_requests_of_one_read(links: Links) -> None:
    world = a_world(links)
    client, other = await a_client(world), await a_client(world)
    asked = client.sends_together([a_request(ApiKey.API_VERSIONS, 0)] * (2 * TURN + 1))

    served = other.sends(heartbeat())
    assert other.forwarded() == [served]
    assert list(client.answers()) == asked[:TURN]
    assert not client.transport.reading
    await tick()

    assert list(client.answers()) == asked[TURN:]
    assert client.transport.reading


@scenario
async def test_what_came_before_the_client_closed_is_sent_though_it_was_not_its_turn(links: Links) -> None:
    """A transport of TLS sees the end while it is not read from."""
    client = await a_client(a_world(links))
    asked = client.sends_together([produce(acks=0)] * (2 * TURN + 1))

    client.session.connection_lost(None)
    assert client.forwarded() == asked[:TURN]
    await tick()

    assert client.forwarded() == asked[TURN:]
    assert client.session.closed


@scenario
async def test_what_came_before_a_stop_is_answered_though_it_was_not_its_turn(links: Links) -> None:
    client = await a_client(a_world(links))
    asked = client.sends_together([a_request(ApiKey.API_VERSIONS, 0)] * (2 * TURN + 1))

    client.session.drain()
    assert client.open
    await tick()

    assert list(client.answers()) == asked
    assert not client.open


class Shut(FakeTransport):
    """As that of asyncio for TLS, which forgets its connection when it is closed once that has gone."""

    def get_write_buffer_size(self) -> int:
        if self.closing:
            raise AttributeError("_get_write_buffer_size")
        return 0


@scenario
async def test_a_change_is_told_whatever_is_left_of_the_clients_connection(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    client.session.transport = Shut()
    client.sends(delete())

    client.session.connection_lost(None)

    assert [event.outcome.unknown for event in world.audit.events] == [True]
    assert client.link.closed


@scenario
async def test_what_came_before_unreadable_bytes_is_sent(links: Links) -> None:
    client = await a_client(a_world(links))

    number = client.sends_together([produce(acks=0)], end=with_prefix(b"garbage"))[0]

    assert client.forwarded() == [number]
    assert not client.open


@scenario
async def test_what_a_slow_client_has_not_taken_keeps_no_more_than_one_memory(links: Links) -> None:
    client = await a_client(a_world(links))
    number = client.sends(fetch())
    answer = client.broker_frame(number, responses=(fetched(bytes(20 * VIEWED)),))
    client.session.transport = slow = Slow()

    for begin in range(0, len(answer), VIEWED):
        arrive(client.link.link, answer[begin : begin + VIEWED])

    assert b"".join(slow.pieces) == answer
    assert slow.memories == 1


@scenario
async def test_what_a_slow_broker_has_not_taken_keeps_no_more_than_one_memory(links: Links) -> None:
    client = await a_client(a_world(links))
    client.link.link.transport = slow = Slow()

    for _ in range(20):
        client.sends(produce_to("tx_one"))

    assert len(b"".join(slow.pieces)) > 20 * VIEWED
    assert slow.memories == 1


@pytest.mark.parametrize("names", [("tx_one",), ("tx_one", "tx_one"), ("tx_one", "tx_secret")])
@scenario
async def test_records_that_have_gone_to_the_broker_are_not_kept_until_it_answers(
    names: tuple[str, ...], links: Links
) -> None:
    world = a_world(links)
    client = await a_client(world)
    memory = world.listener.memory.free().obj

    numbers = [client.sends(produce_to(*names)) for _ in range(3)]

    assert client.forwarded() == numbers
    assert world.listener.memory.free().obj is memory


@scenario
async def test_what_is_allowed_goes_to_the_broker_as_the_clients_own_bytes(links: Links) -> None:
    client = a_world(links).connect()
    frame = request_frame(heartbeat(), 7, "test")

    for byte in frame:
        client.sends_bytes(bytes([byte]))
    await tick()

    assert client.link.sent == frame


@scenario
async def test_requests_wait_in_order_while_the_broker_is_connected_and_nothing_more_is_read(links: Links) -> None:
    links.ready = False
    client = a_world(links).connect()

    numbers = [client.sends(heartbeat()) for _ in range(3)]
    await tick()
    assert (client.link.sent, client.transport.reading) == (b"", False)
    client.link.comes_up()

    assert client.forwarded() == numbers
    assert client.transport.reading


@scenario
async def test_a_connection_for_a_broker_goes_to_that_broker(links: Links) -> None:
    client = a_world(links).connect(broker_id=2)
    client.sends(heartbeat())
    await tick()

    assert client.link.address == ("real-2.internal", 9092)


@pytest.mark.known_fault(27)
@scenario
async def test_a_hold_that_ends_does_not_undo_another(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    client.session.hold(Hold.PICTURE)
    client.session.broker_is_slow(True)
    number = client.sends(heartbeat())

    client.session.release(Hold.PICTURE)
    assert not client.transport.reading
    assert client.forwarded() == []
    client.session.broker_is_slow(False)

    assert client.transport.reading
    assert client.forwarded() == [number]
    assert [world.metric("pauses", reason) for reason in (Hold.PICTURE, Hold.BROKER_SLOW)] == [1, 1]
    assert world.metric("pause_seconds", Hold.BROKER_SLOW) > 0


@scenario
async def test_a_release_of_what_was_not_held_changes_nothing(links: Links) -> None:
    client = await a_client(a_world(links))
    client.transport.reading = False

    client.session.release(Hold.AUDIT)

    assert not client.transport.reading


@scenario
async def test_requests_beyond_the_limit_of_those_in_flight_wait(links: Links) -> None:
    world = a_world(links, limits={"in_flight": 2})
    client = await a_client(world)

    numbers = [client.sends(heartbeat()) for _ in range(5)]
    assert client.forwarded() == numbers[:2]
    assert not client.transport.reading
    client.broker_answers(numbers[0])
    assert client.forwarded() == numbers[2:3]
    for number in numbers[1:]:
        client.broker_answers(number)

    assert list(client.answers()) == numbers
    assert client.transport.reading
    assert world.metric("pauses", Hold.IN_FLIGHT) >= 1


def joins(group: str = "g_one") -> Any:
    return a_request(ApiKey.JOIN_GROUP, 5, group_id=group, protocol_type="consumer")


async def change_behind(before: Any, client: Connected) -> None:
    """A mutation behind another request is judged by the rights of the moment when that is answered."""
    first, change = client.sends_together([before, delete()])
    assert client.forwarded() == [first]
    assert not client.transport.reading
    client.world.policies.snapshot = a_snapshot(POLICY.replace(", TOPIC_DELETE]", "]"), epoch=2)
    client.broker_answers(first)

    assert client.forwarded() == []
    await tick()
    (topic,) = client.answers()[change].responses
    assert topic.error_code == ErrorCode.topic_authorization_failed


@pytest.mark.parametrize("parked", [fetch(), joins()], ids=["Fetch", "JoinGroup"])
def test_behind_a_request_that_the_broker_may_keep_nothing_is_judged(links: Links, parked: Any) -> None:
    """A broker reads no further request meanwhile: what was allowed long ago would be done when nobody may any more."""

    @scenario
    async def run() -> None:
        world = a_world(links)
        client = await a_client(world)

        await change_behind(parked, client)
        assert client.transport.reading
        assert world.metric("pauses", Hold.EARLIER) == 1

    run()


@pytest.mark.parametrize("answered_first", [heartbeat(), produce()], ids=["Heartbeat", "Produce"])
def test_a_mutation_is_judged_when_everything_before_it_is_answered(links: Links, answered_first: Any) -> None:
    """A client that reads nothing keeps the broker from going on for as long as it likes."""

    @scenario
    async def run() -> None:
        world = a_world(links)
        client = await a_client(world)

        await change_behind(answered_first, client)

    run()


@scenario
async def test_what_was_judged_later_is_sent_though_what_is_behind_it_waits(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.cluster.age = 5.0
    world.cluster.may_refresh.clear()

    first, looked_up, change = client.sends_together(
        [heartbeat(), a_request(ApiKey.METADATA, 1, topics=None), delete()]
    )
    assert client.forwarded() == [first]
    world.cluster.may_refresh.set()
    await tick()

    assert client.forwarded() == [looked_up]
    client.broker_answers(first)
    client.broker_answers(looked_up)
    assert client.forwarded() == [change]


@scenario
async def test_what_a_client_left_behind_a_parked_request_goes_on_before_its_end(links: Links) -> None:
    """Over TLS its end is seen while it is not read from."""
    client = await a_client(a_world(links))
    first, silent = client.sends_together([fetch(), produce(acks=0)])
    assert client.forwarded() == [first]

    lose_the_client(client)
    assert not client.session.closed
    client.broker_answers(first)

    assert client.forwarded() == [silent]
    assert client.session.closed


@scenario
async def test_what_a_client_left_behind_does_not_wait_for_ever(links: Links) -> None:
    world = a_world(links, limits={"request_timeout": "5s"})
    client = await a_client(world)
    client.sends_together([fetch(), produce(acks=0)])
    lose_the_client(client)

    assert client.session.overdue(client.session.last_request + 4) is None
    assert client.session.overdue(client.session.last_request + 6) == "client-closed"


@scenario
async def test_a_drain_waits_for_what_is_behind_a_parked_request(links: Links) -> None:
    client = await a_client(a_world(links))
    first, behind = client.sends_together([fetch(), heartbeat()])

    client.session.drain()
    client.broker_answers(first)
    assert client.forwarded() == [first, behind]
    assert client.open
    client.broker_answers(behind)

    assert list(client.answers()) == [first, behind]
    assert not client.open


@scenario
async def test_a_fetch_behind_another_goes_on_as_its_answer_is_judged(links: Links) -> None:
    client = await a_client(a_world(links))

    numbers = client.sends_together([fetch(), fetch()])

    assert client.forwarded() == numbers
    assert client.transport.reading


@scenario
async def test_behind_answers_to_all_that_the_broker_may_keep_everything_goes_on(links: Links) -> None:
    client = await a_client(a_world(links))
    first, second, behind = client.sends_together([fetch(), fetch(), heartbeat()])
    assert client.forwarded() == [first, second]

    client.broker_answers(first)
    assert client.forwarded() == []
    client.broker_answers(second)

    assert client.forwarded() == [behind]


@scenario
async def test_kordons_own_answers_count_too_when_they_wait_behind_another(links: Links) -> None:
    world = a_world(links, limits={"in_flight": 3})
    client = await a_client(world)
    first = client.sends(heartbeat())

    numbers = [client.asks(ApiKey.API_VERSIONS, 0) for _ in range(10)]
    assert len(client.session._answers) == 3
    assert not client.transport.reading
    client.broker_answers(first)

    assert list(client.answers()) == [first, *numbers]
    assert client.transport.reading


@scenario
async def test_of_a_client_that_does_not_read_no_more_is_read_on_either_side(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    client.session.pause_writing()

    numbers = [client.asks(ApiKey.API_VERSIONS, 0) for _ in range(3)]
    assert client.link.held
    assert not client.transport.reading
    assert client.answers() == {}
    client.session.resume_writing()

    assert list(client.answers()) == numbers
    assert client.transport.reading
    assert not client.link.held


@scenario
async def test_while_memory_has_no_room_for_events_requests_wait(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.audit.full = True

    number = client.sends(heartbeat())
    await world.listener.sweep(client.session.last_request)
    assert client.forwarded() == []
    assert not client.transport.reading
    world.audit.full = False
    await world.listener.sweep(client.session.last_request)

    assert client.forwarded() == [number]
    assert client.transport.reading


@scenario
async def test_a_request_for_everything_waits_for_a_fresh_picture(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.cluster.age = 5.0
    world.cluster.may_refresh.clear()

    number = client.asks(ApiKey.METADATA, 1, topics=None)
    behind = client.sends(heartbeat())
    await tick()
    assert client.forwarded() == []
    world.cluster.may_refresh.set()
    await tick()

    assert client.forwarded() == [number, behind]


@pytest.mark.parametrize("version", range(4))
@scenario
async def test_a_request_that_creates_what_is_missing_goes_on_as_one_that_does_not(version: int, links: Links) -> None:
    client = await a_client(a_world(links))
    topics = (asked(ApiKey.METADATA, version, "topics", name="tx_one"),)
    for _ in range(3):  # from the second on as one that says the same
        number = client.asks(ApiKey.METADATA, version, topics=topics)

        frame = FrameSplitter(1 << 30).feed(bytes(client.link.sent))[-1]
        head = peek_request(frame)
        sent = decode_request(ApiKey.METADATA, head.api_version, frame, head.body_offset)
        assert (head.correlation_id, head.api_version, sent.allow_auto_topic_creation) == (number, 4, False)
        topic = said(ApiKey.METADATA, 4, "topics", name="tx_one")
        client.broker_answers(number, topics=(topic,), cluster_id="real", controller_id=1)

        answer = client.answers()[number]
        assert [topic.name for topic in answer.topics] == ["tx_one"]
        assert getattr(answer, "cluster_id", None) != "real"


@scenario
async def test_when_the_cluster_does_not_answer_an_older_picture_has_to_do(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.cluster.age = 5.0
    world.cluster.error = UpstreamUnavailable("nobody answers")

    with capture_logs() as logs:
        number = client.asks(ApiKey.METADATA, 1, topics=None)
        await tick()

    assert client.forwarded() == [number]
    assert "picture_not_refreshed" in [line["event"] for line in logs]


@given(data=st.data(), sizes=st.lists(st.integers(1, 60), min_size=1))
@settings(max_examples=30)
def test_however_the_bytes_are_cut_the_client_gets_the_same(data: Any, sizes: list[int]) -> None:
    kinds = data.draw(st.lists(st.sampled_from(["heartbeat", "versions", "hidden", "fetch"]), min_size=1, max_size=8))

    @scenario
    async def run() -> None:
        whole, cut = [await answers_to(a_world(), kinds, cuts) for cuts in ([1 << 20], sizes)]
        assert cut == whole
        assert len(cut) == len(kinds)

    run()


async def answers_to(world: World, kinds: list[str], sizes: list[int]) -> list[bytes]:
    """Ask for each, in pieces; let the broker answer, in pieces; give what the client gets."""
    messages = {
        "heartbeat": heartbeat(),
        "versions": a_request(ApiKey.API_VERSIONS, 0),
        "hidden": heartbeat("elsewhere"),
        "fetch": fetch(),
    }
    client = world.connect()
    client._asked = {
        number: (messages[kind].__api_key__, messages[kind].__version__) for number, kind in enumerate(kinds)
    }
    for piece in pieces(b"".join(request_frame(messages[kind], n, "test") for n, kind in enumerate(kinds)), sizes):
        client.sends_bytes(piece)
    await tick()
    while world.links.of(client.session) and (due := client.forwarded()):
        for piece in pieces(b"".join(map(client.broker_frame, due)), sizes):
            client.session.from_broker(piece)
        await tick()
    return client.frames()


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    found, place = [], 0
    while data:
        size = sizes[place % len(sizes)]
        found.append(data[:size])
        data, place = data[size:], place + 1
    return found


# ---- what the protocol has no answer to, and what it has


@pytest.mark.parametrize(
    ("data", "reason", "api"),
    [
        (struct.pack(">i", 200 << 20), "frame of 209715200 bytes, limit 104857600", None),
        (struct.pack(">i", -5), "frame of -5 bytes, a header takes at least 0", None),
        (struct.pack(">i", 3) + b"abc", "request header cut off after 3 bytes", None),
        (UNKNOWN_KEY, "unknown api key 9999, version 0", "9999"),
        (struct.pack(">ihhih", 10, ApiKey.FETCH, 99, 7, -1), "unsupported version 99 of api key 1", "Fetch"),
    ],
    ids=["oversize", "negative", "garbage", "unknown key", "unknown version"],
)
def test_what_has_no_answer_costs_the_connection_and_is_written_down(
    links: Links, data: bytes, reason: str, api: str | None
) -> None:
    @scenario
    async def run() -> None:
        world = a_world(links)
        client, other = await a_client(world), await a_client(world)

        with capture_logs() as logs:
            client.sends_bytes(data)

        assert client.transport.closing
        assert client.link.closed
        assert client.frames() == []
        assert other.open
        (line,) = [line for line in logs if line["event"] == "connection_closed"]
        assert (line["reason"], line["detail"], line["connection"]) == ("malformed", reason, client.session.id)
        (event,) = world.audit.events
        assert (event.what.api, event.why.effect, event.why.reason) == (api, "Deny", reason)
        assert sum(count.value for count in world.listener.metrics.refused_frames.values()) == 1

    run()


def test_a_body_that_cannot_be_read_costs_the_connection_and_is_written_down(links: Links) -> None:
    @scenario
    async def run() -> None:
        world = a_world(links)
        client = await a_client(world)

        client.sends_bytes(struct.pack(">ihhih", 13, ApiKey.HEARTBEAT, 0, 7, -1) + b"\x7f\xff!")

        assert client.transport.closing
        (event,) = world.audit.events
        assert (event.what.api, event.what.api_version, event.what.correlation_id) == ("Heartbeat", 0, 7)
        assert world.metric("refused_frames", "body") == 1

    run()


@pytest.mark.parametrize(
    ("hello", "looks"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "this looks like TLS, not like Kafka"),
        (b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", "this looks like HTTP, not like Kafka"),
    ],
    ids=["TLS", "HTTP"],
)
def test_somebody_who_does_not_speak_kafka_is_recognized_in_the_log(links: Links, hello: bytes, looks: str) -> None:
    @scenario
    async def run() -> None:
        client = a_world(links).connect()
        with capture_logs() as logs:
            client.sends_bytes(hello)

        assert client.transport.closing
        assert [line["detail"] for line in logs if line["event"] == "connection_closed"] == [looks]

    run()


@scenario
async def test_an_unknown_version_of_api_versions_is_answered_in_the_oldest_shape(links: Links) -> None:
    client = a_world(links).connect()
    client.sends_bytes(struct.pack(">ihhih", 10, ApiKey.API_VERSIONS, 99, 7, -1))

    (frame,) = client.frames()
    answer = decode_response(ApiKey.API_VERSIONS, 0, frame, 4)
    assert answer.error_code is ErrorCode.unsupported_version
    assert [(one.api_key, one.max_version) for one in answer.api_keys] == [(ApiKey.API_VERSIONS, 4)]
    assert client.open


@scenario
async def test_a_key_that_is_not_admitted_is_refused_in_its_own_shape_and_the_connection_stays(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)

    number = client.asks(ApiKey.DESCRIBE_DELEGATION_TOKEN, 3, owners=None)
    await tick()

    assert client.answers()[number].error_code is ErrorCode.delegation_token_request_not_allowed
    assert client.forwarded() == []
    assert client.open
    (event,) = world.audit.events
    assert (event.what.api, event.what.action) == ("DescribeDelegationToken", "USE_API")


@scenario
async def test_a_mistake_in_a_judge_costs_one_connection_and_passes_nothing(links: Links) -> None:
    def wrong(*_: object) -> Any:
        raise ZeroDivisionError("nobody foresaw this")

    apis: dict[int, Api] = {**APIS, ApiKey.LEAVE_GROUP: replace(APIS[ApiKey.LEAVE_GROUP], judge=wrong)}
    world = a_world(links, apis=apis)
    client, other = await a_client(world), await a_client(world)

    with capture_logs() as logs:
        client.asks(ApiKey.LEAVE_GROUP, 0, group_id="g_one", member_id="m")

    assert client.transport.closing
    assert client.forwarded() == []
    assert other.open
    assert world.listener.metrics.unexpected_errors._value.get() == 1
    assert "connection_failed" in [line["event"] for line in logs]


# ---- what takes an answer of the cluster to decide


def asking_first(decided: list[Any]) -> dict[int, Api]:
    """LeaveGroup is judged by what the cluster answers; the answers are kept."""

    def decide(request: Any, answer: Any, may: May) -> Verdict:
        decided.append(answer)
        refusal = may.join(request.group_id)
        return Forward() if refusal is None else refuse(request, refusal)

    def judge(request: Any, may: May) -> Ask:
        may.join(request.group_id)  # what is found before the cluster has been asked does not count
        return Ask("what is there?", partial(decide, request), 2)

    return {**APIS, ApiKey.LEAVE_GROUP: replace(APIS[ApiKey.LEAVE_GROUP], judge=judge)}


def leave(client: Connected, group: str = "g_one") -> int:
    return client.asks(ApiKey.LEAVE_GROUP, 0, group_id=group, member_id="m")


@scenario
async def test_what_takes_an_answer_of_the_cluster_waits_for_it_and_so_does_what_comes_behind(links: Links) -> None:
    decided: list[Any] = []
    world = a_world(links, apis=asking_first(decided))
    world.cluster.answer = "nothing"
    client = await a_client(world)
    world.cluster.may_refresh.clear()

    number = leave(client)
    behind = client.sends(heartbeat())
    await tick()
    assert client.forwarded() == []
    world.cluster.may_refresh.set()
    await tick()

    assert client.forwarded() == [number, behind]
    assert (world.cluster.questions, decided) == ([("what is there?", 2)], ["nothing"])


@scenario
async def test_what_takes_two_answers_of_the_cluster_waits_for_both_and_so_does_what_comes_behind(links: Links) -> None:
    def judge(request: Any, may: May) -> Ask:
        return Ask("who knows?", lambda who, _: Ask("what is there?", lambda _, __: Forward(), who))

    apis = {**APIS, ApiKey.LEAVE_GROUP: replace(APIS[ApiKey.LEAVE_GROUP], judge=judge)}
    world = a_world(links, apis=apis)
    world.cluster.answer = 3
    client = await a_client(world)
    world.cluster.may_refresh.clear()

    number = leave(client)
    behind = client.sends(heartbeat())
    await tick()
    world.cluster.may_refresh.set()
    await tick()

    assert client.forwarded() == [number, behind]
    assert world.cluster.questions == [("who knows?", None), ("what is there?", 3)]
    assert client.transport.reading


@scenario
async def test_what_waits_for_a_fresh_picture_first_still_waits_for_its_answer(links: Links) -> None:
    apis = asking_first([])
    leaving = replace(apis[ApiKey.LEAVE_GROUP], needs_fresh_picture=lambda _: True)
    world = a_world(links, apis={**apis, ApiKey.LEAVE_GROUP: leaving})
    client = await a_client(world)
    world.cluster.age = float("inf")

    number = leave(client)
    behind = client.sends(heartbeat())
    await tick()

    assert client.forwarded() == [number, behind]
    assert client.transport.reading


@scenario
async def test_it_is_decided_by_the_rights_of_the_moment_when_the_cluster_has_answered(links: Links) -> None:
    world = a_world(links, apis=asking_first([]))
    client = await a_client(world)
    world.cluster.may_refresh.clear()

    number = leave(client)
    await tick()
    world.policies.snapshot = a_snapshot(POLICY.replace("GROUP_CONSUME", "GROUP_DELETE"), epoch=2)
    world.cluster.may_refresh.set()
    await tick()

    assert client.forwarded() == []
    assert client.answers()[number].error_code is ErrorCode.group_authorization_failed
    assert [event.why.epoch for event in world.audit.events] == [2]


@scenario
async def test_what_stands_behind_the_body_is_not_forwarded_after_the_cluster_was_asked_either(links: Links) -> None:
    world = a_world(links, apis=asking_first([]))
    world.cluster.answer = "nothing"
    client = await a_client(world)
    client.forwarded()
    before, frame = (
        len(client.link.sent),
        request_frame(a_request(ApiKey.LEAVE_GROUP, 0, group_id="g_one", member_id="m"), 9, "test"),
    )

    client.sends_bytes(struct.pack(">i", len(frame) - 4 + 6) + frame[4:] + b"behind")
    await tick()

    assert client.link.sent[before:] == frame


@scenario
async def test_what_is_found_before_the_cluster_is_asked_is_not_recorded(links: Links) -> None:
    world = a_world(links, apis=asking_first([]))
    client = await a_client(world)

    number = leave(client, "foreign")
    await tick()

    assert client.answers()[number].error_code is ErrorCode.group_authorization_failed
    assert len(world.audit.events) == 1


@scenario
async def test_when_the_cluster_does_not_answer_it_is_decided_without(links: Links) -> None:
    decided: list[Any] = []
    world = a_world(links, apis=asking_first(decided))
    client = await a_client(world)
    world.cluster.error = UpstreamUnavailable("nobody answers")

    with capture_logs() as logs:
        number = leave(client)
        await tick()

    assert (client.forwarded(), decided) == ([number], [None])
    assert "cluster_not_asked" in [line["event"] for line in logs]


@scenario
async def test_for_a_client_that_has_gone_nothing_is_decided(links: Links) -> None:
    decided: list[Any] = []
    world = a_world(links, apis=asking_first(decided))
    client = await a_client(world)
    world.cluster.may_refresh.clear()

    leave(client)
    await tick()
    client.session.connection_lost(None)
    world.cluster.may_refresh.set()
    await tick()

    assert (client.forwarded(), decided) == ([], [])


# ---- answers on their way


@scenario
async def test_answers_leave_in_the_order_of_requests_whoever_gives_them(links: Links) -> None:
    client = await a_client(a_world(links))
    numbers = [
        client.sends(heartbeat()),
        client.sends(heartbeat("elsewhere")),
        client.asks(ApiKey.API_VERSIONS, 3),
        client.sends(heartbeat()),
    ]
    await tick()
    assert client.frames() == []

    client.broker_answers(numbers[0])
    client.broker_answers(numbers[3])

    assert list(client.answers()) == numbers


@scenario
async def test_a_refusal_leaves_when_it_is_on_disk(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.audit.stuck = True

    number = client.sends(heartbeat("elsewhere"))
    await tick()
    assert client.frames() == []
    world.audit.recover()

    assert client.answers()[number].error_code is not ErrorCode.none


@scenario
async def test_the_answer_to_a_mutation_leaves_when_its_event_is_on_disk_and_the_picture_is_new(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.audit.stuck = True
    number = client.sends(delete())

    client.broker_answers(number)
    await tick()
    assert (client.frames(), world.cluster.refreshes) == ([], 1)
    world.audit.recover()

    assert client.answers().keys() == {number}
    (event,) = world.audit.events
    assert (event.what.action, event.outcome.unknown) == ("TOPIC_DELETE", False)


@scenario
async def test_what_the_broker_sends_is_not_read_without_end_while_an_answer_is_held(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.audit.stuck = True
    held, large = client.sends(heartbeat("elsewhere")), client.sends(heartbeat())
    answer = struct.pack(">ii", 8 << 20, large) + bytes(8 << 20)

    client.session.from_broker(answer[: 2 << 20])
    assert client.link.held
    world.audit.recover()
    assert not client.link.held
    client.session.from_broker(answer[2 << 20 :])

    assert world.metric("pauses", Hold.ORDER) == 1
    first, second = client.frames()
    assert int.from_bytes(first[:4], "big") == held
    assert second == answer[4 : (8 << 20) + 4]


@scenario
async def test_what_the_broker_sends_is_not_read_without_end_while_answers_wait_for_the_audit(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.audit.stuck = True
    mine, theirs = (one.topics[0] for one in (fetch(), fetch("pay_one")))
    numbers = [client.sends(replace(fetch(), topics=(mine, theirs))) for _ in range(3)]

    client.broker_answers(numbers[0], responses=(fetched(bytes(600_000)),))
    assert not client.link.held
    client.broker_answers(numbers[1], responses=(fetched(bytes(600_000)),))
    assert client.link.held
    assert client.frames() == []
    world.audit.recover()
    await tick()

    assert not client.link.held
    assert list(client.answers()) == numbers[:2]


@scenario
async def test_an_answer_that_was_parked_is_judged_by_the_policy_of_the_moment_it_comes(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    number = client.sends(fetch())
    world.policies.snapshot = a_snapshot(
        POLICY.replace("[TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_DELETE]", "[TOPIC_DELETE]"), 2
    )

    client.broker_answers(number, responses=(fetched(b"what may not be read any more"),))
    await tick()

    (partition,) = client.answers()[number].responses[0].partitions
    assert (partition.error_code, partition.records) == (ErrorCode.topic_authorization_failed, b"")
    assert client.open


@scenario
async def test_the_audit_tells_the_roles_by_which_it_was_decided(links: Links) -> None:
    both = POLICY.replace("role: devs", "roles: [devs, testers]")
    world = a_world(links, policy=both, section={"identity": {"principal": "tina", "roles": ["devs", "testers"]}})
    client = await a_client(world)
    client.sends(delete("pay_one"))

    world.policies.snapshot = a_snapshot(epoch=2)
    client.sends(delete("pay_one"))

    told = [(event.why.epoch, event.who.roles) for event in world.audit.events]
    assert told == [(1, ("devs", "testers")), (2, ("devs",))]


@scenario
async def test_a_change_is_told_with_the_roles_by_which_it_was_allowed(links: Links) -> None:
    both = POLICY.replace("role: devs", "roles: [devs, testers]")
    world = a_world(links, policy=both, section={"identity": {"principal": "tina", "roles": ["devs", "testers"]}})
    client = await a_client(world)
    number = client.sends(delete())
    world.policies.snapshot = a_snapshot(epoch=2)

    client.broker_answers(number)

    assert [(event.why.epoch, event.who.roles) for event in world.audit.events] == [(1, ("devs", "testers"))]


@scenario
async def test_what_is_refused_when_its_answer_comes_is_a_denial_and_no_read(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    number = client.sends(fetch())
    world.policies.snapshot = a_snapshot(
        POLICY.replace("[TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_DELETE]", "[TOPIC_DELETE]"), 2
    )
    world.audit.stuck = True

    client.broker_answers(number, responses=(fetched(b"what may not be read any more"),))
    await tick()
    assert client.frames() == []
    world.audit.recover()

    assert client.answers().keys() == {number}
    (event,) = world.audit.events
    assert (event.what.action, event.why.effect, event.why.epoch) == ("TOPIC_INSPECT", "Deny", 2)
    assert world.audit.tallies == []
    assert world.metric("decisions", "TOPIC_INSPECT", "denied") == 1


@pytest.mark.parametrize("turn", [1, 12345], ids=["out of order", "to nothing that was asked"])
def test_an_answer_that_is_not_due_costs_the_connection_and_is_said(links: Links, turn: int) -> None:
    @scenario
    async def run() -> None:
        world = a_world(links)
        client, other = await a_client(world), await a_client(world)
        first = client.sends(heartbeat())
        client.sends(heartbeat())

        with capture_logs() as logs:
            client.session.from_broker(struct.pack(">iiqh", 14, first + turn, 0, 0))

        assert client.transport.closing
        assert client.frames() == []
        assert other.open
        assert [line["event"] for line in logs] == ["broker_answer_unreadable", "connection_closed"]
        assert (logs[0]["reason"], logs[1]["reason"]) == (
            f"the broker answered correlation id {first + turn} where {first} is due",
            "broker-malformed",
        )

    run()


# ---- the audit


@scenario
async def test_while_the_log_cannot_be_written_mutations_are_refused_and_reads_go_on(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.audit.accepts_mutations = False

    mutation, write, read = client.sends(delete()), client.sends(produce()), client.sends(fetch())

    assert client.forwarded() == [write, read]
    answer = client.answers()[mutation]
    assert [topic.error_code for topic in answer.responses] == [ErrorCode.unknown_server_error]
    assert "audit log cannot be written" in answer.responses[0].error_message


def lose_the_broker(client: Connected) -> None:
    client.session.link_lost(None)


def lose_the_client(client: Connected) -> None:
    client.session.connection_lost(None)


@pytest.mark.parametrize("lose", [lose_the_broker, lose_the_client])
def test_a_mutation_without_an_answer_is_recorded_with_an_unknown_outcome(
    links: Links, lose: Callable[[Connected], None]
) -> None:
    @scenario
    async def run() -> None:
        world = a_world(links)
        client = await a_client(world)
        client.sends(delete())
        client.sends(fetch())

        lose(client)

        (event,) = world.audit.events
        assert (event.what.action, event.outcome.unknown, event.outcome.error_code) == ("TOPIC_DELETE", True, None)
        assert event.what.resources == (("cluster", "prod", "topic", "tx_one"),)

    run()


@pytest.mark.parametrize("lose", [lose_the_broker, lose_the_client])
def test_a_produce_without_an_answer_is_counted(links: Links, lose: Callable[[Connected], None]) -> None:
    """The broker has the records."""

    @scenario
    async def run() -> None:
        world = a_world(links)
        client = await a_client(world)
        client.broker_answers(client.sends(produce()))
        client.sends(produce())

        lose(client)

        assert [action for _, action, *_ in world.audit.tallies] == ["TOPIC_PRODUCE"] * 2

    run()


@scenario
async def test_a_produce_that_no_broker_was_sent_is_not_counted(links: Links) -> None:
    links.ready = False
    world = a_world(links)
    client = world.connect()
    client.sends(produce())
    await tick()

    lose_the_broker(client)

    assert world.audit.tallies == []


@scenario
async def test_a_produce_with_an_unreadable_request_behind_it_is_counted(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)

    client.sends_together([produce()], end=UNKNOWN_KEY)

    assert len(client.forwarded()) == 1
    assert not client.open
    assert [action for _, action, *_ in world.audit.tallies] == ["TOPIC_PRODUCE"]


@pytest.mark.parametrize("lose", [lose_the_broker, lose_the_client])
def test_a_read_that_is_broken_off_is_counted(links: Links, lose: Callable[[Connected], None]) -> None:
    """The client may have read all that has come."""

    @scenario
    async def run() -> None:
        world = a_world(links)
        client = await a_client(world)
        answer = client.broker_frame(client.sends(fetch()), responses=(fetched(b"r" * 500),))
        client.session.from_broker(answer[:-10])

        lose(client)

        assert [tally[1:] for tally in world.audit.tallies] == [
            ("TOPIC_INSPECT", ("cluster", "prod", "topic", "tx_one"), "Allow", 500)
        ]

    run()


@scenario
async def test_a_fetch_of_which_nothing_has_come_is_no_read(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    client.sends(fetch())

    lose_the_client(client)

    assert world.audit.tallies == []


@scenario
async def test_a_mutation_whose_answer_waits_for_the_disk_is_recorded_once(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.audit.stuck = True
    client.broker_answers(client.sends(delete()))
    await tick()

    lose_the_client(client)

    assert [event.outcome.unknown for event in world.audit.events] == [False]
    world.audit.recover()  # nobody is there to be told, and nothing fails


# ---- limits of time, and the end


@scenario
async def test_a_connection_is_idle_only_while_no_answer_is_due(links: Links) -> None:
    world = a_world(links, limits={"idle": "60s"})
    client = await a_client(world)
    later = client.session.last_request + 61

    assert client.session.overdue(later) == "idle"
    number = client.sends(heartbeat())
    assert client.session.overdue(client.session.last_request + 61) is None
    client.broker_answers(number)

    assert client.session.overdue(client.session.last_request + 61) == "idle"


@scenario
async def test_a_request_that_does_not_go_on_is_waited_for_only_while_it_is_read(links: Links) -> None:
    world = a_world(links, limits={"request_timeout": "5s"})
    client = await a_client(world)
    client.sends_bytes(request_frame(heartbeat(), 7, "test")[:10])
    begun = client.session.incomplete_since
    assert begun is not None

    assert client.session.overdue(begun + 6) == "request-timeout"
    client.session.broker_is_slow(True)
    assert client.session.overdue(begun + 6) is None
    client.session.broker_is_slow(False)

    begun_again = client.session.incomplete_since
    assert begun_again is not None
    assert begun_again > begun
    assert client.session.overdue(begun_again + 4) is None


@scenario
async def test_a_broker_that_does_not_let_kordon_in_is_not_waited_for_without_end(links: Links) -> None:
    links.ready = False
    client = a_world(links).connect()
    client.sends(heartbeat())
    await tick()

    assert client.session.overdue(client.session.last_request + 5) is None
    assert client.session.overdue(client.session.last_request + 11) == "broker-unreachable"
    await client.world.listener.sweep(client.session.last_request + 11)
    assert not client.open
    assert client.world.cluster.hints == 1


@scenario
async def test_a_broker_that_cannot_be_reached_makes_kordon_look_where_it_is(links: Links) -> None:
    world = a_world(links)
    links.error = ConnectionRefusedError(111, "Connection refused")

    client = world.connect()
    client.sends(heartbeat())
    await tick()

    assert client.transport.closing
    assert world.cluster.hints == 1
    assert world.metric("connections_closed", "main", "broker-unreachable") == 1


@scenario
async def test_a_broker_that_is_not_in_the_cluster_is_said(links: Links) -> None:
    world = a_world(links)
    with capture_logs() as logs:
        client = world.connect(broker_id=7)
        client.sends(heartbeat())
        await tick()

    assert client.transport.closing
    (line,) = [line for line in logs if line["event"] == "connection_closed"]
    assert (line["reason"], line["detail"]) == ("no-broker", "broker 7 is not there now")


@scenario
async def test_a_broker_that_refuses_kordons_login_is_said_and_the_next_one_is_tried(links: Links) -> None:
    world = a_world(links)
    links.ready = False
    client = world.connect()
    client.sends(heartbeat())
    await tick()

    with capture_logs() as logs:
        client.session.link_refused("the broker refuses kordon")

    assert client.transport.closing
    assert world.listener.upstream.login == 1
    assert [line["event"] for line in logs] == ["broker_refused_login", "connection_closed"]
    assert logs[1]["detail"] == "the broker refuses kordon"


@scenario
async def test_an_identity_that_has_lost_its_place_ends_at_the_next_request(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.policies.snapshot = a_snapshot(NOBODY + "authorized_roles: [others]\n", epoch=2)
    assert client.open

    client.sends(heartbeat())

    assert client.transport.closing
    assert client.forwarded() == []
    assert world.metric("connections_closed", "main", "identity-ended") == 1


@scenario
async def test_a_cluster_that_was_never_seen_ends_a_connection_at_once(links: Links) -> None:
    world = a_world(links, picture=None)
    with capture_logs() as logs:
        client = world.connect()

    assert client.transport.closing
    assert world.listener.sessions == set()
    assert [(line["reason"], line["detail"]) for line in logs] == [("no-broker", "no broker has answered yet")]


@scenario
async def test_a_stop_waits_for_answers_and_takes_no_more_requests(links: Links) -> None:
    world = a_world(links)
    busy, quiet = await a_client(world), await a_client(world)
    number = busy.sends(heartbeat())

    world.listener.drain()
    busy.sends(heartbeat())
    assert (busy.open, quiet.open) == (True, False)
    assert not world.listener.drained.is_set()
    busy.broker_answers(number)

    assert busy.answers().keys() == {number}
    assert busy.forwarded() == [number]
    assert busy.transport.closing
    assert world.listener.drained.is_set()


@scenario
async def test_a_stop_waits_for_an_answer_of_kordons_own(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    world.audit.stuck = True
    number = client.sends(heartbeat("elsewhere"))

    world.listener.drain()
    assert client.open
    world.audit.recover()

    assert client.answers().keys() == {number}
    assert client.transport.closing


@scenario
async def test_a_new_picture_is_judged_at_the_next_request(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    assert world.cluster.picture is not None
    world.cluster.picture = replace(a_picture(("tx_new",), version=2), api_versions=world.cluster.picture.api_versions)

    number = client.asks(ApiKey.METADATA, 1, topics=None)

    assert client.forwarded() == [number]
    assert b"tx_new" in client.link.sent
