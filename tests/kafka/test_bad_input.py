"""Bad input at a real Kordon: a clear error, at the cost of that connection alone, and nothing is lost."""

import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_response, request_frame, request_type
from kordon_protocol.frames import with_prefix
from kordon_protocol.header import peek_response, request_header
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.varints import LONGEST_STRING
from kordon_proxy.audit.event import EventType
from kordon_proxy.demo import ports
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.identity import users_edit
from kordon_proxy.judging.entries import make, struct_type
from tests.kafka.tap import closings, ended, log_lines, metric
from tests.kafka.tenants import POLICY, eventually
from tests.kafka.wire import Gone, Wire
from tests.proxy.apis.messages import a_request
from tests.proxy.identity.talk import a_token

PASSWORD: Final = "a-password-of-tinas"
LIMITS: Final = {"max_frame": "64KiB", "login_frame": "4KiB", "request_timeout": "1s", "login": "2s"}
LISTENERS: Final[dict[str, dict[str, Any]]] = {
    "trading": {"identity": {"principal": "tina", "roles": ["traders"]}},
    "door": {"sasl": {"PLAIN": "staff"}},
}
CLIENT_HELLO: Final = bytes.fromhex("16030100c8010000c40303") + bytes(193)
HTTP: Final = b"GET /metrics HTTP/1.1\r\nHost: kafka\r\n\r\n"


@pytest.fixture(scope="module")
def kordon(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kordon]:
    users = tmp_path_factory.mktemp("users") / "users.yaml"
    with users_edit.edit(users, create=True) as content:
        users_edit.add_user(content, "tina", PASSWORD, roles=("traders",))
    with Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        listeners=LISTENERS,
        settings={"providers": {"staff": {"type": "users", "file": "users.yaml"}}, "limits": LIMITS},
        files={"users.yaml": users.read_text()},
    ) as kordon:
        yield kordon


@pytest.fixture(autouse=True)
def bystander(kordon: Kordon) -> Iterator[None]:
    """A connection that has a broker behind it, and that works all the time."""
    with Wire(kordon.listener("trading")) as wire:
        ask_the_broker(wire)
        yield
        ask_the_broker(wire)


def ask_the_broker(wire: Wire) -> Any:
    answer = wire.ask(a_request(ApiKey.METADATA, 12, topics=None)).message
    assert answer.brokers
    return answer


class Told:
    """What Kordon has said since the test began."""

    def __init__(self, kordon: Kordon) -> None:
        self._kordon = kordon
        self._closings = len(closings(kordon))
        self._events = len(self._audit())
        self._refused = self._counted()

    def closing(self) -> tuple[str, str | None]:
        """Why it has ended the one connection that it has."""
        eventually(lambda: len(closings(self._kordon)) > self._closings)
        (found,) = closings(self._kordon, self._closings)
        return found

    def event(self) -> dict[str, Any]:
        """The one event in the audit."""
        eventually(lambda: len(self._audit()) > self._events)
        (found,) = self._audit()[self._events :]
        data: dict[str, Any] = found["data"]
        return data

    def _audit(self) -> list[dict[str, Any]]:
        """All events but counts of what was repeated, which come when a minute is over, whatever happens."""
        return [event for event in self._kordon.audit() if event["type"] != EventType.AGGREGATE]

    @property
    def refused(self) -> dict[str, float]:
        """How many frames were refused, by the reason that is counted."""
        return {reason: count - self._refused[reason] for reason, count in self._counted().items()}

    def _counted(self) -> dict[str, float]:
        reasons = ("size", "header", "body", "unknown-api", "version")
        return {reason: metric(self._kordon, "kordon_refused_frames_total", reason=reason) for reason in reasons}


@pytest.fixture
def told(kordon: Kordon, bystander: None) -> Told:
    return Told(kordon)


def raw(key: int, version: int, body: bytes = b"", *, tags: bytes = b"", correlation_id: int = 1) -> bytes:
    return with_prefix(struct.pack(">hhih", key, version, correlation_id, -1), tags, body)


# ---- frames


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack(">i", (64 << 10) + 1), "frame of 65537 bytes, limit "),
        (struct.pack(">i", -1), "frame of -1 bytes"),
        (b"\x00\x00\x00\x0agarbage!!!", "api key "),
        (CLIENT_HELLO, "this looks like TLS, not like Kafka"),
        (HTTP, "this looks like HTTP, not like Kafka"),
    ],
    ids=["oversize", "negative", "garbage", "TLS", "HTTP"],
)
def test_what_is_no_kafka_ends_its_connection_before_more_of_it_is_read(
    kordon: Kordon, told: Told, listener: str, data: bytes, reason: str
) -> None:
    with Wire(kordon.listener(listener)) as wire:
        wire.send_bytes(data)
        assert ended(wire)

    _, detail = told.closing()
    assert detail is not None
    assert reason in detail
    assert sum(told.refused.values()) == 1 or listener == "door"
    if listener == "trading":
        assert told.event()["why"]["effect"] == "Deny"


def test_half_a_request_and_then_silence_is_timed_out(kordon: Kordon, told: Told) -> None:
    with Wire(kordon.listener("trading")) as wire:
        ask_the_broker(wire)
        wire.send_bytes(request_frame(a_request(ApiKey.METADATA, 12, topics=None), 9, "half")[:11])
        assert ended(wire)

    assert told.closing() == ("request-timeout", None)


def test_a_login_that_drips_is_timed_out_however_steadily(kordon: Kordon, told: Told) -> None:
    with Wire(kordon.listener("door")) as wire:
        drip(wire)

    assert told.closing() == ("login", "the login was not over in time")


def drip(wire: Wire) -> None:
    """Send a byte at a time until the other side has closed."""
    for byte in with_prefix(bytes(4000)):
        try:
            wire.send_bytes(bytes([byte]))
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("the login may drip for ever")


# ---- keys and versions


@pytest.mark.parametrize("listener", LISTENERS)
def test_an_unknown_version_of_api_versions_is_answered_and_the_client_may_step_down(
    kordon: Kordon, listener: str
) -> None:
    with Wire(kordon.listener(listener)) as wire:
        wire.send_bytes(raw(ApiKey.API_VERSIONS, 99, correlation_id=7))
        frame = wire.receive_frame()
        answer = decode_response(ApiKey.API_VERSIONS, 0, frame, 4)

        assert frame[:4] == struct.pack(">i", 7)
        assert answer.error_code is ErrorCode.unsupported_version
        assert [one.api_key for one in answer.api_keys] == [ApiKey.API_VERSIONS]
        (newest,) = [one.max_version for one in answer.api_keys]
        named = a_request(ApiKey.API_VERSIONS, newest, client_software_name="wire", client_software_version="1")
        assert wire.ask(named).message.error_code is ErrorCode.none


@pytest.mark.parametrize(
    ("key", "version", "reason", "api", "counted"),
    [
        (9999, 0, "unknown api key 9999, version 0", "9999", "unknown-api"),
        (ApiKey.FETCH, 99, "unsupported version 99 of api key 1", "Fetch", "version"),
        (ApiKey.FETCH, -1, "unsupported version -1 of api key 1", "Fetch", "version"),
    ],
)
def test_a_key_or_version_without_a_schema_has_no_answer(
    kordon: Kordon, told: Told, key: int, version: int, reason: str, api: str, counted: str
) -> None:
    with Wire(kordon.listener("trading")) as wire:
        wire.send_bytes(raw(key, version))
        assert ended(wire)

    assert told.closing() == ("malformed", reason)
    event = told.event()
    assert (event["what"]["api"], event["what"]["api_version"], event["why"]["reason"]) == (api, version, reason)
    assert told.refused[counted] == 1


def test_versions_that_are_not_advertised_are_refused_in_their_own_shape(kordon: Kordon) -> None:
    with Wire(kordon.listener("trading")) as wire:
        advertised = {one.api_key: one for one in wire.ask(a_request(ApiKey.API_VERSIONS, 0)).message.api_keys}
        beyond = [
            (key, version)
            for key in (ApiKey.INIT_PRODUCER_ID, ApiKey.CONSUMER_GROUP_HEARTBEAT, ApiKey.ADD_PARTITIONS_TO_TXN)
            for version in versions(key)
            if not advertised[key].min_version <= version <= advertised[key].max_version
        ]
        assert beyond
        for key, version in beyond:
            answer = wire.ask(a_request(key, version)).message
            assert answer.error_code is not ErrorCode.none, (key, version)
        ask_the_broker(wire)


def test_a_hidden_key_is_refused_in_its_own_shape_and_written_down(kordon: Kordon, told: Told) -> None:
    with Wire(kordon.listener("trading")) as wire:
        refused = wire.ask(a_request(ApiKey.DESCRIBE_DELEGATION_TOKEN, 3, owners=None)).message
        ask_the_broker(wire)

    assert (refused.error_code, refused.tokens) == (ErrorCode.delegation_token_request_not_allowed, ())
    event = told.event()
    assert (event["what"]["action"], event["what"]["api"], event["outcome"]["error_code"]) == (
        "USE_API",
        "DescribeDelegationToken",
        64,
    )


# ---- bodies


def test_a_body_that_cannot_be_read_has_no_answer(kordon: Kordon, told: Told) -> None:
    with Wire(kordon.listener("trading")) as wire:
        wire.send_bytes(raw(ApiKey.HEARTBEAT, 0, b"\x7f\xffbeyond the end"))
        assert ended(wire)

    reason, _ = told.closing()
    assert reason == "malformed"
    assert told.event()["what"]["api"] == "Heartbeat"
    assert told.refused["body"] == 1


def answers(address: str, data: bytes) -> bytes | None:
    """What comes back; None for an end."""
    with Wire(address) as wire:
        wire.send_bytes(data)
        try:
            return wire.receive_frame()
        except Gone:
            return None


@pytest.mark.parametrize(("letters", "ends"), [(LONGEST_STRING, False), (LONGEST_STRING + 1, True)])
def test_a_name_that_is_longer_than_kafka_reads_ends_the_connection_as_at_kafka(
    kordon: Kordon, kafka: Kafka, letters: int, ends: bool
) -> None:
    topic = make(struct_type(request_type(ApiKey.METADATA, 12), "topics"), name="x" * letters)
    request = a_request(ApiKey.METADATA, 12, topics=(topic,), allow_auto_topic_creation=False)
    for address in (kafka.bootstrap, kordon.listener("trading")):
        with Wire(address) as wire:
            wire.send(request)
            if ends:
                assert ended(wire)
            else:
                assert wire.receive().message.topics[0].error_code is not ErrorCode.none


@pytest.mark.parametrize(
    "changed",
    [
        lambda head, body: head[:-1] + b"\x01\x63\x05hello" + body,
        lambda head, body: head + body[:-1] + b"\x01\x63\x05hello",
        lambda head, body: head + body + b"behind the body",
    ],
    ids=["an unknown tag in the header", "an unknown tag in the body", "bytes behind the body"],
)
def test_what_a_client_says_beyond_the_schema_is_passed_over_as_by_kafka(
    kordon: Kordon, kafka: Kafka, changed: Callable[[bytes, bytes], bytes]
) -> None:
    key, version = ApiKey.LIST_OFFSETS, 8
    kind = request_type(key, version)
    partition = make(struct_type(kind, "topics", "partitions"), partition_index=0)
    topic = make(struct_type(kind, "topics"), name="tx_missing", partitions=(partition,))
    head = request_header(key, version, 7, "beyond")
    plain = request_frame(a_request(key, version, topics=(topic,)), 7, "beyond")
    asked = with_prefix(changed(head, plain[4 + len(head) :]))

    told = [answers(address, asked) for address in (kafka.bootstrap, kordon.listener("trading"))]

    assert told[0] == told[1]
    assert told[0] is not None
    answer = decode_response(key, version, told[0], peek_response(told[0], key, version).body_offset)
    assert answer.topics[0].partitions[0].error_code is ErrorCode.unknown_topic_or_partition


# ---- logins


def test_a_request_before_the_login_has_no_answer(kordon: Kordon, told: Told) -> None:
    with Wire(kordon.listener("door")) as wire:
        wire.send_bytes(request_frame(a_request(ApiKey.METADATA, 12, topics=None), 1, "early"))
        assert ended(wire)

    assert told.closing() == ("login", "api key 3 before the login")


def log_in(wire: Wire, password: str) -> Any:
    shaken = wire.ask(a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN")).message
    assert (shaken.error_code, shaken.mechanisms) == (ErrorCode.none, ("PLAIN",))
    return wire.ask(a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token("tina", password))).message


def test_a_wrong_password_is_told_and_ends_its_connection(kordon: Kordon, told: Told) -> None:
    with Wire(kordon.listener("door")) as wire:
        refused = log_in(wire, "a-wrong-password")
        assert ended(wire)

    assert refused.error_code is ErrorCode.sasl_authentication_failed
    reason, detail = told.closing()
    assert (reason, "password" in str(detail) and "a-wrong-password" in str(detail)) == ("login", False)
    event = told.event()
    assert (event["who"]["principal"], event["outcome"]["error_code"]) == ("tina", 58)
    with Wire(kordon.listener("door")) as wire:
        assert log_in(wire, PASSWORD).error_code is ErrorCode.none
        ask_the_broker(wire)


# ---- files


def served(folder: Path) -> subprocess.CompletedProcess[str]:
    """Try to serve with the files of a folder."""
    command = [sys.executable, "-m", "kordon_proxy", "serve", "--config", str(folder / "kordon.yaml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


WRONG: Final = {
    "no YAML": ("rbac.yaml", "policies: [\n", "rbac.yaml:2:1: error: not YAML"),
    "a wrong word": ("rbac.yaml", POLICY.replace("effect: Allow", "effect: Alow", 1), 'rbac.yaml:5:13: error: "Alow"'),
    "an unknown key": ("kordon.yaml", '{"clusters": [], "listners": []}', "kordon.yaml:1:"),
    "no mapping": ("kordon.yaml", "- 1\n", "kordon.yaml:1:1: error: "),
    "a wrong hash": (
        "users.yaml",
        'users: {tina: {roles: [traders], credentials: [{id: a, scrypt: "no hash"}]}}\n',
        "users.yaml:1:",
    ),
    "nothing": ("users.yaml", "", "users.yaml:1:1: error: "),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_start_with_a_wrong_file_ends_with_the_place_of_the_mistake(
    kordon: Kordon, tmp_path: Path, kind: str
) -> None:
    name, text, place = WRONG[kind]
    for file in ("kordon.yaml", "rbac.yaml", "users.yaml"):
        (tmp_path / file).write_text(text if file == name else (kordon.folder / file).read_text())
        (tmp_path / file).chmod(0o600)

    done = served(tmp_path)

    assert done.returncode == 1
    assert f"{tmp_path}/{place}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_file_at_a_reload_changes_nothing_and_is_said(kordon: Kordon) -> None:
    with Wire(kordon.listener("trading")) as wire:
        before = len(log_lines(kordon))
        epoch = metric(kordon, "kordon_policy_epoch")
        try:
            kordon.policy_file.write_text(POLICY + "  - {name: Trading}\n")
            kordon.signal(signal.SIGHUP)
            eventually(lambda: log_lines(kordon, "policy_reload_failed"))

            (line,) = log_lines(kordon, "policy_reload_failed")
            assert line["reason"].startswith(f"{kordon.policy_file}:{POLICY.count(chr(10)) + 1}:")
            status, page = kordon.get("/readyz")
            assert (status, line["reason"] in page) == (200, True)
            ask_the_broker(wire)
            assert metric(kordon, "kordon_policy_epoch") == epoch
            assert metric(kordon, "kordon_policy_reload_failures_total") == 1
        finally:
            kordon.policy_file.write_text(POLICY)
        eventually(lambda: line["reason"] not in kordon.get("/readyz")[1])

        users = kordon.folder / "users.yaml"
        good = users.read_text()
        try:
            users.write_text("users: [\n")
            eventually(lambda: log_lines(kordon, "users_reload_failed"))
            ask_the_broker(wire)
            with Wire(kordon.listener("door")) as other:
                assert log_in(other, PASSWORD).error_code is ErrorCode.none
            assert metric(kordon, "kordon_users_reload_failures_total") == 1
        finally:
            users.write_text(good)
        eventually(lambda: log_lines(kordon, "users_restored"))
        assert "users_reloaded" not in [line["event"] for line in log_lines(kordon)[before:]]
        ask_the_broker(wire)


# ---- ports


def test_a_port_that_is_taken_ends_the_start_with_its_number(kordon: Kordon, tmp_path: Path) -> None:
    admin, other = kordon.admin.removeprefix("http://"), f"{ports.HOST}:{ports.free_port()}"
    for file in ("kordon.yaml", "rbac.yaml", "users.yaml"):
        text = (kordon.folder / file).read_text().replace(admin, other)
        (tmp_path / file).write_text(text)
        (tmp_path / file).chmod(0o600)

    done = served(tmp_path)

    assert done.returncode == 2
    told = f"cannot serve listener trading on {kordon.listener('trading')}: address already in use"
    assert done.stderr.splitlines()[-1] == f"kordon: {told}; free the port, or change its `bind`"
    assert "Traceback" not in done.stderr


def test_a_brokers_port_that_is_taken_is_said_and_opened_when_it_is_free(kafka: Kafka) -> None:
    with Kordon(
        clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners={"trading": LISTENERS["trading"]}
    ) as kordon:
        port = int(kordon.listener("trading").split(":")[1]) + 2  # that of broker 1
        kordon.terminate()
        with closing(socket.create_server((ports.HOST, port))):
            kordon.start(wait=False)
            eventually(lambda: log_lines(kordon, "port_taken"))

            (line,) = log_lines(kordon, "port_taken")
            told = f"cannot serve broker 1 at listener trading on {ports.HOST}:{port}: address already in use; "
            assert line["reason"] == f"{told}free the port, or change its `ports`"
            status, page = kordon.get("/readyz")
            assert (status, f"port {port}" in page, line["reason"] in page) == (503, True, True)
        eventually(lambda: kordon.get("/readyz")[0] == 200)

        with Wire(f"{ports.HOST}:{port}") as wire:
            ask_the_broker(wire)
        assert [line["port"] for line in log_lines(kordon, "port_open")] == [port]
