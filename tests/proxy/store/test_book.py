"""What one process knows of everything of one kind: the newest of each thing, and for how long it is kept."""

from dataclasses import replace

import pytest

from kordon_policy.lifecycle import Ended
from kordon_policy.offset_moves import Aim, Operation
from kordon_policy.own_rights import Author
from kordon_policy.scheduled import ScheduledMutation, State
from kordon_policy.scheduled_record import from_record, to_record
from kordon_proxy.store import book
from kordon_proxy.store.book import Book
from kordon_proxy.store.interface import Kind
from tests.proxy.granting import Clocks

WAITS = ScheduledMutation(
    id="7f3a",
    revision=1,
    cluster="prod",
    aim=Aim(group="g", operation=Operation.CLEAR),
    author=Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading"),
    created_ts=0,
    until_ts=900,
)


def a_book(clocks: Clocks | None = None) -> Book[ScheduledMutation]:
    return Book(Kind.SCHEDULED, (clocks or Clocks()).clock, read=from_record, write=to_record)


def ended(mutation_id: str, ts: int, author: str = "ann") -> ScheduledMutation:
    who = replace(WAITS.author, principal=author)
    return replace(WAITS, id=mutation_id, revision=2, author=who, state=State.CANCELLED, ended=Ended(ts=ts))


def test_the_newest_is_known_in_whatever_order_it_is_learned() -> None:
    known, over = a_book(), ended(WAITS.id, 5)
    told: list[str] = []
    known.subscribe(told.append)

    for one in (WAITS, over, WAITS, over):
        known.read(to_record(one))

    assert known.all == (over,)
    assert (known.running, known.get_running(WAITS.id)) == ((), None)
    assert told == [WAITS.id]


def test_for_how_long_something_is_as_it_is_no_clock_on_the_wall_can_say() -> None:
    clocks = Clocks()
    known = a_book(clocks)
    known.read(to_record(WAITS))
    begun = clocks.wall
    clocks.monotonic += 400
    clocks.wall -= 10_000

    assert known.watched(WAITS) == 400
    assert known.reached(WAITS) == begun + 400


def test_what_has_gone_is_over_though_its_end_was_not_seen() -> None:
    known = a_book()
    known.read(to_record(WAITS))
    told: list[str] = []
    known.subscribe(told.append)

    known.forget([WAITS.id, "nobody's"])

    assert (known.all, known.running, known.get(WAITS.id), told) == ((), (), None, [WAITS.id])
    assert known.watched(WAITS) == 0


def test_what_is_over_is_forgotten_when_it_is_old_or_its_author_has_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "MOST_OVER", 2)
    known = a_book()
    for one in (ended("c", 30), ended("a", 10), ended("b", 20), ended("d", 15, author="bob"), WAITS):
        known.read(to_record(one))

    assert set(known.over(0)) == {"a"}
    assert set(known.over(16)) == {"a", "d"}
    known.forget(known.over(16))
    assert {one.id for one in known.all} == {"b", "c", WAITS.id}
    assert set(known.over(16)) == set()
    assert set(known.over(21)) == {"b"}
