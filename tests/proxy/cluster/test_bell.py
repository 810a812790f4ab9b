"""Waking a loop, but not too often. Long times stand for "never" here: nothing waits for them."""

import asyncio

from kordon_proxy.cluster.bell import Bell
from tests.proxy.cluster.loops import on_both_loops, scenario

LONG = 3_600.0
SHORT = 0.02


@on_both_loops
@scenario
async def test_a_ring_wakes_who_sleeps(loop: str) -> None:
    bell = Bell(spacing=LONG)
    sleeper = asyncio.create_task(bell.wait(LONG))
    await asyncio.sleep(0)

    bell.ring()

    assert await sleeper


@scenario
async def test_a_ring_before_anybody_sleeps_is_heard() -> None:
    bell = Bell(spacing=LONG)
    bell.ring()

    assert await bell.wait(LONG)


@scenario
async def test_without_a_ring_it_is_the_time_that_wakes() -> None:
    assert not await Bell(spacing=LONG).wait(SHORT)


@scenario
async def test_many_rings_are_heard_once() -> None:
    bell = Bell(spacing=0.0)
    for _ in range(5):
        bell.ring()

    assert await bell.wait(LONG)
    assert not await bell.wait(SHORT)


@scenario
async def test_a_second_ring_has_to_wait_for_the_spacing() -> None:
    bell = Bell(spacing=LONG)
    bell.ring()
    await bell.wait(LONG)

    bell.ring()

    assert not await bell.wait(SHORT)


@scenario
async def test_a_ring_that_came_too_soon_is_not_forgotten() -> None:
    bell = Bell(spacing=5 * SHORT)
    bell.ring()
    await bell.wait(LONG)
    bell.ring()
    await bell.wait(SHORT)

    assert await bell.wait(LONG)


@scenario
async def test_a_time_that_is_over_does_not_sleep() -> None:
    assert not await Bell(spacing=LONG).wait(-1.0)
