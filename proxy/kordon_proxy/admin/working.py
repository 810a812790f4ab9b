"""How an operation gets at the process."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Path, Query, Request

from kordon_proxy.store.book import MOST_OVER

from .process import Process

T = TypeVar("T")


async def without_haste(found: Iterable[T | None]) -> list[T]:
    """What there is among these, each of which takes a moment: the clients of the proxy are served in between."""
    kept = []
    for one in found:
        if one is not None:
            kept.append(one)
        await asyncio.sleep(0)
    return kept


def _process(request: Request) -> Process:
    process: Process = request.app.state.process
    return process


Working = Annotated[Process, Depends(_process)]
"""Put on a parameter of an operation: the process that it works with."""
Id = Annotated[str, Path(max_length=100)]
"""The id of something in the store. What is refused of it stands in the audit."""
_ENDED: Final = f"Also those that are over, for a month after their end, and of each author the last {MOST_OVER}."
Ended = Annotated[bool, Query(description=_ENDED)]
"""Put on a parameter of an operation: whether to list what has ended."""
