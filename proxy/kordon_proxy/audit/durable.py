"""How whoever can wait waits until an event is on disk."""

import asyncio
from collections.abc import Callable

from .event import Event


async def until_on_disk(write: Callable[[Event, Callable[[], None]], None], event: Event) -> None:
    """Write an event, by one of the ways of `AuditLog`, and return when it is on disk."""
    durable = asyncio.get_running_loop().create_future()
    write(event, lambda: None if durable.done() else durable.set_result(None))
    await durable
