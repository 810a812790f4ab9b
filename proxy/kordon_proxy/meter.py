"""The metrics of the connections of one listener in one tenant."""

import time

from .exchange import Exchange
from .judging.may import Access, May
from .metrics import Metrics


class Meter:
    """Counts with the labels of one listener and tenant; shared by its connections."""

    def __init__(self, metrics: Metrics, tenant: str) -> None:
        self._metrics = metrics
        self._tenant = tenant
        self._in = metrics.bytes[tenant, "in"]
        self._out = metrics.bytes[tenant, "out"]

    def from_client(self, size: int) -> None:
        self._in.value += size

    def to_client(self, size: int) -> None:
        self._out.value += size

    def paused(self, reason: str) -> None:
        self._metrics.pauses[reason].inc()

    def went_on(self, reason: str, seconds: float) -> None:
        self._metrics.pause_seconds[reason].inc(seconds)

    def refused_frame(self, reason: str) -> None:
        self._metrics.refused_frames[reason].inc()

    def request(self, exchange: Exchange, verdict: str) -> None:
        """One request has been judged: `forwarded`, `cut` (parts of it refused), `answered` or `refused`."""
        self._metrics.requests[exchange.api.name, self._tenant, verdict].inc()
        if exchange.may is not None:
            for ruling in exchange.may.notes:
                self._metrics.decisions[ruling.asked, ruling.access].inc()

    def refused(self, may: May) -> None:
        """An answer has been judged again: count what of it is refused now."""
        for ruling in may.notes:
            if ruling.access is not Access.ALLOWED:
                self._metrics.decisions[ruling.asked, ruling.access].inc()

    def finished(self, exchange: Exchange) -> None:
        """The answer of a forwarded request is ready to leave."""
        broker = exchange.answered - exchange.forwarded
        self._metrics.broker_seconds[exchange.api.name].observe(broker)
        self._metrics.added_seconds[exchange.api.name].observe(time.monotonic() - exchange.received - broker)
