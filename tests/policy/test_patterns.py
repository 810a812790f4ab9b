"""Patterns, alone and many together."""

from itertools import product
from typing import SupportsIndex

from hypothesis import given
from hypothesis import strategies as st

from kordon_policy.index import PatternIndex
from kordon_policy.memo import Memo
from kordon_policy.patterns import Pattern, beginning, covers, literal, meet, pattern
from tests.policy import naive

texts = st.text("ab*", max_size=7)
names = st.text("ab", max_size=9)


@given(text=texts, name=names)
def test_a_pattern_matches_what_the_naive_matcher_matches(text: str, name: str) -> None:
    assert pattern(text).matches(name) == naive.matches(text, name)


@given(text=st.text("ab", min_size=1, max_size=5), before=names, after=names)
def test_prefix_suffix_and_exact_are_what_their_shape_says(text: str, before: str, after: str) -> None:
    assert pattern(f"{text}*").matches(text + after)
    assert pattern(f"*{text}").matches(before + text)
    assert pattern(text).matches(before + text) == (before == "")


def test_pieces_do_not_overlap() -> None:
    assert not pattern("*ab*ba*").matches("aba")
    assert pattern("*ab*ba*").matches("abba")
    assert not pattern("aba*aba").matches("ababa")
    assert pattern("aba*aba").matches("abaaba")


@given(text=texts)
def test_a_literal_matches_itself_alone_whatever_its_letters(text: str) -> None:
    assert literal(text).matches(text)
    assert not literal(text).matches(text + "a")
    assert not literal("a*").matches("ab")


@given(texts=st.lists(texts, max_size=4), other=texts)
def test_a_pattern_that_matches_the_generic_name_of_another_covers_all_of_it(texts: list[str], other: str) -> None:
    for text in texts:
        if pattern(text).matches(pattern(other).word):
            for filler in ("", "a", "ab", "ba"):
                assert pattern(text).matches(other.replace("*", filler))


@given(texts=st.lists(texts, max_size=30), asked=st.lists(names, max_size=30))
def test_an_index_finds_exactly_the_patterns_that_match(texts: list[str], asked: list[str]) -> None:
    index: PatternIndex[int] = PatternIndex()
    for at, text in enumerate(texts):
        index.add(pattern(text) if text else None, at)
    for name in asked:
        expected = [at for at, text in enumerate(texts) if not text or naive.matches(text, name)]
        assert sorted(index.matching(name)) == expected


@given(texts=st.lists(texts, max_size=5), beginning=st.text("ab", max_size=4))
def test_an_index_finds_what_covers_a_beginning_and_whether_anything_meets_it(texts: list[str], beginning: str) -> None:
    index: PatternIndex[str] = PatternIndex()
    for text in texts:
        index.add(pattern(text), text)
    # "c" is in no pattern, so what matches a name that goes on with it matches however the name goes on.
    names = [beginning + "".join(some) for size in range(5) for some in product("abc", repeat=size)]
    covering = {text for text in texts if all(naive.matches(text, name) for name in names)}
    met = any(naive.matches(text, f"{beginning}{ending}") for text in texts for ending in fillings(text))

    assert set(index.covering(beginning)) == covering
    assert index.meets(beginning) == met


def fillings(text: str) -> list[str]:
    """Endings of which one makes a beginning a name of the pattern, if there is such a name at all."""
    word = text.replace("*", "")
    return ["", *(text[at:].replace("*", "") for at in range(len(text))), *(word[at:] for at in range(len(word)))]


def test_an_index_that_has_told_what_meets_a_beginning_may_grow() -> None:
    index: PatternIndex[int] = PatternIndex()
    assert not index.meets("")
    index.add(pattern("tx_*"), 1)
    assert index.meets("tx_pay")
    assert index.meets("t")
    assert not index.meets("u")
    index.add(None, 2)
    assert index.meets("u")


class Walked(str):
    """A name that counts how often somebody looks into it."""

    __slots__ = ()
    looks = 0

    def __getitem__(self, at: SupportsIndex | slice) -> str:
        Walked.looks += 1
        return str.__getitem__(self, at)

    def startswith(self, *args: object) -> bool:
        Walked.looks += 1
        return str.startswith(self, *args)  # type: ignore[arg-type]


def test_looking_up_a_name_walks_no_pattern_that_does_not_match() -> None:
    def looks(others: int) -> int:
        index: PatternIndex[int] = PatternIndex()
        for at in range(10_000, 10_000 + others):
            for text in (f"other-{at}*", f"*-other-{at}", f"other-{at}", f"*other-{at}*", f"o-{at}*o"):
                index.add(pattern(text), at)
        index.add(pattern("tx_*"), -1)
        Walked.looks = 0
        assert index.matching(Walked("tx_payments-eu")) == [-1]
        return Walked.looks

    assert 0 < looks(2_000) == looks(20)


def test_a_memo_works_an_answer_out_once_and_stays_bounded() -> None:
    asked: list[int] = []

    def double(number: int) -> int:
        asked.append(number)
        return number * 2

    memo = Memo(double, bound=10)
    assert [memo[at] for at in (1, 1, 2)] == [2, 2, 4]
    assert asked == [1, 2]
    for at in range(1_000):
        assert memo[at] == at * 2
        assert len(memo) <= 10


# What patterns of few letters tell apart, with a letter that none of them has.
SHORT_NAMES = ["".join(some) for size in range(6) for some in product("ab\0", repeat=size)]


def names_of(one: Pattern | None) -> set[str]:
    return {name for name in SHORT_NAMES if one is None or naive.matches(one.text, name)}


def every_short_pattern() -> dict[Pattern | None, set[str]]:
    texts = ("".join(some) for size in (1, 2, 3) for some in product("ab*", repeat=size))
    return {one: names_of(one) for one in (None, *map(pattern, texts))}


def test_patterns_cover_and_meet_as_the_names_do_that_they_match() -> None:
    for (one, names), (other, other_names) in product(every_short_pattern().items(), repeat=2):
        assert covers(one, other) == (names >= other_names), (one, other)
        assert meet(one, other) == bool(names & other_names), (one, other)


def test_what_begins_like_this_is_a_few_patterns() -> None:
    for (one, names), letters in product(every_short_pattern().items(), ("", "a", "b", "aa", "ab")):
        begun = [names_of(each) for each in beginning(one, letters)]
        assert set().union(*begun) == {name for name in names if name.startswith(letters)}, (one, letters)


def test_a_star_in_a_literal_is_a_letter_when_it_is_covered_too() -> None:
    assert covers(pattern("a*"), literal("a*"))
    assert not covers(literal("a*"), pattern("a*"))
    assert not meet(literal("a*"), literal("ab"))
