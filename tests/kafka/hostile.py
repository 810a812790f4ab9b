"""What hostile clients send: noise, real requests that were damaged, and real requests in the wrong place.

All of it follows from a seed, but for the ids that a cluster gives.
"""

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_request, decode_response, request_frame, request_type
from kordon_protocol.errors import ProtocolError
from kordon_protocol.frames import with_prefix
from kordon_protocol.header import peek_request, peek_response
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.shapes import Entity, shape_of
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.judging.entries import make
from kordon_proxy.table import APIS
from tests.kafka.crowd import Course, Script, at_once
from tests.kafka.neighbours import PASSWORD, Neighbours
from tests.kafka.probes import PROBES
from tests.kafka.requests import Things
from tests.proxy.apis.messages import a_request
from tests.proxy.identity.talk import a_token

ADMITTED: Final = [(ApiKey(key), version) for key, api in APIS.items() if api.judge for version in api.versions]
EVERY_KEY: Final = [(key, version) for key in ApiKey for version in versions(key)]
LISTENERS: Final = ("acme", "acme", "strict", "reader")
TELLING: Final = (
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\x00\x00\x00\x00",
    b"\x00\x10\x00\x00",
    b"\xff\xff\xff\xff\x07",
    b"\xff\xff\xff\xff\x0f",
    b"\xff" * 10,
    b"\x80" * 10,
    b"\x7f\xff",
    b"\xff\xff",
    b"\x00",
    b"\x01",
)
"""Lengths and counts that are odd."""
MANY: Final = 32
"""Partitions: more than a test has the broker make. What makes it work hard is a matter of quotas, not of views."""
PATIENCE: Final = 0.3
"""Seconds without a byte after which no more answers are waited for: some requests wait for others who never come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What one connection sends."""

    kind: str
    seed: str
    """By which it can be made again."""
    frames: Sequence[bytes]
    """With their length prefixes."""
    listener: str = "acme"
    framed: bool = True
    """Whether each is what Kordon will take for a frame, so that answers can be told to belong to requests."""

    @property
    def said(self) -> bytes:
        return b"".join(self.frames)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What came back."""

    attack: Attack
    course: Course


class Hostility:
    """Makes attacks, each by its number."""

    def __init__(self, neighbours: Neighbours, seed: str) -> None:
        self._neighbours = neighbours
        self._seed = seed
        self._own = (neighbours.own, neighbours.idle, *neighbours.mixed)
        order = random.Random(seed)
        self._order = [order.sample(ADMITTED, len(ADMITTED)) for _ in range(4)]
        self._turn = 0
        self.asked: set[tuple[int, int]] = set()
        """Key and version of all requests that were taken to be damaged or put in the wrong place."""

    def attacks(self, numbers: range) -> list[Attack]:
        return [self._attack(number) for number in numbers]

    def _attack(self, number: int) -> Attack:
        seed = f"{self._seed}/{number}"
        rng = random.Random(seed)
        kinds = (
            self._noise,
            self._headed_noise,
            *(self._damaged,) * 4,
            self._misframed,
            self._counted,
            self._numbered,
            self._doubled,
            self._at_the_door,
        )
        make_one = kinds[number % len(kinds)]
        return replace(make_one(rng), seed=seed, kind=make_one.__name__.strip("_"))

    # ---- kinds of attacks

    def _noise(self, rng: random.Random) -> Attack:
        """Bytes that are nothing at all."""
        data = rng.randbytes(rng.randrange(1, 3000))
        if rng.random() < 0.7:
            data = with_prefix(data)
        listener = rng.choice((*LISTENERS, "door"))
        return Attack(kind="", seed="", frames=[data], listener=listener, framed=False)

    def _headed_noise(self, rng: random.Random) -> Attack:
        """A good header, and noise behind it; at last a key or a version that nobody has."""
        frames = []
        for _ in range(rng.randrange(1, 4)):
            key, version = rng.choice(EVERY_KEY)
            head = struct.pack(">hhih", key, version, rng.getrandbits(31), -1) + b"\0" * rng.randrange(2)
            frames.append(with_prefix(head, rng.randbytes(rng.choice((0, 1, 2, 8, 60, 2000)))))
        strange = struct.pack(">hhih", rng.randrange(-9, 10_100), rng.randrange(-2, 30), 1, -1)
        return Attack(
            kind="", seed="", frames=[*frames, with_prefix(strange, bytes(4))], listener=rng.choice(LISTENERS)
        )

    def _damaged(self, rng: random.Random) -> Attack:
        """Real requests, some of them with a wound."""
        frames = [self._real(rng, number) for number in range(rng.randrange(1, 6))]
        wounded = [self._wounded(rng, frame) if rng.random() < 0.5 else frame for frame in frames]
        return Attack(kind="", seed="", frames=list(map(with_prefix, wounded)), listener=rng.choice(LISTENERS))

    def _misframed(self, rng: random.Random) -> Attack:
        """Real requests under a length that is not theirs, or cut off."""
        frames = [with_prefix(self._real(rng, number)) for number in range(3)]
        place = rng.randrange(3)
        if rng.random() < 0.5:
            size = len(frames[place]) - 4 + rng.choice((-9, -1, 1, 7, 1000))
            frames[place] = struct.pack(">i", size) + frames[place][4:]
        else:
            frames[place] = frames[place][: rng.randrange(len(frames[place]))]
        return Attack(kind="", seed="", frames=frames, listener=rng.choice(LISTENERS), framed=False)

    def _counted(self, rng: random.Random) -> Attack:
        """A count or a length that the body cannot hold, in a small request."""
        frame = self._real(rng, 1)
        place = rng.randrange(peek_request(frame).body_offset - 1, len(frame))
        number = rng.choice(TELLING)
        frames = [with_prefix(frame[:place] + number + frame[place + rng.choice((0, 1, len(number))) :])]
        return Attack(kind="", seed="", frames=frames, listener=rng.choice(LISTENERS))

    def _numbered(self, rng: random.Random) -> Attack:
        """Real requests with correlation ids that are odd, or the same."""
        frames = []
        for _ in range(rng.randrange(2, 9)):
            frame = self._real(rng, rng.choice((7, 7, 7, 0, -1, 2**31 - 1, -(2**31), rng.getrandbits(31))))
            if not _silent(frame):
                frames.append(with_prefix(frame))
        return Attack(kind="", seed="", frames=frames)

    def _doubled(self, rng: random.Random) -> Attack:
        """Real requests in which everything is named twice."""
        frames = []
        for number in range(rng.randrange(1, 6)):
            message = _twice(self._message(rng), rng)
            frame = request_frame(message, number, "hostile")[4:]
            if not (_silent(frame) or _makes_many(frame)):
                frames.append(with_prefix(frame))
        return Attack(kind="", seed="", frames=frames, listener=rng.choice(LISTENERS))

    def _at_the_door(self, rng: random.Random) -> Attack:
        """Steps of a login in the wrong order, with other requests in between, and with wounds."""
        steps = [
            lambda: a_request(ApiKey.API_VERSIONS, rng.randrange(4), client_software_name="a"),
            lambda: a_request(ApiKey.SASL_HANDSHAKE, rng.randrange(2), mechanism=rng.choice(("PLAIN", "SCRAM", ""))),
            lambda: a_request(
                ApiKey.SASL_AUTHENTICATE,
                rng.randrange(3),
                auth_bytes=rng.choice((a_token("alice", PASSWORD), a_token("alice", "wrong"), rng.randbytes(30))),
            ),
            lambda: self._message(rng),
        ]
        good = [
            a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"),
            a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token("alice", PASSWORD)),
        ]
        messages = [rng.choice(steps)() for _ in range(rng.randrange(1, 7))]
        if rng.random() < 0.5:
            place = rng.randrange(len(messages) + 1)
            messages[place:place] = good
        frames = [request_frame(message, number, "hostile")[4:] for number, message in enumerate(messages)]
        if rng.random() < 0.3:
            place = rng.randrange(len(frames))
            frames[place] = self._wounded(rng, frames[place])
        if rng.random() < 0.2:
            frames.insert(rng.randrange(len(frames) + 1), a_token("alice", PASSWORD))  # as after a handshake of v0
        return Attack(kind="", seed="", frames=list(map(with_prefix, frames)), listener="door", framed=False)

    # ---- what they are made of

    def _message(self, rng: random.Random) -> Any:
        """A request of the next API and version that is admitted: about what is foreign, missing or the tenant's."""
        if rng.random() < 0.1:
            return a_request(*rng.choice(EVERY_KEY))
        order = self._order[self._turn // len(ADMITTED) % len(self._order)]
        key, version = order[self._turn % len(ADMITTED)]
        self._turn += 1
        self.asked.add((key, version))
        known = [probe for probe in PROBES[key] if version in probe.versions]
        return (
            rng.choice(known).build(version, self._things(rng), self._neighbours) if known else a_request(key, version)
        )

    def _things(self, rng: random.Random) -> Things:
        theirs, nobodys = self._neighbours.foreign, self._neighbours.missing
        return rng.choice(rng.choice((theirs, theirs, nobodys, self._own)))

    def _real(self, rng: random.Random, number: int) -> bytes:
        return request_frame(self._message(rng), number, "hostile")[4:]

    def _wounded(self, rng: random.Random, whole: bytes) -> bytes:
        frame = whole
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            wound = rng.choice((_flipped, _flipped, _cut, _overwritten, _overwritten, _repeated, _filled))
            frame = wound(rng, frame) if rng.random() < 0.9 else _grafted(rng, frame, self._real(rng, 1))
        return whole if _makes_many(frame) else frame


# Wounds


def _flipped(rng: random.Random, frame: bytes) -> bytes:
    """Some bits turned."""
    data = bytearray(frame)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _cut(rng: random.Random, frame: bytes) -> bytes:
    return frame[: rng.randrange(len(frame) + 1)]


def _overwritten(rng: random.Random, frame: bytes) -> bytes:
    place, number = rng.randrange(len(frame) + 1), rng.choice(TELLING)
    return frame[:place] + number + frame[place + len(number) :]


def _repeated(rng: random.Random, frame: bytes) -> bytes:
    first, last = sorted(rng.randrange(len(frame) + 1) for _ in range(2))
    return frame[:last] + frame[first:last] * rng.choice((1, 1, 3, 40)) + frame[last:]


def _filled(rng: random.Random, frame: bytes) -> bytes:
    place = rng.randrange(len(frame) + 1)
    return frame[:place] + rng.randbytes(rng.choice((1, 2, 4, 16, 300))) + frame[place:]


def _grafted(rng: random.Random, frame: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of another."""
    return frame[: rng.randrange(len(frame) + 1)] + other[rng.randrange(len(other) + 1) :]


def _twice(message: Any, rng: random.Random) -> Any:
    """The message with each of its lists twice, one behind the other, here and there mixed."""
    values, kind = {}, cast("Entity", type(message))
    shape = shape_of(kind)
    for part in (*shape.fields, *shape.tagged):
        value = getattr(message, part.name)
        if part.struct is not None and value is not None:
            value = tuple(_twice(one, rng) for one in value) if part.array else _twice(value, rng)
        if part.array and value is not None:
            value = rng.choice((value + value, value + value[::-1], value * 3))
        values[part.name] = value
    return make(kind, **values)


# What may be expected of a frame


def _read(frame: bytes) -> Any:
    """The request in a frame; None if it has none."""
    try:
        head = peek_request(frame)
        return decode_request(head.api_key, head.api_version, frame, head.body_offset)
    except ProtocolError:
        return None


def _silent(frame: bytes) -> bool:
    """Whether it has no answer."""
    return getattr(_read(frame), "acks", None) == 0


def _makes_many(frame: bytes) -> bool:
    """Whether a broker would make very many partitions of it."""
    if int.from_bytes(frame[:2], "big") not in (ApiKey.CREATE_TOPICS, ApiKey.CREATE_PARTITIONS):
        return False
    return any(
        max(getattr(topic, "num_partitions", 0), getattr(topic, "count", 0)) > MANY
        for topic in getattr(_read(frame), "topics", None) or ()
    )


# The attack itself


def carry_out(kordon: Kordon, attacks: Sequence[Attack], *, patience: float = PATIENCE) -> list[Reaction]:
    """All at once, each on a connection of its own, until everybody has hung up or is quiet."""
    courses = at_once((Script(kordon.listener(attack.listener), attack.said) for attack in attacks), patience=patience)
    return [Reaction(attack, course) for attack, course in zip(attacks, courses, strict=True)]


# What is made of it


def strayed(reaction: Reaction) -> str | None:
    """What is wrong with the order or the form of the answers; None where nothing is."""
    asked = iter([frame[4:] for frame in reaction.attack.frames])
    for answer in reaction.course.frames():
        request = next((one for one in asked if one[4:8] == answer[:4]), None)
        if request is None:
            return f"an answer to a request that is not there: {answer.hex()}"
        if (why := _unreadable(request, answer)) is not None:
            return f"{why}: {answer.hex()} for {request.hex()}"
    return None


def _unreadable(request: bytes, answer: bytes) -> str | None:
    key, version = struct.unpack_from(">hh", request)
    if key == ApiKey.API_VERSIONS and answer[4:6] == struct.pack(">h", ErrorCode.unsupported_version):
        version = 0
    try:
        request_type(key, version)
        decode_response(key, version, answer, peek_response(answer, key, version).body_offset)
    except ProtocolError as error:
        return str(error)
    return None


def marks_in(reaction: Reaction, marks: Sequence[bytes]) -> Iterator[bytes]:
    """The marks that were received and not said before."""
    said = reaction.attack.said
    return (mark for mark in marks if mark in reaction.course.received and mark not in said)
