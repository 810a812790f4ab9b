"""FindCoordinator (10): where a group or a transactional id lives.

v0 knows groups only, v1 added the key type, v4 asks for many keys at once, v6 added share-partition keys. A name
outside the view is answered here with a broker that its hash picks: a cluster finds a coordinator for a group that
does not exist, too, and the look-up at the broker could create internal topics. Addresses in the broker's answer
become Kordon's.
"""

from dataclasses import replace
from typing import Any, Final
from zlib import crc32

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, make, respond, struct_type
from kordon_proxy.judging.may import DENIED_CODE, Access, May, Refusal, Ruling
from kordon_proxy.judging.parts import forward_rest, itself, refuse
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.texts import constant_text
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Verdict

GROUP: Final = 0
SHARE: Final = 2
KINDS: Final = {GROUP: Kind.GROUP, 1: Kind.TRANSACTIONAL_ID}
BATCHED: Final = 4
"""The first version with many keys."""
SHARED: Final = 6
"""The first version in which a broker knows share-partition keys."""
FOR_BROKERS: Final = Refusal(ErrorCode.cluster_authorization_failed, "where share partitions are kept is for brokers")
UNKNOWN_TYPE: Final = Refusal(ErrorCode.invalid_request, "no such type of key is known")


def judge(request: Any, may: May) -> Verdict:
    """Share-partition keys are for brokers: they are refused for the whole request, as Kafka does."""
    key_type = getattr(request, "key_type", GROUP)
    kind = KINDS.get(key_type)
    if kind is None:
        share = key_type == SHARE and request.__version__ >= SHARED
        return _refuse(request, may, FOR_BROKERS if share else UNKNOWN_TYPE)
    if request.__version__ < BATCHED:
        return _judge_one(request, may, kind)
    return _judge_many(request, may, kind)


def _refuse(request: Any, may: May, refusal: Refusal) -> Answer:
    may.note(Ruling(Access.DENIED, None, None, None, None, refusal))
    return refuse(request, refusal)


def _judge_one(request: Any, may: May, kind: Kind) -> Verdict:
    if may(None, kind, request.key) is Access.HIDDEN:
        return Answer(respond(request, **_outside(may, kind, request.key)))
    return Forward(Mended(_relocated))


def _judge_many(request: Any, may: May, kind: Kind) -> Verdict:
    keys = request.coordinator_keys
    entry = struct_type(answer_type(request), "coordinators")
    own = {
        place: make(entry, key=key, **_outside(may, kind, key))
        for place, key in enumerate(keys)
        if may(None, kind, key) is Access.HIDDEN
    }

    def mend(response: Any, now: May) -> Any:
        return replace(response, coordinators=tuple(_relocated(one, now) for one in response.coordinators))

    return forward_rest(
        request,
        own,
        items="coordinator_keys",
        answers="coordinators",
        key=lambda entry: getattr(entry, "key", entry),
        plan=Mended(mend),
    )


def _outside(may: May, kind: Kind, key: str) -> dict[str, Any]:
    """The answer for a name outside the view: a function of the name and of the brokers, and of nothing else."""
    if may.outside_denied:
        return _failed(DENIED_CODE[kind])
    reachable = [broker for broker in sorted(may.picture.brokers) if may.cluster.address(broker)[1] > 0]
    if not reachable:
        return _failed(ErrorCode.coordinator_not_available)
    return _at(may, reachable[crc32(f"{kind.value}:{key}".encode()) % len(reachable)])


def _relocated(entry: Any, may: May) -> Any:
    """The broker's answer for one key (up to v3 the whole response), at Kordon's address."""
    place = _at(may, entry.node_id) if entry.error_code is ErrorCode.none else _failed(entry.error_code)
    if not hasattr(entry, "error_message"):
        del place["error_message"]
    return replace(entry, **place)


def _at(may: May, broker_id: int) -> dict[str, Any]:
    host, port = may.cluster.address(broker_id)
    if port <= 0:
        return _failed(ErrorCode.coordinator_not_available)
    return {"node_id": broker_id, "host": host, "port": port, "error_code": ErrorCode.none, "error_message": None}


def _failed(code: ErrorCode) -> dict[str, Any]:
    return {"node_id": -1, "host": "", "port": -1, "error_code": code, "error_message": constant_text(code)}


APIS = (
    Api(
        key=ApiKey.FIND_COORDINATOR,
        name="FindCoordinator",
        versions=range(7),
        judge=judge,
        repeated=itself,
        gives_away="addresses, which become Kordon's; texts, which become constant",
        needs=(),
    ),
)
