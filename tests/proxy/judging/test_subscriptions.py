"""What is remembered of the members behind a connection."""

from kordon_proxy.judging.patterns import compile_pattern
from kordon_proxy.judging.recent_members import MEMBERS
from kordon_proxy.judging.subscriptions import LONGEST, NAMES, Subscription, Subscriptions


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


def test_names_that_no_topic_can_have_are_not_remembered() -> None:
    subscription = Subscription()
    subscription.subscribe(("a" * LONGEST, "b" * (LONGEST + 1)), None)
    assert subscription.names == ("a" * LONGEST,)


def test_a_connection_remembers_so_many_names_and_forgets_the_oldest_members_for_it() -> None:
    known = Subscriptions()
    half = tuple(map(str, range(NAMES // 2)))
    known.keep("g", "small", Subscription(names=("a",)))
    known.keep("g", "large", Subscription(names=half))
    assert known.get("g", "small")
    known.keep("g", "larger", Subscription(names=half))
    assert [known.get("g", member) is not None for member in ("small", "large", "larger")] == [True, False, True]


def test_a_member_is_remembered_however_many_names_it_has() -> None:
    known = Subscriptions()
    known.keep("g", "m", Subscription(names=("a",) * (NAMES + 1)))
    assert known.get("g", "m")
