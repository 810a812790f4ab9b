"""The producer ids that a connection has been seen to use rightly, each for a transactional id."""

from dataclasses import dataclass, field
from typing import Final

PRODUCERS: Final = 16
"""Kept per connection; clients have one. One that is forgotten is asked for again."""


@dataclass(slots=True)
class Producers:
    """A producer id is given to one transactional id and to no other ever after, so what was true stays true."""

    _known: dict[tuple[str, int], None] = field(default_factory=dict)
    """Oldest first."""

    def __len__(self) -> int:
        return len(self._known)

    def knows(self, transactional_id: str, producer_id: int) -> bool:
        return (transactional_id, producer_id) in self._known

    def keep(self, transactional_id: str, producer_id: int) -> None:
        self._known[transactional_id, producer_id] = None
        if len(self._known) > PRODUCERS:
            del self._known[next(iter(self._known))]
