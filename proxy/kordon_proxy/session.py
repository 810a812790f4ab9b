"""One client connection and its connection to a broker: the only place where requests and answers meet sockets.

Strategy: everything happens in callbacks of the event loop, in the order in which bytes come, without a task for each
connection. What has to wait (a login's hash, a fresh picture, the broker's connection) is a *hold* with a reason:
reading stops while there is any, and requests that have come already wait in order. An answer that has to wait (for
the audit's disk, for a fresh picture) keeps its place in the order of answers.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, cast

import structlog
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import Reading, encode
from kordon_protocol.errors import MalformedBody, ProtocolError, UnsupportedVersion
from kordon_protocol.frames import Collected, RequestCollector
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey
from kordon_protocol.varints import Buffer

from . import gate, repeats
from .answers import AnswerQueue
from .audit.event import Event
from .cluster.errors import UpstreamError
from .exchange import UNASKED, Exchange
from .gate import Unadmitted
from .holds import Hold, Holds
from .identity.software import strangeness
from .judging.approvals import settled
from .judging.connection import Connection
from .judging.may import Access, May, Refusal
from .judging.parts import refused_response
from .judging.table import Api, Learns, Record
from .judging.verdict import Answer, Ask, Forward, Mended, Plan, Relay, Rewrite, Stream, Streamed, Verdict, unchanged
from .link import LAST_BYTES, BrokerLink, has_unsent
from .listener import Listener
from .logins import Login
from .member import Member
from .memory import passed_on
from .staged_requests import Asked, forwarded_by
from .table import APIS

log = structlog.get_logger()
ids = itertools.count(1)

AT_MOST_STALE: Final = 1.0
"""Seconds: how old the picture of the cluster may be for requests that ask for everything."""
OTHERS: Final = 8 << 20
"""Bytes of a request that is no Produce. It is decoded as a whole, which takes a second or two for so much, and no
client needs more: a Fetch of 10,000 partitions has a tenth of it."""
STORED_LIMIT: Final = 1 << 20
"""Bytes of answers that may wait, behind an earlier one or for the audit, before reading from both sides stops."""
TURN: Final = 100
"""Requests of one connection that are looked at before others have their turn: a read may bring 20,000 of them."""
NO_AUDIT: Final = Refusal(
    ErrorCode.unknown_server_error, "the audit log cannot be written, so nothing may be changed now"
)


class Session(asyncio.BufferedProtocol):
    """From the client's connect to the close of both connections."""

    __slots__ = (
        "_answers",
        "_broker_id",
        "_collector",
        "_driving",
        "_end",
        "_held",
        "_holds",
        "_last",
        "_link",
        "_login",
        "_names_end",
        "_parked",
        "_state",
        "_tasks",
        "_waiting",
        "closed",
        "id",
        "incomplete_since",
        "last_request",
        "listener",
        "member",
        "meter",
        "opened",
        "peer_address",
        "transport",
    )

    def __init__(self, listener: Listener, broker_id: int | None) -> None:
        self.id = f"{listener.instance}-{next(ids)}"
        self.listener = listener
        self.opened = self.last_request = time.monotonic()
        self.peer_address = ""
        self.incomplete_since: float | None = None
        """Since when a request has begun and not gone on; None while none has."""
        self.member: Member | None = None
        """Who this is, once the first login is over."""
        self._login: Login | None = None
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.meter = listener.meter(None)
        self._broker_id = broker_id
        self._link = BrokerLink(self, self.meter, listener.memory)
        self._collector = RequestCollector(listener.limits.max_frame, OTHERS, least=0)
        self._waiting: list[Collected] = []
        """The next one stands last, where a list gives it cheaply. (An empty deque has 600 bytes in every connection.)
        """
        self._holds = Holds(self.meter)
        self._answers = AnswerQueue(self)
        self._state = Connection(broker_id)
        self._driving = False
        self._names_end = 0
        """Where the names of the last Produce or Fetch ended."""
        self._parked = 0
        """How many requests the broker may keep for as long as others want (`Api.parks`)."""
        self._held = 0
        """Bytes of answers that wait for what has to happen before they leave."""
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._end: asyncio.TimerHandle | None = None
        self._last: Callable[[], None] | None = None
        """What comes when no request waits for its turn, or for an earlier answer, any more."""

    # ---- the client's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.listener.admit(self):
            self._login = Login(self)
            self.peer_address = self._login.peer_address
            self._login.begin()
        else:
            self.closed = True
            self.transport.abort()

    def get_buffer(self, _: int) -> memoryview:
        return self.listener.memory.free()

    def buffer_updated(self, nbytes: int) -> None:
        self.meter.from_client(nbytes)
        data = self.listener.memory.read(nbytes)
        if self.member is not None:
            self.requests(passed_on(data, self._link.transport))
        elif self._login is not None:
            self._login.feed(bytes(data))

    def requests(self, data: Buffer) -> None:
        """Take bytes of a client that is logged in."""
        if self.closed:
            return
        try:
            collected = self._collector.feed(data)
        except ProtocolError as error:
            self._unreadable(error, looks_like=strangeness(bytes(data)))
            return
        self.incomplete_since = time.monotonic() if self._collector.have else None
        self._waiting[:0] = collected[::-1]
        self._drive()

    def pause_writing(self) -> None:
        self._link.hold(Hold.CLIENT_SLOW)

    def resume_writing(self) -> None:
        self._link.release(Hold.CLIENT_SLOW)
        self.release(Hold.CLIENT_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        # A transport of TLS sees the end while it is not read from. What waits for its turn came before it, and of what
        # has no answer (acks=0) nobody would miss it.
        self.transport = None
        self._after_turns(lambda: self._gone(exc))

    def _gone(self, error: Exception | None) -> None:
        self.close("client-closed", error)
        if self._end is not None:
            self._end.cancel()
        # The parts that have the session let go of it, or all of it would wait for the collector: a thousand clients
        # that came and went are 5 MB.
        self._login = None
        self._answers.end()

    def logged_in(self, member: Member) -> None:
        """The login is over: every request is under policy from here on."""
        self.member, self.meter = member, member.meter

    def check_login(self) -> None:
        """End a login that is not over in time."""
        if self._login is not None:
            self._login.check_deadline()

    def overdue(self, now: float) -> str | None:
        """Which limit of time the connection has reached, as a reason to close it."""
        limits = self.listener.limits
        if self._link.overdue(now):
            return "broker-unreachable"
        if self._last is not None and self.transport is None and now - self.last_request > limits.request_timeout:
            return "client-closed"  # what it left behind waits for an answer that does not come
        if self.incomplete_since is not None and not self._holds:
            return "request-timeout" if now - self.incomplete_since > limits.request_timeout else None
        idle = self.member is not None and not len(self._answers) and now - self.last_request > limits.idle
        return "idle" if idle else None

    # ---- requests, one after the other

    def _drive(self) -> None:
        if self._driving:
            return
        self._driving = True
        left = TURN
        try:
            while self._waiting and self._may_go_on(left):
                left -= 1
                self._request(self._waiting.pop())
            self._link.flush()
        except ProtocolError as error:
            self._unreadable(error)
        except Exception as unforeseen:
            # Fail closed: what nobody foresaw ends this one connection, and nothing passes undecided.
            log.exception("connection_failed", connection=self.id)
            self.close("internal", unforeseen)
        finally:
            self._driving = False

    def _after_turns(self, step: Callable[[], None]) -> None:
        """Take a step when no request waits for its turn, or for the answer to an earlier one, any more; a later step
        in place of an earlier one."""
        self._last = step
        self._end_turns()

    def _next_turn(self) -> None:
        self.release(Hold.TURN)
        self._end_turns()

    def _end_turns(self) -> None:
        if self._last is not None and Hold.TURN not in self._holds and Hold.EARLIER not in self._holds:
            last, self._last = self._last, None
            last()

    def _is_early(self, waiting: Collected) -> bool:
        """Whether the next request may not be judged before an earlier one is answered.

        A broker reads one request of a connection after the other, and not before its answer to the last has left.
        What is judged long before that is done when nobody may any more. So nothing is judged behind a request that may
        be kept for long, and no mutation behind anything, as a client may keep an answer from leaving. A Fetch changes
        nothing, and its answer is judged when it comes.
        """
        if not self._answers.awaits_broker:
            return False
        key = bytes(waiting.chunks[0][4:6])
        return key != repeats.FETCH and (self._parked > 0 or key in _MUTATIONS)

    def _may_go_on(self, left: int) -> bool:
        """Whether the next request may be looked at now, of so many that are left for this turn. Whatever keeps a
        client's answers from leaving keeps more of its requests from being read, so that memory is bounded."""
        if not left:
            self.hold(Hold.TURN)
            asyncio.get_running_loop().call_soon(self._next_turn)
        if len(self._answers) >= self.listener.limits.in_flight:
            self.hold(Hold.IN_FLIGHT)
        if self._too_much_waits():  # answers of Kordon's own, behind one that the broker takes its time for
            self.hold(Hold.ORDER)
        if self._is_early(self._waiting[-1]):
            self.hold(Hold.EARLIER)
        if Hold.CLIENT_SLOW in self._link.holds.since:
            self.hold(Hold.CLIENT_SLOW)
        if self.listener.audit.full:
            self.hold(Hold.AUDIT)
        return not self._holds.since and not self.closed

    def _request(self, collected: Collected) -> None:
        self.last_request = time.monotonic()
        said = repeats.said_by(collected, self._names_end)
        if said is not None and self._repeat(said, collected):
            return
        try:
            head = collected.head()
        except UnsupportedVersion as unsupported:
            if unsupported.api_key != ApiKey.API_VERSIONS:
                raise
            # It is answered all the same, in the oldest shape, so that the client can step down.
            head = gate.unread_head(unsupported)
        try:
            self._take(head, collected)
        except MalformedBody as error:
            self._unreadable(error, head)

    def _repeat(self, said: bytes, collected: Collected) -> bool:
        """Treat a request as one that said the same, if there was one under the rights of now."""
        picture, member, login = self.listener.upstream.cluster.picture, self._member, self._login
        standing = None if picture is None else member.standing(picture)
        if standing is None or picture is None or login is None:
            return False
        found = standing.judged.get((member.synthetic, said))
        if found is None or found.picture() is not picture or login.takes(found.head.api_key):
            return False
        may = May(standing, picture, member.synthetic, self._state)
        exchange = repeats.again(found, collected, may, self.last_request)
        exchange.who = member.recorder.who
        self.meter.request(exchange, "forwarded")
        self._put(exchange, found.plan, repeats.pieces_of(found, collected))
        return True

    def _remember(self, exchange: Exchange, plan: Plan, collected: Collected, pieces: list[Buffer]) -> None:
        """Keep what became of a request for those that say the same."""
        may = exchange.may
        if may is None or (judged := repeats.judged(exchange, may, plan, collected, pieces)) is None:
            return
        self._names_end = repeats.names_end(exchange, collected)
        said = repeats.said_by(collected, self._names_end)
        if said is not None:
            may.standing.judged.keep((may.cluster, said), judged)

    def _take(self, head: RequestHead, collected: Collected) -> None:
        listener = self.listener
        picture = listener.upstream.cluster.picture
        login = self._login
        assert login is not None
        if picture is None:
            self.close("no-broker")
        elif login.takes(head.api_key):
            login.again(collected.frame(), self._place(head, collected))
        elif head.api_key == ApiKey.API_VERSIONS:
            self._place(head, collected)(login.versions(head, collected.frame()))
        else:
            found = gate.admitted(listener.apis, picture, head)
            if isinstance(found, Unadmitted):
                self._refuse(head, collected, found)
            else:
                self._open(found, head, collected)

    def _place(self, head: RequestHead, collected: Collected) -> Callable[[bytes], None]:
        """Take a place in the order of answers for one of Kordon's own. Returns what gives the answer."""
        exchange = Exchange(head, gate.OWN, None, None, self.last_request, collected.size)
        self._send(self._answers.answer(exchange, None))
        return lambda answer: self._settle(exchange, answer)

    def _settle(self, exchange: Exchange, answer: bytes) -> None:
        self._send(self._answers.settle(exchange, answer))
        self._answered()

    def _unreadable(
        self, error: ProtocolError, head: RequestHead | None = None, *, looks_like: str | None = None
    ) -> None:
        """The protocol has no answer to such bytes: they are written down, and the connection ends behind what was
        judged before them."""
        self._link.flush()
        self.meter.refused_frame(gate.fault(error))
        api = gate.api_name(self.listener.apis, error, head)
        self._member.recorder.write([self._member.recorder.unreadable(error, api, head)], None)
        self.close("malformed", error, detail=looks_like)

    def _refuse(self, head: RequestHead, collected: Collected, found: Unadmitted) -> None:
        answer = gate.refusal_frame(head, collected.frame(), found.code, None)
        if answer is None or found.api is None:
            raise MalformedBody("a request that is refused, and whose body cannot be read either")
        exchange = Exchange(head, found.api, None, None, self.last_request, collected.size)
        self.meter.request(exchange, "refused")
        self._answer(exchange, answer, [self._member.recorder.unadmitted(exchange, found.code, found.why)])

    def _open(self, api: Api, head: RequestHead, collected: Collected) -> None:
        reading = gate.open_request(api, head, collected)
        exchange = Exchange(head, api, None, reading.message, self.last_request, collected.size)
        fresh = api.needs_fresh_picture
        if fresh is not None and fresh(reading.message) and self.listener.cluster.age > AT_MOST_STALE:
            self.hold(Hold.PICTURE)
            self.spawn(self._judge_when_fresh(exchange, reading, collected))
        else:
            self._judge(exchange, reading, collected)

    async def _judge_when_fresh(self, exchange: Exchange, reading: Reading, collected: Collected) -> None:
        await self._look(AT_MOST_STALE)
        if not self.closed:
            self._judge(exchange, reading, collected)
            self.release(Hold.PICTURE)

    async def _judge_when_answered(
        self, exchange: Exchange, reading: Reading, collected: Collected, asked: Ask
    ) -> None:
        answer = None
        try:
            answer = await self.listener.cluster.ask(asked.question, asked.broker_id)
        except UpstreamError as error:
            log.warning("cluster_not_asked", connection=self.id, reason=str(error))
        if not self.closed and self._judge(exchange, reading, collected, lambda may: asked.decide(answer, may)):
            self.release(Hold.QUESTION)

    async def _judge_when_learned(
        self, exchange: Exchange, reading: Reading, collected: Collected, question: Any, within: float
    ) -> None:
        """Judge again, by the rights of the moment when it is known what there was."""
        exchange.learned = None
        try:
            async with asyncio.timeout(within):
                exchange.learned = await self.listener.cluster.ask(question, self._broker_id)
        except (UpstreamError, TimeoutError) as error:
            reason = str(error) or f"no answer in {within:g} s"
            log.warning("change_not_looked_up", connection=self.id, api=exchange.api.name, reason=reason)
        if not self.closed and self._judge(exchange, reading, collected):
            self.release(Hold.QUESTION)

    def _judge(
        self,
        exchange: Exchange,
        reading: Reading,
        collected: Collected,
        decide: Callable[[May], Verdict | Ask] | None = None,
    ) -> bool:
        """Whether it is judged; if not, the cluster is being asked. `decide`: what takes the judge's place then."""
        may = self._may()
        if may is None:
            return True
        if exchange.settled is not None:
            may.standing = settled(may.standing, exchange.settled)
        exchange.may, exchange.who = may, self._member.recorder.who
        api = exchange.api
        verdict = gate.judge(api, reading, may) if decide is None else gate.as_read(reading, decide(may))
        if isinstance(verdict, Ask):
            self.hold(Hold.QUESTION)
            self.spawn(self._judge_when_answered(exchange, reading, collected, verdict))
            return False
        if not may.quiet and exchange.settled is None and self._waits(exchange, may):
            self.hold(Hold.STAGING)
            self.spawn(self._judge_when_staged(exchange, reading, collected, decide, verdict))
            return True
        exchange.record = Record.EVENT if may.creates else api.record_for(exchange.request)
        if exchange.record is Record.EVENT and not isinstance(verdict, Answer):
            if not may.recordable:
                verdict = Answer(refused_response(exchange.request, NO_AUDIT))
            elif api.learns is not None and (question := _to_learn(exchange, verdict, api.learns)) is not None:
                self.hold(Hold.QUESTION)
                self.spawn(self._judge_when_learned(exchange, reading, collected, question, api.learns.within))
                return False
        if may.unknown_topics:
            self.listener.cluster.hint()
        denied = [] if may.quiet else self._noteworthy(exchange, may)
        if isinstance(verdict, Answer):
            self.meter.request(exchange, "answered")
            frame = None if verdict.response is None else gate.answer_frame(verdict, exchange.head)
            self._answer(exchange, frame, denied)
        else:
            self._forward(exchange, verdict, denied, collected)
        return True

    def _waits(self, exchange: Exchange, may: May) -> bool:
        """Whether something of it is to wait for an approval."""
        if self.listener.staging is None or not exchange.api.may_wait(exchange.request):
            return False
        return any(ruling.access is Access.STAGED for ruling in may.notes)

    async def _judge_when_staged(
        self,
        exchange: Exchange,
        reading: Reading,
        collected: Collected,
        decide: Callable[[May], Verdict | Ask] | None,
        verdict: Verdict,
    ) -> None:
        staging, may = self.listener.staging, exchange.may
        assert staging is not None, "something waits"
        assert may is not None, "it has been judged"
        asked = Asked(
            api=exchange.api,
            request=reading.message,
            body=collected.frame()[exchange.head.body_offset :] if reading.exact else encode(reading.message),
            broker=self._broker_id,
            forwarded=forwarded_by(verdict, reading.message),
            rulings=tuple(may.notes),
            author=self._member.author,
            who=self._member.recorder.who,
        )
        exchange.settled = await staging.stage(asked, self.listener.upstream, recordable=may.recordable)
        if not self.closed:
            self._judge(exchange, reading, collected, decide)
            self.release(Hold.STAGING)

    def _noteworthy(self, exchange: Exchange, may: May) -> list[Event]:
        """The events of what is denied, which the answer waits for. Those of shadow policies nobody waits for."""
        recorder = self._member.recorder
        denied = recorder.denials(exchange, may)
        recorder.write(recorder.shadows(exchange), None)
        return denied

    def _answer(self, exchange: Exchange, frame: bytes | None, events: list[Event]) -> None:
        """Kordon answers itself; what is refused is on disk before the answer leaves."""
        if frame is None:
            self._member.recorder.write(events, None)
        elif events:
            self._send(self._answers.answer(exchange, None))
            self._hold_back(exchange, frame)
            self._record(exchange, events)
        else:
            self._send(self._answers.answer(exchange, frame))

    def _forward(
        self, exchange: Exchange, verdict: Forward | Rewrite, denied: list[Event], collected: Collected
    ) -> None:
        self.meter.request(exchange, "cut" if denied else "forwarded")
        plan = verdict.plan
        if denied or exchange.record is Record.EVENT:
            plan = _collected_where_it_waits(plan)
        pieces = gate.to_forward(verdict, exchange.head, collected)
        if denied:
            self._record(exchange, denied)
        elif exchange.api.repeated is not None:
            self._remember(exchange, plan, collected, pieces)
        if exchange.api.kept is not None:
            exchange.request = exchange.api.kept(exchange.request)
        self._put(exchange, plan, pieces)

    def _put(self, exchange: Exchange, plan: Plan, pieces: list[Buffer]) -> None:
        """Send it to the broker with what else is sent, and expect its answer."""
        exchange.plan = plan
        link = self._link
        link.put(pieces)
        exchange.forwarded = time.monotonic()
        has_answer = exchange.api.has_answer
        if has_answer is None or has_answer(exchange.request):
            self._answers.expect(exchange)
            if exchange.api.parks:
                self._parked += 1
        else:
            self._member.recorder.count(exchange)
        if not link.begun:
            self._connect()

    def _record(self, exchange: Exchange, events: list[Event]) -> None:
        """Write events; the answer of the exchange waits for them."""
        if events:
            exchange.waits += 1
            self._member.recorder.write(events, lambda: self._one_less(exchange))

    def _one_less(self, exchange: Exchange) -> None:
        """One of the things that an answer waits for has happened."""
        exchange.waits -= 1
        if exchange.waits == 0 and exchange.frame is not None and not self.closed:
            frame, exchange.frame = exchange.frame, None
            self._held -= len(frame)
            self._settle(exchange, frame)

    # ---- the broker's side

    def _connect(self) -> None:
        upstream = self.listener.upstream
        address = upstream.address(self._broker_id)
        if address is None:
            self.close("no-broker", detail=f"broker {self._broker_id} is not there now")
            return
        self._link.begin(upstream.next_login())
        self.hold(Hold.BROKER_CONNECTING)
        self.spawn(self._open_link(*address))

    async def _open_link(self, host: str, port: int) -> None:
        upstream = self.listener.upstream
        try:
            await upstream.open_link(self._link, host, port, upstream.tls and upstream.tls())
        except OSError as error:
            self.close("broker-unreachable", error)

    def link_ready(self) -> None:
        """The broker takes requests now."""
        self.release(Hold.BROKER_CONNECTING)

    def link_refused(self, reason: str) -> None:
        self.listener.login_refused(reason)
        self.close("broker-login", detail=reason)

    def link_lost(self, error: Exception | None) -> None:
        self.close("broker-closed", error)

    def broker_is_slow(self, slow: bool) -> None:
        if slow:
            self.hold(Hold.BROKER_SLOW)
        else:
            self.release(Hold.BROKER_SLOW)

    def from_broker(self, data: Buffer) -> None:
        if self.closed:
            return
        size = len(data)
        data = passed_on(data, self.transport)
        if self.transport is not None and self._answers.passes(size):  # records, of which nobody need know more
            self.meter.to_client(size)
            self.transport.write(data)
            return
        try:
            self._send(self._answers.feed(data))
        except ProtocolError as error:
            log.error("broker_answer_unreadable", connection=self.id, reason=str(error))
            self.close("broker-malformed", error)
            return
        except Exception as unforeseen:
            log.exception("connection_failed", connection=self.id)
            self.close("internal", unforeseen)
            return
        if self._too_much_waits() and not self._answers.waits_for_broker:
            self._link.hold(Hold.ORDER)
        self._answered()

    def _too_much_waits(self) -> bool:
        """Whether no more answers should come for now."""
        return self._answers.stored + self._held > STORED_LIMIT

    def _answered(self) -> None:
        """Answers have left: there may be room for requests again."""
        if Hold.ORDER in self._link.holds.since and (not self._too_much_waits() or self._answers.waits_for_broker):
            self._link.release(Hold.ORDER)
        if self._holds.since:
            if Hold.ORDER in self._holds and not self._too_much_waits():
                self.release(Hold.ORDER)
            if Hold.EARLIER in self._holds and not self._is_early(self._waiting[-1]):
                self.release(Hold.EARLIER)
                self._end_turns()
            if Hold.IN_FLIGHT in self._holds and len(self._answers) < self.listener.limits.in_flight:
                self.release(Hold.IN_FLIGHT)
            if Hold.DRAINING in self._holds and not len(self._answers):
                self.close("drained")

    # ---- what the queue of answers asks (`answers.Handler`)

    def begin(self, exchange: Exchange) -> Plan:
        """How an answer is treated is decided when it begins to arrive, by what holds then."""
        exchange.answered = time.monotonic()
        asked = exchange.may
        picture = self.listener.upstream.cluster.picture
        if asked is None or picture is None or self.member is None:
            return DROPPED
        standing = self.member.standing(picture)
        if standing is asked.standing:
            exchange.now = asked
        elif standing is None:
            self.close("identity-ended")
            return DROPPED
        else:
            exchange.now = May(standing, picture, self.member.synthetic, self._state)
            exchange.plan = _mended_where_stale(exchange.plan)
        return exchange.plan

    def stream(self, exchange: Exchange, plan: Streamed) -> Stream:
        assert exchange.now is not None
        exchange.stream = plan.stream(exchange.now)
        return exchange.stream

    def mend(self, exchange: Exchange, frame: bytes) -> bytes | None:
        if self.closed or exchange.now is None:
            return None
        assert isinstance(exchange.plan, Mended)
        plain = exchange.plan.is_plain
        if plain is not None and exchange.record is not Record.EVENT and plain(exchange.head.api_version, frame):
            self._finished(exchange)
            return self._unless_it_waits(exchange, frame)
        reading = gate.read_answer(exchange, frame)
        response = exchange.plan.mend(reading.message, exchange.now)
        out = gate.mended_frame(exchange, frame, reading, response)
        self._finished(exchange, response)
        if exchange.now is not exchange.may:
            # What was allowed when it was asked and is refused now, as the answer was judged again.
            self.meter.refused(exchange.now)
            self._record(exchange, self._member.recorder.denials(exchange, exchange.now))
        if exchange.record is Record.EVENT:
            # As the broker says: what Kordon refused of the request is no outcome of what was done.
            self._record(exchange, [self._member.recorder.mutation(exchange, reading.message)])
        changed = exchange.api.changes_topics and exchange.record is Record.EVENT
        if changed or exchange.now.news or (exchange.may is not None and exchange.may.news):
            exchange.waits += 1
            self.spawn(self._refreshed(exchange))
        return self._unless_it_waits(exchange, out)

    def _unless_it_waits(self, exchange: Exchange, frame: bytes) -> bytes | None:
        """The answer, if nothing has to happen before it leaves; else the last thing that does sends it."""
        if exchange.waits == 0:
            return frame
        self._hold_back(exchange, frame)
        return None

    def _hold_back(self, exchange: Exchange, frame: bytes) -> None:
        exchange.frame = frame
        self._held += len(frame)

    async def _refreshed(self, exchange: Exchange) -> None:
        """Topics have come or gone: what the client is told now it may use now, so Kordon has to know of it first."""
        await self._look(0)
        self._one_less(exchange)

    async def _look(self, max_age: float) -> None:
        """Wait for a picture that is not older. When the cluster does not answer Kordon, the one there is has to do."""
        try:
            await self.listener.cluster.refresh(max_age)
        except UpstreamError as error:
            log.warning("picture_not_refreshed", connection=self.id, reason=str(error))

    def passed(self, exchange: Exchange) -> None:
        self._finished(exchange)

    def _finished(self, exchange: Exchange, response: Any | None = None) -> None:
        """An answer of the broker is whole; where it was collected, `response` is what the client gets of it."""
        if exchange.api.parks:
            self._parked -= 1
        self.meter.finished(exchange)
        self._member.recorder.count(exchange, response)
        assert exchange.now is not None
        reads = exchange.api.reads
        if reads is not None:
            self.listener.cluster.hint_group(exchange.request.group_id, reads(exchange.request, exchange.now.picture))

    # ---- who this is, and what holds now

    @property
    def _member(self) -> Member:
        assert self.member is not None  # no request is looked at before the login is over
        return self.member

    def _may(self) -> May | None:
        """The rights at this instant; None (and the connection ends) when the identity has lost its place."""
        picture, member = self.listener.upstream.cluster.picture, self._member
        if picture is None:
            self.close("no-broker")
            return None
        standing = member.standing(picture)
        if standing is None:
            self.close("identity-ended")
            return None
        may = May(standing, picture, member.synthetic, self._state)
        may.recordable = member.recorder.accepts_mutations
        return may

    # ---- holds, writing, the end

    def hold(self, reason: Hold) -> None:
        if not self._holds.since and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        self._holds.add(reason)

    def release(self, reason: Hold) -> None:
        if reason not in self._holds:
            return
        self._holds.remove(reason)
        if self.closed:
            return
        if self._holds:
            # What has been judged meanwhile is not to wait with what comes behind it, which may wait for its answer.
            self._link.flush()
            return
        if self.incomplete_since is not None:
            self.incomplete_since = time.monotonic()  # it was not the client that did not go on
        self._drive()
        if not self._holds and not self.closed and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def write(self, frame: bytes) -> None:
        """Send a frame of the login, before there is an order of answers."""
        if self.transport is not None and not self.closed:
            self.meter.to_client(len(frame))
            self.transport.write(frame)

    def _send(self, pieces: Sequence[Buffer]) -> None:
        if pieces and self.transport is not None and not self.closed:
            if len(pieces) == 1:
                self.meter.to_client(len(pieces[0]))
                self.transport.write(pieces[0])
            else:
                self.meter.to_client(sum(map(len, pieces)))
                self.transport.writelines(pieces)

    def spawn(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(step))
        self._tasks = (*self._tasks, task)
        task.add_done_callback(self._task_done)

    def _task_done(self, done: asyncio.Task[None]) -> None:
        self._tasks = tuple(task for task in self._tasks if task is not done)

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except Exception as error:
            log.exception("connection_failed", connection=self.id)
            self.close("internal", error)

    def drain(self) -> None:
        """Take no more requests; close when all answers have left."""
        self._after_turns(self._drain)

    def _drain(self) -> None:
        self.hold(Hold.DRAINING)
        if self.member is None or not len(self._answers):
            self.close("drained")

    def close(self, reason: str, error: Exception | None = None, *, detail: str | None = None) -> None:
        """End both connections. What the broker has not answered is recorded with an unknown outcome."""
        if self.closed:
            return
        self.closed = True
        was_sent = self._link.ready
        self._holds.clear()
        self.listener.ended(self, reason, detail or (None if error is None else str(error) or type(error).__name__))
        if self.transport is not None:
            unsent = has_unsent(self.transport)  # asyncio's transport of TLS may not know once it is closed
            self.transport.close()
            if unsent:
                # It is no connection of the listener's any more, and none that nobody counts may stay.
                self._end = asyncio.get_running_loop().call_later(LAST_BYTES, self.transport.abort)
        self._link.close()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        # Last, so that no fault in writing down keeps a connection open.
        for exchange in self._answers.pending():
            # One whose answer has come and waits is written down already.
            if exchange.forwarded and exchange.frame is None and (was_sent or exchange.record is Record.EVENT):
                self._member.recorder.unanswered(exchange)


DROPPED: Final = Mended(unchanged)
_MUTATIONS: Final = frozenset(
    key.to_bytes(2, "big") for key, api in APIS.items() if api.record is Record.EVENT or api.record_of is not None
)
"""The keys of APIs of which some requests are mutations."""


def _to_learn(exchange: Exchange, verdict: Forward | Rewrite, learns: Learns) -> Any | None:
    """What has to be asked before the request goes on; None: nothing, or it has been."""
    exchange.sent = verdict.request if isinstance(verdict, Rewrite) else exchange.request
    return learns.question(exchange.sent) if exchange.learned is UNASKED else None


def _collected_where_it_waits(plan: Plan) -> Plan:
    """An answer that has to wait for the audit is collected, whatever its judge would do with it."""
    if isinstance(plan, Mended):
        return plan
    return Mended(plan.stale or unchanged)


def _mended_where_stale(plan: Plan) -> Plan:
    if isinstance(plan, Relay | Streamed) and plan.stale is not None:
        return Mended(plan.stale)
    return plan
