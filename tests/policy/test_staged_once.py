"""Two replicas that execute a staged mutation, in every order of their steps, and with a crash at each of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from kordon_policy.actions import Action, Kind
from kordon_policy.mutation_rights import Demand
from kordon_policy.own_rights import Author
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
from tests.policy import replicas
from tests.policy.replicas import ANN, YES, every_order

EXPIRES = 1_000
OLGA = Author(principal="olga", roles=frozenset({"owners"}), tenant="Trading")
ANSWERS = (Outcome(), Outcome(errors=("no",)), Outcome(errors=("it broke",), unknown=True))
Replica = replicas.Replica[StagedMutation]


@dataclass(frozen=True, slots=True, kw_only=True)
class World(replicas.World[StagedMutation]):
    """With a broker, of which all that matters is how often it was asked."""

    instants: ClassVar[tuple[int, ...]] = (0, EXPIRES, 10 * EXPIRES)
    then: ClassVar[str] = "send"

    sent: int = 0

    @property
    def mutation(self) -> StagedMutation:
        (only,) = self.store
        return only

    def begin(self, replica: Replica) -> Iterator[tuple["World", Replica]]:
        """Look at the store, and see what is due. Whether a claim has been watched for long enough, is left open."""
        for watched_ms in (0, LEASE_MS):
            asked = due(self.mutation, self.now, watched_ms=watched_ms)
            if asked is not None:
                yield self, replace(replica, about=asked.value, mutation=self.mutation)

    def go_on(self, replica: Replica) -> Iterator[tuple["World", Replica]]:
        mutation, by = replica.mutation, replica.name
        assert mutation is not None
        match replica.about:
            case Due.EXECUTE.value:
                yield self.changed(replica, lambda: claim(mutation, self.judgement, self.now, by=by))
            case "send":
                for answer in ANSWERS:
                    yield replace(self, sent=self.sent + 1), replace(replica, about="finish", found=answer)
            case "finish":
                yield self.changed(replica, lambda: finish(mutation, replica.found, self.now, by=by))
            case Due.ABANDON.value:
                yield self.changed(replica, lambda: abandon(mutation, self.now, watched_ms=LEASE_MS))
            case _:
                yield self.changed(replica, lambda: expire(mutation, self.now))

    def people(self) -> Mapping[str, Callable[[], Change]]:
        return {
            "olga approves": lambda: approve(self.mutation, OLGA, YES, self.now, within_ms=EXPIRES),
            "olga denies": lambda: deny(self.mutation, self.now, by="olga"),
            "ann withdraws": lambda: withdraw(self.mutation, self.now, by="ann"),
        }


def a_world() -> World:
    demand = Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="a")
    call = Call(api="DeleteTopics", version=6, request=b"")
    asked = StagedMutation(
        id="9b1c", cluster="prod", call=call, demands=(demand,), author=ANN, created_ts=0, expires_ts=EXPIRES
    )
    return World(store=(create(asked, 0).mutation,), crashes=2, clock_steps=1, revocations=1)


def test_it_is_executed_once_at_most_and_only_as_it_was_approved_whoever_dies_when() -> None:
    def check(world: World) -> None:
        mutation = world.mutation
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

    count, ends = every_order(a_world(), check)
    assert count > 1_000
    assert all(world.mutation.state.final for world in ends)
    assert {world.mutation.state for world in ends} == {state for state in State if state.final}
    unknown = {world.sent for world in ends if world.mutation.outcome is not None and world.mutation.outcome.unknown}
    assert unknown == {0, 1}
