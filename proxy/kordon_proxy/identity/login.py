"""The conversation before a client may ask for anything, and later logins on the same connection (KIP-368).

A state machine without sockets and without a clock: frames and the time go in, actions come out. It answers as Kafka's
`SaslServerAuthenticator` does, in the states of `State`. While it waits for a verdict nothing is fed; bytes that came
behind the last token are looked at only after `Ready`, so they are judged as what the login made of the connection.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_request
from kordon_protocol.errors import ProtocolError, UnsupportedVersion
from kordon_protocol.frames import with_prefix
from kordon_protocol.header import RequestHead, peek_request
from kordon_protocol.keys import ApiKey

from .sasl_answers import failure_answer, handshake_answer, mechanism_of, out_of_turn, token_answer
from .software import Software, answer_versions, strangeness
from .values import Challenge, Exchange, Facts, Identity, Mechanism, Outcome, Peer, Proved, Refused, Trouble

FAILURE_STEP: Final = 0.3
"""Failures are told at multiples of so many seconds after their cause: all the same whatever they cost to find."""
MAX_REQUESTS: Final = 8
LEAST_BETWEEN_LOGINS: Final = 1.0
AGAIN_LIMIT: Final = 30.0
LOGIN_KEYS: Final = frozenset((ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE))


class State(Enum):
    """Where a conversation is. In every state, what is not expected ends it or is refused."""

    FIRST = "first"  # ApiVersions or SaslHandshake
    VERSIONS = "versions"  # ApiVersions has been answered; SaslHandshake
    TOKENS = "tokens"  # SaslAuthenticate
    RAW = "raw"  # tokens without headers, after SaslHandshake v0
    READY = "ready"  # every API; SaslHandshake where the session has an end
    AGAIN = "again"  # SaslAuthenticate of a later login
    EXPIRED = "expired"  # SaslHandshake
    CLOSING = "closing"  # nothing


@dataclass(frozen=True, slots=True)
class Answer:
    """Send this frame (with its length prefix), but not before that time."""

    frame: bytes = field(repr=False)
    not_before: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Await `outcome`, then give it to `Conversation.proved`. Feed nothing until then."""

    exchange: Exchange = field(repr=False)
    token: bytes = field(repr=False)

    async def outcome(self, now: float) -> Outcome:
        """Let the mechanism judge the token, which may take a while."""
        return await self.exchange.step(self.token, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The client is logged in. `ends`: when it has to be so again; `again`: it was logged in before."""

    facts: Facts
    identity: Identity
    ends: float | None
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A login that failed, for the audit."""

    mechanism: str
    name: str | None
    verdict: bool
    """false: it was not judged, because of some trouble here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close the connection, but not before that time, nor before the answers are out. `attempt`: a login has failed."""

    not_before: float
    reason: str
    attempt: Attempt | None = None


Action = Answer | Wait | Ready | Close


class Surroundings(Protocol):
    """What a conversation asks of who has it."""

    def api_versions(self, head: RequestHead) -> bytes:
        """Make the answer (a whole frame) to an ApiVersions request."""
        ...

    def identify(self, facts: Facts) -> Identity | Refused:
        """Say who the proved one is under the policy of this moment."""
        ...


class Conversation:
    """One connection's logins. `known` is for listeners without login: the connection is ready from the start."""

    __slots__ = (
        "_came",
        "_exchange",
        "_head",
        "_known",
        "_logged_in_at",
        "_max_frame",
        "_max_session",
        "_mechanism",
        "_mechanisms",
        "_peer",
        "_requests",
        "_surroundings",
        "_waiting",
        "deadline",
        "ends",
        "software",
        "state",
    )

    def __init__(
        self,
        peer: Peer,
        mechanisms: Mapping[str, Mechanism],
        *,
        surroundings: Surroundings,
        started: float,
        time_limit: float = 30.0,
        max_frame: int = 64 * 1024,
        max_session: float = 0.0,
        known: tuple[Facts, Identity] | None = None,
    ) -> None:
        self.state = State.FIRST if known is None else State.READY
        self.software: Software | None = None
        """What the client said of its make before the login."""
        self.deadline: float | None = started + time_limit if known is None else None
        """When `overdue` has to be asked."""
        self.ends: float | None = None
        """When the session ends; frames of any API that come later are to be fed."""
        self._peer = peer
        self._mechanisms = mechanisms
        self._surroundings = surroundings
        self._max_frame = max_frame
        self._max_session = max_session
        self._known = known
        self._requests = 0
        self._mechanism = ""
        self._exchange: Exchange | None = None
        self._head: RequestHead | None = None
        self._came = started
        self._logged_in_at = started
        self._waiting = False

    def takes(self, api_key: int, now: float) -> bool:
        """Whether a request of this key is for `feed`, rather than for the policy."""
        if self.state is not State.READY or api_key in LOGIN_KEYS:
            return True
        return self.ends is not None and now >= self.ends

    def feed(self, frame: bytes, now: float) -> list[Action]:
        """Take one frame, without its length prefix. Frames after the end are not looked at."""
        if self._waiting:
            raise RuntimeError("a frame was fed while a verdict is awaited")
        if self.state is State.READY and self.ends is not None and now >= self.ends:
            self.state = State.EXPIRED
        self._came = now
        match self.state:
            case State.CLOSING:
                return []
            case State.READY:
                return self._ready(frame, now)
            case State.EXPIRED:
                return self._expired(frame, now)
        if (fault := self._over_limits(frame)) is not None:
            return self._close(now, fault)
        if self.state is State.RAW:
            return self._judge(frame, now)
        return self._before(frame, now)

    def proved(self, outcome: Outcome, now: float) -> list[Action]:
        """Take the verdict that was awaited."""
        if not self._waiting:
            raise RuntimeError("a verdict came that nobody awaits")
        self._waiting = False
        match outcome:
            case _ if self.state is State.CLOSING:
                return []
            case Challenge(token):
                return [Answer(self._framed(token), now)]
            case Proved():
                return self._accept(outcome, now)
            case Refused():
                return self._fail(outcome, now)
            case Trouble():
                attempt = Attempt(mechanism=self._mechanism, name=outcome.name, verdict=False)
                return self._close(now, outcome.reason, attempt)

    def overdue(self, now: float) -> list[Action]:
        """To be called at the deadline: ends a login that is not over."""
        if self.deadline is None or now < self.deadline or self.state is State.CLOSING:
            return []
        return self._close(now, "the login was not over in time")

    # Before the first login

    def _before(self, frame: bytes, now: float) -> list[Action]:
        try:
            head = peek_request(frame)
        except UnsupportedVersion as error:
            return self._unsupported(error, frame, now)
        except ProtocolError as error:
            return self._close(now, strangeness(frame) or str(error))
        if self.state in (State.TOKENS, State.AGAIN):
            return self._token(head, frame, now)
        try:
            if head.api_key == ApiKey.SASL_HANDSHAKE:
                return self._handshake(head, frame, now)
            if head.api_key == ApiKey.API_VERSIONS and self.state is State.FIRST:
                return self._versions(head, frame, now)
        except ProtocolError as error:
            return self._close(now, str(error))
        return self._close(now, strangeness(frame) or f"api key {head.api_key} before the login")

    def _unsupported(self, error: UnsupportedVersion, frame: bytes, now: float) -> list[Action]:
        if error.api_key != ApiKey.API_VERSIONS or self.state is not State.FIRST:
            return self._close(now, strangeness(frame) or str(error))
        head = RequestHead(
            api_key=error.api_key,
            api_version=error.api_version,
            correlation_id=error.correlation_id,
            client_id=None,
            body_offset=len(frame),
        )
        return [Answer(self._surroundings.api_versions(head), now)]

    def _versions(self, head: RequestHead, frame: bytes, now: float) -> list[Action]:
        answer = answer_versions(head, frame, self._surroundings.api_versions)
        if answer.good:
            self.software = answer.software
            self.state = State.VERSIONS
        return [Answer(answer.frame, now)]

    def _handshake(self, head: RequestHead, frame: bytes, now: float) -> list[Action]:
        mechanism = mechanism_of(head, frame)
        if mechanism not in self._mechanisms:
            answer = handshake_answer(head, self._mechanisms, ErrorCode.unsupported_sasl_mechanism)
            return self._answer_and_close(answer, "a mechanism that is not offered here", now)
        self._mechanism = mechanism
        self._exchange = self._mechanisms[mechanism].begin(self._peer)
        self.state = State.RAW if head.api_version == 0 else State.TOKENS
        return [Answer(handshake_answer(head, self._mechanisms), now)]

    # Tokens

    def _token(self, head: RequestHead, frame: bytes, now: float) -> list[Action]:
        if head.api_key != ApiKey.SASL_AUTHENTICATE:
            answer = out_of_turn(head, frame)
            return self._answer_and_close(answer, f"api key {head.api_key} in the middle of a login", now)
        try:
            request = decode_request(head.api_key, head.api_version, frame, head.body_offset)
        except ProtocolError:
            # Not the error's own text: nothing of a token goes anywhere.
            return self._close(now, "a SaslAuthenticate request that cannot be read")
        self._head = head
        return self._judge(request.auth_bytes, now)

    def _judge(self, token: bytes, now: float) -> list[Action]:
        assert self._exchange is not None
        proved = self._exchange.at_once(token, now)
        if proved is not None:
            return self._accept(proved, now)
        self._waiting = True
        return [Wait(self._exchange, bytes(token))]

    def _accept(self, proved: Proved, now: float) -> list[Action]:
        facts, again = proved.facts, self.state is State.AGAIN
        identity = self._surroundings.identify(facts)
        if isinstance(identity, Refused):
            return self._fail(identity, now)
        if self._known is not None and not _same(self._known, facts, identity):
            reason = "a later login as somebody else"
            return self._fail(Refused(reason=reason, told=f"Authentication failed: {reason}", name=facts.name), now)
        ends = self._end_of(facts, now)
        if ends is not None and ends <= now:
            reason = "the credential has ended"
            return self._fail(Refused(reason=reason, told=f"Authentication failed: {reason}", name=facts.name), now)
        lifetime = 0.0 if ends is None else ends - now
        answer = self._framed(proved.token, lifetime)
        self._known, self.ends, self._logged_in_at = (facts, identity), ends, now
        self.state, self.deadline, self._exchange, self._head = State.READY, None, None, None
        return [Answer(answer, now), Ready(facts=facts, identity=identity, ends=ends, again=again)]

    def _end_of(self, facts: Facts, now: float) -> float | None:
        ends = [facts.expires] if facts.expires is not None else []
        if self._max_session > 0:
            ends.append(now + self._max_session)
        return min(ends, default=None)

    def _fail(self, refused: Refused, now: float) -> list[Action]:
        attempt = Attempt(mechanism=self._mechanism, name=refused.name, verdict=True)
        answer = None
        if self.state is not State.RAW:
            assert self._head is not None
            answer = failure_answer(self._head, ErrorCode.sasl_authentication_failed, refused.told)
        return self._answer_and_close(answer, refused.reason, now, attempt)

    def _framed(self, token: bytes, lifetime: float = 0.0) -> bytes:
        return with_prefix(token) if self._head is None else token_answer(self._head, token, lifetime)

    # After the first login

    def _ready(self, frame: bytes, now: float) -> list[Action]:
        """Refuse, and end nothing; only a SaslHandshake in a session that has an end begins a new login."""
        try:
            head = peek_request(frame)
        except ProtocolError as error:
            return self._close(now, str(error))
        may_again = self.ends is not None and now - self._logged_in_at >= LEAST_BETWEEN_LOGINS
        if head.api_key == ApiKey.SASL_HANDSHAKE and head.api_version > 0 and may_again:
            return self._handshake_again(head, frame, now)
        answer = out_of_turn(head, frame)
        return [Answer(answer, now)] if answer is not None else self._close(now, "a request that cannot be read")

    def _expired(self, frame: bytes, now: float) -> list[Action]:
        try:
            head = peek_request(frame)
        except ProtocolError as error:
            return self._close(now, str(error))
        if head.api_key == ApiKey.SASL_HANDSHAKE and head.api_version > 0:
            return self._handshake_again(head, frame, now)
        return self._close(now, "the session has ended, and the client did not log in again")

    def _handshake_again(self, head: RequestHead, frame: bytes, now: float) -> list[Action]:
        assert self._known is not None
        try:
            mechanism = mechanism_of(head, frame)
        except ProtocolError as error:
            return self._close(now, str(error))
        if mechanism != self._known[0].mechanism:
            answer = handshake_answer(head, self._mechanisms, ErrorCode.illegal_sasl_state)
            return self._answer_and_close(answer, "a later login by another mechanism", now)
        self._exchange = self._mechanisms[mechanism].begin(self._peer)
        self._mechanism, self._requests = mechanism, 0
        self.state, self.deadline = State.AGAIN, now + AGAIN_LIMIT
        return [Answer(handshake_answer(head, self._mechanisms), now)]

    # Ends

    def _over_limits(self, frame: bytes) -> str | None:
        self._requests += 1
        if self._requests > MAX_REQUESTS:
            return f"more than {MAX_REQUESTS} requests in one login"
        if len(frame) > self._max_frame:
            return f"a request of {len(frame)} bytes before the login, limit {self._max_frame}"
        return None

    def _answer_and_close(
        self, answer: bytes | None, reason: str, now: float, attempt: Attempt | None = None
    ) -> list[Action]:
        """Tell a failure at the next multiple of the failure step, and close then."""
        steps = max(1, math.ceil((now - self._came) / FAILURE_STEP))
        when = self._came + steps * FAILURE_STEP
        told: list[Action] = [] if answer is None else [Answer(answer, when)]
        return told + self._close(when, reason, attempt)

    def _close(self, when: float, reason: str, attempt: Attempt | None = None) -> list[Action]:
        self.state, self.deadline, self._exchange = State.CLOSING, None, None
        return [Close(not_before=when, reason=reason, attempt=attempt)]


def _same(before: tuple[Facts, Identity], facts: Facts, identity: Identity) -> bool:
    return (before[0].provider, before[1].principal, before[1].tenant) == (
        facts.provider,
        identity.principal,
        identity.tenant,
    )
