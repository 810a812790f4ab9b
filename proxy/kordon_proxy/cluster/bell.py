"""Wake a loop that sleeps, but not too often."""

import asyncio


class Bell:
    """Rung any number of times and heard once, `spacing` seconds after it was last heard at the earliest."""

    def __init__(self, spacing: float) -> None:
        self._spacing = spacing
        self._rung = asyncio.Event()
        self._heard_at = float("-inf")

    def ring(self) -> None:
        """Wake whoever waits, or the next who will."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Sleep for so many seconds, or until it has been rung. True: it has been rung."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._rung.wait()
                await asyncio.sleep(self._heard_at + self._spacing - clock())
        except TimeoutError:
            # Rung, but too soon after the last time: it stays rung for the next who waits.
            return False
        self._rung.clear()
        self._heard_at = clock()
        return True
