"""A request that says what an earlier one said is treated just as if nobody had said it before."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from gc import collect
from typing import Any, Final
from weakref import ref

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from kordon_protocol.codec import Reading, decode_request, request_frame, request_type, response_frame, response_type
from kordon_protocol.errors import ProtocolError
from kordon_protocol.frames import Collected, with_prefix
from kordon_protocol.header import RequestHead, peek_request
from kordon_protocol.keys import ApiKey
from kordon_protocol.scan import partitions_of_only_topic
from kordon_proxy import gate, repeats
from kordon_proxy.judging.may import REQUESTS
from kordon_proxy.judging.table import Api
from kordon_proxy.repeats import LARGEST
from kordon_proxy.table import APIS
from tests.protocol.schemas import build, messages
from tests.proxy.apis.messages import a_request, asked
from tests.proxy.cluster.loops import scenario
from tests.proxy.judging.worlds import a_picture, topic_id
from tests.proxy.sessions import POLICY, TOPICS, Connected, Links, World, a_snapshot, a_world, heartbeat, spoken, tick

REPEATED: Final = [
    pytest.param(api, version, id=f"{api.name}-{version}")
    for api in APIS.values()
    if api.repeated is not None
    for version in api.versions
]
NAMES: Final = st.sampled_from(["tx_one", "tx_two", "g_one", "tx_secret", "pay_one", ""])
NOBODY: Final = "policies: []\ntenants: [{name: Other, roles: [others], resources: [{include: ['*']}]}]\n"
each_repeated = pytest.mark.parametrize(("api", "version"), REPEATED)
few = settings(
    max_examples=4,
    phases=[Phase.generate, Phase.shrink],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def with_names(message: Any, names: Iterator[str]) -> Any:
    """The message with other texts, some of which mean something."""
    changes: dict[str, Any] = {}
    for field in fields(message):
        value = getattr(message, field.name)
        if isinstance(value, str):
            changes[field.name] = next(names)
        elif is_dataclass(value):
            changes[field.name] = with_names(value, names)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(
                with_names(entry, names) if is_dataclass(entry) else next(names) if isinstance(entry, str) else entry
                for entry in value
            )
    return replace(message, **changes)


def drawn(data: st.DataObject, api: Api, version: int) -> Any:
    message = data.draw(messages(request_type(api.key, version)))
    return with_names(message, iter(lambda: data.draw(NAMES), None))


async def connected(world: World) -> Connected:
    client = world.connect()
    number = client.sends(heartbeat())
    await tick()
    client.broker_answers(number)
    client.frames()
    client.forwarded()
    return client


def told(world: World) -> tuple[Any, ...]:
    """What audit and metrics have been told."""
    metrics = world.listener.metrics
    counted = [{key: count.value for key, count in counts.items()} for counts in (metrics.requests, metrics.decisions)]
    events = [(event.type, event.what, event.why, event.outcome) for event in world.audit.events]
    return counted, [what for _, *what in world.audit.tallies], events


async def exchange(client: Connected, frame: bytes, response: Any, number: int) -> tuple[bytes, bytes, bool]:
    """What the broker and what the client got, and whether they still talk."""
    before, answered = len(client.link.sent), len(client.transport.written)
    client.sends_bytes(frame)
    await tick()
    sent = client.link.sent[before:]
    if sent and client.open:
        client.session.from_broker(response_frame(response, number))
        await tick()
    return sent, client.transport.written[answered:], client.open


async def talk(
    links: Links, frames: list[bytes], response: Any, apis: Mapping[int, Api] = APIS
) -> tuple[list[tuple[bytes, bytes, bool]], World]:
    """Send the frames, whose correlation ids are their places, one after the other."""
    world = a_world(links, apis=apis)
    client = await connected(world)
    return [await exchange(client, frame, response, number) for number, frame in enumerate(frames)], world


@each_repeated
@few
@given(data=st.data())
def test_it_is_treated_as_the_first_one_was(api: Api, version: int, links: Links, data: st.DataObject) -> None:
    request = drawn(data, api, version)
    response = data.draw(messages(response_type(api.key, version)))
    frames = [request_frame(request, number, "test") for number in range(3)]

    @scenario
    async def compare() -> None:
        with capture_logs():  # an answer that fits no request ends the connection
            await compare_quietly()

    async def compare_quietly() -> None:
        got, world = await talk(links, frames, response)
        expected, plain = await talk(links, frames, response, {**APIS, api.key: replace(api, repeated=None)})
        assert got == expected
        assert told(world) == told(plain)

    compare()


@pytest.mark.parametrize("version", APIS[ApiKey.FETCH].versions)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), garbage=st.binary(max_size=20))
def test_no_two_fetches_that_name_different_things_say_the_same(
    version: int, data: st.DataObject, garbage: bytes
) -> None:
    """Wherever the names of an earlier one ended."""
    frame = request_frame(drawn(data, APIS[ApiKey.FETCH], version), 7, "test")
    written = bytearray(frame)
    at = data.draw(st.integers(8, len(written)))
    written[at : at + data.draw(st.integers(0, 40))] = garbage
    written[:4] = (len(written) - 4).to_bytes(4, "big")
    ends = [names_end_of(one, version) for one in (frame, bytes(written))]
    ends.append(data.draw(st.integers(0, len(frame))))
    for end in ends:
        for other in ends[:2]:
            first, second = repeats.said_by(whole(frame), other), repeats.said_by(whole(bytes(written)), end)
            if first is not None and first == second and other == ends[0]:
                assert names_in(frame, version) == names_in(bytes(written), version)


def whole(frame: bytes) -> Collected:
    return Collected([frame], len(frame) - 4)


def names_end_of(frame: bytes, version: int) -> int:
    try:
        return partitions_of_only_topic(version, frame, 4 + peek_request(frame, 4).body_offset)
    except ProtocolError:
        return 0


def names_in(frame: bytes, version: int) -> Any:
    """What a Fetch says beside its partitions, if it can be read."""
    try:
        request = decode_request(ApiKey.FETCH, version, frame, 4 + peek_request(frame, 4).body_offset)
    except ProtocolError:
        return None
    return replace(request, topics=tuple(replace(topic, partitions=()) for topic in request.topics))


def a_fetch(offset: int, *, version: int = 11, topic: str = "tx_one", parts: Iterable[int] = (0, 1)) -> Any:
    """As a consumer without a fetch session asks (librdkafka)."""
    partitions = [{"partition": part, "fetch_offset": offset, "partition_max_bytes": 1 << 20} for part in parts]
    named: dict[str, Any] = {"topic": topic} if version < 13 else {"topic_id": topic_id(topic)}
    session = {"session_id": 0, "session_epoch": -1} if version >= 7 else {}
    replica = {"replica_id": -1} if version < 15 else {}
    return build(
        request_type(ApiKey.FETCH, version), {"topics": [{**named, "partitions": partitions}], **session, **replica}
    )


@pytest.mark.parametrize("version", APIS[ApiKey.FETCH].versions)
@scenario
async def test_a_fetch_says_the_same_whatever_its_offsets(
    version: int, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connected(a_world(links))
    messages = [
        a_fetch(0, version=version),
        a_fetch(99, version=version),
        a_fetch(7, version=version, parts=(3,)),
        a_fetch(7, version=version, parts=()),
    ]
    only_the_first_is_judged(client, messages, monkeypatch)


@pytest.mark.parametrize("version", [11, 12, 16])
@scenario
async def test_a_fetch_that_names_something_else_or_a_session_is_judged(
    version: int, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connected(a_world(links))
    client.sends(a_fetch(0, version=version))
    judged = count_judged(monkeypatch)
    others = [
        a_fetch(0, version=version, topic="tx_secret"),
        a_fetch(0, version=version, topic="tx_two"),
        replace(a_fetch(0, version=version), max_bytes=7),
        replace(a_fetch(0, version=version), session_epoch=0),
        replace(a_fetch(0, version=version), session_epoch=0),
    ]

    assert [client.sends(message) for message in others] == judged


def a_produce(records: bytes, *, version: int = 12, topic: str = "tx_one", count: int = 1, acks: int = 1) -> Any:
    parts = [{"index": index, "records": records} for index in range(count)]
    named: dict[str, Any] = {"name": topic} if version < 13 else {"topic_id": topic_id(topic)}
    topics = [{**named, "partition_data": parts}]
    return build(request_type(ApiKey.PRODUCE, version), {"acks": acks, "topic_data": topics})


def count_judged(patch: pytest.MonkeyPatch) -> list[int]:
    """The correlation ids of the requests that are judged from here on."""
    judged: list[int] = []
    open_request = gate.open_request

    def open_and_count(api: Api, head: RequestHead, collected: Collected) -> Reading:
        judged.append(head.correlation_id)
        return open_request(api, head, collected)

    patch.setattr(gate, "open_request", open_and_count)
    return judged


def only_the_first_is_judged(client: Connected, messages: list[Any], patch: pytest.MonkeyPatch) -> None:
    """Of messages that say the same. All of them go to the broker as they are."""
    judged = count_judged(patch)

    numbers = [client.sends(message) for message in messages]

    assert judged == numbers[:1]
    assert client.forwarded() == numbers
    frames = [request_frame(message, number, "test") for message, number in zip(messages, numbers, strict=True)]
    assert client.link.sent.endswith(b"".join(frames))


@pytest.mark.parametrize("version", [3, 8, 9, 12, 13])
@scenario
async def test_a_produce_says_the_same_whatever_its_records(
    version: int, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = a_world(links)
    client = await connected(world)
    messages = [a_produce(bytes(size), version=version) for size in (70, 0, 5_000, 100_000)]
    only_the_first_is_judged(client, messages, monkeypatch)


@pytest.mark.parametrize("version", [3, 9, 12])
@scenario
async def test_a_produce_that_names_something_else_is_judged(
    version: int, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connected(a_world(links))
    client.sends(a_produce(bytes(70), version=version))
    judged = count_judged(monkeypatch)

    others = [
        a_produce(bytes(70), version=version, topic="tx_sec"),
        a_produce(bytes(70), version=version, topic="tx_secret"),
        a_produce(bytes(70), version=version, count=2),
        a_produce(bytes(70), version=version, acks=0),
        replace(a_produce(bytes(70), version=version), transactional_id="t"),
    ]
    assert [client.sends(message) for message in others] == judged


@scenario
async def test_it_is_judged_anew_under_another_policy_picture_or_tenant(
    links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = a_world(links)
    client = await connected(world)
    judged = count_judged(monkeypatch)
    sent = [client.sends(a_produce(bytes(70))) for _ in range(2)]
    assert judged == sent[:1]

    world.policies.snapshot = a_snapshot(epoch=2)
    sent = [client.sends(a_produce(bytes(70))) for _ in range(2)]
    assert judged[1:] == sent[:1]

    world.cluster.picture = replace(a_picture(TOPICS, version=2), api_versions=spoken())
    sent = [client.sends(a_produce(bytes(70))) for _ in range(2)]
    assert judged[2:] == sent[:1]

    world.policies.snapshot = a_snapshot(NOBODY, epoch=3)
    client.sends(a_produce(bytes(70)))
    assert not client.open


@scenario
async def test_what_is_refused_is_judged_and_recorded_each_time(links: Links) -> None:
    world = a_world(links)
    client = await connected(world)

    for _ in range(3):
        client.sends(a_produce(bytes(70), topic="tx_secret"))
        client.asks(ApiKey.HEARTBEAT, 4, group_id="other")
    await tick()

    assert [event.what.api for event in world.audit.events] == ["Produce", "Heartbeat"] * 3
    assert not client.link.sent.count(b"tx_secret")


@scenario
async def test_connections_of_the_same_standing_share_it_and_it_is_bounded(
    links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = a_world(links)
    clients = [await connected(world), await connected(world)]
    standing = clients[0].session._member.standing(clients[0].session.listener.picture())
    assert standing is not None
    judged = count_judged(monkeypatch)
    message = a_request(ApiKey.HEARTBEAT, 4, group_id="g_two")
    sent = [client.sends(message) for client in clients]
    assert judged == sent[:1]

    for number in range(REQUESTS + 1):
        clients[0].sends(a_request(ApiKey.HEARTBEAT, 4, group_id=f"g_{number}"))
        clients[0].broker_answers(number + 3)
    assert len(standing.judged) <= REQUESTS


@scenario
async def test_what_is_no_request_of_kafkas_is_taken_for_none(links: Links) -> None:
    """Bytes that a Fetch is remembered by, in a request of a key that no API has."""
    world = a_world(links)
    client = await connected(world)
    client.broker_answers(client.sends(a_fetch(0)))
    standing = client.session._member.standing(world.listener.picture())
    assert standing is not None
    (remembered,) = (said for _, said in standing.judged if b"tx_one" in said)
    before = client.link.sent

    client.sends_bytes(with_prefix(remembered[:4], bytes(4), remembered[4:]))

    assert client.link.sent == before
    assert not client.open
    (event,) = world.audit.events
    assert event.why.reason == f"unknown api key -1, version {int.from_bytes(remembered[2:4], 'big')}"


@scenario
async def test_old_pictures_of_the_cluster_are_kept_by_nobody(links: Links) -> None:
    """A cluster where topics come and go has thousands of them, each with all of its topics."""
    world = a_world(links)
    client, idle = await connected(world), await connected(world)
    picture = world.cluster.picture
    assert picture is not None
    seen = ref(picture)
    client.broker_answers(client.sends(a_request(ApiKey.HEARTBEAT, 4, group_id="g_once")))

    world.cluster.picture = picture = replace(a_picture(TOPICS, version=2), api_versions=spoken())
    client.broker_answers(client.sends(heartbeat()))

    collect()
    assert idle.open
    assert seen() is None


@pytest.mark.parametrize("version", [2, 9])
@scenario
async def test_what_the_audit_being_full_has_made_of_a_request_is_not_remembered(version: int, links: Links) -> None:
    """A topic is not brought into being while that cannot be recorded, and is as soon as it can."""
    world = a_world(links, policy=POLICY.replace("TOPIC_DELETE", "TOPIC_CREATE"))
    client = await connected(world)
    topics = tuple(asked(ApiKey.METADATA, version, "topics", name=name) for name in ("tx_one", "tx_new"))
    message = a_request(ApiKey.METADATA, version, topics=topics)
    if version >= 4:
        message = replace(message, allow_auto_topic_creation=True)
    world.audit.accepts_mutations = False
    client.broker_answers(client.sends(message))

    world.audit.accepts_mutations = True
    before = len(client.link.sent)
    client.sends(message)

    assert b"tx_new" in client.link.sent[before:]


@scenario
async def test_what_says_much_is_not_remembered(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await connected(a_world(links))
    judged = count_judged(monkeypatch)
    message = a_request(ApiKey.HEARTBEAT, 4, group_id="g_" + "x" * LARGEST)

    assert [client.sends(message) for _ in range(2)] == judged
