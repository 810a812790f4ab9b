"""A connection's logins, driven: bytes to the conversation, its actions to the socket, its events to the audit."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kordon_policy.snapshot import Snapshot
from kordon_protocol.errors import FrameTooLarge
from kordon_protocol.header import RequestHead
from kordon_protocol.outcomes import error_name

from .apis import versions
from .audit.event import Event, EventType, Outcome, What, Who, Why, new_id
from .clock import wall_ms
from .holds import Hold
from .identity.directory import Directory, anonymous
from .identity.login import Action, Answer, Attempt, Close, Conversation, Ready, Wait
from .identity.software import answer_versions, strangeness
from .identity.values import Facts, Identity, Peer, Refused
from .member import Member

if TYPE_CHECKING:
    from .listener import Listener
    from .session import Session

PREFIX: Final = 4
Send = Callable[[bytes], None]


class _Surroundings:
    """What a conversation asks for.

    Apart from the login, which has the conversation: two that have each other are freed by the collector alone.
    """

    __slots__ = ("_listener", "_peer", "identified_by")

    def __init__(self, listener: "Listener", peer: Peer) -> None:
        self._listener = listener
        self._peer = peer
        self.identified_by: tuple[Snapshot, Directory] | None = None
        """What an identity was made from that is not let in yet."""

    def identify(self, facts: Facts) -> Identity | Refused:
        """Who the proved one is under the policy of this moment."""
        found = self.identified_by = self._listener.policies.at(wall_ms()), self._listener.directory()
        return self._listener.identities.of(facts, self._peer, *found)

    def api_versions(self, head: RequestHead) -> bytes:
        """The answer to an ApiVersions request, as a whole frame."""
        return self._listener.versions_frame(head)


class Login:
    """Everything about who this connection is, from its first byte to its last login (KIP-368).

    Before the first login is over it takes the connection's bytes, frame by frame, so that what came behind the last
    token is only looked at as what the login has made of the connection.
    """

    __slots__ = ("_buffer", "_conversation", "_listener", "_peer", "_session", "_surroundings", "_waiting")

    def __init__(self, session: "Session") -> None:
        assert session.transport is not None
        host, port = (*(session.transport.get_extra_info("peername") or ("", 0)), 0)[:2]
        self._session = session
        self._listener = session.listener
        self._peer = Peer(address=str(host), port=int(port), listener=self._listener.name)
        self._buffer = bytearray()
        self._conversation: Conversation
        self._surroundings = _Surroundings(self._listener, self._peer)
        self._waiting = False

    @property
    def peer_address(self) -> str:
        return f"{self._peer.address}:{self._peer.port}"

    def begin(self) -> None:
        """Begin the conversation; at a listener without login the client is in at once, or never."""
        settings = self._listener.settings
        known = None
        if settings.identity is not None:
            if self._listener.cluster.picture is None:
                self._no_broker()
                return
            facts = anonymous(settings)
            identity = self._surroundings.identify(facts)
            if isinstance(identity, Refused):
                self._listener.attempts[self._session] = facts.name
                self._session.close("identity-refused", detail=identity.reason)
                return
            known = (facts, identity)
        self._conversation = Conversation(
            self._peer,
            self._listener.mechanisms,
            surroundings=self._surroundings,
            started=time.time(),
            time_limit=self._listener.limits.login,
            max_frame=self._listener.limits.login_frame,
            max_session=settings.max_session,
            known=known,
        )
        if known is not None:
            self._let_in(*known, self._who(*known))

    # ---- before the first login is over

    def feed(self, data: bytes) -> None:
        """Take bytes of a client that is not logged in."""
        size = len(data) - PREFIX
        whole = 0 <= size <= self._listener.limits.login_frame and int.from_bytes(data[:PREFIX], "big") == size
        if whole and not self._buffer and not self._waiting:  # nearly always, as each request waits for an answer
            self._step(data[PREFIX:], self._session.write)
        else:
            self._buffer += data
            self._next()

    def _next(self) -> None:
        """Look at the next frame, if it is whole and nothing is awaited."""
        session = self._session
        while not self._waiting and not session.closed and session.member is None and len(self._buffer) >= PREFIX:
            size = int.from_bytes(self._buffer[:PREFIX], "big", signed=True)
            if not 0 <= size <= self._listener.limits.login_frame:
                error = FrameTooLarge(size, self._listener.limits.login_frame)
                session.meter.refused_frame("size")
                session.close("malformed", error, detail=strangeness(bytes(self._buffer[:64])))
                return
            if len(self._buffer) < PREFIX + size:
                return
            frame = bytes(self._buffer[PREFIX : PREFIX + size])
            del self._buffer[: PREFIX + size]
            self._step(frame, session.write)
        if session.member is not None and self._buffer:
            rest, self._buffer = bytes(self._buffer), bytearray()
            session.requests(rest)

    def _step(self, frame: bytes, send: Send) -> None:
        if self._listener.cluster.picture is None:
            self._no_broker()
        else:
            self._act(self._conversation.feed(frame, time.time()), send)

    def _no_broker(self) -> None:
        """Nobody can be answered before a broker was: not even ApiVersions, which tells what the brokers speak."""
        self._session.close("no-broker", detail=self._listener.cluster.state.error)

    # ---- later logins

    def takes(self, api_key: int) -> bool:
        """Whether a request of a client that is logged in is for `again`."""
        return self._conversation.takes(api_key, time.time())

    def again(self, frame: bytes, send: Send) -> None:
        """Take a request that belongs to a later login, or that comes after the session's end."""
        self._step(frame, send)

    def check_deadline(self) -> None:
        """End a login that is not over in time, however slowly its bytes come."""
        self._act(self._conversation.overdue(time.time()), self._session.write)

    def versions(self, head: RequestHead, frame: bytes) -> bytes:
        """Answer an ApiVersions request of a client that is logged in, and remember what it says of itself."""
        if head.api_version not in versions.SUPPORTED:
            return self._listener.versions_frame(head)
        answer = answer_versions(head, frame, self._surroundings.api_versions)
        member = self._session.member
        if answer.software is not None and member is not None:
            member.recorder.who = replace(
                member.recorder.who,
                software_name=answer.software.name,
                software_version=answer.software.version,
                client_id=head.client_id,
            )
        return answer.frame

    # ---- what the conversation wants

    def _act(self, actions: list[Action], send: Send) -> None:
        if len(actions) == 1 and type(answer := actions[0]) is Answer and answer.not_before <= time.time():
            send(answer.frame)  # nearly always
            return
        failed = next((one for one in actions if isinstance(one, Close) and one.attempt is not None), None)
        if failed is not None and failed.attempt is not None:
            self._failed(failed.attempt, failed.reason, lambda: self._tell(actions, send))
        else:
            self._tell(actions, send)

    def _tell(self, actions: list[Action], send: Send) -> None:
        frames: list[bytes] = []
        later: list[tuple[float, Callable[[], None]]] = []
        for action in actions:
            match action:
                case Answer(frame, not_before) if not_before > time.time():
                    later.append((not_before, partial(send, frame)))
                case Answer(frame):
                    frames.append(frame)
                case Wait():
                    self._wait()
                    self._session.spawn(self._await(action, send))
                case Ready():
                    self._ready(action, frames, send)
                    return
                case Close(not_before=not_before, reason=reason):
                    later.append((not_before, partial(self._session.close, "login", detail=reason)))
        for frame in frames:
            send(frame)
        if later:
            self._later(later)

    def _wait(self) -> None:
        self._waiting = True
        self._session.hold(Hold.LOGIN)

    def _go_on(self) -> None:
        self._waiting = False
        if not self._session.closed:
            self._next()
            self._session.release(Hold.LOGIN)

    async def _await(self, wait: Wait, send: Send) -> None:
        outcome = await wait.outcome(time.time())
        self._waiting = False
        if not self._session.closed:
            self._act(self._conversation.proved(outcome, time.time()), send)
        if not self._waiting:  # a login that has succeeded waits for the audit
            self._go_on()

    def _ready(self, ready: Ready, frames: list[bytes], send: Send) -> None:
        """The login is on disk before the client hears of it."""
        self._wait()
        who = self._who(ready.facts, ready.identity)

        def durable() -> None:
            if self._session.closed:
                return
            for frame in frames:
                send(frame)
            if self._session.member is None:
                self._let_in(ready.facts, ready.identity, who)
            else:
                self._session.member.logged_in_again(ready.facts, ready.identity)
                self._surroundings.identified_by = None
            self._go_on()

        self._listener.metrics.logins[self._listener.name, ready.facts.mechanism, "ok"].inc()
        self._listener.audit.login(self._event(who, None, "login"), durable)

    def _let_in(self, facts: Facts, identity: Identity, who: Who) -> None:
        member = Member(self._listener, facts, self._peer, identity, who, self._listener.picture().cluster_id)
        if self._surroundings.identified_by is not None:
            member.follows_from(*self._surroundings.identified_by)
            self._surroundings.identified_by = None
        self._session.logged_in(member)

    def _failed(self, attempt: Attempt, reason: str, then: Callable[[], None]) -> None:
        """Write the failure down; then, and not before its time, the client is told."""
        result = "refused" if attempt.verdict else "trouble"
        self._listener.metrics.logins[self._listener.name, attempt.mechanism, result].inc()
        if attempt.name:
            self._listener.attempts[self._session] = attempt.name
        who = Who(
            principal=attempt.name or "",
            mechanism=attempt.mechanism,
            peer=self.peer_address,
            listener=self._listener.name,
            connection_id=self._session.id,
        )
        self._listener.audit.login(self._event(who, ErrorCode.sasl_authentication_failed, reason), then)

    def _later(self, steps: list[tuple[float, Callable[[], None]]]) -> None:
        """Take the steps when the last of them is due. By one timer: two for the same time fire in any order, and the
        connection would be closed before its answer is out."""

        def take() -> None:
            for _, step in steps:
                step()

        when = max(when for when, _ in steps)
        asyncio.get_running_loop().call_later(max(0.0, when - time.time()), take)

    def _who(self, facts: Facts, identity: Identity) -> Who:
        software = self._conversation.software
        return Who(
            principal=identity.principal,
            roles=tuple(sorted(identity.roles)),
            mechanism=facts.mechanism,
            software_name=None if software is None else software.name,
            software_version=None if software is None else software.version,
            peer=self.peer_address,
            listener=self._listener.name,
            tenant=identity.tenant,
            connection_id=self._session.id,
        )

    def _event(self, who: Who, code: ErrorCode | None, reason: str) -> Event:
        return Event(
            id=new_id(),
            type=EventType.LOGIN,
            time=wall_ms(),
            who=who,
            what=_what(self._listener.upstream.name),
            why=_why("Allow" if code is None else "Deny", reason, self._listener.policies.snapshot.epoch),
            outcome=_outcome(code or ErrorCode.none),
        )


# What the events of many logins have in common is made once.
@lru_cache(maxsize=64)
def _what(cluster: str) -> What:
    return What(cluster=cluster)


@lru_cache(maxsize=64)
def _why(effect: str, reason: str, epoch: int) -> Why:
    return Why(effect=effect, reason=reason, epoch=epoch)


@lru_cache(maxsize=64)
def _outcome(code: ErrorCode) -> Outcome:
    return Outcome(error_code=int(code), error_name=error_name(code))
