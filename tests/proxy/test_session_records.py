"""What a session puts on record: each refusal once, each mutation with its own outcome."""

from dataclasses import replace

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import make, struct_type
from tests.proxy.apis.messages import a_request
from tests.proxy.cluster.loops import scenario
from tests.proxy.judging.worlds import topic_id
from tests.proxy.sessions import POLICY, Links, a_world, tick
from tests.proxy.test_session import a_client, fetch, fetched


@scenario
async def test_what_is_refused_in_part_is_recorded_once(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    wanted = fetch()
    number = client.sends(replace(wanted, topics=(*wanted.topics, *fetch("tx_secret").topics)))

    client.broker_answers(number, responses=(fetched(b"records"),))
    await tick()

    assert client.answers().keys() == {number}
    assert [event.what.resources for event in world.audit.events] == [(("cluster", "prod", "topic", "tx_secret"),)]
    assert world.metric("decisions", "TOPIC_INSPECT", "denied") == 1


@scenario
async def test_what_kordon_refused_of_a_request_is_no_outcome_of_the_rest(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    number = client.sends(a_request(ApiKey.DELETE_TOPICS, 5, topic_names=("pay_one", "tx_one")))
    deleted = make(struct_type(response_type(ApiKey.DELETE_TOPICS, 5), "responses"), name="tx_one")

    client.broker_answers(number, responses=(deleted,))
    await tick()

    refused, done = world.audit.events
    assert (refused.what.resources, refused.outcome.error_code) == ((("cluster", "prod", "topic", "pay_one"),), 3)
    assert (done.what.resources, done.outcome.error_code) == ((("cluster", "prod", "topic", "tx_one"),), 0)


@scenario
async def test_a_topic_that_comes_into_being_by_being_asked_for_is_recorded(links: Links) -> None:
    world = a_world(links, policy=POLICY.replace("TOPIC_DELETE]", "TOPIC_DELETE, TOPIC_CREATE]"))
    client = await a_client(world)
    kind = request_type(ApiKey.METADATA, 8)
    topics = (make(struct_type(kind, "topics"), name="tx_new"),)

    number = client.asks(ApiKey.METADATA, 8, topics=topics, allow_auto_topic_creation=True)
    begun = make(
        struct_type(response_type(ApiKey.METADATA, 8), "topics"),
        name="tx_new",
        error_code=ErrorCode.unknown_topic_or_partition,
    )
    client.broker_answers(number, topics=(begun,))
    await tick()

    assert client.answers().keys() == {number}
    (event,) = world.audit.events
    assert (event.what.action, event.what.api) == ("TOPIC_CREATE", "Metadata")
    assert event.what.parameters == {"created": ["tx_new"]}
    assert event.what.resources == (("cluster", "prod", "topic", "tx_new"),)


@scenario
async def test_an_unknown_id_makes_kordon_look_soon_and_no_answer_waits_for_it(links: Links) -> None:
    world = a_world(links)
    client = await a_client(world)
    kind = request_type(ApiKey.FETCH, 13)
    topics = tuple(make(struct_type(kind, "topics"), topic_id=topic_id(name)) for name in ("tx_one", "pay_one"))

    number = client.asks(ApiKey.FETCH, 13, topics=topics)
    client.broker_answers(number)
    await tick()

    assert client.answers().keys() == {number}
    assert (world.cluster.hints, world.cluster.refreshes) == (1, 0)
