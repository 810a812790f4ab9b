"""The connection to the broker: Kordon's login on it, what it passes on, and how it ends."""

from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import response_frame
from kordon_protocol.keys import ApiKey
from kordon_proxy import link as module
from kordon_proxy.config.model import OwnLogin
from kordon_proxy.holds import Hold
from kordon_proxy.identity.upstream import UpstreamLogin
from kordon_proxy.link import BrokerLink
from kordon_proxy.meter import Meter
from kordon_proxy.metrics import Metrics
from kordon_proxy.secrets import Secret
from tests.proxy.apis.messages import a_response
from tests.proxy.cluster.loops import scenario, until
from tests.proxy.sessions import FakeTransport

METER: Final = Meter(Metrics(), "")


class Owner:
    """What a session is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def link_ready(self) -> None:
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
    link = BrokerLink(owner, METER)
    link.begin(login)
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
    link.put([b"one"])
    link.flush()
    link.put([b"two", b"three"])
    link.flush()
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

    link.hold(Hold.ORDER)
    link.hold(Hold.CLIENT_SLOW)
    assert not transport.reading
    link.release(Hold.CLIENT_SLOW)
    assert not transport.reading
    link.release(Hold.ORDER)
    assert transport.reading
    transport.closing = True
    link.hold(Hold.ORDER)

    assert transport.reading


def test_with_nothing_under_way_it_ends_at_once() -> None:
    link, _, transport = a_link()
    link.close()
    assert transport.aborted


@scenario
async def test_what_was_sent_leaves_before_it_ends_but_is_not_waited_for_without_end() -> None:
    link, _, transport = a_link()
    link.put([b"a record without acknowledgement"])
    link.flush()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LAST_BYTES", 0.01)
        link.close()

    assert (transport.closing, transport.aborted) == (True, False)
    await until(lambda: transport.aborted)


def test_before_it_is_ready_what_is_put_into_it_waits_and_a_hold_does_not_stop_the_login() -> None:
    link, owner, transport = a_link(a_login())
    link.hold(Hold.CLIENT_SLOW)
    link.put([b"request"])
    link.flush()
    assert transport.reading

    link.data_received(handshaken() + authenticated())

    assert owner.told == ["ready"]
    assert transport.written.endswith(b"request")
    assert not transport.reading


def test_one_that_was_closed_while_it_was_being_connected_ends_as_soon_as_it_stands() -> None:
    owner, transport = Owner(), Buffering()
    link = BrokerLink(owner, METER)
    link.begin(None)
    link.close()
    link.connection_made(transport)
    assert transport.aborted
    assert owner.told == []
