"""Lists of the API come in pages, of which none leaves out or repeats what is there all the time."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.admin.pages import Page, Place, page_of, place_of
from kordon_proxy.admin.problems import Problem
from tests.proxy.admin.calling import Api, an_api
from tests.proxy.granting import a_body

PATH = "/temporary-policies"


def run(folder: Path, work: Callable[[Api], Coroutine[Any, Any, None]]) -> None:
    async def all_of_it() -> None:
        async with an_api(folder) as api:
            await work(api)

    asyncio.run(all_of_it())


def itself(place: Place) -> Place:
    return place


def walked(found: set[Place], limit: int) -> list[Place]:
    """All pages, one after the other."""
    part, following = page_of(found, itself, Page(limit=limit, after=None))
    seen = part
    while following is not None:
        part, following = page_of(found, itself, Page(limit=limit, after=place_of(following)))
        assert 0 < len(part) <= limit
        seen = seen + part
    return seen


@given(st.sets(st.tuples(st.integers(), st.text())) | st.sets(st.tuples(st.text())), st.integers(1, 5))
def test_all_pages_together_are_the_list(found: set[Place], limit: int) -> None:
    assert walked(found, limit) == sorted(found)


@given(st.sets(st.tuples(st.integers(), st.text()), min_size=3), st.tuples(st.integers(), st.text()), st.data())
def test_what_comes_or_goes_moves_nothing_else(found: set[Place], new: Place, data: st.DataObject) -> None:
    first, following = page_of(found, itself, Page(limit=2, after=None))
    gone = data.draw(st.sampled_from(sorted(found)))
    assert following is not None

    rest, _ = page_of((found | {new}) - {gone}, itself, Page(limit=1_000, after=place_of(following)))

    stayed = found - {gone, new}
    assert [one for one in (*first, *rest) if one in stayed] == sorted(stayed)


@pytest.mark.parametrize("text", ["", "x", "bnVsbA", "e30", "W251bGxd", "WzEuNV0", "é", "W" * 999])
def test_a_next_that_is_none_is_told(text: str) -> None:
    with pytest.raises(Problem, match="this is no `next` of an answer to this list"):
        place_of(text)


def test_a_next_of_another_list_is_told() -> None:
    _, following = page_of([("a",), ("b",)], itself, Page(limit=1, after=None))
    assert following is not None

    with pytest.raises(Problem, match="this is no `next` of an answer to this list"):
        page_of([(1, "a")], itself, Page(limit=1, after=place_of(following)))


def test_a_list_says_where_the_next_page_begins(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        made = [(await api.call("POST", PATH, body=a_body())).json()["temporary_policy"]["id"] for _ in range(3)]

        first = (await api.call("GET", f"{PATH}?limit=2")).json()
        rest = (await api.call("GET", f"{PATH}?limit=2&after={first['next']}")).json()

        assert [len(one["temporary_policies"]) for one in (first, rest)] == [2, 1]
        assert sorted(one["id"] for page in (first, rest) for one in page["temporary_policies"]) == sorted(made)
        assert rest["next"] is None
        assert (await api.call("GET", PATH)).json()["next"] is None

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "query.limit: this must be at least 1"),
        ("limit=1001", "query.limit: this must be at most 1000"),
        ("limit=all", "query.limit: this is no whole number"),
        ("after=7f3a", "query.after: this is no `next` of an answer to this list"),
    ],
)
@pytest.mark.parametrize("path", [PATH, "/scheduled-mutations", "/staged-mutations", "/principals"])
def test_a_page_that_is_none_is_told(tmp_path: Path, path: str, query: str, says: str) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("GET", f"{path}?{query}")

        assert (answer.status_code, answer.json()["detail"]) == (400, says)

    run(tmp_path, work)
