"""What is put in force for a time holds from the next request of every open connection on, in every process that has
the store, and until its end."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest
from kio.schema.errors import ErrorCode

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.store.interface import StoreUnavailable
from tests.kafka import requests as ask
from tests.kafka.administration import things
from tests.kafka.changing import Changing
from tests.kafka.fetching import LONG_POLL, Fetching, append, codes_and_records, top
from tests.kafka.fixtures import Fresh
from tests.kafka.grantor import Grantor
from tests.kafka.stores import a_shared_topic
from tests.kafka.tap import metric, readiness
from tests.kafka.tenants import LISTENERS, POLICY, MakeTenantTopic, eventually
from tests.kafka.wire import Wire
from tests.proxy.store.given import SharedStore, a_shared_file

BLIND: Final = POLICY.replace("actions: [TOPIC_INSPECT, TOPIC_PRODUCE", "actions: [TOPIC_PRODUCE", 1).replace(
    "actions: [GROUP_CONSUME, GROUP_EDIT", "actions: [GROUP_CONSUME", 1
)
"""Traders may not read, nor move offsets."""
Codes = list[tuple[ErrorCode, bool]]
MAY: Final = [(ErrorCode.none, True)]
MAY_NOT: Final = [(ErrorCode.topic_authorization_failed, False)]


def a_kordon(kafka: Kafka, store: SharedStore) -> Kordon:
    return Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=BLIND,
        listeners=LISTENERS,
        settings={"audit": {"window": "200ms"}, "store": store.settings},
    )


@pytest.fixture(scope="module", params=["sqlite", "kafka"])
def store(
    request: pytest.FixtureRequest, kafka: Kafka, fresh: Fresh, tmp_path_factory: pytest.TempPathFactory
) -> SharedStore:
    if request.param == "kafka":
        return a_shared_topic(kafka, fresh("__kordon_store"))
    return a_shared_file(tmp_path_factory.mktemp("store") / "kordon.db")


@pytest.fixture(scope="module")
def one(kafka: Kafka, store: SharedStore) -> Iterator[Changing]:
    with a_kordon(kafka, store) as kordon:
        yield Changing(kordon)


@pytest.fixture(scope="module")
def two(kafka: Kafka, one: Changing, store: SharedStore) -> Iterator[Changing]:
    """Another process with the same store."""
    with a_kordon(kafka, store) as kordon:
        yield Changing(kordon)


@pytest.fixture(scope="module")
def grantor(one: Changing, store: SharedStore) -> Iterator[Grantor]:
    with Grantor(store, one.kordon.policy_file) as grantor:
        yield grantor


@pytest.fixture
def topic(one: Changing, two: Changing, kafka: Kafka, tenant_topic: MakeTenantTopic) -> str:
    topic = tenant_topic("tx_lent", at=one.kordon)
    append(kafka, topic, b"before")
    return topic


def all_get(clients: Sequence[Fetching], wanted: Codes) -> None:
    for client in clients:
        eventually(partial(gets, client, wanted))


def gets(client: Fetching, wanted: Codes) -> bool:
    return codes_and_records(client.fetch()) == wanted


def told(policy_id: str, *kordons: Changing) -> list[str]:
    """What the Kordons have told the audit of a temporary policy, in its order, each as often as it was told."""
    events = [event for one in kordons for event in one.kordon.audit() if event["id"].startswith(f"{policy_id}/")]
    return [event["data"]["what"]["action"].rpartition("_")[2] for event in sorted(events, key=lambda one: one["id"])]


def test_open_connections_at_every_process_are_let_on_and_refused_again(
    one: Changing, two: Changing, grantor: Grantor, topic: str
) -> None:
    with ExitStack() as stack:
        # Given
        clients = [Fetching(stack.enter_context(Wire(kordon.trading)), 12, topic) for kordon in (one, two)]
        assert [codes_and_records(client.fetch()) for client in clients] == [MAY_NOT, MAY_NOT]
        opened = one.opened() + two.opened()

        # When
        made = grantor.create("TOPIC_INSPECT", "topic", topic, reason="poison")

        # Then
        all_get(clients, MAY)

        # When
        grantor.revoke(made)

        # Then
        all_get(clients, MAY_NOT)
        assert one.opened() + two.opened() == opened
        # Its own process cannot tell of it, so the others do.
        eventually(lambda: set(told(made.id, one, two)) == {"CREATED", "STARTED", "REVOKED"})


@pytest.mark.parametrize(("effect", "before", "meanwhile"), [("Allow", MAY_NOT, MAY), ("Deny", MAY, MAY_NOT)])
def test_it_ends_by_itself(
    one: Changing, two: Changing, grantor: Grantor, topic: str, effect: str, before: Codes, meanwhile: Codes
) -> None:
    with ExitStack() as stack:
        # Given
        clients = [Fetching(stack.enter_context(Wire(kordon.trading)), 17, topic) for kordon in (one, two)]
        if effect == "Deny":
            grantor.create("TOPIC_INSPECT", "topic", topic)
        all_get(clients, before)
        opened = one.opened() + two.opened()

        # When
        made = grantor.create("TOPIC_INSPECT", "topic", topic, effect=effect)

        # Then
        all_get(clients, meanwhile)
        grantor.end_soon(made)
        all_get(clients, before)
        assert one.opened() + two.opened() == opened
        eventually(lambda: "EXPIRED" in told(made.id, one, two))


@pytest.mark.parametrize("how", ["revoked", "over"])
@pytest.mark.parametrize("version", [4, 12, 17])
def test_a_parked_long_poll_gives_nothing_once_its_right_is_gone(
    one: Changing, two: Changing, kafka: Kafka, grantor: Grantor, topic: str, version: int, how: str
) -> None:
    made = grantor.create("TOPIC_INSPECT", "topic", topic)
    with Wire(two.trading) as wire, Wire(two.trading) as other:
        # Given
        fetching = Fetching(wire, version, topic)
        eventually(lambda: codes_and_records(fetching.fetch()) == MAY)
        forwarded = two.metric("kordon_requests_total", api="Fetch", verdict="forwarded")
        wire.send(fetching.request(offset=1, wait=LONG_POLL))
        eventually(lambda: two.metric("kordon_requests_total", api="Fetch", verdict="forwarded") > forwarded)

        # When
        (grantor.revoke if how == "revoked" else grantor.end_soon)(made)
        all_get([Fetching(other, 12, topic)], MAY_NOT)
        append(kafka, topic, b"meanwhile")

        # Then
        assert codes_and_records(wire.receive().message) == MAY_NOT


def test_a_fetch_session_that_lost_its_right_ends(
    one: Changing, two: Changing, kafka: Kafka, grantor: Grantor, topic: str
) -> None:
    made = grantor.create("TOPIC_INSPECT", "topic", topic)
    with Wire(one.trading) as wire, Wire(one.trading) as other:
        # Given
        fetching = Fetching(wire, 17, topic)
        eventually(lambda: codes_and_records(fetching.fetch()) == MAY)
        session = fetching.fetch(epoch=0, offset=1).session_id
        assert session

        # When
        grantor.revoke(made)
        all_get([Fetching(other, 12, topic)], MAY_NOT)
        append(kafka, topic, b"meanwhile")

        # Then
        answer = fetching.fetch(session=session, epoch=1)
        assert (top(answer), answer.responses) == (ErrorCode.fetch_session_id_not_found, ())


def test_a_mutation_is_told_with_the_temporary_policy_that_allowed_it(
    one: Changing, grantor: Grantor, topic: str, fresh: Fresh
) -> None:
    group = fresh("trade_stuck")
    skip = ask.commit(8, replace(things(topic), group=group), things(topic), offset=1)

    def code(wire: Wire) -> ErrorCode:
        (answered,) = wire.ask(skip).message.topics
        found: ErrorCode = answered.partitions[0].error_code
        return found

    with Wire(one.trading) as wire:
        assert code(wire) is ErrorCode.group_authorization_failed
        made = grantor.create("GROUP_EDIT", "group", group)
        eventually(lambda: code(wire) is ErrorCode.none)
        grantor.revoke(made)
        eventually(lambda: code(wire) is ErrorCode.group_authorization_failed)

    edits = [event["data"] for event in one.kordon.audit() if ["cluster", "prod", "group", group] in of(event)]
    lent = {edit["why"].get("temporary_policy") for edit in edits if edit["outcome"].get("error_name") == "NONE"}
    assert lent == {made.id}


def of(event: dict[str, Any]) -> list[list[str]]:
    """What a decision was about."""
    resources: list[list[str]] = event["data"]["what"]["resources"]
    return resources if event["data"]["what"].get("api") == "OffsetCommit" else []


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_it_is_in_force_for_the_first_client_after_a_restart(
    kafka: Kafka, store: SharedStore, tenant_topic: MakeTenantTopic, how: str
) -> None:
    with a_kordon(kafka, store) as kordon:
        # Given
        topic = tenant_topic("tx_lent", at=kordon)
        append(kafka, topic, b"before")
        with Grantor(store, kordon.policy_file) as grantor:
            grantor.create("TOPIC_INSPECT", "topic", topic)

            # When
            getattr(kordon, how)()
            kordon.start()

            # Then
            with Wire(kordon.listener("trading")) as wire:
                assert codes_and_records(Fetching(wire, 12, topic).fetch()) == MAY


def test_without_its_file_clients_are_served_as_before_and_readiness_says_so(
    kafka: Kafka, tenant_topic: MakeTenantTopic, tmp_path: Path
) -> None:
    file = tmp_path / "kordon.db"
    with Outage(kafka, a_shared_file(file), tenant_topic) as outage:
        # When
        file.rename(file.with_suffix(".away"))

        # Then
        outage.is_told(f"the store {file} cannot be used: no such file or directory")
        assert outage.kordon.get("/readyz")[0] == 200
        outage.changes_nothing()
        outage.ends_what_is_over()

        # When
        file.with_suffix(".away").rename(file)

        # Then
        outage.is_over()


def test_without_its_brokers_clients_are_served_as_before_and_readiness_says_so(
    kafka: Kafka, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    name = fresh("__kordon_store")
    with Kafka() as away, Outage(kafka, a_shared_topic(away, name, "away"), tenant_topic, away=away) as outage:
        # When
        away.nodes[1].pause()

        # Then
        outage.is_told(f"the store {name} at away cannot be used: no broker has answered for more than 3 s")
        outage.changes_nothing()
        outage.ends_what_is_over()

        # When
        away.nodes[1].resume()

        # Then
        outage.is_over()


class Outage:
    """Two temporary policies in force, of which one will end soon, and a store that a test takes away."""

    def __init__(
        self, kafka: Kafka, store: SharedStore, tenant_topic: MakeTenantTopic, *, away: Kafka | None = None
    ) -> None:
        clusters = {"prod": kafka.bootstrap} | ({} if away is None else {"away": away.bootstrap})
        self.kordon = Kordon(clusters=clusters, policy=BLIND, listeners=LISTENERS, settings={"store": store.settings})
        self._kafka, self._store, self._tenant_topic = kafka, store, tenant_topic
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.kordon)
            topics = [self._tenant_topic("tx_lent", at=self.kordon) for _ in range(2)]
            for topic in topics:
                append(self._kafka, topic, b"before")
            wire = stack.enter_context(Wire(self.kordon.listener("trading")))
            self._lasting, self._ending = (Fetching(wire, 12, topic) for topic in topics)
            self._grantor = stack.enter_context(Grantor(self._store, self.kordon.policy_file))
            self._made = [self._grantor.create("TOPIC_INSPECT", "topic", topic) for topic in topics]
            all_get([self._lasting, self._ending], MAY)
            epoch = metric(self.kordon, "kordon_policy_epoch")
            self._grantor.end_soon(self._made[1])
            eventually(lambda: metric(self.kordon, "kordon_policy_epoch") > epoch)
            assert readiness(self.kordon)["store"] == (True, "")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def is_told(self, why: str) -> None:
        eventually(lambda: readiness(self.kordon)["store"] == (False, why))

    def changes_nothing(self) -> None:
        with pytest.raises(StoreUnavailable):
            self._grantor.revoke(self._made[0])

    def ends_what_is_over(self) -> None:
        all_get([self._ending], MAY_NOT)
        assert gets(self._lasting, MAY)

    def is_over(self) -> None:
        eventually(lambda: readiness(self.kordon)["store"] == (True, ""))
        self._grantor.wait_for_the_store()
        self._grantor.revoke(self._made[0])
        all_get([self._lasting], MAY_NOT)
