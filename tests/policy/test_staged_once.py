"""Two replicas that execute a staged mutation, in every order of their steps, and with a crash at each of them.

The store is modelled as what it promises: of two changes that were made from one revision, it takes one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from kordon_policy.actions import Action, Kind
from kordon_policy.lifecycle import NotPossible
from kordon_policy.mutation_rights import Demand
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.staged import (
    LEASE_MS,
    Call,
    Change,
    Due,
    Outcome,
    StagedMutation,
    State,
    abandon,
    approve,
    claim,
    create,
    deny,
    due,
    expire,
    finish,
    withdraw,
)
from tests.policy.interleaving import every_world

EXPIRES = 1_000
INSTANTS = (0, EXPIRES, 10 * EXPIRES)
YES = Judgement(granted=True, reason="both hold it")
NO = Judgement(granted=False, reason="ann holds it no more")
ANN = Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading")
OLGA = Author(principal="olga", roles=frozenset({"owners"}), tenant="Trading")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What one process is about, and what it knows: what it loses when it dies."""

    name: str
    about: str = "nothing"
    mutation: StagedMutation | None = None
    outcome: Outcome | None = None

    def idle(self) -> "Replica":
        return Replica(name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    store: StagedMutation
    replicas: tuple[Replica, ...] = (Replica(name="a"), Replica(name="b"))
    sent: int = 0  # how often the broker was asked
    now: int = 0
    allowed: bool = True
    revocations: int = 1
    crashes: int = 2  # those that are still to come
    clock_steps: int = 1

    def taken(self, change: Change) -> "World | None":
        """The store with a change; `None` if somebody was quicker."""
        after = change.mutation
        return replace(self, store=after) if self.store.revision == after.revision - 1 else None

    def with_replica(self, place: int, replica: Replica) -> "World":
        return replace(self, replicas=(*self.replicas[:place], replica, *self.replicas[place + 1 :]))


def steps(world: World) -> Iterator[tuple[str, World]]:
    for place, replica in enumerate(world.replicas):
        if replica.about == "nothing":
            # Whether a claim has been watched for long enough, is left open.
            for watched_ms in (0, LEASE_MS):
                asked = due(world.store, world.now, watched_ms=watched_ms)
                if asked is not None:
                    seen = replace(replica, about=asked.value, mutation=world.store)
                    yield f"{replica.name}: sees it", world.with_replica(place, seen)
            continue
        for then, after in go_on(world, replica):
            yield f"{replica.name}: {replica.about}", then.with_replica(place, after)
        if world.crashes:
            dead = replace(world, crashes=world.crashes - 1)
            yield f"{replica.name} dies", dead.with_replica(place, replica.idle())
    yield from others(world)


def go_on(world: World, replica: Replica) -> Iterator[tuple[World, Replica]]:
    """One step of a process that is about something: to a world, and to what it is about then."""
    mutation = replica.mutation
    assert mutation is not None
    match replica.about:
        case "execute":
            judgement = YES if world.allowed else NO
            yield changed(world, replica, lambda: claim(mutation, judgement, world.now, by=replica.name))
        case "send":
            sent = replace(world, sent=world.sent + 1)
            for answer in (Outcome(), Outcome(errors=("no",)), Outcome(errors=("it broke",), unknown=True)):
                yield sent, replace(replica, about="finish", outcome=answer)
        case "finish":
            outcome = replica.outcome
            assert outcome is not None
            yield changed(world, replica, lambda: finish(mutation, outcome, world.now, by=replica.name))
        case Due.ABANDON.value:
            yield changed(world, replica, lambda: abandon(mutation, world.now, watched_ms=LEASE_MS))
        case _:
            yield changed(world, replica, lambda: expire(mutation, world.now))


def changed(world: World, replica: Replica, make: Callable[[], Change]) -> tuple[World, Replica]:
    """Bring a change into the store. Who has claimed it sends the request; everybody else is done."""
    try:
        change = make()
    except NotPossible:
        return world, replica.idle()
    after = world.taken(change)
    if after is None:
        return world, replica.idle()
    if change.mutation.state is State.EXECUTING:
        return after, Replica(name=replica.name, about="send", mutation=change.mutation)
    return after, replica.idle()


def others(world: World) -> Iterator[tuple[str, World]]:
    """Time and people."""
    later = [instant for instant in INSTANTS if instant > world.now]
    if later:
        yield "time goes by", replace(world, now=later[0])
    if world.now and world.clock_steps:
        yield "the clock is set back", replace(world, now=0, clock_steps=world.clock_steps - 1)
    if world.revocations:
        yield "a right goes", replace(world, allowed=False, revocations=world.revocations - 1)
    people: dict[str, Callable[[], Change]] = {
        "olga approves": lambda: approve(world.store, OLGA, YES, world.now, within_ms=EXPIRES),
        "olga denies": lambda: deny(world.store, world.now, by="olga"),
        "ann withdraws": lambda: withdraw(world.store, world.now, by="ann"),
    }
    for name, make in people.items():
        try:
            after = world.taken(make())
        except NotPossible:
            continue
        assert after is not None
        yield name, after


def a_world() -> World:
    demand = Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="a")
    call = Call(api="DeleteTopics", version=6, request=b"")
    asked = StagedMutation(
        id="9b1c", cluster="prod", call=call, demands=(demand,), author=ANN, created_ts=0, expires_ts=EXPIRES
    )
    return World(store=create(asked, 0).mutation)


def test_it_is_executed_once_at_most_and_only_as_it_was_approved_whoever_dies_when() -> None:
    def check(world: World) -> None:
        mutation = world.store
        assert world.sent <= 1
        # Nothing is sent that was not claimed, and what was claimed is never denied, withdrawn or expired.
        assert not world.sent or mutation.state in (State.EXECUTING, State.SUCCEEDED, State.FAILED)
        assert not world.sent or mutation.claim is not None
        assert mutation.claim is None or mutation.approval is not None
        assert mutation.state is not State.SUCCEEDED or world.sent == 1
        if mutation.state is State.FAILED and mutation.claim is None:
            assert not world.sent
        if mutation.state is State.FAILED and mutation.outcome and not mutation.outcome.unknown:
            assert world.sent == 1

    count, ends = every_world(a_world(), steps, check)
    assert count > 1_000
    assert all(world.store.state.final for world in ends)
    assert {world.store.state for world in ends} == {state for state in State if state.final}
    unknown = {world.sent for world in ends if world.store.outcome is not None and world.store.outcome.unknown}
    assert unknown == {0, 1}
