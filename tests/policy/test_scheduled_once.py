"""Two replicas that execute scheduled mutations, in every order of their steps, and with a crash at each of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import pytest

from kordon_policy.offset_moves import Aim, Found, Operation, TopicPartition, plan
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
from tests.policy import replicas
from tests.policy.replicas import ANN, YES, every_order

TX_3 = TopicPartition("tx", 3)
AT_FIRST, ENDS, MOVED = 10, 1_000, 17
Replica = replicas.Replica[ScheduledMutation]


@dataclass(frozen=True, slots=True, kw_only=True)
class World(replicas.World[ScheduledMutation]):
    """With one partition, which somebody else may move too."""

    instants: ClassVar[tuple[int, ...]] = (0, ENDS, ENDS + GRACE_MS)
    then: ClassVar[str] = "compare"

    offset: int = AT_FIRST
    stalls: bool = False  # may whoever has claimed sleep so long that another takes over, and then go on?
    take_overs: int = 0
    consumers: int = 0
    moved_to: int = MOVED  # by a consumer
    was_set: bool = False  # by one of the replicas

    def begin(self, replica: Replica) -> Iterator[tuple["World", Replica]]:
        """Look at the store, and see what is due. Whether a claim has been watched for long enough, is left open."""
        for mutation in self.store:
            asked = due(mutation, self.now, watched_ms=LEASE_MS)
            if asked is Due.TRY and in_front(mutation, self.store) is None:
                about = "look at the offset"
            elif asked is Due.EXPIRE:
                about = "expire"
            elif asked is Due.TAKE_OVER and self.take_overs and (self.stalls or not self.is_at_work(mutation)):
                about = "take over"
            else:
                continue
            then = replace(self, take_overs=self.take_overs - (about == "take over"))
            yield then, replace(replica, about=about, mutation=mutation)

    def is_at_work(self, mutation: ScheduledMutation) -> bool:
        """Is somebody about to set offsets who has claimed it? He stops in time, if he does not stall."""
        working = ("compare", "set the offset")
        return any(one.about in working and one.mutation and one.mutation.id == mutation.id for one in self.replicas)

    def go_on(self, replica: Replica) -> Iterator[tuple["World", Replica]]:
        mutation, found, by = replica.mutation, replica.found, replica.name
        assert mutation is not None
        match replica.about:
            case "look at the offset":
                moves = plan(mutation.aim, {TX_3: Found(committed=self.offset, earliest=0, latest=100)}, {})
                yield self, replace(replica, about="claim", found=moves)
            case "claim":
                yield self.changed(replica, lambda: claim(mutation, found, self.judgement, self.now, by=by))
            case "take over":
                yield self.changed(replica, lambda: take_over(mutation, self.now, by=by, watched_ms=LEASE_MS))
            case "compare":
                rest = remaining(mutation, {TX_3: self.offset}, self.judgement, self.now)
                yield self, replace(replica, about="set the offset", found=rest)
            case "set the offset":
                offset = next((move.new for move in found.to_set), self.offset)
                then = replace(self, offset=offset, was_set=self.was_set or bool(found.to_set))
                yield then, replace(replica, about="finish", found=(*found.settled, *found.to_set))
            case "finish":
                yield self.changed(replica, lambda: finish(mutation, found, self.now, by=by))
            case _:
                yield self.changed(replica, lambda: expire(mutation, self.now))

    def people(self) -> Mapping[str, Callable[[], Change]]:
        return {f"{one.id} is cancelled": partial(cancel, one, self.now, by="ann") for one in self.store}

    def elsewhere(self) -> Iterator[tuple[str, "World"]]:
        """A consumer commits although the group was Empty just now."""
        if self.consumers:
            yield "a consumer commits", replace(self, offset=self.moved_to, consumers=self.consumers - 1)


def a_skip(name: str, created_ts: int = 0) -> ScheduledMutation:
    aim = Aim(group="g", operation=Operation.SKIP, topic="tx", partition=3)
    asked = ScheduledMutation(id=name, cluster="prod", aim=aim, author=ANN, created_ts=created_ts, until_ts=ENDS)
    return create(asked, YES, 0).mutation


def a_world(*skips: ScheduledMutation, **more: Any) -> World:
    return World(store=skips, **more)


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

    start = a_world(a_skip("7f3a"), crashes=2, take_overs=2, revocations=1, clock_steps=1, stalls=stalls)
    count, ends = every_order(start, check)
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

    start = a_world(a_skip("7f3a"), crashes=1, take_overs=2, consumers=1, moved_to=moved_to)
    count, ends = every_order(start, check)
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
    count, ends = every_order(start, check)
    assert count > 1_000
    assert AT_FIRST + 2 in {world.offset for world in ends}
