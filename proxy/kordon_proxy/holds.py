"""Why one side of a connection is not read from."""

import time
from enum import StrEnum

from .meter import Meter


class Hold(StrEnum):
    """A reason. Reading goes on when the last one is gone; each pause is counted under its reason."""

    LOGIN = "login"
    PICTURE = "picture"
    BROKER_CONNECTING = "broker-connecting"
    BROKER_SLOW = "broker-slow"
    IN_FLIGHT = "in-flight"
    DRAINING = "draining"
    AUDIT = "audit"
    CLIENT_SLOW = "client-slow"
    ORDER = "order"


class Holds:
    """Why one side of a connection is not read from now. Each reason is counted, and how long it lasted."""

    __slots__ = ("_meter", "since")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.since: dict[Hold, float] = {}
        """When each began; a plain attribute, as every request asks whether there is any."""

    def __len__(self) -> int:
        return len(self.since)

    def __contains__(self, reason: Hold) -> bool:
        return reason in self.since

    def add(self, reason: Hold) -> None:
        """Hold for this reason too; it may be one already."""
        if reason not in self.since:
            self.since[reason] = time.monotonic()
            self._meter.paused(reason)

    def remove(self, reason: Hold) -> None:
        """The reason is gone; it may have been none."""
        since = self.since.pop(reason, None)
        if not self.since:
            self.since = {}  # a dictionary that has held something keeps the room for it
        if since is not None:
            self._meter.went_on(reason, time.monotonic() - since)

    def clear(self) -> None:
        """The connection is over."""
        for reason in tuple(self.since):
            self.remove(reason)
