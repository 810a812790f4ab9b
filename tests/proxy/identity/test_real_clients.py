"""Clients as people use them log in to a real Kordon, and are refused as by Kafka."""

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError as AioKafkaError
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.identity import users_edit
from tests.kafka.fixtures import USERS
from tests.proxy.identity.talk import a_request, a_token
from tests.proxy.identity.test_against_kafka import a_frame, connect

PASSWORD = "a-password-of-alices"
POLICY = """
admin_roles: [owners]
policies: []
tenants:
  - {name: First, resources: [{include: [cluster, "*"]}], roles: [devs]}
  - {name: Second, resources: [{include: [cluster, "*"]}], roles: [devs]}
  - {name: Closed, resources: [{include: [cluster, "*"]}], roles: [owners]}
"""


class Refused(Exception):
    """A client says that its login was refused."""


@pytest.fixture(scope="module")
def kordon(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kordon]:
    """In front of Kafka's SASL listener, with an account of its own there."""
    users = tmp_path_factory.mktemp("users") / "users.yaml"
    with users_edit.edit(users, create=True) as content:
        users_edit.add_user(content, "alice", PASSWORD, roles=("devs",))
        users_edit.add_user(content, "carol", PASSWORD, roles=("devs",))
        users_edit.add_user(content, "eve", PASSWORD, roles=("strangers",))
    prod = {
        "bootstrap": kafka.listener("SASL_PLAINTEXT"),
        "own_login": {"mechanism": "SCRAM-SHA-512", "username": "kordon", "password": "${env:KAFKA}"},
    }
    with Kordon(
        clusters={"prod": prod},
        policy=POLICY,
        listeners={"apps": {"sasl": {"PLAIN": "staff"}, "tenant_suffix": "@"}},
        settings={"providers": {"staff": {"type": "users", "file": "users.yaml"}}},
        environment={"KAFKA": USERS["kordon"]},
        files={"users.yaml": users.read_text()},
    ) as kordon:
        yield kordon


QUIET = logging.getLogger("tests.confluent")
QUIET.setLevel(logging.CRITICAL)


def confluent(address: str, user: str, password: str) -> str:
    """Return the id of the cluster that the client finds itself in."""
    seen: list[KafkaError] = []
    settings: dict[str, Any] = {
        "bootstrap.servers": address,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": password,
        "error_cb": seen.append,
        "logger": QUIET,
    }
    admin = AdminClient(settings)
    try:
        return str(admin.list_topics(timeout=3).cluster_id)
    except KafkaException:
        admin.poll(1)  # what went wrong is told to callbacks
        if any(error.code() == KafkaError._AUTHENTICATION for error in seen):
            raise Refused from None
        raise


KAFKA_PYTHON = """
import sys
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
address, user, password = sys.argv[1:]
try:
    admin = KafkaAdminClient(
        bootstrap_servers=address, security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN",
        sasl_plain_username=user, sasl_plain_password=password, bootstrap_timeout_ms=3000,
    )
    print(admin.describe_cluster()["cluster_id"])
except KafkaError as error:
    sys.exit(f"refused: {error!r}")
"""


def kafka_python(address: str, user: str, password: str) -> str:
    """In a process of its own: its import warns, and warnings are errors here.

    What it says of a refused login is a timeout, at Kafka too: it goes on trying.
    """
    words = [sys.executable, "-W", "ignore", "-c", KAFKA_PYTHON, address, user, password]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if "refused: " in ran.stderr:
        raise Refused(ran.stderr)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def aiokafka(address: str, user: str, password: str) -> str:
    async def ask() -> str:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=address,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="PLAIN",
            sasl_plain_username=user,
            sasl_plain_password=password,
        )
        try:
            await admin.start()
            return str((await admin.describe_cluster())["cluster_id"])
        finally:
            await admin.close()

    try:
        return asyncio.run(ask())
    except AioKafkaError as error:
        raise Refused from error


Ask = Callable[[str, str, str], str]
CLIENTS = pytest.mark.parametrize("ask", [confluent, kafka_python, aiokafka])


@CLIENTS
def test_a_right_password_lets_in(kordon: Kordon, ask: Ask) -> None:
    assert ask(kordon.bootstrap, "alice", PASSWORD)


@pytest.mark.parametrize("ask", [confluent, aiokafka])
@pytest.mark.parametrize(
    ("user", "password"),
    [("alice", "wrong-password"), ("nobody", PASSWORD), ("eve", PASSWORD), ("alice@Closed", PASSWORD)],
)
def test_a_wrong_login_is_refused_as_by_kafka(kordon: Kordon, ask: Ask, user: str, password: str) -> None:
    with pytest.raises(Refused):
        ask(kordon.bootstrap, user, password)


@CLIENTS
def test_a_suffix_chooses_the_tenant_and_its_synthetic_cluster(kordon: Kordon, ask: Ask) -> None:
    first, second = (ask(kordon.bootstrap, f"alice@{tenant}", PASSWORD) for tenant in ("First", "Second"))

    assert first != second
    assert ask(kordon.bootstrap, "alice", PASSWORD) == first


def answer_to(sock: socket.socket, frame: bytes) -> bytes:
    """Send a frame and read one; nothing where the connection has ended."""
    sock.sendall(len(frame).to_bytes(4, "big") + frame)
    try:
        return a_frame(sock)
    except (EOFError, ConnectionError):
        return b""


def test_a_user_that_is_removed_is_out_at_the_next_request_of_an_open_connection(kordon: Kordon) -> None:
    question = a_request(ApiKey.LIST_GROUPS, 4, states_filter=())
    path = kordon.folder / "users.yaml"
    before = path.read_text()
    with connect(kordon.bootstrap) as sock:
        answer_to(sock, a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"))
        answer_to(sock, a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token("carol", PASSWORD)))
        assert answer_to(sock, question)
        try:
            with users_edit.edit(path) as content:
                users_edit.remove_user(content, "carol")
            deadline = time.monotonic() + 10
            while answer_to(sock, question) and time.monotonic() < deadline:
                time.sleep(0.05)

            assert time.monotonic() < deadline
        finally:
            path.write_text(before)


def test_neither_log_nor_audit_holds_a_password(kordon: Kordon) -> None:
    confluent(kordon.bootstrap, "alice", PASSWORD)
    with pytest.raises(Refused):
        confluent(kordon.bootstrap, "alice", f"not-{PASSWORD}")

    kept = kordon.log + "".join(path.read_text() for path in Path(kordon.folder / "audit").iterdir() if path.is_file())

    assert PASSWORD not in kept
    assert USERS["kordon"] not in kept
