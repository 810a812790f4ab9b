"""What a session puts on record: each refusal once, each mutation with its own outcome."""

from dataclasses import replace
from typing import Any

from kio.schema.errors import ErrorCode
from structlog.testing import capture_logs

from kordon_protocol.codec import request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.cluster.errors import UpstreamUnavailable
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.table import Api, Learns
from kordon_proxy.table import APIS
from tests.proxy.apis.messages import a_request
from tests.proxy.cluster.loops import scenario, until
from tests.proxy.judging.worlds import topic_id
from tests.proxy.sessions import POLICY, Links, a_snapshot, a_world, heartbeat, tick
from tests.proxy.test_session import a_client, delete, fetch, fetched


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


# ---- what there was before a change


def learning(question: Any = "what is there?", **more: Any) -> dict[int, Api]:
    """DeleteTopics tells in the audit what there was."""
    learns = Learns(
        question=lambda _: question, tell=lambda sent, answer: {"sent": sent.topic_names, "was": answer}, **more
    )
    return {**APIS, ApiKey.DELETE_TOPICS: replace(APIS[ApiKey.DELETE_TOPICS], learns=learns)}


@scenario
async def test_what_there_was_is_asked_before_a_change_goes_on_and_what_comes_behind_waits(links: Links) -> None:
    world = a_world(links, apis=learning())
    world.cluster.answer = "something"
    client = await a_client(world)
    world.cluster.may_refresh.clear()

    number, behind = client.sends(delete()), client.sends(heartbeat())
    await tick()
    assert client.forwarded() == []
    world.cluster.may_refresh.set()
    await tick()

    assert client.forwarded() == [number, behind]
    assert world.cluster.questions == [("what is there?", None)]
    client.broker_answers(number)
    await tick()
    (event,) = world.audit.events
    assert event.what.parameters == {"topics": ["tx_one"], "sent": ("tx_one",), "was": "something"}


@scenario
async def test_it_is_asked_of_the_broker_that_the_client_talks_to(links: Links) -> None:
    world = a_world(links, apis=learning())
    client = world.connect(broker_id=2)

    client.sends(delete())
    await tick()

    assert world.cluster.questions == [("what is there?", 2)]


@scenario
async def test_a_change_of_which_nothing_can_be_learned_goes_on_and_says_so(links: Links) -> None:
    world = a_world(links, apis=learning())
    client = await a_client(world)
    world.cluster.error = UpstreamUnavailable("nobody answers")

    with capture_logs() as logs:
        number = client.sends(delete())
        await tick()

    assert client.forwarded() == [number]
    assert [(line["event"], line["reason"]) for line in logs] == [("change_not_looked_up", "nobody answers")]
    client.broker_answers(number)
    await tick()
    assert world.audit.events[0].what.parameters["was"] is None


@scenario
async def test_a_change_does_not_wait_long_for_it(links: Links) -> None:
    world = a_world(links, apis=learning(within=0.01))
    client = await a_client(world)
    world.cluster.may_refresh.clear()

    number = client.sends(delete())
    await until(lambda: client.link.sent.count(b"tx_one"))

    assert client.forwarded() == [number]
    assert client.transport.reading


@scenario
async def test_a_right_that_goes_meanwhile_is_gone(links: Links) -> None:
    world = a_world(links, apis=learning())
    client = await a_client(world)
    world.cluster.may_refresh.clear()

    number = client.sends(delete())
    await tick()
    world.policies.snapshot = a_snapshot(POLICY.replace("TOPIC_DELETE", "TOPIC_EDIT"), epoch=2)
    world.cluster.may_refresh.set()
    await tick()

    assert client.forwarded() == []
    assert client.answers()[number].responses[0].error_code is ErrorCode.topic_authorization_failed
    (event,) = world.audit.events
    assert (event.why.effect, event.why.epoch, event.what.parameters) == ("Deny", 2, {"topics": ["tx_one"]})


@scenario
async def test_for_what_is_refused_nothing_is_asked(links: Links) -> None:
    world = a_world(links, apis=learning())
    client = await a_client(world)

    client.sends(delete("pay_one"))
    await tick()

    assert world.cluster.questions == []


@scenario
async def test_of_what_is_refused_in_part_it_is_asked_and_told_what_was_sent_on(links: Links) -> None:
    learns = Learns(question=lambda sent: sent.topic_names, tell=lambda sent, _: {"sent": sent.topic_names})
    apis = {**APIS, ApiKey.DELETE_TOPICS: replace(APIS[ApiKey.DELETE_TOPICS], learns=learns)}
    world = a_world(links, apis=apis)
    client = await a_client(world)

    number = client.sends(a_request(ApiKey.DELETE_TOPICS, 5, topic_names=("pay_one", "tx_one")))
    await tick()
    deleted = make(struct_type(response_type(ApiKey.DELETE_TOPICS, 5), "responses"), name="tx_one")
    client.broker_answers(number, responses=(deleted,))
    await tick()

    assert world.cluster.questions == [(("tx_one",), None)]
    refused, done = world.audit.events
    assert "sent" not in refused.what.parameters
    assert done.what.parameters["sent"] == ("tx_one",)


@scenario
async def test_where_there_is_nothing_to_learn_nothing_waits(links: Links) -> None:
    world = a_world(links, apis=learning(None))
    client = await a_client(world)

    number = client.sends(delete())

    assert client.forwarded() == [number]
    assert world.cluster.questions == []


@scenario
async def test_a_client_that_goes_before_it_is_known_has_changed_nothing(links: Links) -> None:
    world = a_world(links, apis=learning())
    client = await a_client(world)
    world.cluster.may_refresh.clear()

    client.sends(delete())
    await tick()
    client.session.connection_lost(None)
    world.cluster.may_refresh.set()
    await tick()

    assert (client.forwarded(), world.audit.events) == ([], [])
