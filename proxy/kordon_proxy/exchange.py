"""One request and its answer, as the session follows it."""

from dataclasses import dataclass
from typing import Any, Final

from kordon_protocol.header import RequestHead

from .audit.event import Who
from .judging.may import May, Ruling
from .judging.table import Api, Record
from .judging.verdict import RELAY, Plan, Stream

UNASKED: Final = object()
"""Nobody has asked."""


@dataclass(slots=True, eq=False)
class Exchange:
    """From the request's frame to the last byte of its answer. Mutable, and seen by one session only."""

    head: RequestHead
    api: Api
    may: May | None
    request: Any
    received: float
    """When the request was whole, in seconds of the monotonic clock."""
    request_size: int
    plan: Plan = RELAY
    record: Record = Record.NOTHING
    sent: Any = None
    """The request as it went to the broker, for what the audit has to learn something of first (`Learns`)."""
    learned: Any = UNASKED
    """What a broker answered to that, None if it did not in time."""
    settled: tuple[Ruling, ...] | None = None
    """What has become of what is staged of it; None: nobody has seen to it."""
    who: Who | None = None
    """By whose roles it was judged. They may be others when the answer comes."""
    forwarded: float = 0.0
    """When it went to the broker; 0 while it has not."""
    answered: float = 0.0
    """When its answer began to arrive."""
    now: May | None = None
    """The rights when its answer began to arrive, which may be others than those when it was asked."""
    stream: Stream | None = None
    waits: int = 0
    """How many things have to happen before the answer may leave: events on disk, a look at the cluster."""
    frame: bytes | None = None
    """The answer that waits for them."""
    done: bool = False
    """Its answer is whole and may leave when its turn comes."""
    store: list[bytes] | None = None
    """Pieces of its answer that wait for their turn; None while none has had to."""

    @property
    def correlation_id(self) -> int:
        return self.head.correlation_id
