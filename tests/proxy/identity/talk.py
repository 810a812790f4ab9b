"""What the tests of logins share: users, mechanisms, and a client that speaks frames."""

import asyncio
import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kio.schema.errors import ErrorCode

from kordon_policy.load import load
from kordon_policy.snapshot import Snapshot, compile_snapshot
from kordon_protocol.codec import decode_response, request_frame, request_type, response_frame, response_type
from kordon_protocol.header import RequestHead, peek_response
from kordon_protocol.keys import ApiKey
from kordon_proxy.identity.directory import Directory, Door
from kordon_proxy.identity.identify import identify
from kordon_proxy.identity.login import Action, Answer, Close, Conversation, Ready, Wait
from kordon_proxy.identity.passwords import PasswordChecker
from kordon_proxy.identity.plain import PlainMechanism
from kordon_proxy.identity.scrypt import ScryptHash
from kordon_proxy.identity.users import Credential, User, Users
from kordon_proxy.identity.values import Exchange, Facts, Identity, Mechanism, Outcome, Peer, Proved, Refused

NOON = 1_700_000_000.0
PEER = Peer(address="127.0.0.1", port=50123, listener="apps")
PASSWORD = "correct-horse-canary"

POLICY = """
admin_roles: [owners]
policies:
  - {resource: [cluster, "*", topic, "tx_*"], effect: Allow, actions: [TOPIC_INSPECT], roles: [owners, devs]}
tenants:
  - {name: Trading, resources: [{include: [cluster, "*", topic, "tx_*"]}], roles: [owners, devs]}
  - {name: Billing, resources: [{include: [cluster, "*", topic, "bill_*"]}], roles: [owners]}
"""


def a_snapshot(text: str = POLICY, epoch: int = 1) -> Snapshot:
    loaded = load(text, "rbac.yaml")
    assert loaded.document is not None, loaded.findings
    return compile_snapshot(loaded.document, epoch=epoch)


def a_hash(password: str, salt: bytes = b"s" * 16) -> ScryptHash:
    """A stand-in that is no hash at all, as tests have no second to spare for each login."""
    return ScryptHash(15, salt, password.encode().ljust(32, b"\0")[:32])


def compute(password: str, hashes: tuple[ScryptHash, ...]) -> frozenset[int]:
    """What `a_hash` made is recognized."""
    return frozenset(index for index, known in enumerate(hashes) if a_hash(password, known.salt) == known)


def a_user(name: str = "alice", *, roles: Iterable[str] = ("devs",), default_tenant: str | None = None) -> User:
    credential = Credential(id=f"{name}-1", scrypt=a_hash(PASSWORD))
    return User(name=name, roles=frozenset(roles), default_tenant=default_tenant, credentials=(credential,))


def some_users(*users: User) -> Users:
    return Users(by_name={user.name: user for user in users or (a_user(),)})


def a_plain(users: Users | None = None, **how: Any) -> PlainMechanism:
    known = some_users() if users is None else users
    return PlainMechanism(
        provider="staff",
        users=lambda: known,
        checker=PasswordChecker(compute=compute),
        is_tenant=lambda name: name in ("Trading", "Billing"),
        **how,
    )


def a_directory(users: Users | None = None, door: Door | None = None) -> Directory:
    known = some_users() if users is None else users
    return Directory(users={"staff": known}, doors={"apps": door or Door()})


def api_versions(head: RequestHead) -> bytes:
    """An answer that says little; an unknown version is answered as Kafka does."""
    good = head.api_version < 5
    kind = response_type(ApiKey.API_VERSIONS, head.api_version if good else 0)
    code = ErrorCode.none if good else ErrorCode.unsupported_version
    throttle = {"throttle_time": datetime.timedelta()} if good and head.api_version > 0 else {}
    return response_frame(kind(error_code=code, api_keys=(), **throttle), head.correlation_id)


@dataclass
class Surroundings:
    """What is around a conversation."""

    policy: Snapshot
    directory: Directory

    def api_versions(self, head: RequestHead) -> bytes:
        return api_versions(head)

    def identify(self, facts: Facts) -> Identity | Refused:
        return identify(facts, PEER, self.policy, self.directory)


class Client:
    """A client of one conversation. Remembers everything that it was told, with the times."""

    def __init__(
        self,
        mechanisms: Mapping[str, Mechanism] | None = None,
        *,
        directory: Directory | None = None,
        snapshot: Snapshot | None = None,
        **how: Any,
    ) -> None:
        known = directory or a_directory()
        policy = snapshot or a_snapshot()
        self.now = NOON
        self.told: list[Action] = []
        self.conversation = Conversation(
            PEER,
            {"PLAIN": a_plain()} if mechanisms is None else mechanisms,
            surroundings=Surroundings(policy, known),
            started=NOON,
            **how,
        )

    def sends(self, frame: bytes) -> list[Action]:
        """Send one frame; a verdict is awaited."""
        actions = self.conversation.feed(frame, self.now)
        while actions and isinstance(actions[-1], Wait):
            wait = actions.pop()
            assert isinstance(wait, Wait)
            actions += self.conversation.proved(asyncio.run(wait.outcome(self.now)), self.now)
        self.told += actions
        return actions

    def asks(self, key: int, version: int, **fields: Any) -> list[Action]:
        return self.sends(a_request(key, version, **fields))

    def shakes_hands(self, mechanism: str = "PLAIN", version: int = 1) -> list[Action]:
        return self.asks(ApiKey.SASL_HANDSHAKE, version, mechanism=mechanism)

    def says(self, token: bytes, version: int = 2) -> list[Action]:
        return self.asks(ApiKey.SASL_AUTHENTICATE, version, auth_bytes=token)

    def logs_in(self, user: str = "alice", password: str = PASSWORD) -> list[Action]:
        self.shakes_hands()
        return self.says(a_token(user, password))


def a_request(key: int, version: int, **fields: Any) -> bytes:
    """A frame without its length prefix."""
    return request_frame(request_type(key, version)(**fields), 7, "test")[4:]


def a_token(user: str = "alice", password: str = PASSWORD, acting_for: str = "") -> bytes:
    return f"{acting_for}\0{user}\0{password}".encode()


def answers(actions: Iterable[Action]) -> list[Answer]:
    return [action for action in actions if isinstance(action, Answer)]


def the_answer(actions: Iterable[Action], key: int, version: int) -> Any:
    """Decode the only answer among the actions."""
    (answer,) = answers(actions)
    frame = answer.frame[4:]
    assert len(frame) == int.from_bytes(answer.frame[:4], "big")
    return decode_response(key, version, frame, peek_response(frame, key, version).body_offset)


def the_end(actions: Iterable[Action]) -> Close:
    (close,) = [action for action in actions if isinstance(action, Close)]
    return close


def is_in(actions: Iterable[Action]) -> bool:
    return any(isinstance(action, Ready) for action in actions)


class Scripted:
    """A mechanism whose exchange gives these outcomes, one a token."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = outcomes
        self.tokens: list[bytes] = []

    def begin(self, _peer: Peer, /) -> Exchange:
        return _ScriptedExchange(self)


class _ScriptedExchange:
    def __init__(self, script: Scripted) -> None:
        self._script = script
        self._outcomes = iter(script.outcomes)

    def at_once(self, token: bytes, now: float) -> Proved | None:
        return None

    async def step(self, token: bytes, now: float) -> Outcome:
        self._script.tokens.append(token)
        return next(self._outcomes)
