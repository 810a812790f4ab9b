"""Clients log in at Kordon as at Kafka itself, and Kordon logs in at Kafka by every mechanism that it has."""

import asyncio
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError as AioKafkaError
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from kordon_proxy.demo.certificates import issue
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.demo.tools import tool, write_login
from kordon_proxy.identity import users_edit
from tests.kafka.fixtures import USERS, Fresh
from tests.kafka.tenants import POLICY, QUIET

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it reads its message schemas by a function of old
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError as KafkaPythonError

pytestmark = pytest.mark.filterwarnings("ignore:read_text is deprecated:DeprecationWarning")

IN: Final = "logged in"


@pytest.fixture(scope="module")
def kordon_with_users(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kordon]:
    """A Kordon at which the users of the shared Kafka log in with the passwords that they have there."""
    users = tmp_path_factory.mktemp("users") / "users.yaml"
    with users_edit.edit(users, create=True) as content:
        for name, password in USERS.items():
            if name != "kordon":  # by which Kordon itself logs in at Kafka, and nobody at Kordon
                users_edit.add_user(content, name, password, roles=("traders",))
    with Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        listeners={"apps": {"sasl": {"PLAIN": "staff"}}},
        settings={"providers": {"staff": {"type": "users", "file": "users.yaml"}}},
        files={"users.yaml": users.read_text()},
    ) as kordon:
        yield kordon


# Clients: each tells how its login ended, in its own words


def confluent(address: str, mechanism: str, user: str, password: str, folder: Path) -> str:
    silent = logging.getLogger("tests.silent")
    silent.setLevel(logging.CRITICAL)
    seen: list[KafkaError] = []
    settings: dict[str, Any] = {
        "bootstrap.servers": address,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
        "error_cb": seen.append,
        "logger": silent,
    }
    admin = AdminClient(settings)
    try:
        admin.list_topics(timeout=2)
    except KafkaException as failed:
        admin.poll(1)  # what went wrong is told to callbacks
        names = {error.name() for error in seen} - {"_ALL_BROKERS_DOWN"}
        return f"{failed.args[0].name()}: {', '.join(sorted(names))}"
    return IN


def aiokafka(address: str, mechanism: str, user: str, password: str, folder: Path) -> str:
    async def log_in() -> str:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=address,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism=mechanism,
            sasl_plain_username=user,
            sasl_plain_password=password,
        )
        try:
            await admin.start()
            return IN
        except AioKafkaError as error:
            return type(error).__name__
        finally:
            await admin.close()

    return asyncio.run(log_in())


def kafka_python(address: str, mechanism: str, user: str, password: str, folder: Path) -> str:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=address,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism=mechanism,
            sasl_plain_username=user,
            sasl_plain_password=password,
            bootstrap_timeout_ms=1_500,
        )
    except KafkaPythonError as error:
        return type(error).__name__
    admin.close()
    return IN


def java(address: str, mechanism: str, user: str, password: str, folder: Path) -> str:
    login = write_login(folder / "login.properties", user, password, mechanism=mechanism)
    done = tool("kafka-topics", "--bootstrap-server", address, "--command-config", login, "--list")
    return IN if done.code == 0 else done.stdout


Client = Callable[[str, str, str, str, Path], str]
each_client = pytest.mark.parametrize("client", [confluent, aiokafka, kafka_python, java])


@each_client
def test_a_right_password_lets_in_where_kafka_does(
    kordon_with_users: Kordon, kafka: Kafka, client: Client, tmp_path: Path
) -> None:
    for address in (kafka.listener("SASL_PLAINTEXT"), kordon_with_users.bootstrap):
        assert client(address, "PLAIN", "alice", USERS["alice"], tmp_path) == IN


@each_client
def test_a_wrong_password_fails_as_at_kafka(
    kordon_with_users: Kordon, kafka: Kafka, client: Client, tmp_path: Path
) -> None:
    at_kafka = client(kafka.listener("SASL_PLAINTEXT"), "PLAIN", "alice", USERS["bob"], tmp_path)

    assert at_kafka != IN
    assert client(kordon_with_users.bootstrap, "PLAIN", "alice", USERS["bob"], tmp_path) == at_kafka


@pytest.mark.parametrize(
    ("client", "words"),
    [(confluent, "_AUTHENTICATION"), (aiokafka, "KafkaConnectionError"), (java, "enabled mechanisms are [PLAIN]")],
)
def test_a_mechanism_that_is_not_offered_is_refused_in_the_clients_words(
    kordon_with_users: Kordon, client: Client, words: str, tmp_path: Path
) -> None:
    assert words in client(kordon_with_users.bootstrap, "SCRAM-SHA-256", "alice", USERS["alice"], tmp_path)


# Kordon's own logins

LOGINS: Final = ("plain", "scram-256", "scram-512", "tls-plain", "tls-scram-256", "tls-scram-512", "tls-certificate")


@pytest.fixture(scope="module")
def kordon_with_logins(
    kafka: Kafka, kafka_with_acls: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kordon]:
    """A Kordon that reaches two Kafkas in every way that it knows, each behind a listener of its own."""
    certificate = issue(kafka_with_acls.authority, tmp_path_factory.mktemp("certificates"), "admin")
    trust = {"ca": str(kafka_with_acls.authority.certificate)}
    clusters: dict[str, Any] = {}
    for name, mechanism in (("plain", "PLAIN"), ("scram-256", "SCRAM-SHA-256"), ("scram-512", "SCRAM-SHA-512")):
        for prefix, user, where in (
            ("", "kordon", {"bootstrap": kafka.listener("SASL_PLAINTEXT")}),
            ("tls-", "admin", {"bootstrap": kafka_with_acls.listener("SASL_SSL"), "tls": trust}),
        ):
            login = {"mechanism": mechanism, "username": user, "password": f"${{env:{user.upper()}}}"}
            clusters[prefix + name] = {**where, "own_login": login}
    clusters["tls-certificate"] = {
        "bootstrap": kafka_with_acls.listener("SSL"),
        "tls": {**trust, "cert": str(certificate.certificate), "key": str(certificate.key)},
    }
    identity = {"principal": "ada", "roles": ["admin"]}
    with Kordon(
        clusters=clusters,
        policy=POLICY.replace("[cluster, prod]", '[cluster, "*"]'),
        listeners={name: {"cluster": name, "identity": identity} for name in clusters},
        environment={user.upper(): USERS[user] for user in ("kordon", "admin")},
    ) as kordon:
        yield kordon


@pytest.mark.parametrize("login", LOGINS)
def test_clients_work_through_whatever_login_kordon_has(kordon_with_logins: Kordon, login: str, fresh: Fresh) -> None:
    # Given
    address, topic = kordon_with_logins.listener(login), fresh("login")
    admin = AdminClient({"bootstrap.servers": address, **QUIET})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)

    # When
    producer = Producer({"bootstrap.servers": address, **QUIET})
    producer.produce(topic, b"one")
    assert producer.flush(30) == 0
    settings = {"group.id": fresh("login"), "auto.offset.reset": "earliest", **QUIET}
    consumer = Consumer({"bootstrap.servers": address, **settings})
    consumer.subscribe([topic])
    (record,) = consumer.consume(1, 30)
    consumer.close()

    # Then
    assert record.value() == b"one"
