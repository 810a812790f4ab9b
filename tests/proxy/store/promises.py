"""What every store promises, as tests. A file that has a fixture `stores` takes them over by importing them."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

from kordon_proxy.store.interface import Key, Kind
from tests.proxy.store.given import Reader, Stores, a_step

__all__ = [
    "test_a_change_and_its_events_are_there_for_another_process_and_after_a_restart",
    "test_a_change_of_another_revision_leaves_no_trace",
    "test_an_event_that_was_told_is_gone_for_everybody_and_its_number_is_not_given_again",
    "test_of_many_processes_one_makes_each_change",
    "test_only_what_has_changed_is_news",
    "test_what_a_process_has_made_is_gone_for_it_though_it_has_not_looked_since",
    "test_what_is_over_for_long_is_forgotten_and_records_of_another_kind_stay",
    "test_what_was_changed_and_forgotten_between_two_looks_is_gone_for_whoever_knew_it",
]

PATIENCE: Final = 60.0


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, PATIENCE))


def test_a_change_and_its_events_are_there_for_another_process_and_after_a_restart(stores: Stores) -> None:
    step = a_step(reason="ünï\ud800")  # what JSON can say, whether or not it is text
    step = replace(step, events=(*step.events, replace(step.events[0], id="another")))

    async def work() -> None:
        async with stores("one") as one, stores("two") as two:
            readers = [Reader(store) for store in (one, two)]
            for reader in readers:
                assert await reader.look() == []
            assert await one.take(step)
            for reader in readers:
                await reader.until_untold(2)
                assert reader.records == {step.key: step.record}
                assert [(untold.writer, untold.event) for untold in reader.untold] == [
                    ("one", event) for event in step.events
                ]
                assert await reader.store.news() is None
        async with stores("one") as later:
            reader = Reader(later)
            assert await reader.look() == ["7f3a"]
            assert reader.records == {step.key: step.record}

    run(work())


def test_what_is_over_for_long_is_forgotten_and_records_of_another_kind_stay(stores: Stores) -> None:
    async def work() -> None:
        async with stores("one") as one:
            await one.take(a_step("a"))
            await one.take(replace(a_step("b"), kind=Kind.STAGED))
            await one.take(replace(a_step("a"), kind=Kind.SCHEDULED, events=()))
            for _ in range(2):
                await one.forget([Key(Kind.TEMPORARY_POLICY, "a"), Key(Kind.STAGED, "nobody's")])
            assert not await one.take(a_step("a", before=1))
        async with stores("two") as later:
            reader = Reader(later)
            await reader.look()
            assert set(reader.records) == {(Kind.STAGED, "b"), (Kind.SCHEDULED, "a")}
            assert [untold.event.id for untold in reader.untold] == ["a/1", "b/1"]

    run(work())


def test_what_was_changed_and_forgotten_between_two_looks_is_gone_for_whoever_knew_it(stores: Stores) -> None:
    a, b = Key(Kind.TEMPORARY_POLICY, "a"), Key(Kind.STAGED, "a")

    async def work() -> None:
        async with stores("one") as one, stores("two") as two:
            await one.take(a_step("a"))
            await one.take(replace(a_step("a"), kind=Kind.STAGED, events=()))
            await one.take(a_step("c"))
            readers = [Reader(store) for store in (one, two)]
            for reader in readers:
                await reader.until_untold(2)

            await one.take(a_step("a", before=1))
            await one.forget([a, b])
            for reader in readers:
                await reader.until_gone(a, b)
                assert {key.id for key in reader.records} == {"c"}
            assert await two.take(a_step("c", before=1))

    run(work())


def test_what_a_process_has_made_is_gone_for_it_though_it_has_not_looked_since(stores: Stores) -> None:
    async def work() -> None:
        async with stores("one") as one, stores("two") as two:
            reader = Reader(one)
            await reader.look()
            await one.take(a_step("a"))
            key = Key(Kind.TEMPORARY_POLICY, "a")
            reader.records[key] = {}  # it knows what it has made
            other = Reader(two)
            await other.until_untold(1)
            await two.forget([key])
            await reader.until_gone(key)

    run(work())


def test_only_what_has_changed_is_news(stores: Stores) -> None:
    async def work() -> None:
        async with stores("one") as one, stores("two") as two:
            await one.take(a_step("a"))
            await one.take(a_step("b"))
            reader = Reader(two)
            await reader.until_untold(2)
            await one.take(a_step("a", before=1))
            assert await reader.until_untold(3) == ["a"]

    run(work())


def test_a_change_of_another_revision_leaves_no_trace(stores: Stores) -> None:
    async def work() -> None:
        async with stores("one") as one:
            assert await one.take(a_step())
            assert not await one.take(a_step())
            assert not await one.take(a_step(before=2))
            assert not await one.take(a_step("none", before=1))
        async with stores("two") as later:
            reader = Reader(later)
            await reader.look()
            assert [record["revision"] for record in reader.records.values()] == [1]
            assert [untold.event.id for untold in reader.untold] == ["7f3a/1"]

    run(work())


def test_of_many_processes_one_makes_each_change(stores: Stores) -> None:
    async def work() -> None:
        opening = [stores(str(number)) for number in range(4)]
        all_four = await asyncio.gather(*(one.__aenter__() for one in opening))  # all of them make it
        readers = [Reader(store) for store in all_four]
        for before in range(20):
            steps = [a_step(before=before, by=number) for number in range(4)]
            made = await asyncio.gather(*(store.take(step) for store, step in zip(all_four, steps, strict=True)))
            assert sum(made) == 1
            for reader in readers:
                await reader.until_untold(before + 1)
                (record,) = reader.records.values()
                assert record == steps[made.index(True)].record
                assert reader.untold[-1].writer == str(made.index(True))
        for reader in readers:
            assert [untold.event.id for untold in reader.untold] == [f"7f3a/{revision}" for revision in range(1, 21)]
            assert reader.untold == readers[0].untold
        await asyncio.gather(*(one.__aexit__(None, None, None) for one in opening))

    run(work())


def test_an_event_that_was_told_is_gone_for_everybody_and_its_number_is_not_given_again(stores: Stores) -> None:
    async def work() -> None:
        async with stores("one") as one, stores("two") as two:
            await one.take(a_step("a"))
            readers = [Reader(store) for store in (one, two)]
            for reader in readers:
                await reader.until_untold(1)
            (first,) = readers[0].untold
            for _ in range(2):
                await two.told([first.number, first.number + 1000])
            for reader in readers:
                await reader.until_untold(0)
            await one.take(a_step("b"))
            for reader in readers:
                await reader.until_untold(1)
                assert reader.untold[0].number > first.number

    run(work())
