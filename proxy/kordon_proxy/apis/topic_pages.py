"""DescribeTopicPartitions (75, KIP-966): the topics of the view, page by page.

Strategy: the broker is always sent an explicit, sorted list of names of the view, never the empty list that means all.
Its cursor can then name nothing else, and a page may be cut and continued anywhere.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from kio.schema.describe_topic_partitions.v0.request import TopicRequest
from kio.schema.describe_topic_partitions.v0.response import Cursor
from kio.schema.errors import ErrorCode
from kio.schema.types import TopicName
from kio.static.primitive import i32

from kordon_policy.actions import Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.operations import topic_operations
from kordon_proxy.judging.parts import refuse, refused_response
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.verdict import Answer, Mended, Rewrite, Verdict

PAGE: Final = 2_000
"""Partitions in a page at most, as brokers have it by default (`max.request.partition.size.limit`)."""
NOT_THERE: Final = Refusal(ErrorCode.unknown_topic_or_partition)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page is about: all `names` from the cursor on, sorted, and those of them that the broker is asked for."""

    request: Any
    names: tuple[str, ...]
    sent: tuple[str, ...]
    everything: bool
    """All topics were asked for: one that is gone meanwhile is left out, not answered."""


def judge(request: Any, may: May) -> Verdict:
    """A cursor in a list that lacks it, or before the first partition, is refused by what the request says alone."""
    cursor, asked = request.cursor, {topic.name for topic in request.topics}
    if cursor is not None and (cursor.partition_index < 0 or (asked and cursor.topic_name not in asked)):
        return refuse(request, Refusal(ErrorCode.invalid_request))
    page = _named_page(request, asked, may) if asked else _page_of_all(request, may)
    if not page.sent:  # an empty list would mean all
        return Answer(_local(page, may))
    if cursor is not None and cursor.topic_name != page.sent[0]:
        cursor = None
    wanted = replace(request, topics=_requests(page.sent), cursor=cursor)
    return Rewrite(wanted, Mended(partial(_mend_page, page)))


def _first(request: Any) -> str:
    """The cursor's name. Any text is fine: it only says where to begin."""
    return "" if request.cursor is None else request.cursor.topic_name


def _named_page(request: Any, asked: Iterable[str], may: May) -> Page:
    first = _first(request)
    names = tuple(sorted(name for name in asked if name >= first))
    sent = tuple(name for name in names if may.topic(None, name) is None)
    return Page(request, names, sent, everything=False)


def _page_of_all(request: Any, may: May) -> Page:
    """A topic has a partition at least, so no more names than partitions fit in; one more makes the broker say so."""
    visible = may.visible_topics()
    names = visible[bisect_left(visible, _first(request)) :]
    most = max(1, min(request.response_partition_limit, PAGE)) + 1
    return Page(request, names, names[:most], everything=True)


def _requests(names: Iterable[str]) -> tuple[TopicRequest, ...]:
    return tuple(TopicRequest(name=TopicName(name)) for name in names)


def _local(page: Page, may: May) -> Any:
    empty = refused_response(replace(page.request, topics=()), NOT_THERE)
    return replace(empty, topics=() if page.everything else tuple(_absent(page, page.names, may)))


def _absent(page: Page, names: Iterable[str], may: May) -> Iterator[Any]:
    """Entries for what is not in the view, or was not when the broker was asked."""
    alike: dict[Refusal, list[str]] = {}
    for name in names:
        alike.setdefault(may.standing.ruling(None, Kind.TOPIC, name).refusal or NOT_THERE, []).append(name)
    for refusal, absent in alike.items():
        yield from refused_response(replace(page.request, topics=_requests(absent)), refusal).topics


def _mend_page(page: Page, response: Any, may: May) -> Any:
    shown = {topic.name: _with_own_bits(topic, may) for topic in response.topics if _is_shown(page, topic, may)}
    cursor = _next_cursor(page, response.next_cursor, may)
    if not page.everything:
        due = (name for name in page.names if cursor is None or name < cursor.topic_name)
        missing = [name for name in due if name not in shown]
        shown |= {topic.name: topic for topic in _absent(page, missing, may)}
    return replace(response, topics=tuple(shown[name] for name in sorted(shown)), next_cursor=cursor)


def _is_shown(page: Page, topic: Any, may: May) -> bool:
    gone = page.everything and topic.error_code is ErrorCode.unknown_topic_or_partition
    return not gone and may.sees(Kind.TOPIC, topic.name)


def _with_own_bits(topic: Any, may: May) -> Any:
    bits = topic_operations(may, topic.name, topic.topic_authorized_operations)
    return replace(topic, topic_authorized_operations=i32(bits))


def _next_cursor(page: Page, cursor: Any, may: May) -> Any:
    """The broker's cursor names what it was sent; if the view lost that meanwhile, the next name that is left."""
    if cursor is not None and may.sees(Kind.TOPIC, cursor.topic_name):
        return cursor
    if cursor is not None:
        rest = page.names[bisect_left(page.names, cursor.topic_name) :]
    else:
        rest = page.names[len(page.sent) :] if page.everything else ()
    name = next((name for name in rest if may.sees(Kind.TOPIC, name)), None)
    return None if name is None else Cursor(topic_name=TopicName(name), partition_index=i32(0))


APIS = (
    Api(
        key=ApiKey.DESCRIBE_TOPIC_PARTITIONS,
        name="DescribeTopicPartitions",
        versions=range(1),
        judge=judge,
        gives_away="all topics and a cursor that names one, which are cut to the view",
        needs=(),
        needs_fresh_picture=lambda request: not request.topics,
    ),
)
