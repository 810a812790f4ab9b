"""A process that changes the same records as others, as fast as it can.

`python -m tests.kafka.racer BOOTSTRAP TOPIC NAME REVISIONS`. It begins when all RACERS are there. Each change that it
made is a line: id and revision.
"""

import asyncio
import sys
from typing import Final

import structlog

from tests.kafka.stores import opened
from tests.proxy.store.given import Reader, a_step

IDS: Final = ("a", "b", "c")
RACERS: Final = ("racer-0", "racer-1", "racer-2")


async def race(bootstrap: str, topic: str, name: str, last: int) -> None:
    async with opened(bootstrap, topic, name) as store:
        reader = Reader(store)
        assert await store.take(a_step(name))
        await reader.until_revision(1, RACERS)
        while True:
            await reader.look()
            revisions = dict.fromkeys(IDS, 0) | {key.id: record["revision"] for key, record in reader.records.items()}
            left = [one for one in IDS if revisions[one] < last]
            if not left:
                return
            steps = [a_step(one, revisions[one], by=name) for one in left]
            for step, made in zip(steps, await asyncio.gather(*map(store.take, steps)), strict=True):
                if made:
                    print(step.record["id"], step.record["revision"], flush=True)
            # To clear the outbox makes litter, and everybody clears that.
            await store.told([untold.number for untold in reader.untold if untold.writer == name])


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    bootstrap, topic, name, last = sys.argv[1:]
    asyncio.run(race(bootstrap, topic, name, int(last)))
