"""Fetch sessions (KIP-227) through Kordon: incremental polls, what is forgotten, taken away, or lost at the broker."""

from collections.abc import Iterator
from typing import Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.changing import Changing, hiding, without
from tests.kafka.fetching import LONG_POLL, Fetching, answered, append, codes_and_records, top
from tests.kafka.fixtures import MakeTopic
from tests.kafka.tenants import LISTENERS, POLICY, MakeTenantTopic, a_kordon, eventually
from tests.kafka.wire import Gone, Wire

VERSIONS: Final = (7, 12, 13, 18)
"""The first with sessions, the last by names, the first by ids, the newest."""
NONE, GONE = ErrorCode.none, ErrorCode.fetch_session_id_not_found


@pytest.fixture
def topics(changing: Changing, tenant_topic: MakeTenantTopic) -> tuple[str, str]:
    return tenant_topic("tx_one", at=changing.kordon), tenant_topic("tx_two", at=changing.kordon)


def forwarded(changing: Changing) -> float:
    """How many Fetch requests of traders have gone to the broker."""
    return changing.metric("kordon_requests_total", api="Fetch", verdict="forwarded") + changing.metric(
        "kordon_requests_total", api="Fetch", verdict="cut"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_answers_what_is_new_in_what_it_holds(
    changing: Changing, kafka: Kafka, topics: tuple[str, str], version: int
) -> None:
    with Wire(changing.trading) as wire:
        fetching = Fetching(wire, version, *topics)
        one, two = fetching.keys
        begun = fetching.fetch(epoch=0, named=[one])
        session = begun.session_id
        assert (session > 0, answered(begun)) == (True, [one])

        # Added to it
        added = fetching.fetch(session=session, epoch=1, named=[two])
        assert (top(added), added.session_id, answered(added)) == (NONE, session, [two])

        # Nothing new in either
        assert answered(fetching.fetch(session=session, epoch=2)) == []

        # Both have records, of which one has been read
        for topic in topics:
            append(kafka, topic, b"new")
        assert answered(fetching.fetch(session=session, epoch=3)) == [one, two]
        assert answered(fetching.fetch(session=session, epoch=4, offset=1, named=[one])) == [two]

        # Forgotten
        assert answered(fetching.fetch(session=session, epoch=5, forgotten=[two])) == []
        append(kafka, topics[0], b"newer")
        append(kafka, topics[1], b"newer")
        last = fetching.fetch(session=session, epoch=6)
        assert (top(last), answered(last)) == (NONE, [one])


@pytest.mark.known_fault(16)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_incremental_request_keeps_its_session_and_is_judged_again(
    changing: Changing, kafka: Kafka, topics: tuple[str, str], version: int
) -> None:
    """Faults 16 and 17 of others."""
    with Wire(changing.trading) as wire:
        fetching = Fetching(wire, version, *topics)
        session = fetching.fetch(epoch=0).session_id
        for epoch in range(1, 4):
            polled = fetching.fetch(session=session, epoch=epoch)
            assert (top(polled), polled.session_id, answered(polled)) == (NONE, session, [])

        changing.put_in_force(without("TOPIC_INSPECT", "topic", topics[1]))

        polled = fetching.fetch(session=session, epoch=4)
        assert (top(polled), answered(polled)) == (GONE, [])
        assert changing.denials(topics[1])


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_taken_away_after_it_was_forgotten_ends_no_session(
    changing: Changing, kafka: Kafka, topics: tuple[str, str], version: int
) -> None:
    with Wire(changing.trading) as wire:
        fetching = Fetching(wire, version, *topics)
        two = fetching.keys[1]
        session = fetching.fetch(epoch=0).session_id
        fetching.fetch(session=session, epoch=1, forgotten=[two])

        changing.put_in_force(hiding(topics[1]))
        append(kafka, topics[0], b"new")

        polled = fetching.fetch(session=session, epoch=2)
        assert (top(polled), codes_and_records(polled)) == (NONE, [(NONE, True)])
        assert top(fetching.fetch(session=session, epoch=3, named=[two])) is GONE


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["denied", "hidden"])
def test_no_byte_of_a_record_comes_once_the_right_is_gone_whatever_is_asked(
    changing: Changing, kafka: Kafka, topics: tuple[str, str], version: int, how: str
) -> None:
    mark = b"not-for-you"
    with Wire(changing.trading) as wire, Wire(changing.trading) as other:
        fetching = Fetching(wire, version, *topics)
        one, two = fetching.keys
        session = fetching.fetch(epoch=0).session_id
        spare = fetching.fetch(epoch=0).session_id
        parked = Fetching(other, version, *topics)
        before = forwarded(changing)
        sessions = parked.fetch(epoch=0).session_id
        other.send(parked.request(session=sessions, epoch=1, wait=LONG_POLL))
        eventually(lambda: forwarded(changing) >= before + 2)

        changing.put_in_force(without("TOPIC_INSPECT", "topic", topics[1]) if how == "denied" else hiding(topics[1]))
        append(kafka, topics[1], mark)
        append(kafka, topics[0], b"for-you")

        asked = [
            fetching.request(session=session, epoch=1),
            fetching.request(session=session, epoch=2),
            fetching.request(session=spare, epoch=1, named=[two]),
            fetching.request(session=spare, epoch=1, forgotten=[one]),
            fetching.request(epoch=0),
            fetching.request(session=session, epoch=0),
            fetching.request(session=spare, epoch=-1),
            fetching.request(epoch=0, named=[two, one, two]),
        ]
        replies = [other.receive(), *wire.ask_all(asked)]

        assert not [reply for reply in replies if mark in reply.frame]
        assert [b"for-you" in reply.frame for reply in replies[5:]] == [True] * 4
        assert {reply.message.session_id for reply in replies[5:]} == {0}


# What the broker does with sessions, which belong to nobody there


def directly(kafka: Kafka) -> Wire:
    """A connection to Kafka past Kordon."""
    return Wire(kafka.bootstrap, "direct")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_the_broker_has_evicted_is_gone_here_too(
    changing: Changing, kafka: Kafka, topics: tuple[str, str], version: int
) -> None:
    with Wire(changing.trading) as wire, directly(kafka) as direct:
        fetching, evicting = Fetching(wire, version, *topics), Fetching(direct, version, *topics)
        session = fetching.fetch(epoch=0).session_id
        evicting.fetch(session=session, epoch=-1)  # ends it

        told = fetching.fetch(session=session, epoch=1)
        heard = forwarded(changing)
        again = fetching.fetch(session=session, epoch=1)

        assert [(top(answer), answered(answer)) for answer in (told, again)] == [(GONE, [])] * 2
        assert forwarded(changing) == heard
        assert fetching.fetch(epoch=0).session_id not in (0, session)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_in_which_everything_is_forgotten_ends_at_the_broker_and_here(
    changing: Changing, topics: tuple[str, str], version: int
) -> None:
    with Wire(changing.trading) as wire:
        fetching = Fetching(wire, version, *topics)
        session = fetching.fetch(epoch=0).session_id

        last = fetching.fetch(session=session, epoch=1, forgotten=fetching.keys)
        heard = forwarded(changing)
        after = fetching.fetch(session=session, epoch=2)

        assert (top(last), last.session_id, answered(last)) == (NONE, 0, [])
        assert top(after) is GONE
        assert forwarded(changing) == heard


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_out_of_order_is_told_so_and_ends_the_session_here(
    changing: Changing, topics: tuple[str, str], version: int
) -> None:
    with Wire(changing.trading) as wire:
        fetching = Fetching(wire, version, *topics)
        session = fetching.fetch(epoch=0).session_id

        assert top(fetching.fetch(session=session, epoch=7)) is ErrorCode.invalid_fetch_session_epoch

        assert top(fetching.fetch(session=session, epoch=1)) is GONE
        assert codes_and_records(fetching.fetch(session=session, epoch=0)) == [(NONE, False)] * 2


def test_a_session_by_names_is_none_by_ids(changing: Changing, topics: tuple[str, str]) -> None:
    with Wire(changing.trading) as wire:
        by_name, by_id = Fetching(wire, 12, *topics), Fetching(wire, 13, *topics)
        session = by_name.fetch(epoch=0).session_id

        switched = by_id.fetch(session=session, epoch=1)

        assert (top(switched), answered(switched)) == (ErrorCode.fetch_session_topic_id_error, [])
        assert by_id.fetch(epoch=0).session_id > 0


@pytest.mark.parametrize("version", VERSIONS)
def test_what_somebody_else_put_into_a_session_at_the_broker_does_not_come(
    changing: Changing, kafka: Kafka, topics: tuple[str, str], tenant_topic: MakeTenantTopic, version: int
) -> None:
    """As it would be if the broker gave the number of a session that is over to somebody else."""
    foreign = tenant_topic("pay_session", at=changing.kordon)
    append(kafka, foreign, b"foreign")
    with Wire(changing.trading) as wire, directly(kafka) as direct:
        fetching, others = Fetching(wire, version, *topics), Fetching(direct, version, foreign)
        session = fetching.fetch(epoch=0).session_id
        others.wire.send(others.request(session=session, epoch=1, named=others.keys))
        assert b"foreign" in others.wire.receive().frame

        with pytest.raises(Gone):
            fetching.fetch(session=session, epoch=2)
    assert '"broker_answer_unreadable"' in changing.kordon.log


@pytest.fixture(scope="module")
def crowded() -> Iterator[Kafka]:
    """A Kafka that keeps so few fetch sessions (one for each of its shards) that they are soon all taken."""
    with Kafka(properties={"max.incremental.fetch.session.cache.slots": 8}) as kafka:
        yield kafka


def test_where_the_broker_has_no_room_for_a_session_everything_is_asked_for_each_time(
    crowded: Kafka, new_topic: MakeTopic
) -> None:
    topic = new_topic("tx_crowded", at=crowded)
    with a_kordon(crowded) as kordon, Wire(kordon.listener("trading")) as wire, directly(crowded) as others:
        eventually(lambda: codes_and_records(Fetching(wire, 12, topic).fetch()) == [(NONE, False)])
        fetching, filling = Fetching(wire, 12, topic), Fetching(others, 12, topic)
        session = fetching.fetch(epoch=0).session_id
        assert session
        while filling.fetch(epoch=0).session_id:
            pass

        append(crowded, topic, b"one")
        full = [fetching.fetch(epoch=0, offset=offset) for offset in (0, 1)]

        assert [(top(answer), answer.session_id, codes_and_records(answer)) for answer in full] == [
            (NONE, 0, [(NONE, True)]),
            (NONE, 0, [(NONE, False)]),
        ]
        assert codes_and_records(fetching.fetch(session=session, epoch=1)) == [(NONE, True)]


@pytest.mark.known_fault(8)
def test_a_long_loop_of_polls_is_one_event_a_window(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic("tx_polled")
    append(kafka, topic, b"record")
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        with Wire(kordon.listener("trading")) as wire:
            fetching = Fetching(wire, 18, topic)
            session = fetching.fetch(epoch=0).session_id
            for epoch in range(1, 200):
                assert codes_and_records(fetching.fetch(session=session, epoch=epoch)) == [(NONE, True)]
        kordon.terminate()
        counted = [event["data"] for event in kordon.audit() if event["subject"].endswith(topic)]

    assert [(data["what"]["action"], data["window"]["count"]) for data in counted] == [("TOPIC_INSPECT", 200)]
