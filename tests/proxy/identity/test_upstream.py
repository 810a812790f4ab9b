"""Kordon's own login at a broker: it proves itself, and believes no broker that does not."""

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode
from scramp import ScramMechanism  # type: ignore[import-untyped]

from kordon_protocol.codec import decode_request, response_frame, response_type
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy.config.clusters import OwnLogin
from kordon_proxy.identity.upstream import LoggedIn, LoginFailed, UpstreamLogin
from kordon_proxy.secrets import Secret

PASSWORD = "upstream-canary"
SCRAM = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
Step = bytes | LoggedIn | LoginFailed


def a_login(mechanism: str = "PLAIN", password: str = PASSWORD, username: str = "kordon") -> OwnLogin:
    return OwnLogin.model_validate({"mechanism": mechanism, "username": username, "password": Secret(password)})


class Broker:
    """The server's side, with scramp's own server for SCRAM."""

    def __init__(self, *, lifetime_ms: int = 0, offers: str | None = None, username: str = "kordon") -> None:
        self.offers = offers
        self.lifetime_ms = lifetime_ms
        self.seen: list[Any] = []
        self._username = username
        self._server: Any = None

    def answer(self, sent: bytes) -> bytes:
        """Answer one frame as it was sent, without the length prefix of the answer."""
        assert int.from_bytes(sent[:4], "big") == len(sent) - 4
        frame = sent[4:]
        head = peek_request(frame)
        request = decode_request(head.api_key, head.api_version, frame, head.body_offset)
        self.seen.append(request)
        make = self._handshake if head.api_key == ApiKey.SASL_HANDSHAKE else self._authenticate
        return response_frame(make(request), head.correlation_id)[4:]

    def _handshake(self, request: Any) -> Any:
        good = self.offers in (None, request.mechanism)
        if request.mechanism.startswith("SCRAM"):
            mechanism = ScramMechanism(request.mechanism)
            salt, stored, server, iterations = mechanism.make_auth_info(PASSWORD, iteration_count=4096)
            known = {self._username: (salt, stored, server, iterations)}
            self._server = mechanism.make_server(lambda user: known[user])
        code = ErrorCode.none if good else ErrorCode.unsupported_sasl_mechanism
        kind = response_type(ApiKey.SASL_HANDSHAKE, 1)
        return kind(error_code=code, mechanisms=(self.offers or request.mechanism,))

    def _authenticate(self, request: Any) -> Any:
        if self._server is None:
            return self._plain(request.auth_bytes)
        text = request.auth_bytes.decode()
        if text.startswith("n,,"):
            self._server.set_client_first(text)
            return authenticated(self._server.get_server_first().encode())
        try:
            self._server.set_client_final(text)
        except Exception:
            return refused()
        return authenticated(self._server.get_server_final().encode(), self.lifetime_ms)

    def _plain(self, token: bytes) -> Any:
        return authenticated(b"", self.lifetime_ms) if token == f"\0kordon\0{PASSWORD}".encode() else refused()


def authenticated(token: bytes, lifetime_ms: int = 0) -> Any:
    import datetime

    kind = response_type(ApiKey.SASL_AUTHENTICATE, 2)
    lifetime = datetime.timedelta(milliseconds=lifetime_ms)
    return kind(error_code=ErrorCode.none, error_message=None, auth_bytes=token, session_lifetime=lifetime)


def refused(text: str | None = "Authentication failed: Invalid username or password") -> Any:
    kind = response_type(ApiKey.SASL_AUTHENTICATE, 2)
    return kind(error_code=ErrorCode.sasl_authentication_failed, error_message=text, auth_bytes=b"")


def outcome(login: UpstreamLogin, broker: Broker) -> Step:
    step: Step = login.start()
    while isinstance(step, bytes):
        step = login.feed(broker.answer(step))
    return step


@pytest.mark.parametrize("mechanism", ["PLAIN", *SCRAM])
def test_a_right_password_logs_in(mechanism: str) -> None:
    assert outcome(UpstreamLogin(a_login(mechanism)), Broker()) == LoggedIn(None)


@pytest.mark.parametrize("mechanism", ["PLAIN", *SCRAM])
def test_the_sessions_lifetime_is_told_in_seconds(mechanism: str) -> None:
    assert outcome(UpstreamLogin(a_login(mechanism)), Broker(lifetime_ms=90_500)) == LoggedIn(90.5)


@pytest.mark.parametrize("mechanism", ["PLAIN", *SCRAM])
def test_a_wrong_password_is_the_brokers_refusal(mechanism: str) -> None:
    failed = outcome(UpstreamLogin(a_login(mechanism, password="wrong-canary")), Broker())

    assert isinstance(failed, LoginFailed)
    assert failed.refused
    assert "Invalid username or password" in failed.reason
    assert "canary" not in failed.reason


def test_a_mechanism_that_the_broker_does_not_offer_is_told_with_those_it_does() -> None:
    failed = outcome(UpstreamLogin(a_login("SCRAM-SHA-256")), Broker(offers="OAUTHBEARER"))

    assert failed == LoginFailed("the broker does not offer SCRAM-SHA-256; it offers OAUTHBEARER")


def test_a_name_with_commas_and_equals_signs_is_escaped() -> None:
    broker = Broker(username="a=b,c")

    assert isinstance(outcome(UpstreamLogin(a_login("SCRAM-SHA-256", username="a=b,c")), broker), LoggedIn)
    assert b"n=a=3Db=2Cc," in broker.seen[1].auth_bytes


@pytest.mark.parametrize("mechanism", SCRAM)
def test_the_password_never_travels_in_scram(mechanism: str) -> None:
    broker = Broker()
    outcome(UpstreamLogin(a_login(mechanism)), broker)

    assert len(broker.seen) == 3
    assert PASSWORD not in repr(broker.seen)


def after_the_challenge(mechanism: str = "SCRAM-SHA-256") -> tuple[UpstreamLogin, Broker]:
    """A login that waits for the broker's last word."""
    login, broker = UpstreamLogin(a_login(mechanism)), Broker()
    step: Step = login.start()
    for _ in range(2):
        assert isinstance(step, bytes)
        step = login.feed(broker.answer(step))
    return login, broker


def answer_to(login: UpstreamLogin, response: Any) -> Step:
    return login.feed(response_frame(response, login._correlation_id)[4:])


@pytest.mark.parametrize("last", [b"", b"v=" + base64.b64encode(bytes(32)), b"e=other-error", b"v=%%", b"\xff", b"v="])
def test_a_broker_that_does_not_know_the_password_is_not_believed(last: bytes) -> None:
    login, _ = after_the_challenge()

    failed = answer_to(login, authenticated(last))

    assert isinstance(failed, LoginFailed)
    assert not failed.refused


@pytest.mark.parametrize("mangle", ["nonce", "few", "many", "huge", "salt", "empty", "binary"])
def test_a_challenge_against_the_rules_is_not_answered(mangle: str) -> None:
    login, broker = UpstreamLogin(a_login("SCRAM-SHA-256")), Broker()
    first = login.feed(broker.answer(login.start()))
    assert isinstance(first, bytes)
    match = re.search(rb"r=([^,]+)", first)
    assert match is not None
    good = b"r=" + match[1] + b"server,s=" + base64.b64encode(b"s" * 16) + b",i=4096"
    changed = {
        "nonce": good.replace(match[1], b"another"),
        "few": good.replace(b"i=4096", b"i=1"),
        "many": good.replace(b"i=4096", b"i=100001"),
        "huge": good.replace(b"i=4096", b"i=" + b"9" * 20),
        "salt": good.replace(base64.b64encode(b"s" * 16), b"%"),
        "empty": b"",
        "binary": b"\xff\xfe",
    }

    failed = answer_to(login, authenticated(changed[mangle]))

    assert isinstance(failed, LoginFailed)


def test_an_answer_to_another_request_is_not_taken() -> None:
    login = UpstreamLogin(a_login())
    sent = login.start()

    failed = login.feed(b"\0\0\x12\x34" + Broker().answer(sent)[4:])

    assert isinstance(failed, LoginFailed)
    assert "another request" in failed.reason


@given(st.binary(max_size=60), st.sampled_from(["PLAIN", *SCRAM]))
def test_no_bytes_of_a_broker_log_kordon_in_by_accident(garbage: bytes, mechanism: str) -> None:
    login = UpstreamLogin(a_login(mechanism))
    login.start()

    assert isinstance(login.feed(garbage), LoginFailed)


def test_what_a_broker_says_is_cut_to_a_readable_length() -> None:
    login = UpstreamLogin(a_login())
    login.feed(Broker().answer(login.start()))

    failed = answer_to(login, refused("x" * 10_000))

    assert isinstance(failed, LoginFailed)
    assert len(failed.reason) == 500


def test_the_password_does_not_show() -> None:
    login = a_login()

    assert PASSWORD not in repr(login)
    assert PASSWORD not in repr(vars(UpstreamLogin(login)))
    assert PASSWORD not in str(login.model_dump())
