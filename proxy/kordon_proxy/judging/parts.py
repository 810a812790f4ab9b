"""Requests that name many things: judge each, forward the allowed ones, put the refused ones back into the answer.

The entries for what was refused are generated from the schemas (`kordon_protocol.refusals`), so they carry the error
where that API and version puts it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import is_
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_protocol.refusals import refusal as refusal_response

from .entries import in_place, respond
from .may import May, Refusal
from .verdict import RELAY, Answer, Forward, Mended, Relay, Rewrite, Verdict, unchanged

Rule = Callable[[Any], Refusal | None]
Key = Callable[[Any], Any]
Finish = Callable[[Any, Any], Any]
Order = Callable[[Refusal | None], int]


def itself(request: Any) -> Any:
    """The request, where it stands for all that say the same (`Api.repeated`)."""
    return request


AUTHORIZATION: Final = frozenset(
    {
        ErrorCode.cluster_authorization_failed,
        ErrorCode.group_authorization_failed,
        ErrorCode.policy_violation,
        ErrorCode.topic_authorization_failed,
    }
)


def is_authorization(refusal: Refusal | None) -> bool:
    """Whether this says what Kafka says before it looks whether a thing is there. (A Stage is our own such answer.)"""
    return refusal is not None and refusal.code in AUTHORIZATION


def place_of(topic: Any, partition: int) -> str:
    """A partition as the audit tells it, as in `tx_trade1-3`; a negative one, which is none, as in `tx_trade1[-3]`.

    So no two are told alike: `a-` may be a topic as well as `a`.
    """
    return f"{topic}[{partition}]" if partition < 0 else f"{topic}-{partition}"


def name_or_id(entry: Any) -> Any:
    """The key of a topic entry, in requests and in responses: its id where topics are named by id, else its name."""
    if isinstance(entry, str):
        return entry
    for attribute in ("topic_id", "name", "topic"):
        value = getattr(entry, attribute, None)
        if value is not None:
            return value
    return None


MOST_TIMES: Final = 10
TOO_OFTEN: Final = Refusal(ErrorCode.invalid_request, f"One thing is named more than {MOST_TIMES} times.")


def too_often(names: Collection[Hashable]) -> bool:
    """Whether a description asks for one thing again and again, as no client does.

    Kafka tells everything of it each time. Five bytes of a request can become two thousand of an answer, which is put
    together here while nobody else is served.
    """
    return len(names) > MOST_TIMES and max(Counter(names).values()) > MOST_TIMES


def refuse(request: Any, refusal: Refusal) -> Answer:
    """The whole request is refused."""
    return Answer(refused_response(request, refusal))


def refused_response(request: Any, refusal: Refusal, *, deepest: bool = False) -> Any:
    """The response that refuses; with `deepest` the code goes into the innermost entries, not to the top."""
    key, version = request.__api_key__, request.__version__
    return refusal_response(key, version, request, refusal.code, refusal.text, deepest=deepest)


def judge_each(
    request: Any,
    rule: Rule,
    *,
    items: str,
    answers: str,
    key: Key = name_or_id,
    plan: Relay | Mended = RELAY,
    finish: Finish | None = None,
    order: Order | None = None,
) -> Verdict:
    """Judge each entry of `request.<items>`; the entries of the answer stand in `response.<answers>`.

    `key` tells which answer is for which entry. `plan` is how the broker's answer is treated besides, before the
    refused entries are put back. `finish` has the last word on an answer made here: entry, answer -> answer. `order`
    is for answers that Kafka does not give in the order of the request: those with a lower number come first.
    """
    entries: Sequence[Any] = getattr(request, items)
    judged = [rule(entry) for entry in entries]
    if order is not None:
        places = sorted(range(len(entries)), key=lambda place: order(judged[place]))
        judged = [judged[place] for place in places]
        entries = tuple(entries[place] for place in places)
        request = replace(request, **{items: entries}) if any(judged) else request
    refused = {place: refusal for place, refusal in enumerate(judged) if refusal is not None}
    own = _own_answers(request, refused, items=items, answers=answers)
    if finish is not None:
        own = {place: finish(entries[place], answer) for place, answer in own.items()}
    return forward_rest(request, own, items=items, answers=answers, key=key, plan=plan)


def forward_rest(
    request: Any,
    own: Mapping[int, Any],
    *,
    items: str,
    answers: str,
    key: Key = name_or_id,
    plan: Relay | Mended = RELAY,
    whole_first: bool = False,
) -> Verdict:
    """Forward what has no answer here, and put the answers that there are into the broker's.

    `own`: place in `request.<items>` -> entry of `response.<answers>`. `key` and `plan` as for `judge_each`.
    `whole_first`: an error of the whole comes before those of the entries, so that the broker is asked even where no
    entry is left.
    """
    if not own:
        return Forward(plan)
    entries = getattr(request, items)
    kept = tuple(entry for place, entry in enumerate(entries) if place not in own)
    if not kept and not whole_first:
        return Answer(respond(request, **{answers: tuple(own.values())}))
    asked = tuple(map(key, entries))
    mend = plan.mend if isinstance(plan, Mended) else plan.stale or unchanged

    def put_back(response: Any, may: May) -> Any:
        response = mend(response, may)
        if whole_first and response.error_code is not ErrorCode.none:
            return response
        return replace(response, **{answers: in_place(asked, own, getattr(response, answers), key)})

    return Rewrite(replace(request, **{items: kept}), Mended(put_back))


def _own_answers(request: Any, refused: Mapping[int, Refusal], *, items: str, answers: str) -> dict[int, Any]:
    """The answer for each refused place, in order. Entries with the same refusal are made at one go."""
    entries = getattr(request, items)
    alike: dict[Refusal, list[int]] = {}
    for place, refusal in refused.items():
        alike.setdefault(refusal, []).append(place)
    own: dict[int, Any] = {}
    for refusal, places in alike.items():
        part = replace(request, **{items: tuple(entries[place] for place in places)})
        own.update(zip(places, getattr(refused_response(part, refusal, deepest=True), answers), strict=True))
    return {place: own[place] for place in refused}


def mend_each(response: Any, answers: str, change: Callable[[Any], Any]) -> Any:
    """The response with each entry changed; the same object where no entry changed."""
    before = getattr(response, answers)
    after = tuple(map(change, before))
    return response if all(map(is_, before, after)) else replace(response, **{answers: after})


def keep_each(message: Any, field: str, keep: Callable[[Any], bool]) -> Any:
    """The message with those entries of a field that are kept; the same object where all are."""
    before = getattr(message, field)
    after = tuple(filter(keep, before))
    return message if len(after) == len(before) else replace(message, **{field: after})


def sort_each(message: Any, field: str, order: Key) -> Any:
    """The message with the entries of a field in this order; the same object where they are.

    A broker lists things as they lie in its tables, which are the longer the more there is: whoever finds his own in
    another order than before could tell that others have come.
    """
    before = getattr(message, field)
    after = tuple(sorted(before, key=order))
    return message if after == before else replace(message, **{field: after})


def list_each(message: Any, field: str, keep: Callable[[Any], bool], order: Key) -> Any:
    """A list of all there is: what of it is kept, in an order of its own."""
    return sort_each(keep_each(message, field, keep), field, order)


def in_order(entries: Iterable[Any], order: Mapping[Any, int], key: Key) -> tuple[Any, ...]:
    """Entries in the order of the request; what it did not name comes last.

    For answers in which a broker may give a topic in more than one entry, as Fetch does; else see `in_place`.
    """
    return tuple(sorted(entries, key=lambda entry: order.get(key(entry), len(order))))
