"""Why one side of a connection is not read from."""

from enum import StrEnum


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
