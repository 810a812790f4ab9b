"""The connection to the broker: Kordon's login on it, what it passes on, and how it ends."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import response_frame
from kordon_protocol.keys import ApiKey
from kordon_protocol.varints import Buffer
from kordon_proxy.config.clusters import OwnLogin
from kordon_proxy.demo.certificates import issue, make_authority
from kordon_proxy.holds import Hold
from kordon_proxy.identity.upstream import UpstreamLogin
from kordon_proxy.link import LAST_BYTES, BrokerLink, open_link
from kordon_proxy.memory import SIZE, Memory
from kordon_proxy.meter import Meter
from kordon_proxy.metrics import Metrics
from kordon_proxy.secrets import Secret
from tests.proxy.apis.messages import a_response
from tests.proxy.cluster.loops import scenario
from tests.proxy.sessions import FakeTransport, arrive

METER: Final = Meter(Metrics(), "")


class Owner:
    """What a session is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.lost = asyncio.Event()

    def link_ready(self) -> None:
        self.told.append("ready")

    def link_refused(self, reason: str) -> None:
        self.told.append(("refused", reason))

    def from_broker(self, data: Buffer) -> None:
        self.told.append(bytes(data))

    def link_lost(self, error: Exception | None) -> None:
        self.told.append("lost")
        self.lost.set()

    def broker_is_slow(self, slow: bool) -> None:
        self.told.append(("slow", slow))


class Buffering(FakeTransport):
    """A transport whose other side does not take what is written."""

    def get_write_buffer_size(self) -> int:
        return len(self.written)


def a_link(login: UpstreamLogin | None = None) -> tuple[BrokerLink, Owner, Buffering]:
    owner, transport = Owner(), Buffering()
    link = BrokerLink(owner, METER, Memory())
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

    arrive(link, b"abc")
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

    arrive(link, handshaken())
    assert owner.told == []
    arrive(link, authenticated() + b"\0\0\0\x04abcd")
    arrive(link, b"rest")

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

    arrive(link, answer)

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
    later: list[tuple[float, Callable[[], None]]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "call_later", lambda *what: later.append(what))
        link.close()

    assert (transport.closing, transport.aborted) == (True, False)
    ((seconds, end),) = later
    end()
    assert (seconds, transport.aborted) == (LAST_BYTES, True)


@scenario
async def test_one_that_has_ended_is_let_go_of_at_once() -> None:
    link, _, _ = a_link()
    link.put([b"a record without acknowledgement"])
    link.flush()
    link.close()
    assert link._end is not None

    link.connection_lost(None)

    assert link._end.cancelled()


def test_before_it_is_ready_what_is_put_into_it_waits_and_a_hold_does_not_stop_the_login() -> None:
    link, owner, transport = a_link(a_login())
    link.hold(Hold.CLIENT_SLOW)
    link.put([b"request"])
    link.flush()
    assert transport.reading

    arrive(link, handshaken() + authenticated())

    assert owner.told == ["ready"]
    assert transport.written.endswith(b"request")
    assert not transport.reading


def test_one_that_was_closed_while_it_was_being_connected_ends_as_soon_as_it_stands() -> None:
    owner, transport = Owner(), Buffering()
    link = BrokerLink(owner, METER, Memory())
    link.begin(None)
    link.close()
    link.connection_made(transport)
    assert transport.aborted
    assert owner.told == []


def test_one_that_is_closed_tells_its_owner_nothing_more() -> None:
    link, owner, _ = a_link()
    told = list(owner.told)

    link.close()
    arrive(link, b"late")
    link.pause_writing()
    link.connection_lost(None)

    assert owner.told == told


LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a broker, and of who trusts it."""
    authority = make_authority(folder)
    broker = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    broker.load_cert_chain(issue(authority, folder, "broker").both)
    return broker, ssl.create_default_context(cafile=str(authority.certificate))


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_what_a_broker_says_in_many_records_of_tls_has_nothing_of_another_connection(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    server_context, client_context = contexts(tmp_path)
    said = b"said by the broker" * 20_000  # a record has no more than 16 KiB

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    async def talk() -> bytes:
        memory, owner = Memory(), Owner()
        memory.free()[:] = b"\xff" * SIZE  # what another connection has read
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context)
        async with server:
            link = BrokerLink(owner, METER, memory)
            link.begin(None)
            await open_link(link, "127.0.0.1", server.sockets[0].getsockname()[1], client_context)
            await owner.lost.wait()
        return b"".join(one for one in owner.told if isinstance(one, bytes))

    with asyncio.Runner(loop_factory=loop) as runner:
        heard = runner.run(asyncio.wait_for(talk(), 60))
    assert heard == said


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_what_was_sent_by_tls_leaves_before_it_ends(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    server_context, client_context = contexts(tmp_path)
    sent = b"records without acknowledgement" * 20_000

    async def talk() -> bytes:
        ended, heard = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await ended.wait()
            try:
                heard.set_result(await reader.read())
            except ConnectionError as error:
                heard.set_exception(error)
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=server_context, limit=4_096)
        async with server:
            link = BrokerLink(Owner(), METER, Memory())
            link.begin(None)
            await open_link(link, "127.0.0.1", server.sockets[0].getsockname()[1], client_context)
            link.put([sent])
            link.flush()
            link.close()
            ended.set()
            found: bytes = await heard
        return found

    with asyncio.Runner(loop_factory=loop) as runner:
        heard = runner.run(asyncio.wait_for(talk(), 60))
    assert heard == sent
