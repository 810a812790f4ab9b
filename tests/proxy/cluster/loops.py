"""Scenarios in an event loop: asyncio's own and uvloop, for Kordon runs on both."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, ParamSpec

import pytest
import uvloop

P = ParamSpec("P")
PATIENCE: Final = 60.0
"""Seconds until a scenario that hangs is ended. No scenario takes long when it passes."""

LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

on_both_loops = pytest.mark.parametrize("loop", LOOPS)
"""For tests with an argument `loop`, which `scenario` takes."""


def scenario(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a loop of its own: the one that its argument `loop` names, or asyncio's."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        factory = LOOPS[str(kwargs.get("loop", "asyncio"))]
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_within(test(*args, **kwargs)))

    return run


async def _within(coroutine: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(PATIENCE):
        await coroutine


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; a scenario that waits in vain ends by its own limit."""
    while not condition():  # noqa: ASYNC110 -- conditions are of all kinds, and most have no event
        await asyncio.sleep(0.005)


async def settle(*awaitables: Awaitable[object]) -> list[object]:
    """Await all; give what they returned or raised, in order."""
    return await asyncio.gather(*awaitables, return_exceptions=True)
