"""Metadata (3): the tenant's topics at Kordon's addresses.

Versions: an empty array means all topics in v0 and none from v1, where null means all; auto-creation is always on
before the flag of v4; ids from v10, which brokers take only from v12; permission bits v8+ (the cluster's v8 to v10).

Strategy: what the broker is asked for is already cut to the view, so all topics that it answers may be shown, and
only the answer's head (brokers, cluster id) is mended, while the topics run through. Names outside the view are never
forwarded; their entries are put in front of the broker's. The answer is walked as a whole only where a topic must
change inside.

A broker creates what it does not have, whatever Kordon's picture of the cluster says: a topic may have been deleted
since. So it is let create only where each topic that it is asked for may be created. Any other request goes without the
flag, and one of a version before the flag as one of the first that has it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.codec import encode, request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.shapes import Entity, shape_of
from kordon_proxy.judging.endpoints import moved
from kordon_proxy.judging.entries import answer_type, make, respond, struct_type
from kordon_proxy.judging.may import UNKNOWN_ID, May, Refusal
from kordon_proxy.judging.operations import ALL, NOT_ASKED, cluster_operations, topic_operations
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.verdict import Answer, Forward, Mend, Mended, Plan, Rewrite, Streamed, Verdict

from .metadata_stream import MetadataStream

WITH_FLAG: Final = 4
"""The first version that says whether missing topics may be created."""
NULL_NAMES: Final = 12
"""The first version in which a topic that is named by its id has no name."""


def is_all(request: Any) -> bool:
    """Whether every topic is asked for."""
    return request.topics is None or (request.__version__ == 0 and not request.topics)


def judge(request: Any, may: May) -> Verdict:
    return _everything(request, may) if is_all(request) else _named(request, may)


def _everything(request: Any, may: May) -> Verdict:
    names = may.visible_topics()
    if not names and request.__version__ == 0:
        return Answer(local_answer(request, may, ()))  # v0 has no way to ask for no topic
    wanted = _without_creation(replace(request, topics=None))
    key = may.picture.version, wanted
    known = may.standing.everything
    body = known.get(key)
    if body is None:  # thousands of names take milliseconds
        kind = struct_type(type(wanted), "topics")
        body = encode(replace(wanted, topics=tuple(make(kind, name=name) for name in names)))
        known.keep(key, body)
    return Rewrite([body], _plan(request, wanted, (), whole=False))


def _without_creation(request: Any) -> Any:
    """The request, by which nothing is created."""
    if request.__version__ >= WITH_FLAG:
        return replace(request, allow_auto_topic_creation=False)
    with_flag = request_type(ApiKey.METADATA, WITH_FLAG)
    kind = struct_type(with_flag, "topics")
    topics = None if request.topics is None else tuple(make(kind, name=topic.name) for topic in request.topics)
    return make(with_flag, topics=topics, allow_auto_topic_creation=False)


def _named(request: Any, may: May) -> Verdict:
    version = request.__version__
    asked = tuple(request.topics)
    if version >= NULL_NAMES and any(topic.topic_id is not None for topic in asked):
        # The broker goes by the ids then and ignores all names, so it is not told any.
        asked = tuple(replace(topic, name=None) for topic in asked if topic.topic_id is not None)
    refusals = [_refusal(topic, may) for topic in asked]
    kept = tuple(topic for topic, refusal in zip(asked, refusals, strict=True) if refusal is None)
    wanted = replace(request, topics=kept)
    if not _create(request, kept, may):
        wanted = _without_creation(wanted)
    answered = version if asked and not kept else wanted.__version__
    said = tuple(
        refused_topic(answered, topic, refusal)
        for topic, refusal in zip(asked, refusals, strict=True)
        if refusal is not None
    )
    if asked and not kept:
        return Answer(local_answer(request, may, said))
    new = any(topic.name is not None and topic.name not in may.picture.topics for topic in kept)
    may.unknown_topics |= new
    plan = _plan(request, wanted, said, whole=new)
    return Forward(plan) if wanted == request else Rewrite(wanted, plan)


NOT_THERE: Final = Refusal(ErrorCode.unknown_topic_or_partition)


def _refusal(topic: Any, may: May) -> Refusal | None:
    refusal = None
    if getattr(topic, "topic_id", None) is not None:
        refusal = may.topic_id(None, topic.topic_id)
    return may.topic(None, topic.name) if refusal is None and topic.name is not None else refusal


def _create(request: Any, kept: Iterable[Any], may: May) -> bool:
    """Whether the request creates topics: it asks for it, some are missing, and all that it names may be created.

    That is noted as what it is. That it may not be is no denial: clients ask for it without meaning to.
    """
    if not may.recordable or (request.__version__ >= WITH_FLAG and not request.allow_auto_topic_creation):
        return False
    names = [topic.name for topic in kept if topic.name is not None]
    missing = [name for name in names if name not in may.picture.topics]
    may.creates = bool(missing) and all(
        may.standing.ruling(Action.TOPIC_CREATE, Kind.TOPIC, name, explicit=True).refusal is None for name in names
    )
    if may.creates:
        for name in missing:
            may.create_topic(name)
    return may.creates


def refused_topic(version: int, topic: Any, refusal: Refusal) -> Any:
    """An entry for a topic that is not shown: by id it has no name, by name it has the zero id."""
    kind = struct_type(response_type(ApiKey.METADATA, version), "topics")
    topic_id = getattr(topic, "topic_id", None)
    no_name = None if version >= NULL_NAMES else ""
    return make(kind, error_code=refusal.code, name=topic.name if topic_id is None else no_name, topic_id=topic_id)


def local_answer(request: Any, may: May, topics: Iterable[Any]) -> Any:
    """An answer that needs no broker: the brokers and the topics given."""
    kind = struct_type(answer_type(request), "brokers")
    brokers = []
    for broker in may.picture.brokers.values():
        host, port = may.cluster.address(broker.id)
        brokers.append(make(kind, node_id=broker.id, host=host, port=port, rack=broker.rack))
    asks_bits = getattr(request, "include_cluster_authorized_operations", False)
    return respond(
        request,
        brokers=tuple(brokers),
        topics=tuple(topics),
        controller_id=may.picture.controller_id,
        cluster_id=may.cluster.cluster_id,
        cluster_authorized_operations=cluster_operations(may, ALL if asks_bits else NOT_ASKED),
    )


def _plan(request: Any, wanted: Any, said: tuple[Any, ...], *, whole: bool) -> Plan:
    """How the answer to `wanted` is treated, which goes to the broker in the place of the request."""
    mend = _mend(request, said)
    if wanted.__version__ != request.__version__:
        kind = answer_type(request)
        return Mended(lambda response, may: _stepped_down(mend(response, may), kind), version=wanted.__version__)
    asks_bits = any(getattr(request, f"include_{what}_authorized_operations", False) for what in ("topic", "cluster"))
    if whole or asks_bits:
        return Mended(mend)
    version = request.__version__
    return Streamed(lambda may: MetadataStream(version, said, may), mend)


def _stepped_down(struct: Any, kind: Entity) -> Any:
    """What a later version says, in an earlier one, which has no field that the later one has not."""
    values: dict[str, Any] = {}
    for field in shape_of(kind).fields:
        value, inner = getattr(struct, field.name), field.struct
        values[field.name] = value if inner is None else tuple(_stepped_down(one, inner.entity) for one in value)
    return make(kind, **values)


def _mend(request: Any, said: tuple[Any, ...]) -> Mend:
    everything = is_all(request)
    ids = {topic_id for topic in request.topics or () if (topic_id := getattr(topic, "topic_id", None)) is not None}

    def mend(response: Any, may: May) -> Any:
        topics = list(said)
        for topic in response.topics:
            # What the broker answers was in the view when it was asked; the epoch may have moved since.
            if topic.name is None or may.sees(Kind.TOPIC, topic.name):
                topics.append(_with_bits(topic, may))
                may.news |= topic.error_code is ErrorCode.none and topic.name not in may.picture.topics
            elif not everything:
                topics.append(_gone(topic, may, by_id=getattr(topic, "topic_id", None) in ids))
        changes: dict[str, Any] = {
            "brokers": tuple(moved(broker, may) for broker in response.brokers),
            "topics": tuple(topics),
        }
        if response.__version__ >= 2:
            changes["cluster_id"] = may.cluster.cluster_id
        if 8 <= response.__version__ <= 10:
            changes["cluster_authorized_operations"] = cluster_operations(may, response.cluster_authorized_operations)
        return replace(response, **changes)

    return mend


def _gone(topic: Any, may: May, *, by_id: bool) -> Any:
    """What is said of a topic that left the view meanwhile: what would be said had it been asked for now."""
    refusal = may.topic(None, topic.name) or NOT_THERE
    if by_id:
        return refused_topic(topic.__version__, topic, UNKNOWN_ID)
    named = replace(topic, topic_id=None) if hasattr(topic, "topic_id") else topic
    return refused_topic(topic.__version__, named, refusal)


def _with_bits(topic: Any, may: May) -> Any:
    bits = getattr(topic, "topic_authorized_operations", NOT_ASKED)
    if bits == NOT_ASKED or topic.name is None:
        return topic
    return replace(topic, topic_authorized_operations=topic_operations(may, topic.name, bits))


NOT_YET: Final = frozenset({ErrorCode.unknown_topic_or_partition, ErrorCode.leader_not_available})


def _created(_: Any, response: Any) -> dict[str, object]:
    """A topic that is being created is not there yet; one that others have created meanwhile is."""
    topics = () if response is None else response.topics
    return {"created": [topic.name for topic in topics if topic.error_code in NOT_YET]}


APIS = (
    Api(
        key=ApiKey.METADATA,
        name="Metadata",
        versions=range(14),
        judge=judge,
        gives_away=(
            "all topics, which are cut to the view; "
            "addresses and the cluster id, which become Kordon's and the tenant's"
        ),
        needs=(Action.TOPIC_CREATE,),
        needs_fresh_picture=is_all,
        repeated=lambda request: None if is_all(request) else request,
        parameters=_created,
    ),
)
