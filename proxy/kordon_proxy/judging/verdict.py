"""What a judge may say of a request, and how its answer is to be treated.

A judge is a pure function `judge(request, may) -> Verdict`; the session executes. Messages are kio's, one class a
version, so their type is `Any` here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from .may import May

Mend = Callable[[Any, May], Any]
"""Decoded response and the rights at the moment it leaves -> the response to send.

Returning the very same object means that nothing changed: the broker's own bytes leave.
"""


def unchanged(response: Any, _: May) -> Any:
    """The answer as it is."""
    return response


class Stream(Protocol):
    """Mends one response while it runs through, without collecting it."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Take the next bytes of the frame, length prefix included; give what may leave now."""
        ...

    def runs(self) -> int:
        """How many of the next bytes leave as they come, whatever they are: records, mostly."""
        ...

    def ran(self, size: int) -> None:
        """So many of them have left, without `feed`."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """For reads: topic -> bytes of records that have come. Empty for what reads no records."""
        ...


@dataclass(frozen=True, slots=True)
class Relay:
    """The broker's bytes leave as they come.

    `stale` mends the answer instead when the policy's epoch moved while the request was parked at the broker.
    """

    stale: Mend | None = None


@dataclass(frozen=True, slots=True)
class Mended:
    """The answer is collected, decoded, mended and, where it changed, encoded again. For small answers.

    `is_plain` (version, frame with its length prefix) may tell from the bytes alone that nothing would be mended; then
    it is not decoded. `version` is that of the request which goes to the broker and of its answer, where it is not the
    client's; `mend` then makes the client's of it.
    """

    mend: Mend
    is_plain: Callable[[int, bytes], bool] | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Streamed:
    """The answer runs through a stream that splices it. `stale` as for `Relay`."""

    stream: Callable[[May], Stream]
    stale: Mend | None = None


Plan = Relay | Mended | Streamed
RELAY: Final = Relay()


@dataclass(frozen=True, slots=True)
class Forward:
    """The client's own bytes go to the broker."""

    plan: Plan = RELAY


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Another request goes to the broker in its place: a message to encode, or the body in slices of the client's
    bytes."""

    request: Any
    plan: Plan = RELAY


@dataclass(frozen=True, slots=True)
class Answer:
    """Kordon answers; the broker hears nothing. A response of None: the request has no answer (Produce with acks=0)."""

    response: Any


Verdict = Forward | Rewrite | Answer


@dataclass(frozen=True, slots=True)
class Ask:
    """No verdict yet: it takes knowledge of the cluster. Kordon asks a broker the question, on a connection of its
    own, and decides by what it answers (None: it did not) and the rights of that moment, or asks the next one."""

    question: Any
    decide: "Callable[[Any, May], Verdict | Ask]"
    broker_id: int | None = None
    """Whom to ask; None: any broker."""


Judge = Callable[[Any, May], Verdict | Ask]
