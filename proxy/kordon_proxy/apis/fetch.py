"""Fetch (1): TOPIC_INSPECT per topic, of the whole fetch session at every poll.

Versions: sessions from v7 (KIP-227), names up to v12 and ids from v13, leader hints with addresses from v16 (KIP-951).

Strategy for sessions: the broker keys them by a number alone, so they are bound here to the connection that started
them. A session holds only what was allowed. As soon as one of its topics is refused, or a refused topic is added to
it, the client is told FETCH_SESSION_ID_NOT_FOUND and starts again with a full request, which is answered partition by
partition and without a session while something in it is refused.

The broker forgets sessions when it has too many of them. It says so with an error, or by an answer without a session,
and Kordon forgets them too: their numbers may come to be somebody else's.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_protocol.codec import response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.connection import SESSION_PARTITIONS, FetchSession
from kordon_proxy.judging.endpoints import at_our_addresses
from kordon_proxy.judging.entries import make, respond, struct_type
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import refused_response
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Plan, Rewrite, Streamed, Verdict

from .fetch_stream import FetchStream

SESSION_GONE: Final = Refusal(ErrorCode.fetch_session_id_not_found)
NO_SESSION: Final = 0
FULL_WITH_SESSION: Final = 0
FULL_WITHOUT_SESSION: Final = -1
COLLECTED: Final = 8 << 20
"""Bytes that an answer may have which is put together here, and so collected: clients ask again for what is over."""


def judge(request: Any, may: May) -> Verdict:
    plain = as_consumer(request)
    if request.__version__ < 7:
        return _full(request, plain, may)
    if request.session_id != NO_SESSION and request.session_epoch > 0:
        return _incremental(request, plain, may)
    if request.session_id != NO_SESSION and not may.connection.fetch_sessions.end(request.session_id):
        # A full request closes the session that it names, and this one is not of this connection.
        plain = replace(plain, session_id=NO_SESSION)
    return _full(request, plain, may)


def uses_session(request: Any) -> bool:
    """Whether the request begins, continues or ends a session."""
    if request.__version__ < 7:
        return False
    return bool(request.session_id != NO_SESSION or request.session_epoch != FULL_WITHOUT_SESSION)


def as_consumer(request: Any) -> Any:
    """The request without claims that only a broker may make; the same object in the usual case.

    A follower reads beyond the high watermark, and its fetches count as replication progress.
    """
    changes: dict[str, Any] = {}
    if getattr(request, "replica_id", -1) != -1:
        changes["replica_id"] = -1
    state = getattr(request, "replica_state", None)
    if state is not None and (state.replica_id, state.replica_epoch) != (-1, -1):
        changes["replica_state"] = type(state)()
    if getattr(request, "cluster_id", None) is not None:
        changes["cluster_id"] = None
    return replace(request, **changes) if changes else request


def key(topic: Any) -> str | UUID | None:
    """Name or id of a topic in a request or a response; None for the zero id."""
    found: str | UUID | None = topic.topic if hasattr(topic, "topic") else topic.topic_id
    return found


def _refusal(topic: Any, may: May) -> Refusal | None:
    return _refusal_of(key(topic), may)


def _refusal_of(topic: Any, may: May) -> Refusal | None:
    if isinstance(topic, str):
        return may.topic(Action.TOPIC_INSPECT, topic)
    return may.topic_id(Action.TOPIC_INSPECT, topic)


def _incremental(request: Any, plain: Any, may: May) -> Verdict:
    sessions = may.connection.fetch_sessions
    session = sessions.get(request.session_id)
    if session is None:
        return Answer(session_gone(request))
    asked: Iterable[Any] = map(key, request.topics)
    if session.standing is not may.standing:
        asked = {*session.topics, *asked}
    refusals = [_refusal_of(topic, may) for topic in asked]  # all are asked, so that all are noted
    if any(refusals):
        sessions.end(request.session_id)
        return Answer(session_gone(request))
    session.standing = may.standing
    session.add(_partitions(request.topics))
    sessions.make_room()
    if sessions.get(request.session_id) is None:
        return Answer(session_gone(request))
    held = session.topics
    plain = _forgetting(plain, tuple(one for one in request.forgotten_topics_data if key(one) in held))
    session.forget((key(topic), topic.partitions) for topic in plain.forgotten_topics_data)
    return _forward(request, plain, Streamed(lambda now: FetchStream(request, now, held), stale_session(request)))


def _partitions(topics: Iterable[Any]) -> Iterator[tuple[Hashable, set[int]]]:
    return ((key(topic), {part.partition for part in topic.partitions}) for topic in topics)


def _forgetting(plain: Any, topics: tuple[Any, ...]) -> Any:
    """Only what is in a session can be forgotten, so that the broker hears of nothing else."""
    return plain if topics == plain.forgotten_topics_data else replace(plain, forgotten_topics_data=topics)


def session_gone(request: Any) -> Any:
    """An answer that makes the client start a new session; it holds no partition."""
    return refused_response(replace(request, topics=()), SESSION_GONE)


def _full(request: Any, plain: Any, may: May) -> Verdict:
    if request.__version__ >= 7:
        plain = _forgetting(plain, ())
        if sum(len(topic.partitions) for topic in request.topics) > SESSION_PARTITIONS:
            plain = _sessionless(plain)
    judged = [(topic, _refusal(topic, may)) for topic in request.topics]
    said = _refused_entries(request.__version__, [(topic, refusal) for topic, refusal in judged if refusal])
    if not said:
        return _forward(request, plain, _full_plan(plain, may))
    kept = tuple(topic for topic, refusal in judged if not refusal)
    if not kept:
        return Answer(respond(request, responses=said))
    if request.__version__ >= 7:
        plain = _sessionless(plain)
    plain = replace(plain, max_bytes=min(plain.max_bytes, COLLECTED))

    def put_back(response: Any, now: May) -> Any:
        response = _without_session(at_our_addresses(response, now) if now is may else rejudge(response, now))
        if not response.responses:
            return response  # an error of the whole, or a client that is throttled: it knows that by the lack of topics
        return replace(response, responses=(*response.responses, *said))  # where Kafka puts what it refuses

    return Rewrite(replace(plain, topics=kept), Mended(put_back))


def _sessionless(plain: Any) -> Any:
    """A full request that starts no session, and still ends the one that it names."""
    return replace(plain, session_epoch=FULL_WITHOUT_SESSION)


def _refused_entries(version: int, refused: Iterable[tuple[Any, Refusal]]) -> tuple[Any, ...]:
    """The answers for topics that are refused, each partition once however often it was asked for."""
    found: dict[Hashable, tuple[ErrorCode, dict[int, None]]] = {}
    for topic, refusal in refused:
        _, indexes = found.setdefault(key(topic), (refusal.code, {}))
        indexes.update((part.partition, None) for part in topic.partitions)
    return tuple(refused_topic(version, topic, indexes, code) for topic, (code, indexes) in found.items())


def refused_topic(version: int, topic: Any, partitions: Iterable[int], code: ErrorCode) -> Any:
    """An entry of a Fetch answer that holds an error for each partition and no record.

    Generated here and not from the refusals, since from v13 on those put an error at the top only, and a client takes a
    full answer for invalid that lacks a partition it asked for.
    """
    kind = struct_type(response_type(ApiKey.FETCH, version), "responses")
    partition_kind = struct_type(kind, "partitions")
    entries = tuple(
        make(partition_kind, partition_index=index, error_code=code, high_watermark=-1, records=b"")
        for index in partitions
    )
    return make(kind, topic=topic, topic_id=topic, partitions=entries)


def _forward(request: Any, plain: Any, plan: Plan) -> Verdict:
    return Forward(plan) if plain is request else Rewrite(plain, plan)


def _full_plan(request: Any, may: May) -> Plan:
    session = None
    if request.__version__ >= 7 and request.session_epoch == FULL_WITH_SESSION:
        session = FetchSession(may.standing, _partitions(request.topics))
    held = session.topics if session is not None else {key(topic) for topic in request.topics}
    return Streamed(lambda now: FetchStream(request, now, held, session), _stale_full)


def _stale_full(response: Any, may: May) -> Any:
    """The epoch moved while a full request was parked: judged again; the session that it made is not used."""
    return _without_session(rejudge(response, may))


def _without_session(response: Any) -> Any:
    return response if response.__version__ < 7 else replace(response, session_id=NO_SESSION)


def stale_session(request: Any) -> Any:
    """The epoch moved while an incremental request was parked."""

    def stale(response: Any, may: May) -> Any:
        session = may.connection.fetch_sessions.get(request.session_id)
        # What the answer holds may have been forgotten by a later request.
        topics = {*(session.topics if session is not None else ()), *map(key, response.responses)}
        refusals = [_refusal_of(topic, may) for topic in topics]
        if session is None or any(refusals):
            may.connection.fetch_sessions.end(request.session_id)
            return session_gone(request)
        session.standing = may.standing
        return at_our_addresses(response, may)

    return stale


def rejudge(response: Any, may: May) -> Any:
    """Partitions of topics that are refused now lose their records; the rest stays."""
    topics = []
    for topic in response.responses:
        refusal = _refusal(topic, may)
        indexes = [part.partition_index for part in topic.partitions]
        topics.append(
            topic if refusal is None else refused_topic(response.__version__, key(topic), indexes, refusal.code)
        )
    return at_our_addresses(replace(response, responses=tuple(topics)), may)


def sizes(response: Any, may: May) -> dict[str, int]:
    """Topic -> bytes of records in an answer; topics without any are left out."""
    found = {}
    for topic in response.responses:
        size = sum(len(part.records or b"") for part in topic.partitions)
        if size:
            named = key(topic)
            found[may.picture.ids.get(named, str(named)) if isinstance(named, UUID) else str(named)] = size
    return found


APIS = (
    Api(
        key=ApiKey.FETCH,
        name="Fetch",
        versions=range(4, 19),
        judge=judge,
        gives_away="addresses of leaders, which become Kordon's; sessions, which are bound to their connections",
        needs=(Action.TOPIC_INSPECT,),
        record=Record.COUNTED,
        sizes=sizes,
        repeated=lambda request: None if uses_session(request) else request,
        parks=True,
    ),
)
