"""Which event loop a process has."""

import asyncio
import contextlib
import os


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where it is installed, else asyncio's own. KORDON_EVENT_LOOP=asyncio chooses the latter."""
    if os.environ.get("KORDON_EVENT_LOOP") != "asyncio":
        with contextlib.suppress(ImportError):
            import uvloop

            return uvloop.new_event_loop()
    return asyncio.new_event_loop()
