"""A login at Kordon and at Kafka: the same frames get the same answers, and the same end."""

import socket
from dataclasses import dataclass, field

import pytest

from kordon_protocol.codec import decode_response
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey
from kordon_proxy.config.clusters import OwnLogin
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.identity.login import Answer, Close
from kordon_proxy.identity.upstream import LoggedIn, LoginFailed, UpstreamLogin
from kordon_proxy.identity.users import Credential, User
from kordon_proxy.identity.values import Facts, Identity
from kordon_proxy.secrets import Secret
from tests.kafka.fixtures import USERS
from tests.proxy.identity.talk import (
    Client,
    Scripted,
    a_directory,
    a_hash,
    a_plain,
    a_request,
    a_token,
    some_users,
)

PATIENCE = 10.0
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def the_rest(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def a_frame(sock: socket.socket) -> bytes:
    return the_rest(sock, int.from_bytes(the_rest(sock, 4), "big"))


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


# Kordon's own login


def logged_in(kafka: Kafka, mechanism: str, password: str) -> LoggedIn | LoginFailed:
    login = OwnLogin.model_validate({"mechanism": mechanism, "username": "kordon", "password": Secret(password)})
    upstream = UpstreamLogin(login)
    with connect(kafka.listener("SASL_PLAINTEXT")) as sock:
        step: bytes | LoggedIn | LoginFailed = upstream.start()
        while isinstance(step, bytes):
            sock.sendall(step)
            step = upstream.feed(a_frame(sock))
    return step


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_kafka_takes_kordons_login(kafka: Kafka, mechanism: str) -> None:
    assert isinstance(logged_in(kafka, mechanism, USERS["kordon"]), LoggedIn)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_kafkas_refusal_is_understood(kafka: Kafka, mechanism: str) -> None:
    failed = logged_in(kafka, mechanism, "wrong-password")

    assert isinstance(failed, LoginFailed)
    assert failed.refused


# Clients' logins

Spoken = tuple[object, ...]


@dataclass
class Talk:
    """What a client sends, each with the API and version that its answer is read by (None: raw bytes)."""

    name: str
    frames: list[tuple[bytes, tuple[int, int] | None]]
    at: str = "SASL_PLAINTEXT"
    sparse: set[int] = field(default_factory=set)
    """Answers of which only the error code is compared, as they say what else the broker can do."""
    words: bool = True
    """Kafka tells people what was wrong with a token; Kordon has one text for all that is."""


def ask(key: int, version: int, **fields: object) -> tuple[bytes, tuple[int, int]]:
    return a_request(key, version, **fields), (key, version)


def shake(mechanism: str = "PLAIN", version: int = 1) -> tuple[bytes, tuple[int, int]]:
    return ask(ApiKey.SASL_HANDSHAKE, version, mechanism=mechanism)


def say(password: str = USERS["alice"], user: str = "alice", version: int = 2) -> tuple[bytes, tuple[int, int]]:
    return ask(ApiKey.SASL_AUTHENTICATE, version, auth_bytes=a_token(user, password))


def act(acting_for: str) -> tuple[bytes, tuple[int, int]]:
    return ask(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token("alice", USERS["alice"], acting_for))


def versions(version: int = 0, name: str = "kordon-test") -> tuple[bytes, tuple[int, int]]:
    named = {"client_software_name": name, "client_software_version": "1"} if version >= 3 else {}
    frame, _ = ask(ApiKey.API_VERSIONS, version, **named)
    return frame, (ApiKey.API_VERSIONS, version)


def unknown_version() -> tuple[bytes, tuple[int, int]]:
    frame = bytearray(versions(4)[0])
    frame[2:4] = (99).to_bytes(2, "big")
    return bytes(frame), (ApiKey.API_VERSIONS, 0)


def groups(version: int = 5) -> tuple[bytes, tuple[int, int]]:
    """Any other request; one whose refusal says nothing but the code."""
    return ask(ApiKey.LIST_GROUPS, version, states_filter=(), types_filter=())


TALKS = [
    Talk("good", [shake(), say()]),
    *(Talk(f"good, token v{version}", [shake(), say(version=version)]) for version in (0, 1, 2)),
    *(Talk(f"wrong password, token v{version}", [shake(), say("wrong", version=version)]) for version in (0, 1, 2)),
    Talk("unknown user", [shake(), say(user="nobody")]),
    Talk("raw token", [shake(version=0), (a_token("alice", USERS["alice"]), None)]),
    Talk("wrong raw token", [shake(version=0), (a_token("alice", "wrong"), None)]),
    Talk("for somebody else", [shake(), act("bob")], words=False),
    Talk("for oneself", [shake(), act("alice")]),
    Talk("two parts", [shake(), ask(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=b"alice\0secret")], words=False),
    Talk("no password", [shake(), say("")], words=False),
    *(Talk(f"unknown mechanism, v{version}", [shake("GSSAPI", version)]) for version in (0, 1)),
    Talk("empty mechanism", [shake("")]),
    Talk("versions first", [versions(), shake(), say()], sparse={0}),
    Talk("versions twice", [versions(), versions()], sparse={0}),
    Talk("versions after the handshake", [shake(), versions()], sparse={1}),
    Talk("unknown version of versions", [unknown_version(), versions(), shake()], sparse={0, 1}),
    Talk("bad software name", [versions(3, "-"), versions(3), shake()], sparse={1}),
    Talk("another request first", [groups()]),
    Talk("another request after versions", [versions(), groups()], sparse={0}),
    Talk("another request in the middle", [shake(), groups()]),
    Talk("two handshakes", [shake(), shake()]),
    Talk("token first", [say()]),
    Talk("handshake when logged in", [shake(), say(), shake(), shake()]),
    Talk("token when logged in", [shake(), say(), say(), say()]),
    Talk("handshake without sasl", [shake(), shake(version=0)], at="PLAINTEXT"),
    Talk("token without sasl", [say(), say(version=0)], at="PLAINTEXT"),
]


def read(answer: bytes, by: tuple[int, int] | None, *, sparse: bool, words: bool) -> Spoken:
    if by is None:
        return (answer,)
    key, version = by
    response = decode_response(key, version, answer, peek_response(answer, key, version).body_offset)
    if sparse:
        return (response.error_code,)
    text = getattr(response, "error_message", None) if words else None
    mechanisms = frozenset(getattr(response, "mechanisms", ()))
    return (type(response), response.error_code, text, getattr(response, "auth_bytes", None), mechanisms)


def at_kafka(kafka: Kafka, talk: Talk) -> list[Spoken | str]:
    told: list[Spoken | str] = []
    with connect(kafka.listener("SASL_PLAINTEXT") if talk.at == "SASL_PLAINTEXT" else kafka.bootstrap) as sock:
        try:
            for index, (frame, by) in enumerate(talk.frames):
                sock.sendall(len(frame).to_bytes(4, "big") + frame)
                told.append(read(a_frame(sock), by, sparse=index in talk.sparse, words=talk.words))
            sock.settimeout(1.0)
            a_frame(sock)
        except (EOFError, ConnectionError):
            told.append("closed")
        except TimeoutError:
            told.append("open")
    return told


def at_kordon(talk: Talk) -> list[Spoken | str]:
    users = some_users(
        User(name="alice", roles=frozenset({"devs"}), credentials=(Credential(id="a", scrypt=a_hash(USERS["alice"])),))
    )
    directory = a_directory(users)
    known = Facts(mechanism="NONE", name="anonymous"), Identity(principal="anonymous", roles=frozenset(), tenant=None)
    mechanisms = {name: Scripted() for name in MECHANISMS} | {"PLAIN": a_plain(users)}
    client = Client(mechanisms, directory=directory, known=known if talk.at == "PLAINTEXT" else None)
    told: list[Spoken | str] = []
    for index, (frame, by) in enumerate(talk.frames):
        for action in client.sends(frame):
            if isinstance(action, Answer):
                told.append(read(action.frame[4:], by, sparse=index in talk.sparse, words=talk.words))
            elif isinstance(action, Close):
                return [*told, "closed"]
    return [*told, "open"]


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.name)
def test_kordon_answers_as_kafka_does(kafka: Kafka, talk: Talk) -> None:
    assert at_kordon(talk) == at_kafka(kafka, talk)
