"""Two replicas that execute scheduled mutations, in every order of their steps, and with a crash at each of them.

The store is modelled as what it promises: of two changes that were made from one revision, it takes one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from kordon_policy.lifecycle import NotPossible
from kordon_policy.offset_moves import Aim, Found, Move, Operation, TopicPartition, plan
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.scheduled import (
    GRACE_MS,
    LEASE_MS,
    Change,
    Due,
    ScheduledMutation,
    State,
    cancel,
    claim,
    create,
    due,
    expire,
    finish,
    in_front,
    remaining,
    take_over,
)
from tests.policy.interleaving import every_world

TX_3 = TopicPartition("tx", 3)
AT_FIRST, ENDS, MOVED = 10, 1_000, 17
INSTANTS = (0, ENDS, ENDS + GRACE_MS)
YES = Judgement(granted=True, reason="ann holds it")
NO = Judgement(granted=False, reason="ann holds it no more")
ANN = Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What one process is about, and what it knows: what it loses when it dies."""

    name: str
    about: str = "nothing"
    mutation: ScheduledMutation | None = None
    moves: tuple[Move, ...] = ()  # planned, then left to be set
    settled: tuple[Move, ...] = ()

    def idle(self) -> "Replica":
        return Replica(name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    store: tuple[ScheduledMutation, ...]
    offset: int
    replicas: tuple[Replica, ...]
    now: int = 0
    allowed: bool = True
    stalls: bool = False  # may whoever has claimed sleep so long that another takes over, and then go on?
    crashes: int = 0  # those that are still to come
    take_overs: int = 0
    consumers: int = 0
    revocations: int = 0
    clock_steps: int = 0
    moved_to: int = MOVED  # by a consumer
    was_set: bool = False  # by one of the replicas

    @property
    def judgement(self) -> Judgement:
        return YES if self.allowed else NO

    def taken(self, change: Change) -> "World | None":
        """The store with a change; `None` if somebody was quicker."""
        after = change.mutation
        for place, kept in enumerate(self.store):
            if kept.id == after.id and kept.revision == after.revision - 1:
                return replace(self, store=(*self.store[:place], after, *self.store[place + 1 :]))
        return None

    def with_replica(self, place: int, replica: Replica) -> "World":
        return replace(self, replicas=(*self.replicas[:place], replica, *self.replicas[place + 1 :]))


def a_skip(name: str, created_ts: int = 0) -> ScheduledMutation:
    aim = Aim(group="g", operation=Operation.SKIP, topic="tx", partition=3)
    asked = ScheduledMutation(id=name, cluster="prod", aim=aim, author=ANN, created_ts=created_ts, until_ts=ENDS)
    return create(asked, YES, 0).mutation


def a_world(*skips: ScheduledMutation, **more: int) -> World:
    return World(store=skips, offset=AT_FIRST, replicas=(Replica(name="a"), Replica(name="b")), **more)  # type: ignore[arg-type]


def steps(world: World) -> Iterator[tuple[str, World]]:
    for place, replica in enumerate(world.replicas):
        if replica.about == "nothing":
            yield from begin(world, place, replica)
        else:
            then, after = go_on(world, replica)
            yield f"{replica.name}: {replica.about}", then.with_replica(place, after)
            if world.crashes:
                yield (
                    f"{replica.name} dies",
                    replace(world, crashes=world.crashes - 1).with_replica(place, replica.idle()),
                )
    yield from others(world)


def begin(world: World, place: int, replica: Replica) -> Iterator[tuple[str, World]]:
    """Look at the store, and see what is due. Whether a claim has been watched for long enough, is left open."""
    for mutation in world.store:
        asked = due(mutation, world.now, watched_ms=LEASE_MS)
        if asked is Due.TRY and in_front(mutation, world.store) is None:
            about = "look at the offset"
        elif asked is Due.EXPIRE:
            about = "expire"
        elif asked is Due.TAKE_OVER and world.take_overs and (world.stalls or not is_at_work(world, mutation)):
            about = "take over"
        else:
            continue
        after = replace(world, take_overs=world.take_overs - (about == "take over"))
        replica_then = replace(replica, about=about, mutation=mutation)
        yield f"{replica.name}: sees {mutation.id}", after.with_replica(place, replica_then)


def is_at_work(world: World, mutation: ScheduledMutation) -> bool:
    """Is somebody about to set offsets who has claimed it? He stops in time, if he does not stall."""
    working = ("compare", "set the offset")
    return any(one.about in working and one.mutation and one.mutation.id == mutation.id for one in world.replicas)


def go_on(world: World, replica: Replica) -> tuple[World, Replica]:
    """One step of a process that is about something: to a world, and to what it is about then."""
    mutation = replica.mutation
    assert mutation is not None
    match replica.about:
        case "look at the offset":
            moves = plan(mutation.aim, {TX_3: Found(committed=world.offset, earliest=0, latest=100)}, {})
            return world, replace(replica, about="claim", moves=moves)
        case "claim":
            return changed(
                world, replica, lambda: claim(mutation, replica.moves, world.judgement, world.now, by=replica.name)
            )
        case "take over":
            return changed(world, replica, lambda: take_over(mutation, world.now, by=replica.name, watched_ms=LEASE_MS))
        case "compare":
            rest = remaining(mutation, {TX_3: world.offset}, world.judgement, world.now)
            return world, replace(replica, about="set the offset", moves=rest.to_set, settled=rest.settled)
        case "set the offset":
            done = (*replica.settled, *replica.moves)
            offset = next((move.new for move in replica.moves), world.offset)
            assert offset is not None
            after = replace(world, offset=offset, was_set=world.was_set or bool(replica.moves))
            return after, replace(replica, about="finish", settled=done)
        case "finish":
            return changed(world, replica, lambda: finish(mutation, replica.settled, world.now, by=replica.name))
        case _:
            return changed(world, replica, lambda: expire(mutation, world.now))


def changed(world: World, replica: Replica, make: Callable[[], Change]) -> tuple[World, Replica]:
    """Bring a change into the store. Who has claimed something goes on with it; everybody else is done."""
    try:
        change = make()
    except NotPossible:
        return world, replica.idle()
    after = world.taken(change)
    if after is None:
        return world, replica.idle()
    if change.mutation.state is State.EXECUTING:
        return after, Replica(name=replica.name, about="compare", mutation=change.mutation)
    return after, replica.idle()


def others(world: World) -> Iterator[tuple[str, World]]:
    """Time, people, and a consumer that commits although the group was Empty just now."""
    later = [instant for instant in INSTANTS if instant > world.now]
    if later:
        yield "time goes by", replace(world, now=later[0])
    if world.clock_steps and world.now:
        yield "the clock is set back", replace(world, now=0, clock_steps=world.clock_steps - 1)
    if world.revocations:
        yield "a right goes", replace(world, allowed=False, revocations=world.revocations - 1)
    if world.consumers:
        yield "a consumer commits", replace(world, offset=world.moved_to, consumers=world.consumers - 1)
    for mutation in world.store:
        try:
            after = world.taken(cancel(mutation, world.now, by="ann"))
        except NotPossible:
            continue
        assert after is not None
        yield f"{mutation.id} is cancelled", after


def nothing_is_done_that_was_not_begun_in_time(world: World) -> None:
    for mutation in world.store:
        claimed = mutation.claim
        if claimed is None and len(world.store) == 1:
            assert not world.was_set
        assert claimed is None or claimed.attempts > 1 or claimed.ts < mutation.until_ts
        assert claimed is None or mutation.state not in (State.CANCELLED, State.EXPIRED)


@pytest.mark.parametrize("stalls", [False, True])
def test_a_record_is_skipped_once_whatever_the_order_and_whoever_dies_when(stalls: bool) -> None:
    def check(world: World) -> None:
        (mutation,) = world.store
        assert world.offset in (AT_FIRST, AT_FIRST + 1)
        nothing_is_done_that_was_not_begun_in_time(world)
        if mutation.state is State.SUCCEEDED:
            assert world.offset == AT_FIRST + 1
            assert [(move.old, move.new) for move in mutation.results] == [(AT_FIRST, AT_FIRST + 1)]
        if mutation.state is State.FAILED and mutation.results and not stalls:
            # What is told of it is true, as long as nobody sets anything when another has taken over.
            assert world.offset == AT_FIRST

    start = a_world(a_skip("7f3a"), crashes=2, take_overs=2, revocations=1, clock_steps=1)
    count, ends = every_world(replace(start, stalls=stalls), steps, check)
    assert count > 1_000
    assert {world.store[0].state for world in ends} >= {State.SUCCEEDED, State.FAILED, State.EXPIRED, State.CANCELLED}
    for world in ends:
        # Nobody is left in the middle but where everybody who could go on has died.
        assert world.store[0].state.final or not world.take_overs


@pytest.mark.parametrize("moved_to", [MOVED, AT_FIRST + 1])
def test_a_record_is_not_skipped_twice_although_a_consumer_commits_in_the_middle(moved_to: int) -> None:
    def check(world: World) -> None:
        (mutation,) = world.store
        assert world.offset in (AT_FIRST, AT_FIRST + 1, moved_to, moved_to + 1)
        nothing_is_done_that_was_not_begun_in_time(world)
        if mutation.state is State.SUCCEEDED and mutation.claim and mutation.claim.attempts == 1:
            assert world.was_set

    start = replace(a_world(a_skip("7f3a"), crashes=1, take_overs=2, consumers=1), moved_to=moved_to)
    count, ends = every_world(start, steps, check)
    assert count > 500
    told = {move.error for world in ends for move in world.store[0].results}
    assert f"somebody has moved it to {moved_to} meanwhile" in told


def test_two_skips_of_one_partition_skip_two_records_though_each_replica_would_do_both() -> None:
    def check(world: World) -> None:
        done = sum(mutation.state is State.SUCCEEDED for mutation in world.store)
        begun = sum(mutation.state is State.EXECUTING for mutation in world.store)
        assert begun <= 1
        assert AT_FIRST + done <= world.offset <= AT_FIRST + done + begun

    start = a_world(a_skip("7f3a"), a_skip("9b1c", created_ts=5), crashes=1, take_overs=1)
    count, ends = every_world(start, steps, check)
    assert count > 1_000
    assert AT_FIRST + 2 in {world.offset for world in ends}
