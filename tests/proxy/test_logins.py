"""A connection's logins, driven: bytes to the conversation, its actions to the socket, its events to the audit."""

import asyncio
import gc
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode
from structlog.testing import capture_logs

from kordon_protocol.codec import request_frame
from kordon_protocol.keys import ApiKey
from kordon_proxy.audit.event import EventType
from kordon_proxy.identity.users import Credential, Users
from kordon_proxy.identity.values import Exchange, Facts, Outcome, Peer, Proved, Trouble
from kordon_proxy.session import Session
from tests.proxy.apis.messages import a_request
from tests.proxy.cluster.loops import scenario, until
from tests.proxy.identity.talk import PASSWORD, a_hash, a_plain, a_token, some_users
from tests.proxy.sessions import Connected, Links, World, a_snapshot, a_world, arrive, heartbeat, tick

SASL: Final = {"sasl": {"PLAIN": "staff"}}
VERSIONS: Final = (ApiKey.API_VERSIONS, 3)


@pytest.fixture(autouse=True)
def quick_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are told soon; that they wait is a test of the conversation."""
    monkeypatch.setattr("kordon_proxy.identity.login.FAILURE_STEP", 0.01)


def a_door(links: Links, *, users: Users | None = None, mechanism: Any = None, **more: Any) -> World:
    """A listener where alice logs in by PLAIN."""
    known = some_users() if users is None else users
    section = {**SASL, **more.pop("section", {})}
    return a_world(
        links,
        section=section,
        users={"staff": known},
        mechanisms={"PLAIN": mechanism or a_plain(known)},
        **more,
    )


def shakes_hands(client: Connected) -> int:
    return client.asks(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN")


def says(client: Connected, user: str = "alice", password: str = PASSWORD) -> int:
    return client.asks(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token(user, password))


async def logged_in(world: World) -> Connected:
    client = world.connect()
    shakes_hands(client)
    says(client)
    await until(lambda: client.session.member is not None)
    client.frames()
    return client


class Slow:
    """A mechanism whose verdict comes when it is told to."""

    def __init__(self, verdict: Outcome) -> None:
        self.verdict = verdict
        self.may_go_on = asyncio.Event()
        self.steps = 0

    def begin(self, _: Peer, /) -> Exchange:
        return self

    def at_once(self, token: bytes, now: float) -> Proved | None:
        return None

    async def step(self, token: bytes, now: float) -> Outcome:
        self.steps += 1
        await self.may_go_on.wait()
        return self.verdict


# ---- at a listener without a login


@scenario
async def test_without_a_login_the_client_is_who_the_listener_says(links: Links) -> None:
    client = a_world(links).connect()

    member = client.session.member
    assert member is not None
    assert (member.identity.principal, member.identity.roles, member.identity.tenant) == (
        "tina",
        frozenset({"devs"}),
        "Trading",
    )


@scenario
async def test_an_identity_that_may_not_be_in_is_shut_out(links: Links) -> None:
    world = a_world(links, policy="authorized_roles: [others]\npolicies: []\n")
    with capture_logs() as logs:
        client = world.connect()

    assert client.transport.closing
    (line,) = logs
    assert (line["reason"], line["principal"]) == ("identity-refused", "tina")
    assert line["detail"] == "no role of tina may log in"
    assert world.listener.sessions == set()


@scenario
async def test_a_login_where_there_is_none_is_refused_and_the_connection_stays(links: Links) -> None:
    client = a_world(links).connect()

    number = shakes_hands(client)

    assert client.answers()[number].error_code is ErrorCode.illegal_sasl_state
    assert client.open


# ---- the first login


@scenario
async def test_a_login_is_on_disk_before_the_client_hears_of_it(links: Links) -> None:
    world = a_door(links)
    client = world.connect()
    shakes_hands(client)
    assert client.answers()[1].mechanisms == ("PLAIN",)
    world.audit.stuck = True

    number = says(client)
    await until(lambda: world.audit.events)
    await tick()
    assert (client.frames(), client.session.member) == ([], None)
    world.audit.recover()

    assert client.answers()[number].error_code is ErrorCode.none
    (event,) = world.audit.events
    assert (event.type, event.who.principal, event.who.tenant, event.outcome.error_code) == (
        EventType.LOGIN,
        "alice",
        "Trading",
        0,
    )
    assert world.metric("logins", "main", "PLAIN", "ok") == 1


@scenario
async def test_who_comes_with_a_password_that_is_remembered_waits_for_the_audit_alone(links: Links) -> None:
    world = a_door(links)
    await logged_in(world)
    world.audit.stuck = True
    client = world.connect()
    shakes_hands(client)
    client.frames()

    number = says(client)

    assert len(world.audit.events) == 2
    assert (client.frames(), client.session.member) == ([], None)
    world.audit.recover()
    assert client.answers()[number].error_code is ErrorCode.none


@scenario
async def test_a_policy_that_comes_while_a_login_is_written_down_holds_for_the_first_request(links: Links) -> None:
    world = a_door(links)
    world.audit.stuck = True
    client = world.connect()
    shakes_hands(client)
    says(client)
    await until(lambda: world.audit.events)

    world.policies.snapshot = a_snapshot("authorized_roles: [others]\npolicies: []\n", epoch=2)
    world.audit.recover()
    assert client.session.member is not None
    client.sends(heartbeat())
    await tick()

    assert world.metric("connections_closed", "main", "identity-ended") == 1
    assert world.links.made == []


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_what_comes_behind_the_last_token_is_judged_as_what_the_login_made_of_the_client(
    links: Links, size: int
) -> None:
    @scenario
    async def run() -> None:
        client = a_door(links).connect()
        client._asked = {1: (ApiKey.SASL_HANDSHAKE, 1), 2: (ApiKey.SASL_AUTHENTICATE, 2), 3: (ApiKey.HEARTBEAT, 4)}
        messages = (
            a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"),
            a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token()),
            heartbeat(),
        )
        data = b"".join(request_frame(message, n, "test") for n, message in enumerate(messages, start=1))

        for start in range(0, len(data), size):
            client.sends_bytes(data[start : start + size])
        await until(lambda: client.world.links.made)
        await tick()

        assert client.forwarded() == [3]
        client.broker_answers(3)
        assert list(client.answers()) == [1, 2, 3]

    run()


@scenario
async def test_nothing_is_read_while_a_verdict_is_awaited(links: Links) -> None:
    mechanism = Slow(Trouble(reason="the queue of hashes is full"))
    world = a_door(links, mechanism=mechanism)
    client = world.connect()
    shakes_hands(client)

    says(client)
    says(client)
    await tick()
    assert not client.transport.reading
    assert mechanism.steps == 1
    mechanism.may_go_on.set()
    await until(lambda: client.transport.closing)

    assert mechanism.steps == 1
    assert world.metric("logins", "main", "PLAIN", "trouble") == 1


def wrong_password(client: Connected) -> int:
    return says(client, password="wrong-canary")


def nobody(client: Connected) -> int:
    return says(client, user="nobody")


@pytest.mark.parametrize("attempt", [wrong_password, nobody])
def test_a_failed_login_is_on_disk_and_told_and_ends_the_connection(
    links: Links, attempt: Callable[[Connected], int]
) -> None:
    @scenario
    async def run() -> None:
        world = a_door(links)
        other = await logged_in(world)
        client = world.connect()
        shakes_hands(client)

        with capture_logs() as logs:
            number = attempt(client)
            await until(lambda: client.transport.closing)

        answer = client.answers()[number]
        assert answer.error_code is ErrorCode.sasl_authentication_failed
        assert other.open
        event = world.audit.events[-1]
        assert (event.why.effect, event.outcome.error_name) == ("Deny", "SASL_AUTHENTICATION_FAILED")
        assert world.metric("logins", "main", "PLAIN", "refused") == 1
        (line,) = [line for line in logs if line["event"] == "connection_closed"]
        assert line["reason"] == "login"
        assert line["principal"] == event.who.principal != ""
        assert world.listener.attempts == {}
        assert "canary" not in repr([logs, world.audit.events, answer])

    run()


@scenario
async def test_a_client_that_leaves_while_its_login_is_judged_gets_nothing(links: Links) -> None:
    mechanism = Slow(Trouble(reason="never mind"))
    client = a_door(links, mechanism=mechanism).connect()
    shakes_hands(client)
    client.frames()
    says(client)
    await tick()

    client.session.connection_lost(None)
    mechanism.may_go_on.set()
    await tick()

    assert client.frames() == []
    assert client.session.member is None


@scenario
async def test_a_login_that_becomes_durable_after_the_client_has_left_lets_nobody_in(links: Links) -> None:
    world = a_door(links)
    client = world.connect()
    shakes_hands(client)
    world.audit.stuck = True
    says(client)
    await until(lambda: world.audit.events)

    client.session.connection_lost(None)
    world.audit.recover()

    assert client.session.member is None


@scenario
async def test_before_the_login_nothing_else_is_answered(links: Links) -> None:
    world = a_door(links)
    client = world.connect()

    with capture_logs() as logs:
        client.sends(heartbeat())
        await until(lambda: client.transport.closing)

    assert client.frames() == []
    assert world.links.made == []
    (line,) = [line for line in logs if line["event"] == "connection_closed"]
    assert line["detail"] == "api key 12 before the login"


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (struct.pack(">i", 65537), "frame of 65537 bytes, limit 65536"),
        (struct.pack(">i", -1), "frame of -1 bytes, limit 65536"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "this looks like TLS, not like Kafka"),
        (b"GET / HTTP/1.1\r\n\r\n", "this looks like HTTP, not like Kafka"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "this looks like SSH, not like Kafka"),
    ],
    ids=["oversize", "negative", "TLS", "HTTP", "SSH"],
)
def test_what_is_no_kafka_is_closed_without_an_answer_and_recognized(links: Links, data: bytes, detail: str) -> None:
    @scenario
    async def run() -> None:
        world = a_door(links)
        client = world.connect()
        with capture_logs() as logs:
            client.sends_bytes(data)

        assert client.transport.closing
        assert client.frames() == []
        assert [(line["reason"], line["detail"]) for line in logs] == [("malformed", detail)]
        assert world.metric("refused_frames", "size") == 1
        assert world.audit.events == []

    run()


@scenario
async def test_a_login_has_to_be_over_in_time_however_its_bytes_drip(links: Links) -> None:
    world = a_door(links, limits={"login": "1s"})
    client = world.connect()
    client.sends_bytes(b"\0\0\0")
    client.session.check_login()
    assert client.open

    later = time.time() + world.listener.limits.login
    with pytest.MonkeyPatch.context() as patch, capture_logs() as logs:
        patch.setattr("kordon_proxy.logins.time.time", lambda: later)
        client.session.check_login()
        await until(lambda: client.transport.closing)

    assert [line["detail"] for line in logs] == ["the login was not over in time"]


@scenario
async def test_before_a_broker_was_seen_nobody_can_be_answered(links: Links) -> None:
    world = a_door(links, picture=None)
    client = world.connect()
    assert client.open

    with capture_logs() as logs:
        client.asks(ApiKey.API_VERSIONS, 0)

    assert client.transport.closing
    assert [(line["reason"], line["detail"]) for line in logs] == [("no-broker", "no broker has answered yet")]


# ---- what is known of a client, and later logins


@scenario
async def test_the_software_of_a_client_is_known_to_the_audit(links: Links) -> None:
    client = await logged_in(a_door(links))

    client.asks(*VERSIONS, client_software_name="console", client_software_version="4.3.1")

    member = client.session.member
    assert member is not None
    who = member.recorder.who
    assert (who.software_name, who.software_version, who.client_id) == ("console", "4.3.1", "test")


@scenario
async def test_a_software_name_that_is_none_is_refused_and_not_remembered(links: Links) -> None:
    client = await logged_in(a_door(links))

    number = client.asks(*VERSIONS, client_software_name="a b\n", client_software_version="1")

    assert client.answers()[number].error_code is ErrorCode.invalid_request
    assert client.session.member is not None
    assert client.session.member.recorder.who.software_name is None
    assert client.open


@scenario
async def test_a_later_login_takes_its_place_in_the_order_of_answers(links: Links) -> None:
    world = a_door(links, section={"max_session": "60s"})
    client = await logged_in(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kordon_proxy.identity.login.LEAST_BETWEEN_LOGINS", 0.0)
        before = client.sends(heartbeat())
        await tick()
        shake = shakes_hands(client)
        token = says(client)
        after = client.sends(heartbeat())
        await until(lambda: len(world.audit.events) == 2)
        await tick()

    assert client.frames() == []
    client.broker_answers(before)
    assert list(client.answers()) == [before, shake, token]
    client.broker_answers(after)
    assert list(client.answers()) == [after]


@scenario
async def test_a_session_that_has_ended_is_closed_at_its_next_request(links: Links) -> None:
    world = a_door(links, section={"max_session": "60s"})
    client = await logged_in(world)
    client.sends(heartbeat())
    await tick()
    assert client.forwarded() == [3]
    ends = client.session._login._conversation.ends  # type: ignore[union-attr]
    assert ends is not None

    with pytest.MonkeyPatch.context() as patch, capture_logs() as logs:
        patch.setattr("kordon_proxy.logins.time.time", lambda: ends + 1)
        client.sends(heartbeat())
        await until(lambda: client.transport.closing)

    assert client.forwarded() == []
    assert [line["reason"] for line in logs if line["event"] == "connection_closed"] == ["login"]


@pytest.mark.parametrize(("retired", "stays"), [("alice-1", True), ("alice-2", False)])
@scenario
async def test_after_a_later_login_it_is_that_password_whose_end_ends_the_connection(
    links: Links, retired: str, stays: bool
) -> None:
    (user,) = some_users().by_name.values()
    both = (*user.credentials, Credential(id="alice-2", scrypt=a_hash("the-next-password")))
    world = a_door(links, users=some_users(replace(user, credentials=both)), section={"max_session": "60s"})
    client = await logged_in(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kordon_proxy.identity.login.LEAST_BETWEEN_LOGINS", 0.0)
        shakes_hands(client)
        says(client, password="the-next-password")
        await until(lambda: len(world.audit.events) == 2)
        await tick()
    left = tuple(credential for credential in both if credential.id != retired)
    directory = world.listener.directory()
    changed = replace(directory, users={"staff": some_users(replace(user, credentials=left))})
    world.listener.directory = lambda: changed

    with capture_logs() as logs:
        client.sends(heartbeat())
        await tick()

    assert client.open is stays
    told = [line["detail"] for line in logs if line["event"] == "connection_closed"]
    assert told == ([] if stays else ["the credential has been taken away"])


@scenario
async def test_a_role_that_was_taken_away_bites_at_the_next_request(links: Links) -> None:
    world = a_door(links)
    client = await logged_in(world)
    world.policies.snapshot = a_snapshot("authorized_roles: [others]\npolicies: []\n", epoch=2)

    with capture_logs() as logs:
        client.sends(heartbeat())

    assert client.transport.closing
    assert world.links.made == []
    (line,) = [line for line in logs if line["event"] == "connection_closed"]
    assert (line["reason"], line["principal"]) == ("identity-ended", "alice")
    assert line["detail"] == "no role of alice may log in"


@scenario
async def test_a_verdict_of_proved_without_a_user_is_no_login(links: Links) -> None:
    mechanism = Slow(Proved(Facts(mechanism="PLAIN", name="alice", provider="staff", credential="taken-away")))
    mechanism.may_go_on.set()
    client = a_door(links, mechanism=mechanism).connect()
    shakes_hands(client)

    says(client)
    await until(lambda: client.transport.closing)

    assert client.session.member is None


def sessions() -> set[int]:
    """Those that are in memory."""
    return {id(one) for one in gc.get_objects() if type(one) is Session}


@scenario
async def test_a_connection_that_has_ended_is_freed_at_once_and_not_by_the_collector(links: Links) -> None:
    world = a_door(links)
    gc.collect()
    before = sessions()
    gc.disable()
    try:
        client = await logged_in(world)
        first, second = client.sends(heartbeat()), client.sends(heartbeat())
        await tick()
        arrive(client.link.link, client.broker_frame(first))
        arrive(client.link.link, client.broker_frame(second)[:6])

        client.session.connection_lost(None)
        await tick()
        del client
        world.sessions.clear()

        assert sessions() == before
    finally:
        gc.enable()
