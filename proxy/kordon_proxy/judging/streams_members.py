"""What a connection remembers of members of Kafka Streams applications: they say their topology only when they join."""

from dataclasses import dataclass
from typing import Final

from .recent_members import RecentMembers

LETTERS: Final = 1 << 20
"""Of the names in all topologies that a connection has. Clients choose them, whether they exist or not."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The topics that a topology names, each once."""

    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    """Repartition topics that are written to, as far as they are not among the internal ones."""
    internal: tuple[str, ...]
    """Repartition topics that are read, and changelogs: the coordinator creates them."""
    placed: frozenset[str]
    """Those of them whose settings decide where data lies."""
    claimed: bool
    """Whether a client of this connection said it. What only the coordinator says may name topics that the client must
    not hear of."""

    @property
    def letters(self) -> int:
        """How many letters its names have together."""
        return sum(map(len, (*self.sources, *self.sinks, *self.internal)))

    def names_the_same(self, other: "Topology") -> bool:
        """Whether both name the same topics in the same places."""
        places = ((self.sources, other.sources), (self.sinks, other.sinks), (self.internal, other.internal))
        return all(set(mine) == set(theirs) for mine, theirs in places)


@dataclass(frozen=True, slots=True)
class StreamsMember:
    """One member, and the topology of its group."""

    topology: Topology
    joined: bool = True
    """Whether the coordinator took it in."""
    away: bool = False
    """Whether it is told that sources are missing, and the coordinator hears nothing of it."""


class StreamsMembers(RecentMembers[StreamsMember]):
    """Those behind one connection. One that is forgotten is asked for at its coordinator again, or joins anew."""

    __slots__ = ()

    def keep(self, group: str, member: str, known: StreamsMember) -> None:
        super().keep(group, member, known)
        while len(self) > 1 and sum(one.topology.letters for one in self._members.values()) > LETTERS:
            self._members.popitem(last=False)
