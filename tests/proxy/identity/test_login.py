"""The conversation around a login answers as Kafka does, and lets nobody in without proof."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.frames import FrameSplitter
from kordon_protocol.keys import ApiKey
from kordon_proxy.identity import software
from kordon_proxy.identity.directory import Door
from kordon_proxy.identity.login import FAILURE_STEP, Answer, Close, Ready, State, Wait
from kordon_proxy.identity.values import Challenge, Facts, Identity, Proved, Refused, Trouble
from tests.proxy.identity.talk import (
    NOON,
    PASSWORD,
    Client,
    Scripted,
    a_directory,
    a_plain,
    a_request,
    a_token,
    a_user,
    answers,
    is_in,
    some_users,
    the_answer,
    the_end,
)

ALICE = Facts(mechanism="PLAIN", provider="staff", name="alice", credential="alice-1")


def a_metadata_request(version: int = 9) -> bytes:
    return a_request(
        ApiKey.METADATA,
        version,
        topics=None,
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=False,
        include_topic_authorized_operations=False,
    )


# The good way


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_right_password_lets_in_at_once(version: int) -> None:
    client = Client()
    client.shakes_hands()

    actions = client.says(a_token(), version)

    response = the_answer(actions, ApiKey.SASL_AUTHENTICATE, version)
    assert (response.error_code, response.error_message, response.auth_bytes) == (ErrorCode.none, "", b"")
    assert actions[-1] == Ready(
        facts=ALICE,
        identity=Identity(principal="alice", roles=frozenset({"devs"}), tenant="Trading"),
        ends=None,
        again=False,
    )
    assert answers(actions)[0].not_before == NOON
    assert client.conversation.deadline is None


def test_the_answer_leaves_before_the_bytes_behind_the_token_are_looked_at() -> None:
    actions = Client().logs_in()

    assert [type(action) for action in actions] == [Answer, Ready]


@pytest.mark.parametrize("version", [0, 1])
def test_a_good_handshake_lists_the_mechanisms(version: int) -> None:
    response = the_answer(Client().shakes_hands(version=version), ApiKey.SASL_HANDSHAKE, version)

    assert (response.error_code, response.mechanisms) == (ErrorCode.none, ("PLAIN",))


def test_raw_tokens_have_neither_header_nor_error_code() -> None:
    client = Client()
    client.shakes_hands(version=0)

    actions = client.sends(a_token())

    assert answers(actions)[0].frame == b"\0\0\0\0"
    assert is_in(actions)


def test_a_raw_token_that_looks_like_a_request_is_a_token() -> None:
    script = Scripted(Refused(reason="no", told="no"))
    client = Client({"PLAIN": script})
    client.shakes_hands(version=0)

    client.sends(a_metadata_request())

    assert script.tokens == [a_metadata_request()]


def test_a_mechanism_of_several_steps_goes_on_until_it_is_proved() -> None:
    client = Client({"PLAIN": Scripted(Challenge(b"what is the word?"), Proved(ALICE, b"welcome"))})
    client.shakes_hands()

    first = the_answer(client.says(b"hello"), ApiKey.SASL_AUTHENTICATE, 2)
    last = the_answer(client.says(b"sesame"), ApiKey.SASL_AUTHENTICATE, 2)

    assert (first.auth_bytes, last.auth_bytes) == (b"what is the word?", b"welcome")
    assert is_in(client.told)


# ApiVersions before the login


def test_what_is_said_at_length_before_a_login_is_read_and_not_remembered() -> None:
    client, before = Client(), len(software._SAID)
    name = "n" * software.MAX_PART

    client.asks(ApiKey.API_VERSIONS, 3, client_software_name=name, client_software_version="1")

    assert client.conversation.software == software.Software(name, "1")
    assert len(software._SAID) == before


def test_one_api_versions_may_come_first() -> None:
    client = Client()

    actions = client.asks(ApiKey.API_VERSIONS, 3, client_software_name="kafka-java", client_software_version="4.1.0")

    assert the_answer(actions, ApiKey.API_VERSIONS, 3).error_code is ErrorCode.none
    assert client.conversation.state is State.VERSIONS
    told = client.conversation.software
    assert told is not None
    assert (told.name, told.version) == ("kafka-java", "4.1.0")
    assert is_in(client.logs_in())


def test_a_second_api_versions_closes() -> None:
    client = Client()
    client.asks(ApiKey.API_VERSIONS, 0)

    actions = client.asks(ApiKey.API_VERSIONS, 0)

    assert actions == [the_end(actions)]


@pytest.mark.parametrize("name", ["", "-java", "java-", "ja va", "jäva", "a\nb", "x" * 256])
def test_a_bad_software_name_is_refused_and_may_be_said_better(name: str) -> None:
    client = Client()

    actions = client.asks(ApiKey.API_VERSIONS, 3, client_software_name=name, client_software_version="1")

    assert the_answer(actions, ApiKey.API_VERSIONS, 3).error_code is ErrorCode.invalid_request
    assert client.conversation.state is State.FIRST
    assert client.conversation.software is None
    assert is_in(client.logs_in())


def test_an_unknown_version_of_api_versions_is_answered_and_may_be_said_better() -> None:
    client = Client()
    frame = bytearray(a_request(ApiKey.API_VERSIONS, 0))
    frame[2:4] = (99).to_bytes(2, "big")

    response = the_answer(client.sends(bytes(frame)), ApiKey.API_VERSIONS, 0)

    assert response.error_code is ErrorCode.unsupported_version
    assert client.conversation.state is State.FIRST
    client.asks(ApiKey.API_VERSIONS, 0)
    assert is_in(client.logs_in())


# Refusals


def test_an_unknown_mechanism_is_told_the_list_and_closed_after_the_delay() -> None:
    actions = Client().shakes_hands("SCRAM-SHA-256")

    response = the_answer(actions, ApiKey.SASL_HANDSHAKE, 1)
    assert (response.error_code, response.mechanisms) == (ErrorCode.unsupported_sasl_mechanism, ("PLAIN",))
    assert the_end(actions).not_before == answers(actions)[0].not_before == NOON + FAILURE_STEP


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_wrong_password_is_told_kafkas_text_after_the_delay(version: int) -> None:
    client = Client()
    client.shakes_hands()

    actions = client.says(a_token(password="wrong"), version)

    response = the_answer(actions, ApiKey.SASL_AUTHENTICATE, version)
    assert response.error_code is ErrorCode.sasl_authentication_failed
    assert response.error_message == "Authentication failed: Invalid username or password"
    close = the_end(actions)
    assert close.not_before == answers(actions)[0].not_before == NOON + FAILURE_STEP
    assert close.attempt is not None
    assert (close.attempt.mechanism, close.attempt.name, close.attempt.verdict) == ("PLAIN", "alice", True)


@pytest.mark.parametrize(
    ("user", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("", PASSWORD), ("alice", ""), ("a" * 256, "x")]
)
def test_every_wrong_login_gets_the_same_frames(user: str, password: str) -> None:
    reference = Client().logs_in(password="wrong")

    actions = Client().logs_in(user, password)

    assert answers(actions) == answers(reference)
    assert the_end(actions).not_before == the_end(reference).not_before


@pytest.mark.parametrize(("took", "told"), [(0.0, 0.3), (0.13, 0.3), (0.29, 0.3), (0.31, 0.6), (1.45, 1.5)])
def test_failures_are_told_at_multiples_of_the_step_after_the_token_whatever_they_cost(
    took: float, told: float
) -> None:
    client = Client({"PLAIN": Scripted()})
    client.shakes_hands()
    frame = a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=b"x")
    came = NOON + 1.1
    client.conversation.feed(frame, came)

    actions = client.conversation.proved(Refused(reason="no", told="no"), came + took)

    assert the_end(actions).not_before - came == pytest.approx(told, abs=1e-6)


def test_a_wrong_raw_token_is_closed_without_an_answer_after_the_delay() -> None:
    client = Client()
    client.shakes_hands(version=0)

    actions = client.sends(a_token(password="wrong"))

    assert answers(actions) == []
    assert the_end(actions).not_before == NOON + FAILURE_STEP


def test_trouble_closes_without_an_answer_so_that_the_client_tries_again() -> None:
    client = Client({"PLAIN": Scripted(Trouble(reason="64 passwords wait", name="alice"))})
    client.shakes_hands()

    actions = client.says(b"x")

    assert actions == [the_end(actions)]
    attempt = the_end(actions).attempt
    assert attempt is not None
    assert not attempt.verdict


def test_who_has_no_role_that_may_log_in_is_told_so() -> None:
    users = some_users(a_user(roles=["strangers"]))
    client = Client({"PLAIN": a_plain(users)}, directory=a_directory(users))

    response = the_answer(client.logs_in(), ApiKey.SASL_AUTHENTICATE, 2)

    assert response.error_code is ErrorCode.sasl_authentication_failed
    assert response.error_message == "Authentication failed: no role of alice may log in"


def test_another_tenant_than_the_listeners_fails_the_login() -> None:
    client = Client({"PLAIN": a_plain(suffix="@")}, directory=a_directory(door=Door(tenant="Trading")))

    response = the_answer(client.logs_in("alice@Billing"), ApiKey.SASL_AUTHENTICATE, 2)

    assert response.error_code is ErrorCode.sasl_authentication_failed
    assert "Billing" in response.error_message


@pytest.mark.parametrize("version", [0, 1, 9, 12])
def test_another_request_in_the_middle_of_a_login_gets_34_in_its_own_shape(version: int) -> None:
    client = Client()
    client.shakes_hands()
    fields = {
        "topics": () if version == 0 else None,
        "allow_auto_topic_creation": False,
        "include_cluster_authorized_operations": False,
        "include_topic_authorized_operations": False,
    }
    kind = request_type(ApiKey.METADATA, version)
    known = {name: value for name, value in fields.items() if name in kind.__dataclass_fields__}

    actions = client.asks(ApiKey.METADATA, version, **known)

    assert the_answer(actions, ApiKey.METADATA, version) is not None
    assert the_end(actions).not_before == NOON + FAILURE_STEP


def test_a_second_handshake_in_the_middle_of_a_login_gets_34() -> None:
    client = Client()
    client.shakes_hands()

    response = the_answer(client.shakes_hands(), ApiKey.SASL_HANDSHAKE, 1)

    assert response.error_code is ErrorCode.illegal_sasl_state
    assert client.conversation.state is State.CLOSING


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (a_metadata_request(), "api key 3 before the login"),
        (b"", "request header cut off"),
        (b"\x7f\xff" + bytes(10), "unknown api key 32767"),
        (bytes.fromhex("160301020001000001fc0303") + bytes(40), "looks like TLS"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", "looks like HTTP"),
    ],
)
def test_anything_else_first_closes_without_an_answer(frame: bytes, reason: str) -> None:
    actions = Client().sends(frame)

    assert actions == [the_end(actions)]
    assert reason in the_end(actions).reason


def test_a_token_before_the_handshake_closes() -> None:
    actions = Client().says(a_token())

    assert actions == [the_end(actions)]


# Limits


def test_the_ninth_request_of_a_login_closes() -> None:
    client = Client()
    for _ in range(8):
        client.asks(ApiKey.API_VERSIONS, 3, client_software_name="", client_software_version="")

    actions = client.shakes_hands()

    assert actions == [the_end(actions)]
    assert "more than 8 requests" in the_end(actions).reason


def test_a_frame_over_the_limit_closes() -> None:
    client = Client(max_frame=1000)
    client.shakes_hands()

    actions = client.says(b"x" * 1000)

    assert actions == [the_end(actions)]


def test_a_login_that_is_not_over_in_time_is_closed() -> None:
    client = Client(time_limit=30.0)
    client.shakes_hands()

    assert client.conversation.overdue(NOON + 29.9) == []
    assert "not over in time" in the_end(client.conversation.overdue(NOON + 30)).reason


def test_a_verdict_that_comes_after_the_deadline_lets_nobody_in() -> None:
    client = Client({"PLAIN": Scripted()})
    client.shakes_hands()
    client.conversation.feed(a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=b"x"), NOON)
    client.conversation.overdue(NOON + 30)

    assert client.conversation.proved(Proved(ALICE), NOON + 31) == []


def test_who_is_in_has_no_deadline() -> None:
    client = Client()
    client.logs_in()

    assert client.conversation.overdue(NOON + 86_400) == []


def test_nothing_is_read_once_the_end_is_near() -> None:
    client = Client()
    client.logs_in(password="wrong")

    assert client.says(a_token()) == []
    assert client.shakes_hands() == []


def test_feeding_while_a_verdict_is_awaited_is_a_mistake_of_the_caller() -> None:
    client = Client()
    client.shakes_hands()
    frame = a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token())
    client.conversation.feed(frame, NOON)

    with pytest.raises(RuntimeError):
        client.conversation.feed(frame, NOON)


def test_a_verdict_that_nobody_awaits_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(RuntimeError):
        Client().conversation.proved(Proved(ALICE), NOON)


# After the login


@pytest.mark.parametrize("logged_in", [True, False])
def test_sasl_requests_of_who_is_in_get_34_and_the_connection_stays(logged_in: bool) -> None:
    client = (
        Client() if logged_in else Client({}, known=(ALICE, Identity(principal="a", roles=frozenset(), tenant=None)))
    )
    if logged_in:
        client.logs_in()
    assert client.conversation.takes(ApiKey.SASL_HANDSHAKE, NOON)
    assert client.conversation.takes(ApiKey.SASL_AUTHENTICATE, NOON)
    assert not client.conversation.takes(ApiKey.PRODUCE, NOON)

    handshake = client.shakes_hands()
    token = client.says(a_token())

    assert the_answer(handshake, ApiKey.SASL_HANDSHAKE, 1).error_code is ErrorCode.illegal_sasl_state
    assert the_answer(token, ApiKey.SASL_AUTHENTICATE, 2).error_code is ErrorCode.illegal_sasl_state
    assert not any(isinstance(action, Close) for action in (*handshake, *token))
    assert client.conversation.state is State.READY


def a_client_in_a_session(of: float = 3600.0) -> Client:
    client = Client(max_session=of)
    client.logs_in()
    client.now += 100
    client.told.clear()
    return client


@pytest.mark.parametrize("version", [1, 2])
def test_a_session_with_an_end_says_so_in_the_answer(version: int) -> None:
    client = Client(max_session=3600.0)
    client.shakes_hands()

    actions = client.says(a_token(), version)

    assert the_answer(actions, ApiKey.SASL_AUTHENTICATE, version).session_lifetime.total_seconds() == 3600
    assert client.conversation.ends == NOON + 3600


def test_a_session_ends_with_the_credential_where_that_is_earlier() -> None:
    facts = Facts(mechanism="PLAIN", provider="staff", name="alice", credential="alice-1", expires=NOON + 90)
    client = Client({"PLAIN": Scripted(Proved(facts))}, max_session=3600.0)
    client.shakes_hands()

    client.says(b"x")

    assert client.conversation.ends == NOON + 90


def test_a_credential_that_ends_while_it_is_checked_lets_nobody_in() -> None:
    facts = Facts(mechanism="PLAIN", provider="staff", name="alice", credential="alice-1", expires=NOON)
    client = Client({"PLAIN": Scripted(Proved(facts))})
    client.shakes_hands()

    assert not is_in(client.says(b"x"))


def test_a_later_login_of_the_same_prolongs_the_session() -> None:
    client = a_client_in_a_session()

    actions = client.logs_in()

    (ready,) = [action for action in actions if isinstance(action, Ready)]
    assert ready.again
    assert ready.ends == NOON + 3700


def test_a_later_login_as_somebody_else_fails() -> None:
    users = some_users(a_user("alice"), a_user("bob"))
    client = Client({"PLAIN": a_plain(users)}, directory=a_directory(users), max_session=3600.0)
    client.logs_in("alice")
    client.now += 100

    actions = client.logs_in("bob")

    assert the_answer(actions, ApiKey.SASL_AUTHENTICATE, 2).error_code is ErrorCode.sasl_authentication_failed
    assert not is_in(actions)
    assert the_end(actions).reason == "a later login as somebody else"


def test_a_later_login_by_another_mechanism_gets_34_and_is_closed() -> None:
    client = Client({"PLAIN": a_plain(), "OTHER": Scripted()}, max_session=3600.0)
    client.logs_in()
    client.now += 100

    actions = client.shakes_hands("OTHER")

    assert the_answer(actions, ApiKey.SASL_HANDSHAKE, 1).error_code is ErrorCode.illegal_sasl_state
    assert the_end(actions).not_before - client.now == pytest.approx(FAILURE_STEP, abs=1e-6)


def test_a_later_login_within_a_second_gets_34_and_the_connection_stays() -> None:
    client = Client(max_session=3600.0)
    client.logs_in()
    client.now += 0.9

    actions = client.shakes_hands()

    assert the_answer(actions, ApiKey.SASL_HANDSHAKE, 1).error_code is ErrorCode.illegal_sasl_state
    assert client.conversation.state is State.READY


def test_a_later_login_with_raw_tokens_gets_34() -> None:
    client = a_client_in_a_session()

    response = the_answer(client.shakes_hands(version=0), ApiKey.SASL_HANDSHAKE, 0)

    assert response.error_code is ErrorCode.illegal_sasl_state


def test_another_request_in_the_middle_of_a_later_login_gets_34_and_is_closed() -> None:
    client = a_client_in_a_session()
    client.shakes_hands()
    assert client.conversation.takes(ApiKey.METADATA, client.now)

    actions = client.sends(a_metadata_request())

    assert answers(actions)
    assert the_end(actions)


def test_a_later_login_that_is_begun_has_to_be_ended_in_time() -> None:
    client = a_client_in_a_session()
    client.shakes_hands()

    assert client.conversation.overdue(client.now + 29.9) == []
    assert the_end(client.conversation.overdue(client.now + 30))


def test_the_next_request_after_the_end_of_a_session_closes() -> None:
    client = a_client_in_a_session(of=60.0)
    assert client.conversation.takes(ApiKey.PRODUCE, client.now)

    actions = client.sends(a_metadata_request())

    assert actions == [the_end(actions)]


def test_a_session_that_has_ended_may_be_renewed() -> None:
    client = a_client_in_a_session(of=60.0)

    assert is_in(client.logs_in())


# What must hold for everything that a client can send

FRAMES = st.one_of(
    st.binary(max_size=60),
    st.just(a_metadata_request()),
    st.sampled_from([a_request(ApiKey.SASL_HANDSHAKE, v, mechanism=m) for v in (0, 1) for m in ("PLAIN", "X", "")]),
    st.just(a_request(ApiKey.API_VERSIONS, 0)),
    st.just(a_request(ApiKey.API_VERSIONS, 4, client_software_name="a", client_software_version="1")),
    st.binary(max_size=30).map(lambda token: a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=token)),
    st.sampled_from([a_request(ApiKey.SASL_AUTHENTICATE, v, auth_bytes=a_token(password="wrong")) for v in (0, 1, 2)]),
)


@given(st.lists(FRAMES, max_size=10))
def test_nobody_is_in_without_proof(frames: list[bytes]) -> None:
    client = Client()
    for frame in frames:
        client.sends(frame)

    assert not is_in(client.told)
    assert client.conversation.state is not State.READY


@given(st.lists(FRAMES, max_size=9), st.booleans())
def test_whatever_comes_the_end_comes_once_and_nothing_after_it(frames: list[bytes], proved_first: bool) -> None:
    client = Client(max_session=3600.0)
    if proved_first:
        client.logs_in()
        client.now += 10
    for frame in frames:
        client.sends(frame)

    ends = [index for index, action in enumerate(client.told) if isinstance(action, Close)]
    assert len(ends) <= 1
    assert not ends or ends == [len(client.told) - 1]


@given(st.lists(FRAMES, max_size=6), FRAMES)
def test_what_comes_behind_a_wrong_token_is_never_looked_at(before: list[bytes], behind: bytes) -> None:
    client = Client()
    for frame in before:
        client.sends(frame)
    if client.conversation.state is State.TOKENS:
        client.says(a_token(password="wrong"))

        assert client.sends(behind) == []


@given(st.sets(st.integers(1, 150)))
def test_bytes_that_come_in_any_pieces_end_in_the_same(cuts: set[int]) -> None:
    frames = [
        a_request(ApiKey.API_VERSIONS, 3, client_software_name="a", client_software_version="1"),
        a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"),
        a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token()),
    ]
    whole, client, splitter = Client(), Client(), FrameSplitter(64 * 1024)
    for frame in frames:
        whole.sends(frame)
    data = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)

    for start, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]):
        for frame in splitter.feed(data[start:end]):
            client.sends(frame)

    assert client.told == whole.told
    assert is_in(client.told)


def test_no_token_shows_in_what_a_conversation_says_of_itself() -> None:
    client = Client()
    client.shakes_hands()
    actions = client.conversation.feed(a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token()), NOON)
    assert isinstance(actions[0], Wait)

    assert PASSWORD not in repr(actions)
    assert PASSWORD not in repr(
        [getattr(client.conversation, name, None) for name in type(client.conversation).__slots__]
    )
    assert PASSWORD not in repr(Client().logs_in())
