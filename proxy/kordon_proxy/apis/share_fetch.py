"""ShareFetch (78): records of share groups (KIP-932), and acknowledgements of earlier ones along with it.

GROUP_CONSUME on the group and TOPIC_INSPECT on each topic, which is named by its id. Versions: locks are renewed since
v2 (KIP-1222). Addresses of new leaders are an ordinary field in all of them (KIP-951).

*Sessions.* As in Kafka, the topics of the whole session are judged, and one that is refused is an error of its
partitions in every answer while the session goes on (`KafkaApis.handleShareFetchRequest`). The broker's session holds
only what is allowed: what is refused later is forgotten there, what is allowed later is added, whether or not the
request says anything of it. Its epochs are the client's, so every request of a session goes on, if with nothing in it.

*Parked fetches.* Records that come after the right to them has gone are not passed on. The broker has counted them as
delivered, and gives them to another member when their locks time out.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_protocol.codec import response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.endpoints import at_our_addresses
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.group_topics import judge_topic_id
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import mend_each, refuse, refused_response
from kordon_proxy.judging.share_sessions import FINAL, INITIAL, MOST_PARTITIONS, ShareSession
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import without_free_text
from kordon_proxy.judging.verdict import Forward, Mended, Plan, Rewrite, Streamed, Verdict

from .fetch import sizes
from .share_fetch_stream import ShareFetchStream, may_read, text_of_code

LONGEST_MEMBER_ID: Final = 36
INVALID: Final = Refusal(ErrorCode.invalid_request)
SESSION_GONE: Final = Refusal(ErrorCode.share_session_not_found)
TOO_MUCH: Final = Refusal(
    ErrorCode.share_session_limit_reached, f"more than {MOST_PARTITIONS} partitions in one share session"
)

TopicId = UUID | None
Judged = Mapping[TopicId, Refusal | None]
"""What was said of each topic."""


def judge(request: Any, may: May) -> Verdict:
    refusal = takes_part(request, may)
    if refusal is not None:
        return refuse(request, refusal)
    sessions = may.connection.share_sessions
    group, member = request.group_id, request.member_id
    if request.share_session_epoch != INITIAL:
        session = sessions.get(group, member)
    elif acknowledges(request):
        return refuse(request, INVALID)
    else:
        session = ShareSession()
        sessions.keep(group, member, session)
    if session is None:
        return refuse(request, SESSION_GONE)
    if session.size_with(request.topics) > MOST_PARTITIONS:
        sessions.end(group, member, session)
        return refuse(request, TOO_MUCH)
    return _ShareFetch(request, may, session).judge()


def takes_part(request: Any, may: May) -> Refusal | None:
    """The right to be a member, and what a broker looks at before it looks for the session."""
    if request.group_id is None:
        return INVALID
    refusal = may.join(request.group_id)
    if refusal is None and not 0 < len(request.member_id or "") <= LONGEST_MEMBER_ID:
        return INVALID
    return refusal


def acknowledges(request: Any) -> bool:
    """Whether a fetch acknowledges anything."""
    return any(part.acknowledgement_batches for topic in request.topics for part in topic.partitions)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What is refused of a partition: the fetch, the acknowledgement, or both."""

    fetch: Refusal | None
    acknowledgement: Refusal | None


@dataclass(frozen=True, slots=True)
class _ShareFetch:
    """One request in its session."""

    request: Any
    may: May
    session: ShareSession

    def judge(self) -> Verdict:
        request = self.request
        if request.share_session_epoch == FINAL:
            self._end()
            judged = self._ask(entry.topic_id for entry in request.topics)
            kept = _with(request, _allowed(request.topics, judged), ())
        else:
            judged, kept = self._follow()
        plan = self._plan(self._refused(judged))
        return Forward(plan) if kept is request else Rewrite(kept, plan)

    def _ask(self, topics: Iterable[TopicId]) -> Judged:
        group = self.request.group_id
        return {topic: judge_topic_id(self.may, Action.TOPIC_INSPECT, topic, group) for topic in dict.fromkeys(topics)}

    def _follow(self) -> tuple[Judged, Any]:
        """Judge what has to be judged now, and keep up with the session. Returns also what goes on of the request.

        As at the broker, what a request adds is added before what it forgets is forgotten.
        """
        request, session = self.request, self.session
        under = (self.may.standing, self.may.picture.version)
        named = [entry.topic_id for entry in request.topics]
        judged = self._ask(named if session.judged == under else (*session.topics, *named))
        session.judged = under
        gone, come = session.settle(judged)
        session.add(request.topics)
        forgets = () if request.share_session_epoch == INITIAL else request.forgotten_topics_data
        forgotten = tuple(entry for entry in forgets if session.is_served(entry.topic_id))
        session.forget(forgets)
        topics = (*_added(request, come), *_allowed(request.topics, judged))
        return judged, _with(request, topics, (*forgotten, *_forgotten(request, gone)))

    def _refused(self, judged: Judged) -> dict[TopicId, dict[int, _Refused]]:
        """What the answer has to say of what is refused: topic -> partition -> what."""
        request, session = self.request, self.session
        found: dict[TopicId, dict[int, _Refused]] = {}
        if request.share_session_epoch != FINAL and not getattr(request, "is_renew_ack", False):
            for topic, refusal in session.refused.items():
                found[topic] = {index: _Refused(refusal, None) for index in sorted(session.topics[topic])}
        for entry in request.topics if acknowledges(request) else ():
            if judged[entry.topic_id] is not None:
                parts = found.setdefault(entry.topic_id, {})
                for index in (part.partition_index for part in entry.partitions):
                    fetch = parts[index].fetch if index in parts else None
                    parts[index] = _Refused(fetch, judged[entry.topic_id])
        return found

    def _plan(self, refused: Mapping[TopicId, Mapping[int, _Refused]]) -> Plan:
        if not refused:
            return Streamed(lambda now: ShareFetchStream(now, self.request.group_id, self._end), self._mend)

        def put_in(response: Any, now: May) -> Any:
            response = self._mend(response, now)
            if response.error_code is not ErrorCode.none:
                return response
            # A client that is throttled is told nothing but what became of its acknowledgements.
            throttled = bool(response.throttle_time) and not response.responses
            entries = _entries(response, _of_acknowledgements(refused) if throttled else refused)
            return replace(response, responses=(*response.responses, *entries))

        return Mended(put_in)

    def _end(self) -> None:
        self.may.connection.share_sessions.end(self.request.group_id, self.request.member_id, self.session)

    def _mend(self, response: Any, now: May) -> Any:
        """The broker's answer under the rights at its leaving."""
        refusal = now.join(self.request.group_id) if now is not self.may else None
        if refusal is not None:
            self._end()
            return refused_response(self.request, refusal)
        if response.error_code is not ErrorCode.none:
            self._end()
        response = replace(response, responses=self._readable(response, now))
        response = mend_each(response, "responses", lambda topic: mend_each(topic, "partitions", _without_texts))
        return at_our_addresses(without_free_text(response), now)

    def _readable(self, response: Any, now: May) -> tuple[Any, ...]:
        """Its topics; those that are refused by now give nothing but an error."""
        group = self.request.group_id
        if now is self.may:
            # What is not this session's must not leave, as in the stream.
            readable = may_read(now, group)
            return tuple(topic for topic in response.responses if readable(topic.topic_id))
        topics = []
        for topic in response.responses:
            refusal = judge_topic_id(now, Action.TOPIC_INSPECT, topic.topic_id, group)
            topics.append(topic if refusal is None else _without_records(topic, refusal))
        return tuple(topics)


def _with(request: Any, topics: tuple[Any, ...], forgotten: tuple[Any, ...]) -> Any:
    """The request with these topics; the same object in the usual case."""
    if topics == request.topics and forgotten == request.forgotten_topics_data:
        return request
    return replace(request, topics=topics, forgotten_topics_data=forgotten)


def _allowed(entries: Iterable[Any], judged: Judged) -> tuple[Any, ...]:
    return tuple(entry for entry in entries if judged[entry.topic_id] is None)


def _added(request: Any, topics: Mapping[TopicId, Collection[int]]) -> tuple[Any, ...]:
    if not topics:
        return ()
    kind = struct_type(type(request), "topics")
    entry = struct_type(kind, "partitions")
    return tuple(
        make(kind, topic_id=topic, partitions=tuple(make(entry, partition_index=index) for index in indexes))
        for topic, indexes in topics.items()
    )


def _forgotten(request: Any, topics: Mapping[TopicId, Collection[int]]) -> tuple[Any, ...]:
    if not topics:
        return ()
    kind = struct_type(type(request), "forgotten_topics_data")
    return tuple(make(kind, topic_id=topic, partitions=tuple(indexes)) for topic, indexes in topics.items())


def _of_acknowledgements(refused: Mapping[TopicId, Mapping[int, _Refused]]) -> dict[TopicId, dict[int, _Refused]]:
    """Without what is refused of fetches."""
    found = {
        topic: {index: replace(part, fetch=None) for index, part in parts.items() if part.acknowledgement}
        for topic, parts in refused.items()
    }
    return {topic: parts for topic, parts in found.items() if parts}


def _entries(response: Any, refused: Mapping[TopicId, Mapping[int, _Refused]]) -> Iterable[Any]:
    """Entries of an answer that hold errors and no records."""
    kind = struct_type(response_type(ApiKey.SHARE_FETCH, response.__version__), "responses")
    entry = struct_type(kind, "partitions")
    for topic, parts in refused.items():
        partitions = tuple(
            make(
                entry,
                partition_index=index,
                error_code=_code(part.fetch),
                error_message=_text(part.fetch),
                acknowledge_error_code=int(_code(part.acknowledgement)),
                acknowledge_error_message=_text(part.acknowledgement),
                records=b"",
            )
            for index, part in parts.items()
        )
        yield make(kind, topic_id=topic, partitions=partitions)


def _code(refusal: Refusal | None) -> ErrorCode:
    return ErrorCode.none if refusal is None else refusal.code


def _text(refusal: Refusal | None) -> str | None:
    return None if refusal is None else refusal.text


def _without_records(topic: Any, refusal: Refusal) -> Any:
    """An entry of the broker's in which no partition gives anything. What became of acknowledgements stays."""
    said = {"error_code": refusal.code, "error_message": refusal.text, "records": b"", "acquired_records": ()}
    return replace(topic, partitions=tuple(replace(part, **said) for part in topic.partitions))


def _without_texts(part: Any) -> Any:
    part = without_free_text(part)
    if not part.acknowledge_error_message:
        return part
    return replace(part, acknowledge_error_message=text_of_code(part.acknowledge_error_code))


APIS = (
    Api(
        key=ApiKey.SHARE_FETCH,
        name="ShareFetch",
        versions=range(1, 3),
        judge=judge,
        record=Record.COUNTED,
        sizes=sizes,
        gives_away="addresses of new leaders, which become Kordon's; free texts, which become Kafka's constant ones",
        needs=(Action.GROUP_CONSUME, Action.TOPIC_INSPECT),
        parks=True,
    ),
)
