"""What the members behind one connection subscribe to (KIP-848), since their heartbeats say only what has changed.

A pattern is evaluated here, over the view, and never sent on: the coordinator would evaluate it over every topic of
the cluster, with the rights of Kordon's own principal. It reads Kafka's dialect (RE2, as RE2/J) and takes time linear
in the name, whatever a client writes.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import re2

from .recent_members import RecentMembers

PATTERN_MEMORY: Final = 1 << 20
"""Bytes that one compiled pattern may take. More is answered as a pattern that is not valid."""


class Pattern(Protocol):
    """A compiled pattern."""

    def fullmatch(self, text: str) -> object | None: ...


class InvalidPattern(ValueError):
    """The client's pattern cannot be read."""


def compile_pattern(text: str) -> Pattern | None:
    """Compile a pattern; the empty one means that there is none. Raises InvalidPattern."""
    if not text:
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    try:
        compiled: Pattern = re2.compile(text, options)
    except re2.error as error:
        raise InvalidPattern(f"invalid subscription pattern: {_text(error)}") from None
    return compiled


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return text[:200]  # it repeats the pattern


@dataclass(slots=True, eq=False)
class Subscription:
    """One member. What the client said, what the coordinator was told of it, and the same for the way back."""

    names: tuple[str, ...] | None = None
    """All that the client named, visible or not; None: it has not said on this connection."""
    pattern: Pattern | None = None
    sent: tuple[str, ...] | None = None
    """The names that the coordinator has; None: not known."""
    judged: tuple[object, int] | None = None
    """Standing and version of the picture under which they were found."""
    assigned: tuple[Any, ...] | None = None
    """The whole assignment, as the coordinator gave it last; None: not known."""
    shown: tuple[Any, ...] | None = None
    """The part of it that the client was told."""

    def subscribe(self, names: tuple[str, ...] | None, pattern: Pattern | None) -> None:
        """Take what the client said; names of None are those that it said before."""
        self.names = (self.names or ()) if names is None else names
        self.pattern = pattern
        self.sent = None


class Subscriptions(RecentMembers[Subscription]):
    """Those of the members behind one connection. One that is forgotten is asked to say everything again."""
