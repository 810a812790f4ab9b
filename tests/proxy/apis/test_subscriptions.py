"""Patterns, and what is remembered of the members behind a connection."""

import pytest

from kordon_proxy.apis.recent_members import MEMBERS
from kordon_proxy.apis.subscriptions import InvalidPattern, Subscription, Subscriptions, compile_pattern


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


@pytest.mark.parametrize("pattern", ["(", "a{2000}", r"(a)\1", "(?=acme)", "[b-a]", "x" * 1_000_000])
def test_a_pattern_that_kafka_cannot_read_is_told_in_few_words(pattern: str) -> None:
    with pytest.raises(InvalidPattern) as raised:
        compile_pattern(pattern)
    assert str(raised.value).startswith("invalid subscription pattern: ")
    assert len(str(raised.value)) < 300


def test_a_pattern_takes_no_longer_for_being_nasty() -> None:
    compiled = compile_pattern("(a*)*(a*)*(a*)*b")
    assert compiled is not None
    assert compiled.fullmatch("a" * 20_000) is None  # a backtracking engine would not come back


def test_a_connection_remembers_few_members_and_forgets_the_oldest() -> None:
    known = Subscriptions()
    kept = [Subscription() for _ in range(MEMBERS + 1)]
    for number, subscription in enumerate(kept[:-1]):
        known.keep("g", str(number), subscription)
    assert known.get("g", "0") is kept[0]
    known.keep("g", "new", kept[-1])
    assert len(known) == MEMBERS
    assert known.get("g", "1") is None
    assert known.get("g", "0") is kept[0]
    assert known.get("g", "new") is kept[-1]


def test_members_of_the_same_id_in_two_groups_are_two() -> None:
    known = Subscriptions()
    known.keep("g", "m", Subscription())
    assert known.get("h", "m") is None


def test_a_member_that_left_is_forgotten() -> None:
    known = Subscriptions()
    known.keep("g", "m", Subscription())
    known.forget("g", "m")
    known.forget("g", "never-there")
    assert known.get("g", "m") is None


def test_what_a_member_does_not_say_again_it_has_said_before() -> None:
    subscription = Subscription(names=("a",), sent=("a",))
    pattern = compile_pattern("b.*")
    subscription.subscribe(None, pattern)
    assert subscription.names == ("a",)
    assert subscription.pattern is pattern
    assert subscription.sent is None
