"""Regions against brute force: every name of a few letters, one of which no pattern has."""

from itertools import product
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kordon_policy.patterns import literal, pattern
from kordon_policy.regions import (
    ANY,
    EMPTY,
    EVERY_NAME,
    Cell,
    Region,
    TooComplex,
    common,
    contains,
    intersect,
    matches,
    region_of,
    subtract,
    union,
)
from tests.policy import naive

LETTERS: Final = "abc"  # "c" is in no pattern
NAMES: Final = ["".join(some) for size in range(7) for some in product(LETTERS, repeat=size)]
texts = st.text("ab*", max_size=5)
some_texts = st.lists(texts, max_size=3)


@st.composite
def regions(draw: st.DrawFn) -> tuple[Region, frozenset[str]]:
    """A region, and its names among those that are looked at."""
    cells = draw(st.lists(st.tuples(texts, some_texts), max_size=3))
    region = union(*(region_of([pattern(text)], map(pattern, but)) for text, but in cells))
    names = {
        name
        for name in NAMES
        for text, but in cells
        if naive.matches(text, name) and not any(naive.matches(one, name) for one in but)
    }
    return region, frozenset(names)


def names_in(region: Region) -> frozenset[str]:
    return frozenset(name for name in NAMES if matches(region, name))


def check(region: Region, names: frozenset[str]) -> None:
    """It holds these names, says rightly whether it is empty, and shows a name of each cell."""
    assert names_in(region) == names
    # Short patterns that have a name at all have a short one, but for what their exceptions take.
    assert bool(region) or not names
    for cell in region:
        assert not cell.empty
        assert cell.matches(cell.example())
        assert matches(region, cell.example())


@given(one=texts, other=texts)
@example(one="a*a*", other="*b*ab")
@example(one="*aba*", other="*bab*")
@example(one="aab*", other="*baa")
def test_what_two_patterns_have_in_common_is_matched_by_both_and_by_nothing_else(one: str, other: str) -> None:
    found = common(pattern(one), pattern(other))

    for name in NAMES:
        expected = naive.matches(one, name) and naive.matches(other, name)
        assert any(each.matches(name) for each in found) == expected


@settings(max_examples=100, deadline=None)
@given(given=regions())
def test_a_region_holds_the_names_of_its_patterns_that_are_not_excepted(given: tuple[Region, frozenset[str]]) -> None:
    check(*given)


@settings(max_examples=100, deadline=None)
@given(one=regions(), other=regions())
def test_regions_are_computed_with_like_sets_of_names(
    one: tuple[Region, frozenset[str]], other: tuple[Region, frozenset[str]]
) -> None:
    check(union(one[0], other[0]), one[1] | other[1])
    check(intersect(one[0], other[0]), one[1] & other[1])
    check(subtract(one[0], other[0]), one[1] - other[1])


@settings(max_examples=150, deadline=None)
@given(one=regions(), other=regions())
def test_one_region_contains_another_if_no_name_of_it_is_missing(
    one: tuple[Region, frozenset[str]], other: tuple[Region, frozenset[str]]
) -> None:
    left = subtract(other[0], one[0])

    assert contains(one[0], other[0]) == (not left)
    for cell in left:
        assert matches(other[0], cell.example())
        assert not matches(one[0], cell.example())
    assert left or other[1] <= one[1]


@given(given=regions())
def test_nothing_is_left_of_a_region_that_is_taken_from_itself(given: tuple[Region, frozenset[str]]) -> None:
    assert subtract(given[0], given[0]) == EMPTY
    assert contains(EVERY_NAME, given[0])
    assert intersect(given[0], EVERY_NAME) == given[0]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("ab*", "*ba", ["ab*ba", "aba"]),
        ("tx_*", "*-dlq", ["tx_*-dlq"]),
        ("tx_*", "tx_raw*", ["tx_raw*"]),
        ("a*", "b*", []),
        ("*x*", "*y*", ["*x*y*", "*y*x*"]),
        ("a*z", "ab*", ["ab*z"]),
        ("a", "*", ["a"]),
    ],
)
def test_two_patterns_meet_in_few_that_people_can_read(one: str, other: str, found: list[str]) -> None:
    assert sorted(each.text for each in common(pattern(one), pattern(other))) == found
    assert sorted(each.text for each in common(pattern(other), pattern(one))) == found


def test_a_star_in_a_name_is_a_letter() -> None:
    assert common(literal("a*"), pattern("a*")) == (literal("a*"),)
    assert common(literal("a*"), literal("ab")) == ()
    (cell,) = region_of([literal("a*")], [pattern("ab*")])
    assert cell.example() == "a*"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Cell(pattern=pattern("tx_*"), but=(pattern("tx_audit*"), pattern("*-internal"))),
         "tx_* except tx_audit*, *-internal"),
        (Cell(pattern=ANY), "any name"),
        (Cell(pattern=ANY, but=(pattern("a"),)), "any name except a"),
        (Cell(pattern=pattern("tx_1")), "tx_1"),
    ],
)  # fmt: skip
def test_a_cell_reads_like_a_sentence(cell: Cell, text: str) -> None:
    assert str(cell) == text


def test_only_exceptions_that_matter_are_kept() -> None:
    (cell,) = region_of([pattern("tx_*")], map(pattern, ["pay_*", "tx_a", "tx_a*", "*-dlq"]))

    assert [one.text for one in cell.but] == ["tx_a*", "*-dlq"]


def test_an_example_is_found_whatever_letters_the_patterns_use() -> None:
    every = "".join(map(chr, range(33, 0x17F))).replace("*", "")
    (cell,) = region_of([pattern(f"{every}*")], [pattern(f"{every}x*")])

    assert cell.matches(cell.example())


def test_an_empty_cell_has_no_example() -> None:
    with pytest.raises(ValueError, match="no name"):
        Cell(pattern=pattern("ab*"), but=(pattern("a*"),)).example()


def test_patterns_that_can_be_merged_in_very_many_ways_are_refused_and_not_tried_for_long() -> None:
    one, other = ("*".join(["", *letters, ""]) for letters in ("abcdefgh", "ijklmnop"))

    with pytest.raises(TooComplex) as refused:
        intersect(region_of([pattern(one)]), region_of([pattern(other)]))

    assert str(refused.value) == f"{one} and {other} have too much in common to be told"
    with pytest.raises(TooComplex):
        common(pattern(f"*{'a' * 300}*"), pattern(f"*{'b' * 300}*"))
