"""Two replicas that execute what waits in a store, in every order of their steps, and with a crash at each of them.

The store is modelled as what it promises: of two changes that were made from one revision, it takes one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Generic, Protocol, Self, TypeVar

from kordon_policy.lifecycle import NotPossible
from kordon_policy.own_rights import Author, Judgement
from tests.policy.interleaving import every_world

YES: Final = Judgement(granted=True, reason="ann holds it")
NO: Final = Judgement(granted=False, reason="ann holds it no more")
ANN: Final = Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading")
IDLE: Final = "nothing"


class Mutation(Protocol):
    """What waits in the store."""

    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def state(self) -> str: ...


M = TypeVar("M", bound=Mutation)
M_co = TypeVar("M_co", bound=Mutation, covariant=True)


class Change(Protocol[M_co]):
    """One step of a mutation."""

    @property
    def mutation(self) -> M_co: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica(Generic[M]):
    """What one process is about, and what it knows: what it loses when it dies."""

    name: str
    about: str = IDLE
    mutation: M | None = None
    found: Any = None

    def idle(self) -> "Replica[M]":
        return Replica(name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class World(ABC, Generic[M]):
    """The store, whoever uses it, and what may still happen. What is outside of the store, a kind of mutation adds."""

    instants: ClassVar[tuple[int, ...]]
    """To which time goes, one after the other."""
    then: ClassVar[str]
    """What a replica is about when it has claimed something."""

    store: tuple[M, ...]
    replicas: tuple[Replica[M], ...] = (Replica(name="a"), Replica(name="b"))
    now: int = 0
    allowed: bool = True
    crashes: int = 0
    clock_steps: int = 0
    revocations: int = 0

    @property
    def judgement(self) -> Judgement:
        return YES if self.allowed else NO

    # ---- what a kind of mutation has of its own

    @abstractmethod
    def begin(self, replica: Replica[M]) -> Iterator[tuple[Self, Replica[M]]]:
        """What a replica that is about nothing may see in the store, and be about then."""

    @abstractmethod
    def go_on(self, replica: Replica[M]) -> Iterator[tuple[Self, Replica[M]]]:
        """One step of a replica that is about something: to a world, and to what it is about then."""

    @abstractmethod
    def people(self) -> Mapping[str, Callable[[], Change[M]]]:
        """What people do to what is in the store."""

    def elsewhere(self) -> Iterator[tuple[str, Self]]:
        """What others do beside the store."""
        return iter(())

    # ---- what they have alike

    def steps(self) -> Iterator[tuple[str, Self]]:
        """All that can happen next."""
        for place, replica in enumerate(self.replicas):
            is_idle = replica.about == IDLE
            for then, after in self.begin(replica) if is_idle else self.go_on(replica):
                about = f"begins to {after.about}" if is_idle else replica.about
                yield f"{replica.name}: {about}", then.with_replica(place, after)
            if self.crashes and not is_idle:
                dead = replace(self, crashes=self.crashes - 1)
                yield f"{replica.name} dies", dead.with_replica(place, replica.idle())
        yield from self._time_and_rights()
        yield from self.elsewhere()
        for name, make in self.people().items():
            with suppress(NotPossible):
                taken = self.taken(make())
                assert taken is not None, "nobody else is there"
                yield name, taken

    def _time_and_rights(self) -> Iterator[tuple[str, Self]]:
        later = [instant for instant in self.instants if instant > self.now]
        if later:
            yield "time goes by", replace(self, now=later[0])
        if self.clock_steps and self.now:
            yield "the clock is set back", replace(self, now=0, clock_steps=self.clock_steps - 1)
        if self.revocations:
            yield "a right goes", replace(self, allowed=False, revocations=self.revocations - 1)

    def changed(self, replica: Replica[M], make: Callable[[], Change[M]]) -> tuple[Self, Replica[M]]:
        """Bring a change into the store. Who has claimed something goes on with it; everybody else is done."""
        try:
            change = make()
        except NotPossible:
            return self, replica.idle()
        after = self.taken(change)
        if after is None:
            return self, replica.idle()
        if change.mutation.state == "executing":
            return after, Replica(name=replica.name, about=self.then, mutation=change.mutation)
        return after, replica.idle()

    def taken(self, change: Change[M]) -> Self | None:
        """The world with a change in the store; `None` if somebody was quicker."""
        after = change.mutation
        for place, kept in enumerate(self.store):
            if kept.id == after.id and kept.revision == after.revision - 1:
                return replace(self, store=(*self.store[:place], after, *self.store[place + 1 :]))
        return None

    def with_replica(self, place: int, replica: Replica[M]) -> Self:
        return replace(self, replicas=(*self.replicas[:place], replica, *self.replicas[place + 1 :]))


W = TypeVar("W", bound=World[Any])


def every_order(start: W, check: Callable[[W], None]) -> tuple[int, list[W]]:
    """Reach every world from the start, and check each. Returns how many there are, and the last ones."""
    return every_world(start, lambda world: world.steps(), check)
