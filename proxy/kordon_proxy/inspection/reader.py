"""Look through a topic within bounds: one inspection."""

import asyncio
from collections.abc import Sequence
from typing import Final

from .asked import AtOffset, AtTime, Earliest, Inspection, Latest
from .bounds import Bounds, KiB
from .brokers import EARLIEST, LATEST, Brokers
from .errors import NotThere, Unreachable
from .examine import Chunk, Examined
from .found import Found, Inspected, PartitionRead, Stop, told
from .gather import Progress, in_order, prune
from .process import FindSchema, WorkerEnded, WorkerProcess

_MOST_WINDOW: Final = 50_000
"""Offsets of one look down."""
_LEAST_FETCH: Final = 64 * KiB
_FILTER_WINDOW: Final = 500
"""Offsets of the first one where a filter takes some of the records only."""


class Reader:
    """Reads once."""

    def __init__(self, brokers: Brokers, inspection: Inspection, bounds: Bounds, find: FindSchema | None) -> None:
        self._brokers = brokers
        self._asked = inspection
        self._bounds = bounds
        self._find = find
        self._newest = isinstance(inspection.start, Latest)
        self._partitions: dict[int, Progress] = {}
        self._taken: list[Found] = []
        """What the worker has found in the chunk that it is at."""
        self._scanned = 0
        self._fetched = 0
        self._filter_errors = 0
        self._filter_error: str | None = None
        self._problems: list[str] = []

    async def read(self) -> Inspected:
        """Read. Raises Unusable before anything is read, NotThere, Unreachable."""
        worker: WorkerProcess | None = None
        stopped: Stop | None = None
        try:
            async with asyncio.timeout(self._bounds.seconds):
                worker = await WorkerProcess.start(self._asked, self._bounds, self._find)
                await self._find_partitions()
                stopped = await self._look_through(worker)
        except TimeoutError:
            if not self._partitions:
                raise Unreachable(f"brokers did not answer within {self._bounds.seconds:g} s") from None
            stopped = Stop.TIME
            self._tell_where(worker, f"the {self._bounds.seconds:g} s that an inspection may take are over")
        except WorkerEnded as ended:
            stopped = Stop.FAILED
            self._tell_where(worker, str(ended))
        finally:
            if worker is not None:
                await worker.end()
        return self._result(stopped)

    # Where to begin

    async def _find_partitions(self) -> None:
        await self._brokers.look()
        wanted = self._wanted()
        beginnings = await self._brokers.offsets(wanted, EARLIEST)
        ends = await self._brokers.offsets(wanted, LATEST)
        known = [one for one in wanted if one in beginnings and one in ends]
        starts = await self._starts(known, beginnings, ends)
        for one in wanted:
            if one not in starts:
                problem = f"partition {one} of {self._asked.topic} cannot be read: {self._brokers.silent.get(one)}"
                if self._asked.partition is not None:
                    raise Unreachable(problem)
                self._problems.append(problem)
        for one, start in starts.items():
            self._partitions[one] = Progress(
                partition=one, beginning=beginnings[one], end=ends[one], first_offset=start, next_offset=start
            )

    def _wanted(self) -> Sequence[int]:
        there = sorted(self._brokers.leaders)
        if self._asked.partition is None:
            return there
        if self._asked.partition not in there:
            which = "partition 0 alone" if len(there) == 1 else f"partitions 0 to {len(there) - 1}"
            raise NotThere(f"{self._asked.topic} has no partition {self._asked.partition}: it has {which}")
        return [self._asked.partition]

    async def _starts(self, known: list[int], beginnings: dict[int, int], ends: dict[int, int]) -> dict[int, int]:
        match self._asked.start:
            case Earliest():
                return {one: beginnings[one] for one in known}
            case Latest():
                return {one: ends[one] for one in known}
            case AtTime(milliseconds):
                found = await self._brokers.offsets(known, milliseconds)
                return {
                    one: ends[one] if found[one] < 0 else min(found[one], ends[one]) for one in known if one in found
                }
            case AtOffset(offset):
                for one in known:
                    if not beginnings[one] <= offset <= ends[one]:
                        raise NotThere(await self._out_of_range(one, offset, beginnings[one], ends[one]))
                return dict.fromkeys(known, offset)

    async def _out_of_range(self, partition: int, offset: int, beginning: int, end: int) -> str:
        where = f"partition {partition} of {self._asked.topic}"
        has = f"has the offsets {beginning} to {end - 1}" if beginning < end else f"is empty; its next offset is {end}"
        if self._asked.committed and offset > end:
            high = (await self._brokers.offsets([partition], LATEST, committed=False)).get(partition, end)
            if offset < high:
                return f"offset {offset} of {where} is not committed yet: a transaction is open since offset {end}"
        return f"there is no offset {offset}: {where} {has}"

    # The records

    async def _look_through(self, worker: WorkerProcess) -> Stop:
        """Take turns, so that all partitions are looked through as far when the bounds are reached."""
        while current := [one for one in self._partitions.values() if one.is_open(newest=self._newest)]:
            for one in current:
                if self._scanned >= self._bounds.scanned or self._fetched >= self._bounds.fetched:
                    return Stop.SCANNED
                if one.closed is None:
                    await (self._look_down(worker, one) if self._newest else self._look_up(worker, one))
                    self._prune()
        reasons = {one.closed for one in self._partitions.values()}
        return next((stop for stop in (Stop.BYTES, Stop.COUNT, Stop.FAILED) if stop in reasons), Stop.END)

    async def _look_up(self, worker: WorkerProcess, one: Progress) -> None:
        done = await self._examine(worker, one, one.next_offset, one.end)
        if done is None:
            return
        one.found += self._taken
        self._taken = []
        one.next_offset = done.next_offset

    async def _look_down(self, worker: WorkerProcess, one: Progress) -> None:
        """Look through a window below what has been looked through, the whole of it, and make the next one larger."""
        least = self._asked.count if self._asked.filter is None else max(self._asked.count, _FILTER_WINDOW)
        one.window = min(max(one.window * 2, least), _MOST_WINDOW, max(self._bounds.scanned - self._scanned, 1))
        top = one.first_offset
        bottom = offset = max(one.beginning, top - one.window)
        found: list[Found] = []
        while offset < top:
            done = await self._examine(worker, one, offset, top)
            if done is None:
                return
            if done.dropped:  # there is room for none of the older ones
                found, bottom = [], self._taken[0].offset
                one.closed = Stop.COUNT if len(self._taken) == self._asked.count else Stop.BYTES
            found += self._taken
            self._taken = []
            offset = done.next_offset
        one.found = found + one.found
        one.first_offset = bottom

    async def _examine(self, worker: WorkerProcess, one: Progress, first: int, until: int) -> Examined | None:
        """Fetch from an offset on and have it looked through. None: that cannot be, and the partition is closed."""
        self._taken = []
        share = max(_LEAST_FETCH, self._bounds.fetched // (4 * len(self._partitions)))
        fetched = await self._brokers.fetch(one.partition, first, min(share, self._bounds.fetch))
        self._fetched += len(fetched.records)
        if fetched.refused is not None:
            self._close(one, f"offset {first}: {fetched.refused}")
            return None
        if not fetched.records:
            self._close(one, f"there is nothing at offset {first}, though the partition ends at {until}")
            return None
        chunk = Chunk(
            partition=one.partition,
            first=first,
            until=until,
            want=self._asked.count,
            room=self._bounds.answer,
            scan=max(self._bounds.scanned - self._scanned, 1),
            newest=self._newest,
            committed=self._asked.committed,
            aborted=fetched.aborted,
        )
        done = await worker.examine(chunk, fetched.records, self._taken.append)
        self._add(one, done)
        if done.next_offset <= first:
            self._close(one, f"what is at offset {first} cannot be read")
            return None
        return done

    def _add(self, one: Progress, done: Examined) -> None:
        one.scanned += done.scanned
        one.problems += done.damage
        one.untold += done.damaged - len(done.damage)
        self._scanned += done.scanned
        self._filter_errors += done.filter_errors
        self._filter_error = self._filter_error or done.filter_error

    def _close(self, one: Progress, problem: str) -> None:
        one.closed = Stop.FAILED
        one.problems.append(problem)

    def _prune(self) -> None:
        room = self._bounds.answer
        prune(self._partitions.values(), count=self._asked.count, room=room, newest=self._newest)

    # The end

    def _tell_where(self, worker: WorkerProcess | None, reason: str) -> None:
        """Say which record it was, for that may be what one is looking for, and keep what was found before."""
        if worker is None or worker.chunk is None or worker.at is None:
            self._problems.append(reason)
            return
        one = self._partitions[worker.chunk.partition]
        one.problems.append(f"offset {worker.at}: {reason}")
        if not self._newest:
            one.found += self._taken
            one.next_offset = max(worker.at, one.next_offset)
            self._prune()

    def _result(self, stopped: Stop) -> Inspected:
        partitions = sorted(self._partitions.values(), key=lambda one: one.partition)
        shown = in_order(partitions, newest=self._newest)
        return Inspected(
            topic=self._asked.topic,
            found=tuple(shown),
            partitions=tuple(_read(one) for one in partitions),
            stopped=stopped,
            fetched=self._fetched,
            filter_errors=self._filter_errors,
            filter_error=self._filter_error,
            problems=told(self._problems),
        )


def _read(one: Progress) -> PartitionRead:
    return PartitionRead(
        partition=one.partition,
        beginning=one.beginning,
        end=one.end,
        first_offset=one.first_offset,
        next_offset=one.next_offset,
        scanned=one.scanned,
        found=len(one.found),
        problems=told(one.problems, one.untold),
    )
