"""Transactions from outside: DescribeProducers (61), DescribeTransactions (65), ListTransactions (66).

What is in the view may be looked at: a transactional id, its producer id, and of the topics in its open transaction
those that the view holds. Others are not there: an id outside the view is one that does not exist, and is left out of
lists. A broker lists what it coordinates, so clients ask all of them.

Who writes to a topic is for whoever may read it (TOPIC_INSPECT), as in Kafka: the answer tells of every producer there,
by numbers alone.

*A pattern* (ListTransactions v2) is evaluated here, over what is left of the broker's answer, in Kafka's dialect (RE2,
the whole id), and never sent on: it is for the tenant's own ids.
"""

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, make, struct_type
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import forward_rest, judge_each, keep_each, list_each, mend_each, refuse
from kordon_proxy.judging.patterns import InvalidPattern, compile_pattern
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import constant_texts, spoken
from kordon_proxy.judging.verdict import Forward, Mended, Rewrite, Verdict


def judge_producers(request: Any, may: May) -> Verdict:
    return judge_each(
        request,
        lambda topic: spoken(may.topic(Action.TOPIC_INSPECT, topic.name)),  # Kafka gives every refusal a text here
        items="topics",
        answers="topics",
        plan=constant_texts("topics", "partitions"),
    )


def judge_describe(request: Any, may: May) -> Verdict:
    entry = struct_type(answer_type(request), "transaction_states")
    own = {
        place: make(entry, transactional_id=name, error_code=refusal.code)
        for place, name in enumerate(request.transactional_ids)
        if (refusal := may.ask(None, Kind.TRANSACTIONAL_ID, name)) is not None
    }
    return forward_rest(
        request,
        own,
        items="transactional_ids",
        answers="transaction_states",
        key=_transactional_id,
        plan=Mended(_mend_described),
    )


def _transactional_id(entry: Any) -> Any:
    """The id of an entry, which in requests is nothing but its name."""
    return getattr(entry, "transactional_id", entry)


def _mend_described(response: Any, may: May) -> Any:
    """Cut the topics, among them the internal one in which offsets are committed."""

    def is_visible(topic: Any) -> bool:
        return may.sees(Kind.TOPIC, topic.topic)

    return mend_each(response, "transaction_states", lambda state: keep_each(state, "topics", is_visible))


def judge_list(request: Any, _: May) -> Verdict:
    text = getattr(request, "transactional_id_pattern", None)
    if not text:
        return Forward(Mended(lambda response, now: _cut_list(response, now, lambda _: True)))
    try:
        pattern = compile_pattern(text)
    except InvalidPattern as error:
        return refuse(request, Refusal(ErrorCode.invalid_regular_expression, str(error)))
    assert pattern is not None  # there is a text

    def mend(response: Any, now: May) -> Any:
        return _cut_list(response, now, lambda name: pattern.fullmatch(name) is not None)

    return Rewrite(replace(request, transactional_id_pattern=None), Mended(mend))


def _cut_list(response: Any, may: May, matches: Callable[[str], bool]) -> Any:
    def is_listed(state: Any) -> bool:
        name = state.transactional_id
        return may.sees(Kind.TRANSACTIONAL_ID, name) and matches(name)

    return list_each(response, "transaction_states", is_listed, attrgetter("transactional_id"))


APIS = (
    Api(
        key=ApiKey.DESCRIBE_PRODUCERS,
        name="DescribeProducers",
        versions=range(1),
        judge=judge_producers,
        record=Record.COUNTED,
        gives_away="free text: replaced",
        needs=(Action.TOPIC_INSPECT,),
    ),
    Api(
        key=ApiKey.DESCRIBE_TRANSACTIONS,
        name="DescribeTransactions",
        versions=range(1),
        judge=judge_describe,
        gives_away="topics of a transaction: cut to the view",
        needs=(),
    ),
    Api(
        key=ApiKey.LIST_TRANSACTIONS,
        name="ListTransactions",
        versions=range(3),
        judge=judge_list,
        gives_away="transactional ids and their producer ids: cut to the view",
        needs=(),
    ),
)
