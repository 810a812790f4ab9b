"""Why one side of a connection is not read from."""

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from .meter import Meter


class Hold(StrEnum):
    """A reason. Reading goes on when the last one is gone; each pause is counted under its reason."""

    LOGIN = "login"
    PICTURE = "picture"
    QUESTION = "question"
    STAGING = "staging"
    BROKER_CONNECTING = "broker-connecting"
    BROKER_SLOW = "broker-slow"
    IN_FLIGHT = "in-flight"
    DRAINING = "draining"
    AUDIT = "audit"
    CLIENT_SLOW = "client-slow"
    ORDER = "order"
    EARLIER = "earlier"
    TURN = "turn"


NO_HOLD: Final[Mapping[Hold, float]] = {}


class Holds:
    """Why one side of a connection is not read from now. Each reason is counted, and how long it lasted."""

    __slots__ = ("_meter", "since")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.since = NO_HOLD
        """When each began. A plain attribute, as every request asks whether there is any, and shared while there is
        none, as there are two in every connection."""

    def __len__(self) -> int:
        return len(self.since)

    def __contains__(self, reason: Hold) -> bool:
        return reason in self.since

    def add(self, reason: Hold) -> None:
        """Hold for this reason too; it may be one already."""
        if reason not in self.since:
            self.since = {**self.since, reason: time.monotonic()}
            self._meter.paused(reason)

    def remove(self, reason: Hold) -> None:
        """The reason is gone; it may have been none."""
        began = self.since.get(reason)
        if began is not None:
            self.since = {other: since for other, since in self.since.items() if other is not reason} or NO_HOLD
            self._meter.went_on(reason, time.monotonic() - began)

    def clear(self) -> None:
        """The connection is over."""
        for reason in tuple(self.since):
            self.remove(reason)
