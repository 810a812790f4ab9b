"""Lists in pages: so many at a time, and where the next ones begin."""

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Query

from kordon_policy.findings import Finding
from kordon_proxy.complaints import SOURCE

from .problems import Problem

T = TypeVar("T")
Place = tuple[int | str, ...]
"""Where something stands in a list: what the list is sorted by, and what tells apart what is alike in that."""

MOST: Final = 1_000
_LONGEST: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is asked for: at most so many, of those that come after a place."""

    limit: int
    after: Place | None


def _asked(
    limit: int = Query(MOST, ge=1, le=MOST, description="How many at most."),
    after: str | None = Query(
        None, max_length=_LONGEST, description="The `next` of the answer before, for those that come then."
    ),
) -> Page:
    return Page(limit=limit, after=None if after is None else place_of(after))


Paged = Annotated[Page, Depends(_asked)]
"""Put on a parameter of an operation: which part of the list is asked for."""


def page_of(found: Iterable[T], place: Callable[[T], Place], page: Page) -> tuple[list[T], str | None]:
    """Return the part that is asked for, sorted by place, and the `next` of the answer: None if there is no more.

    What is new before that part, or gone from it, moves nothing. Raises Problem for a `next` of another list.
    """
    ordered = sorted(found, key=place)
    try:
        start = 0 if page.after is None else bisect_right(ordered, page.after, key=place)
    except TypeError:
        raise _none() from None
    part = ordered[start : start + page.limit]
    return part, _written(place(part[-1])) if len(ordered) > start + page.limit else None


def _written(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place_of(text: str) -> Place:
    """Read the `next` of an answer. Raises Problem."""
    try:
        place: Any = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _none() from None
    if not isinstance(place, list) or not all(isinstance(one, int | str) for one in place):
        raise _none()
    return tuple(place)


def _none() -> Problem:
    what = "this is no `next` of an answer to this list"
    finding = Finding(message=what, hint="leave it out for the first page", source=SOURCE, path="query.after")
    return Problem(HTTPStatus.BAD_REQUEST, f"query.after: {what}", findings=[finding])
