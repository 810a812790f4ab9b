"""The real Kafka that everything else is tested against."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.helpers import create_ssl_context

from kordon_proxy.demo import ports
from kordon_proxy.demo.certificates import issue
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.tools import write_login
from tests.kafka.fixtures import USERS, Fresh, MakeTopic, RunTool
from tests.kafka.tenants import eventually


def test_aiokafka_reads_back_what_it_wrote_to_a_topic_made_by_kafkas_own_tool(
    kafka: Kafka, kafka_tools: RunTool, fresh: Fresh
) -> None:
    # Given
    topic = fresh("orders")
    made = kafka_tools("kafka-topics", "--create", "--topic", topic)

    # When
    read = asyncio.run(write_and_read(kafka.bootstrap, topic, b"one"))

    # Then
    assert made.output.strip() == f"Created topic {topic}."
    assert read == b"one"


def test_a_tool_that_fails_says_so(kafka_tools: RunTool, fresh: Fresh) -> None:
    described = kafka_tools("kafka-topics", "--describe", "--topic", fresh())

    assert described.code == 1
    assert "does not exist as expected" in described.output


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_users_log_in(kafka: Kafka, new_topic: MakeTopic, mechanism: str) -> None:
    login: dict[str, Any] = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "alice",
        "sasl_plain_password": USERS["alice"],
    }

    read = asyncio.run(write_and_read(kafka.listener("SASL_PLAINTEXT"), new_topic(), b"one", **login))

    assert read == b"one"


def test_a_wrong_password_is_refused(kafka: Kafka) -> None:
    login: dict[str, Any] = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "alice",
        "sasl_plain_password": USERS["bob"],
    }

    with pytest.raises(KafkaConnectionError):
        asyncio.run(write(kafka.listener("SASL_PLAINTEXT"), "any", b"one", **login))


def test_a_client_trusts_the_certificates_of_the_authority(kafka_with_acls: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic(at=kafka_with_acls)
    tls: dict[str, Any] = {
        "security_protocol": "SASL_SSL",
        "ssl_context": create_ssl_context(cafile=str(kafka_with_acls.authority.certificate)),
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "admin",
        "sasl_plain_password": USERS["admin"],
    }

    assert asyncio.run(write_and_read(kafka_with_acls.listener("SASL_SSL"), topic, b"one", **tls)) == b"one"


def test_a_client_is_who_its_certificate_says(kafka_with_acls: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic(at=kafka_with_acls)
    authority = kafka_with_acls.authority
    own = issue(authority, kafka_with_acls.folder, "admin")
    context = create_ssl_context(cafile=str(authority.certificate), certfile=str(own.certificate), keyfile=str(own.key))
    tls: dict[str, Any] = {"security_protocol": "SSL", "ssl_context": context}

    assert asyncio.run(write_and_read(kafka_with_acls.listener("SSL"), topic, b"one", **tls)) == b"one"


def test_with_the_authorizer_a_user_without_acls_may_nothing(
    kafka_with_acls: Kafka, kafka_tools: RunTool, fresh: Fresh, tmp_path: Path
) -> None:
    login = write_login(tmp_path / "alice", "alice", USERS["alice"], mechanism="SCRAM-SHA-256")

    created = kafka_tools(
        *("kafka-topics", "--create", "--topic", fresh(), "--command-config", str(login)),
        at=kafka_with_acls.listener("SASL_PLAINTEXT"),
    )

    assert created.code == 1
    assert "TopicAuthorizationException" in created.output


def test_nothing_is_left_when_it_has_stopped() -> None:
    # Given
    with Kafka() as kafka:
        folder, port, pid = kafka.folder, kafka.nodes[1].listeners["PLAINTEXT"], kafka.nodes[1].pid

    # Then
    assert pid
    assert not is_running(pid)
    assert not folder.exists()
    assert ports.free_port(port) == port


def test_nothing_is_left_when_the_process_that_started_it_is_killed() -> None:
    # Given
    program = (
        "from kordon_proxy.demo.kafka import Kafka\n"
        "with Kafka() as kafka:\n"
        "    print(kafka.nodes[1].pid, kafka.folder, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout
        pid, folder = starter.stdout.readline().decode().split()

        # When
        starter.kill()

    # Then
    eventually(lambda: not is_running(int(pid)), within=60)
    eventually(lambda: not Path(folder).exists(), within=60)


def test_a_port_that_somebody_else_has_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        wanted = somebody.getsockname()[1]
        with Kafka(first_port=wanted) as kafka:
            assert kafka.nodes[1].listeners["PLAINTEXT"] != wanted
            assert ports.brokers(kafka.nodes[1].listeners["PLAINTEXT"]).keys() == {1}


def test_it_starts_on_other_ports_when_somebody_was_quicker_than_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    choose = ports.free_port
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        chosen = [taken]
        monkeypatch.setattr(ports, "free_port", lambda *_, **__: chosen.pop() if chosen else choose())

        # When
        with Kafka() as kafka:
            listeners = kafka.nodes[1].listeners

    # Then
    assert not chosen
    assert taken not in listeners.values()


def test_three_nodes_are_one_cluster_that_survives_a_restart(three_nodes: Kafka, new_topic: MakeTopic) -> None:
    # Given
    topic = new_topic(replicas=3, at=three_nodes)
    before = {node.node_id: ports.brokers(node.listeners["PLAINTEXT"]) for node in three_nodes.nodes.values()}

    # When
    three_nodes.nodes[2].shut_down()
    read_without = asyncio.run(write_and_read(three_nodes.bootstrap, topic, b"one"))
    three_nodes.nodes[2].start()

    # Then
    assert before[1] == before[2] == before[3]
    assert before[1].keys() == {1, 2, 3}
    assert read_without == b"one"
    eventually(lambda: ports.brokers(three_nodes.nodes[1].listeners["PLAINTEXT"]) == before[1], within=60)


def test_a_node_that_was_killed_comes_back_with_its_data(three_nodes: Kafka, new_topic: MakeTopic) -> None:
    # Given
    topic = new_topic(replicas=1, partitions=3, at=three_nodes)
    for partition in range(3):
        asyncio.run(write(three_nodes.bootstrap, topic, b"%d" % partition, partition=partition))

    # When
    three_nodes.nodes[3].kill()
    three_nodes.nodes[3].start()

    # Then
    read = [asyncio.run(read_one(three_nodes.bootstrap, topic, partition=partition)) for partition in range(3)]
    assert read == [b"0", b"1", b"2"]


def test_a_paused_node_is_silent_until_it_is_resumed(three_nodes: Kafka) -> None:
    # Given
    node = three_nodes.nodes[1]
    port = node.listeners["PLAINTEXT"]

    # When
    node.pause()

    # Then
    with pytest.raises(TimeoutError):
        ports.brokers(port, timeout=0.5)
    node.resume()
    node.wait_until_it_sees({1, 2, 3})


async def write_and_read(bootstrap: str, topic: str, value: bytes, **client: Any) -> bytes:
    await write(bootstrap, topic, value, **client)
    return await read_one(bootstrap, topic, **client)


async def write(bootstrap: str, topic: str, value: bytes, *, partition: int = 0, **client: Any) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **client)
    try:
        await producer.start()
        await producer.send_and_wait(topic, value, partition=partition)
    finally:
        await producer.stop()  # `async with` would forget a producer that could not start


async def read_one(bootstrap: str, topic: str, *, partition: int = 0, **client: Any) -> bytes:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", **client)
    try:
        await consumer.start()
        consumer.assign([TopicPartition(topic, partition)])
        record = await asyncio.wait_for(consumer.getone(), 60)
        return bytes(record.value)
    finally:
        await consumer.stop()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
