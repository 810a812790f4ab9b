"""The connection to the broker: Kordon's login on it, what it passes on, and how it ends."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import response_frame
from kordon_protocol.keys import ApiKey
from kordon_proxy import link as module
from kordon_proxy.config.model import OwnLogin
from kordon_proxy.identity.upstream import UpstreamLogin
from kordon_proxy.link import BrokerLink
from kordon_proxy.secrets import Secret
from tests.proxy.apis.verdicts import a_response
from tests.proxy.cluster.loops import scenario, until
from tests.proxy.sessions import FakeTransport


class Owner:
    """What a session is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def link_ready(self, link: BrokerLink) -> None:
        self.told.append("ready")

    def link_refused(self, reason: str) -> None:
        self.told.append(("refused", reason))

    def from_broker(self, data: bytes) -> None:
        self.told.append(data)

    def link_lost(self, error: Exception | None) -> None:
        self.told.append("lost")

    def broker_is_slow(self, slow: bool) -> None:
        self.told.append(("slow", slow))


class Buffering(FakeTransport):
    """A transport whose other side does not take what is written."""

    def get_write_buffer_size(self) -> int:
        return len(self.written)


def a_link(login: UpstreamLogin | None = None) -> tuple[BrokerLink, Owner, Buffering]:
    owner, transport = Owner(), Buffering()
    link = BrokerLink(owner, login)
    link.connection_made(transport)
    return link, owner, transport


def a_login() -> UpstreamLogin:
    return UpstreamLogin(OwnLogin.model_construct(mechanism="PLAIN", username="kordon", password=Secret("canary")))


def handshaken() -> bytes:
    return response_frame(a_response(ApiKey.SASL_HANDSHAKE, 1, mechanisms=("PLAIN",)), 1)


def authenticated(code: ErrorCode = ErrorCode.none) -> bytes:
    return response_frame(a_response(ApiKey.SASL_AUTHENTICATE, 2, error_code=code), 2)


def test_without_a_login_it_is_ready_at_once_and_passes_everything_on() -> None:
    link, owner, transport = a_link()

    link.data_received(b"abc")
    link.send([b"one"])
    link.send([b"two", b"three"])
    link.pause_writing()
    link.resume_writing()
    link.connection_lost(None)

    assert owner.told == ["ready", b"abc", ("slow", True), ("slow", False), "lost"]
    assert transport.written == b"onetwothree"


def test_a_login_comes_first_and_what_follows_it_is_passed_on() -> None:
    link, owner, _ = a_link(a_login())

    link.data_received(handshaken())
    assert owner.told == []
    link.data_received(authenticated() + b"\0\0\0\x04abcd")
    link.data_received(b"rest")

    assert owner.told == ["ready", b"\0\0\0\x04abcd", b"rest"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (handshaken() + authenticated(ErrorCode.sasl_authentication_failed), "refuses kordon"),
        (b"\0\0\0\x02ab", "no answer to a login"),
        (b"\x7f\0\0\0", "no answer to a login: frame of 2130706432 bytes, limit 1048576"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no answer to a login"),
    ],
    ids=["refused", "garbage", "oversize", "HTTP"],
)
def test_a_broker_that_does_not_let_kordon_in_is_told_of(answer: bytes, reason: str) -> None:
    link, owner, _ = a_link(a_login())

    link.data_received(answer)

    ((what, told),) = owner.told
    assert what == "refused"
    assert reason in told
    assert "canary" not in told


def test_it_is_read_or_not_as_it_is_told_and_never_after_its_end() -> None:
    link, _, transport = a_link()

    link.hold(True)
    assert not transport.reading
    link.hold(False)
    assert transport.reading
    transport.closing = True
    link.hold(True)

    assert transport.reading


def test_with_nothing_under_way_it_ends_at_once() -> None:
    link, _, transport = a_link()
    link.close()
    assert transport.aborted


@scenario
async def test_what_was_sent_leaves_before_it_ends_but_is_not_waited_for_without_end() -> None:
    link, _, transport = a_link()
    link.send([b"a record without acknowledgement"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LAST_BYTES", 0.01)
        link.close()

    assert (transport.closing, transport.aborted) == (True, False)
    await until(lambda: transport.aborted)


def test_before_it_stands_it_has_nothing_to_end() -> None:
    link = BrokerLink(Owner(), None)
    link.close()
    link.hold(True)
