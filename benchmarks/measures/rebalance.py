"""A rebalance of a whole consumer group: each member asks to join, the leader shares out, each gets its share.

The members are plain sockets that ask at once, so that no client's own timers are in the figure.
"""

import selectors
import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.figures import Compare, Figure, quantile
from benchmarks.measures.membership import joining
from benchmarks.messages import JOIN_GROUP, SYNC_GROUP, join_group, subscription, sync_group
from benchmarks.processes import cpu_of
from benchmarks.targets import Target
from benchmarks.wire import TIMEOUT, Connection, Refused, framed

_SHARE: Final = bytes(64)


def rebalance(target: Target, topic: str, members: int, count: int) -> list[Figure]:
    """So many times, in a group of so many members."""
    connections = [Connection(target) for _ in range(members)]
    try:
        group = _Group(connections, f"bench-{topic}", topic)
        group.come_together()
        before = cpu_of(target)
        times = [1_000 * group.rebalance(number.to_bytes(4, "big")) for number in range(count)]
        used = cpu_of(target) - before
    finally:
        for connection in connections:
            connection.close()
    times.sort()
    found = [Figure(f"rebalance of {members} members, p50, ms", quantile(times, 0.5))]
    if target.pid is not None:
        found.append(Figure(f"rebalance of {members} members, CPU ms", 1_000 * used / count, Compare.NOTHING))
    return found


class _Group:
    """All members of a group, each with a connection of its own."""

    def __init__(self, connections: Sequence[Connection], name: str, topic: str) -> None:
        self._connections = connections
        self._name = name
        self._topic = topic
        # An error tells a new member its id (KIP-394); it joins with that.
        self._ids = [joining(one, join_group(name, "", subscription(topic))).member_id for one in connections]

    def come_together(self) -> None:
        """Make one generation of them all: whoever finds himself in one without the others joins again."""
        frames = self._joins(b"")
        with selectors.DefaultSelector() as ready:
            for place, connection in enumerate(self._connections):
                ready.register(connection, selectors.EVENT_READ, place)
                connection.send(frames[place])
            waiting, complete = len(frames), False
            while waiting:
                events = ready.select(TIMEOUT)
                if not events:
                    raise Refused("the members do not come together")
                for key, _ in events:
                    connection = self._connections[key.data]
                    connection.receive()
                    # The leader alone is told who is in.
                    complete = complete or len(connection.decoded(*JOIN_GROUP).members) == len(frames)
                    if complete:
                        waiting -= 1
                    else:
                        connection.send(frames[key.data])
        self.rebalance(b"first")

    def rebalance(self, salt: bytes) -> float:
        """Let all of them join with something new to say, which is reason enough. Returns the seconds it took."""
        joined, joining_took = self._all_ask(self._joins(salt), JOIN_GROUP)
        leaders = [answer for answer in joined if answer.members]
        generation = joined[0].generation_id
        together = len(leaders) == 1 and all(answer.generation_id == generation for answer in joined)
        if not together or len(leaders[0].members) != len(self._ids):
            raise Refused("a rebalance has ended without some members")
        _, syncing_took = self._all_ask(self._syncs(generation, leaders[0].member_id), SYNC_GROUP)
        return joining_took + syncing_took

    def _joins(self, salt: bytes) -> list[bytes]:
        said = subscription(self._topic, salt)
        return [framed(join_group(self._name, one, said)) for one in self._ids]

    def _syncs(self, generation: int, leader: str) -> list[bytes]:
        shares = dict.fromkeys(self._ids, _SHARE)
        return [framed(sync_group(self._name, one, generation, shares if one == leader else {})) for one in self._ids]

    def _all_ask(self, frames: Sequence[bytes], api: tuple[int, int]) -> tuple[list[Any], float]:
        """All send, then all take their answers. Returns these, and the seconds until the last was there."""
        begin = time.perf_counter()
        for connection, frame in zip(self._connections, frames, strict=True):
            connection.send(frame)
        for connection in self._connections:
            connection.receive()
        took = time.perf_counter() - begin
        answers = [connection.decoded(*api) for connection in self._connections]
        if fault := next((answer.error_code for answer in answers if answer.error_code), None):
            raise Refused(f"API {api[0]}: {fault!r}")
        return answers, took
