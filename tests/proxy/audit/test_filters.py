"""Which events are wanted, and which have been seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_policy.patterns import pattern
from kordon_proxy.audit.event import Event, EventType, What, Who, Why, rfc3339
from kordon_proxy.audit.filters import Filter, kind_of, verdict_of
from kordon_proxy.audit.seen import Seen
from tests.proxy.audit.events import NOON, TOPIC, a_denial, a_login, a_mutation, as_json, sealed

KORDONS = Event(id="k", type=EventType.CONFIGURATION, time=NOON, who=Who(principal="kordon"), why=Why(effect="Allow"))
SHADOW = a_denial(why=Why(effect="Deny", shadow=True))
COUNTED_SHADOW = a_mutation(type=EventType.AGGREGATE).__class__(
    id="c", type=EventType.AGGREGATE, time=NOON, who=Who(principal="dee"), why=Why(effect="Allow (shadow)")
)


@pytest.mark.parametrize(
    ("wanted", "denial", "kordons"),
    [
        (Filter(), True, True),
        (Filter(who=(pattern("dee"),)), True, False),
        (Filter(who=(pattern("d*"),)), True, False),
        (Filter(who=(pattern("x"), pattern("kordon"))), False, True),
        (Filter(roles=("devs",)), True, False),
        (Filter(roles=("dev",)), False, False),
        (Filter(tenants=(pattern("Trading"),)), True, False),
        (Filter(tenants=(pattern("*"),)), True, False),
        (Filter(verdicts=("deny",)), True, False),
        (Filter(verdicts=("stage",)), False, False),
        (Filter(kinds=("configuration",)), False, True),
        (Filter(what=(pattern("GROUP_EDIT"),)), True, False),
        (Filter(what=(pattern("GROUP_*"),)), True, False),
        (Filter(what=(pattern("OffsetCommit"),)), True, False),
        (Filter(what=(pattern("trade_b2"),)), True, False),
        (Filter(what=(pattern("group/trade_*"),)), True, False),
        (Filter(what=(pattern("cluster/prod/*"),)), True, False),
        (Filter(what=(pattern("topic/*"),)), False, False),
        (Filter(since=rfc3339(NOON)), True, True),
        (Filter(since=rfc3339(NOON + 1)), False, False),
        (Filter(until=rfc3339(NOON)), False, False),
        (Filter(until=rfc3339(NOON + 1)), True, True),
        (Filter(who=(pattern("dee"),), verdicts=("allow",)), False, False),
        (Filter(who=(pattern("dee"),), verdicts=("deny", "allow"), what=(pattern("*b2"),)), True, False),
    ],
)
def test_all_that_is_asked_for_has_to_hold(wanted: Filter, denial: bool, kordons: bool) -> None:
    assert [wanted.matches(as_json(event)) for event in (a_denial(), KORDONS)] == [denial, kordons]


def test_any_of_several_things_will_do() -> None:
    event = as_json(a_denial(what=What(resources=(TOPIC, ("cluster", "prod")))))

    assert Filter(what=(pattern("tx_trade1"),)).matches(event)
    assert Filter(what=(pattern("cluster/prod"),)).matches(event)


@given(st.integers(0, 4_102_444_800_000), st.integers(0, 4_102_444_800_000), st.text(max_size=50))
def test_a_line_that_is_not_worth_parsing_is_not_wanted(time: int, bound: int, name: str) -> None:
    event = a_login(id=name, time=time)
    (line,) = sealed([event])

    for wanted in (Filter(since=rfc3339(bound)), Filter(until=rfc3339(bound))):
        assert wanted.may_match(line) == wanted.matches(as_json(event))


def test_a_line_of_which_nothing_is_known_is_worth_being_parsed() -> None:
    assert Filter(since=rfc3339(NOON)).may_match(b'{"specversion":"1.0"}')


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (a_denial(), "deny"),
        (a_mutation(), "allow"),
        (a_login(), "allow"),
        (a_login(58), "deny"),
        (SHADOW, "shadow"),
        (COUNTED_SHADOW, "shadow"),
        (a_denial(why=Why()), ""),
    ],
)
def test_a_verdict_is_what_was_decided(event: Event, verdict: str) -> None:
    assert verdict_of(as_json(event)) == verdict


def test_a_type_of_somebody_else_is_itself() -> None:
    assert kind_of({"type": "x"}) == "x"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 200_000)), max_size=50))
def test_an_event_is_new_once(places: list[tuple[str, int]]) -> None:
    seen = Seen()

    assert [place for place in places if seen.is_new(*place)] == list(dict.fromkeys(places))
