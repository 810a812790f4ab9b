"""One row of the table of APIs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_protocol.frames import Collected
from kordon_proxy.cluster.picture import Picture

from .may import May
from .verdict import Judge


class Record(Enum):
    """What the audit keeps of an API when everything is allowed. Denials are always kept."""

    NOTHING = "nothing"
    """Bookkeeping of the protocol, such as a heartbeat, and what is only looked at: seeing needs no action."""
    COUNTED = "counted"
    """Reads and produces: counted per principal, action, resource and window."""
    EVENT = "event"
    """Mutations: an event of its own with the outcome, durable before the answer leaves."""


def event_unless_tried(request: Any) -> Record:
    """Only trying whether it could be done (`validate_only`, where a version has it) changes nothing."""
    return Record.COUNTED if getattr(request, "validate_only", False) else Record.EVENT


LEARN_WITHIN: Final = 5.0
"""Seconds that a change waits for what the audit wants to know of it, at most: it is done without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learns:
    """What the audit wants to know of a change that only the cluster knows, and only before: what there was."""

    question: Callable[[Any], Any | None]
    """The request as it is to be sent on -> what Kordon asks the same broker before; None: nothing."""
    tell: Callable[[Any, Any | None], dict[str, object]]
    """The request as it was sent on, and the answer to the question (None: it did not come in time) -> what the event
    says of it beside `parameters`, or in their place."""
    within: float = LEARN_WITHIN
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """How one API key is treated. `judge` None: it is refused for the reason `why`."""

    key: int
    name: str
    versions: range
    """Versions that are admitted (and advertised, as far as the brokers have them)."""
    judge: Judge | None = None
    record: Record = Record.NOTHING
    record_of: Callable[[Any], Record] | None = None
    """Where what the audit keeps depends on the request; None: always `record`."""
    code: ErrorCode = ErrorCode.unsupported_version
    """What is said to a version that is not admitted, and to every one where there is no judge."""
    why: str = ""
    gives_away: str = ""
    """What the brokers' answer tells beyond the tenant, and what becomes of it, in a few words; for `docs/apis.md`."""
    needs: tuple[Action, ...] | None = None
    """The actions that requests of it are judged by; (): seeing is enough; None: nobody has said."""
    decode: Callable[[int, Collected, int], Any] | None = None
    """Reads the request's body (version, request, offset of the body in its frame) where the codec would do too much,
    and the judge sees to what may not be passed on; None: the codec."""
    repeated: Callable[[Any], Any | None] | None = None
    """Whether the verdict follows from the bytes, the rights, the picture and the tenant's cluster alone, so that a
    request that says the same need not be judged again: what stands for the request then, or None where it does not.
    That must hold nothing of the connection, and no records. None: it never does."""
    kept: Callable[[Any], Any] | None = None
    """What is kept of a request that has gone to the broker, until its answer comes, where that is less than all."""
    needs_fresh_picture: Callable[[Any], bool] | None = None
    """Whether this request can only be judged on a picture of the cluster that is at most a second old."""
    parks: bool = False
    """The broker may keep it until something happens that is up to its client or to others, such as a new record."""
    has_answer: Callable[[Any], bool] | None = None
    """Whether this request gets an answer at all; None: always."""
    changes_topics: bool = False
    """Topics come, go or change by it: the answer leaves when Kordon's own picture of the cluster has them."""
    reads: Callable[[Any, Picture], tuple[str, ...]] | None = None
    """For what tells that the group of the request may read other topics from now on: which (none: any)."""
    sizes: Callable[[Any, May], Mapping[str, int]] | None = None
    """For what reads records: an answer that was collected -> topic -> bytes of records in it. Streams tell by
    themselves."""
    of_its_moment: bool = False
    """It means something in the moment and on the connection in which it comes alone, so that it cannot wait for an
    approval: what is staged of it is refused."""
    parameters: Callable[[Any, Any], dict[str, object]] | None = None
    """Request and response -> what matters of them for the audit. Never a secret, never record contents."""
    learns: Learns | None = None
    """For changes of which the audit tells what there was before."""

    def may_wait(self, request: Any) -> bool:
        """Whether this request may be executed later, when somebody has approved what of it is staged."""
        return not self.of_its_moment and self.record_for(request) is Record.EVENT

    def record_for(self, request: Any) -> Record:
        """What the audit keeps of this request."""
        return self.record if self.record_of is None else self.record_of(request)
