"""One connection of a caller. Who sends nothing, or takes nothing, must not be in the way of who does."""

import asyncio
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_WAITING: Final = 80
"""Connections at a time. One more, and the oldest of those is closed from which no whole request has come yet."""
ARRIVAL: Final = 15.0
"""Seconds in which a whole request has to come, counted from the connection or from the answer before."""
ANSWER: Final = 120.0
"""Seconds in which it has to be worked out, and the caller has to take the answer."""


class PatientConnection(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, and for so long only."""

    arrival = ARRIVAL
    _deadline: asyncio.TimerHandle | None = None
    _is_asked = False
    _since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait, and make room if too many do."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._wait(self.arrival)
        if len(self.connections) > MOST_WAITING:
            waiting = [one for one in self.connections if isinstance(one, PatientConnection) and not one._is_asked]
            min(waiting, key=lambda one: one._since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()

    def handle_events(self) -> None:
        """Called when something has come, and when an answer has been sent."""
        super().handle_events()
        is_asked = self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)
        if is_asked is not self._is_asked:
            self._is_asked = is_asked
            self._wait(ANSWER if is_asked else self.arrival)

    def _wait(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
