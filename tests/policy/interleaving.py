"""All that can happen, step by step, when several do something at once: a small model checker."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

World = TypeVar("World", bound=Hashable)

MOST = 2_000_000  # worlds; a model that has more is too large to be a test


def every_world(
    start: World, steps: Callable[[World], Iterable[tuple[str, World]]], check: Callable[[World], None]
) -> tuple[int, list[World]]:
    """Reach every world that there is from the start by any order of steps, and check each.

    Returns how many there are, and those in which nothing can happen any more. A failed check tells the way to it.
    """
    came_from: dict[World, tuple[str, World] | None] = {start: None}
    ends: list[World] = []
    ahead = [start]
    while ahead:
        world = ahead.pop()
        try:
            check(world)
        except AssertionError as error:
            error.add_note("reached by: " + ", ".join(_way_to(world, came_from)))
            raise
        following = list(steps(world))
        if not following:
            ends.append(world)
        for name, then in following:
            if then not in came_from:
                came_from[then] = (name, world)
                ahead.append(then)
        assert len(came_from) < MOST
    return len(came_from), ends


def _way_to(world: World, came_from: dict[World, tuple[str, World] | None]) -> list[str]:
    way = []
    step = came_from[world]
    while step is not None:
        way.append(step[0])
        step = came_from[step[1]]
    return way[::-1]
