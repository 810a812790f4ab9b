"""Requests that name many things: judge each, forward the allowed ones, put the refused ones back into the answer.

The entries for what was refused are generated from the schemas (`kordon_protocol.refusals`), so they stand where that API
and version puts an error.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from kordon_protocol.refusals import refusal as refusal_response

from .may import May, Refusal
from .verdict import RELAY, Answer, Forward, Mend, Mended, Plan, Rewrite, Verdict

Rule = Callable[[Any], Refusal | None]
Key = Callable[[Any], Any]


def name_or_id(entry: Any) -> Any:
    """The key of a topic entry, in requests and in responses: its id where the version names topics by id, else its name."""
    for attribute in ("topic_id", "name", "topic"):
        value = getattr(entry, attribute, None)
        if value is not None:
            return value
    return None


def refuse(request: Any, refusal: Refusal) -> Answer:
    """The whole request is refused."""
    return Answer(refused_response(request, refusal))


def refused_response(request: Any, refusal: Refusal) -> Any:
    return refusal_response(request.__api_key__, request.__version__, request, refusal.code, refusal.text)


def judge_each(
    request: Any,
    rule: Rule,
    *,
    items: str,
    answers: str,
    key: Key = name_or_id,
    plan: Plan = RELAY,
) -> Verdict:
    """Judge each entry of `request.<items>`; the entries of the answer stand in `response.<answers>`.

    `plan` is how the answer is treated besides; a `Mended` of it runs before the refused entries are put back.
    """
    entries: Sequence[Any] = getattr(request, items)
    refused: dict[int, Refusal] = {}
    for place, entry in enumerate(entries):
        refusal = rule(entry)
        if refusal is not None:
            refused[place] = refusal
    if not refused:
        return Forward(plan)
    said = tuple(answer for place, refusal in refused.items() for answer in _entry(request, items, answers, entries[place], refusal))
    kept = tuple(entry for place, entry in enumerate(entries) if place not in refused)
    order = {key(entry): place for place, entry in reversed(tuple(enumerate(entries)))}
    if not kept:
        empty = refused_response(replace(request, **{items: ()}), next(iter(refused.values())))
        return Answer(clear_errors(replace(empty, **{answers: said})))

    def put_back(response: Any, may: May) -> Any:
        if isinstance(plan, Mended):
            response = plan.mend(response, may)
        merged = (*getattr(response, answers), *said)
        return replace(response, **{answers: in_order(merged, order, key)})

    return Rewrite(replace(request, **{items: kept}), Mended(put_back))


def _entry(request: Any, items: str, answers: str, entry: Any, refusal: Refusal) -> Iterable[Any]:
    return tuple(getattr(refused_response(replace(request, **{items: (entry,)}), refusal), answers))


def in_order(entries: Iterable[Any], order: dict[Any, int], key: Key) -> tuple[Any, ...]:
    """Entries in the order of the request; what it did not name comes last."""
    return tuple(sorted(entries, key=lambda entry: order.get(key(entry), len(order))))


def clear_errors(response: Any) -> Any:
    """An answer whose entries carry the errors has none at its top."""
    names = {field.name for field in fields(response)}
    changes: dict[str, Any] = {}
    if "error_code" in names:
        changes["error_code"] = type(response.error_code)(0)
    if "error_message" in names:
        changes["error_message"] = None
    return replace(response, **changes) if changes else response


def chain(*mends: Mend) -> Mend:
    """Several mends, one after the other."""

    def mend(response: Any, may: May) -> Any:
        for one in mends:
            response = one(response, may)
        return response

    return mend
