"""Patterns of clients: how they are read, and what they may cost."""

import pytest

from kordon_proxy.judging.patterns import LONGEST, InvalidPattern, Matches, Pattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        (".*", "acme.a", True),
        ("acme", "acme.a", False),
        (r"acme\.(a|b)", "acme.b", True),
        (r"acme\.\pL+", "acme.a", True),
        (r"(?i)ACME\..", "acme.a", True),
        ("acme.a|", "acme.a", True),
        ("a", "a\n", False),
    ],
)
def test_a_pattern_matches_whole_names_in_kafkas_dialect(pattern: str, name: str, matches: bool) -> None:
    compiled = compile_pattern(pattern)
    assert compiled is not None
    assert bool(compiled.fullmatch(name)) is matches


def test_the_empty_pattern_is_none() -> None:
    assert compile_pattern("") is None


@pytest.mark.parametrize("pattern", ["(", "a{2000}", r"(a)\1", "(?=acme)", "[b-a]", "(" * LONGEST])
def test_a_pattern_that_kafka_cannot_read_is_told_in_few_words(pattern: str) -> None:
    with pytest.raises(InvalidPattern) as raised:
        compile_pattern(pattern)
    assert str(raised.value).startswith("invalid pattern: ")
    assert len(str(raised.value)) < 300


def test_a_pattern_takes_no_longer_for_being_nasty() -> None:
    compiled = compile_pattern("(a*)*(a*)*(a*)*b")
    assert compiled is not None
    assert compiled.fullmatch("a" * 20_000) is None  # a backtracking engine would not come back


def compiled(text: str) -> Pattern:
    found = compile_pattern(text)
    assert found is not None
    return found


def test_a_pattern_has_so_many_letters_and_no_more() -> None:
    assert compiled("x" * LONGEST).fullmatch("x" * LONGEST)
    with pytest.raises(InvalidPattern, match=f"{LONGEST + 1} letters, limit {LONGEST}"):
        compile_pattern("x" * (LONGEST + 1))


@pytest.mark.parametrize("pattern", [r"\pL{1000}", r"[^\pL]" * (LONGEST // 6), "(?:.{100}){10}" * 10])
def test_a_short_pattern_that_needs_much_memory_is_not_read(pattern: str) -> None:
    with pytest.raises(InvalidPattern, match="pattern too large"):
        compile_pattern(pattern)


def test_the_larger_a_pattern_is_the_less_of_it_is_evaluated_at_a_time() -> None:
    small, large = compiled("a?").letters_at_a_time, compiled("a?" * 2000).letters_at_a_time
    assert small > 1_000_000 > large > 10_000


# ---- what they find


class Asked:
    """A condition that names with an `a` meet, and for which names it was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> bool:
        self.names.append(name)
        return "a" in name


def test_a_name_is_looked_at_once() -> None:
    matches, asked = Matches(), Asked()
    assert matches.look(("ab", "b", "ca"), asked, 100)
    assert matches.look(("ab", "b", "c", "ca"), asked, 100)
    assert matches.found == ("ab", "ca")
    assert asked.names == ["ab", "b", "ca", "c"]


def test_a_name_that_is_gone_is_not_found_and_looked_at_again_when_it_is_back() -> None:
    matches, asked = Matches(), Asked()
    found = []
    for names in (("a", "ab"), ("ab",), ("a", "ab")):
        assert matches.look(names, asked, 100)
        found.append(matches.found)
    assert found == [("a", "ab"), ("ab",), ("a", "ab")]
    assert asked.names == ["a", "ab", "a"]


def test_names_of_so_many_letters_are_looked_at_and_the_others_later() -> None:
    matches, asked, names = Matches(), Asked(), ("aa", "ab", "ba", "bb", "ca")

    whole = [matches.look(now, asked, 3) for now in (names, ("a", *names), ("a", *names))]

    assert whole == [False, False, True]
    assert asked.names == ["aa", "ab", "a", "ba", "bb", "ca"]
    assert matches.found == ("a", "aa", "ab", "ba", "ca")


def test_one_name_at_least_is_looked_at_however_costly_the_pattern_is() -> None:
    matches, asked = Matches(), Asked()
    assert not matches.look(("aaaa", "a"), asked, 1)
    assert matches.look(("aaaa", "a"), asked, 1)
    assert matches.found == ("a", "aaaa")
