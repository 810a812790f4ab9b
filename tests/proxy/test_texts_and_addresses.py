"""No text of a broker's and no address reaches a client: each place for one in each answer, found by the schemas.

Every admitted API is asked in each version about the tenant's own things. The broker's answer has what was asked for;
in each place for a text there is one that names another tenant's topic and a broker's address, in each place for an
address a broker's own, and the cluster's real id wherever there is room for one.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, cast

import pytest
from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Domain
from kordon_protocol.codec import decode_request, decode_response, response_frame, response_type
from kordon_protocol.frames import FrameSplitter
from kordon_protocol.header import peek_request, peek_response
from kordon_protocol.keys import ApiKey
from kordon_protocol.refusals import refusal
from kordon_protocol.shapes import Entity, Field, Shape, shape_of, zero_of
from tests.kafka import share_requests as share
from tests.kafka.neighbours import Neighbours
from tests.kafka.probes import PROBES
from tests.kafka.requests import Things
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.cluster.loops import scenario
from tests.proxy.fields import ADMITTED, Kind, Place, places, read
from tests.proxy.judging.worlds import a_picture, topic_id
from tests.proxy.sessions import Connected, Links, World, a_world, spoken, tick
from tests.proxy.test_fields import CUT

FOREIGN: Final = "globex.pay"
HOST, PORT, CLUSTER = "real-1.internal", 54321, "real-cluster"
MARKS: Final = (*(mark.encode() for mark in (FOREIGN, HOST, str(PORT), CLUSTER)), PORT.to_bytes(4, "big"))
CODES: Final = (
    ErrorCode.none,
    ErrorCode.unknown_server_error,
    ErrorCode.invalid_request,
    ErrorCode.invalid_topic_exception,
    ErrorCode.cluster_authorization_failed,
)
IN_KAFKAS_WORDS: Final = (
    (ErrorCode.topic_already_exists, f"Topic '{FOREIGN}' already exists."),
    (ErrorCode.invalid_partitions, f"The topic {FOREIGN} currently has 3 partition(s); 2 would not be an increase."),
    (ErrorCode.policy_violation, f"Topic name is invalid: {FOREIGN} is at {HOST}:{PORT}"),
)
"""Texts that are shown where they say no more than was asked: here they do, or a policy of the platform's says them."""
TEXT: Final = f"{FOREIGN} is led by {HOST}:{PORT}, which is one of 3 brokers"
EVERYTHING: Final = ", ".join(
    action for action in Action if not action.startswith(("SCHEMA", "CONNECT", "KSQL", "ADMIN", "BULK"))
)
POLICY: Final = f"""
policies:
  - {{resource: [{Domain.CLUSTER}, prod], effect: Allow, role: devs, actions: [{EVERYTHING}]}}
tenants:
  - name: Acme
    roles: [devs]
    resources:
      - include: [[cluster, prod, topic, "acme.*"], [cluster, prod, group, "acme-*"],
                  [cluster, prod, transactional-id, "acme-*"], [cluster, prod, principal, "User:acme-*"]]
  - name: Everything
    roles: [devs]
    resources: [{{include: ["*"]}}]
"""


def things(name: str) -> Things:
    topic = f"acme.{name}"
    return Things(topic=topic, topic_id=topic_id(topic), group=f"acme-{name}", transactional_id=f"acme-{name}")


OURS: Final = Neighbours(
    kafka=cast("Any", None),
    tap=cast("Any", None),
    kordon=cast("Any", None),
    foreign=(),
    missing=(),
    own=things("own"),
    idle=things("idle"),
    secret=things("secret"),
    mixed=(),
)
TOPICS: Final = (OURS.own.topic, OURS.idle.topic, OURS.secret.topic, FOREIGN)


def places_of(key: int, version: int) -> dict[str, Place]:
    """The places for texts, addresses and cluster ids in an answer, by their paths."""
    found = places(ADMITTED[key].name, response_type(key, version))
    return {place.path: place for place in found if place.kind in (Kind.FREE_TEXT, Kind.ADDRESS, Kind.CLUSTER)}


TELLING: Final = [
    pytest.param(ApiKey(key), version, id=f"{api.name}-{version}")
    for key, api in ADMITTED.items()
    for version in api.versions
    if places_of(key, version)
]


def requests(key: ApiKey, version: int, it: Things = OURS.own) -> Iterator[Any]:
    """All ways to ask about what is the tenant's own; the plain one where nothing can be named."""
    probes = [probe for probe in PROBES.get(key, ()) if version in probe.versions]
    yield from (probe.build(version, it, OURS) for probe in probes)
    if not probes:
        yield a_request(key, version, cluster_id=None)


class Betrayal:
    """An answer that tells all it can: a text, an address or the cluster's id in each place for one.

    The error stands in each place for one, or (`deepest`) in the innermost entries for what was asked and nowhere else.
    """

    def __init__(self, code: ErrorCode, text: str = TEXT, *, deepest: bool = False) -> None:
        self._code, self._text, self._deepest = code, text, deepest
        self._places: dict[str, Place] = {}

    def __repr__(self) -> str:
        return f"{self._code.name}: {self._text} ({self._deepest=})"

    def of(self, request: Any) -> Any:
        """The broker's answer; it has what was asked for."""
        key, version = request.__api_key__, request.__version__
        self._places = places_of(key, version)
        return self._filled(refusal(key, version, request, self._code, deepest=True), "")

    def _filled(self, message: Any, path: str) -> Any:
        entity: Entity = type(message)
        fields = fields_of(shape_of(entity))
        return replace(
            message, **{one.name: self._value(one, getattr(message, one.name), path + one.name) for one in fields}
        )

    def _value(self, field: Field, value: Any, path: str) -> Any:
        place = self._places.get(path)
        if place is not None:
            return self._told(place)
        if field.wire == "error_code" and not self._deepest:
            return self._code
        inside = f"{path}."
        if field.struct is None or not any(other.startswith(inside) for other in self._places):
            return value
        empty = field.struct.entity(**{one.name: zero_of(one) for one in fields_of(field.struct)})
        if field.array:
            return tuple(self._filled(entry, inside) for entry in value or (empty,))
        return self._filled(empty if value is None else value, inside)

    def _told(self, place: Place) -> str | int:
        if place.kind is Kind.ADDRESS:
            return HOST if place.wire == "string" else PORT
        return CLUSTER if place.kind is Kind.CLUSTER else self._text


BETRAYALS: Final = (
    *(Betrayal(code) for code in CODES),
    *(Betrayal(code, deepest=True) for code in CODES),
    *(Betrayal(code, text) for code, text in IN_KAFKAS_WORDS),
)


def fields_of(shape: Shape) -> tuple[Field, ...]:
    return (*shape.fields, *shape.tagged)


def reached(message: Any, path: str) -> bool:
    """Whether a message has a value at this place."""
    name, _, rest = path.partition(".")
    value = getattr(message, name)
    if not rest:
        return True
    return any(reached(entry, rest) for entry in (value if isinstance(value, tuple) else (value,)) if entry is not None)


async def got(world: World, request: Any, betrayal: Betrayal) -> bytes | None:
    """What the client gets when the broker answers so; None where it is not asked."""
    client = world.connect()
    if request.__api_key__ == ApiKey.SHARE_ACKNOWLEDGE:
        await open_session(client, request)
    number = client.sends(request)
    await tick()
    heard = asked_of_broker(client)
    if not heard or heard[-1].__api_key__ != request.__api_key__:
        return None
    client.session.from_broker(response_frame(betrayal.of(heard[-1]), number))
    await tick()
    if client.session.closed:  # the answer holds a topic of another share session
        assert request.__api_key__ == ApiKey.SHARE_FETCH
        assert not [mark for mark in MARKS if mark in client.transport.written]
        return None
    (frame,) = client.frames()
    return frame


async def open_session(client: Connected, request: Any) -> None:
    """Open the share session in which a request acknowledges records."""
    opening = share.fetch(request.__version__, OURS.own)
    told = {"group_id": request.group_id, "member_id": request.member_id}
    number = client.sends(replace(opening, **told))
    await tick()
    client.session.from_broker(response_frame(a_response(ApiKey.SHARE_FETCH, request.__version__), number))
    await tick()
    client.frames()


def asked_of_broker(client: Connected) -> list[Any]:
    """What has gone to the broker."""
    links = client.world.links.of(client.session)
    found = []
    for frame in FrameSplitter(1 << 30).feed(links[0].sent) if links else ():
        head = peek_request(frame)
        found.append(decode_request(head.api_key, head.api_version, frame, head.body_offset))
    return found


@pytest.mark.parametrize(("key", "version"), TELLING)
@scenario
async def test_no_text_of_the_broker_s_and_no_address_gets_through(links: Links, key: ApiKey, version: int) -> None:
    cut = {path for api, path in read(CUT) if api == ADMITTED[key].name}
    unreached = {path for path, place in places_of(key, version).items() if not place.is_number} - cut
    picture = replace(a_picture(TOPICS), api_versions=spoken(ADMITTED))
    for tenant in ("Acme", "Everything"):
        world = a_world(links, policy=POLICY, apis=ADMITTED, section={"tenant": tenant}, picture=picture)
        for request, betrayal in itertools.product(requests(key, version), BETRAYALS):
            frame = await got(world, request, betrayal)
            if frame is None:
                continue
            assert not [mark for mark in MARKS if mark in frame], (tenant, request, betrayal)
            answer = decode_response(key, version, frame, peek_response(frame, key, version).body_offset)
            unreached -= {path for path in unreached if reached(answer, path)}

    assert unreached == set()  # each of them was in some answer, or is cut from it whole
