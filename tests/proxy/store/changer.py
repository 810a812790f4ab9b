"""A process that makes, renews and revokes temporary policies as fast as it can until it is killed.

`python -m tests.proxy.store.changer FOLDER NAME [BOOTSTRAP TOPIC]`. Each change that was acknowledged is a line: id and
revision. The store is a file in the folder, or a topic.
"""

import asyncio
import random
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import structlog

from kordon_policy.lifecycle import NotPossible
from kordon_proxy.audit.event import Who
from kordon_proxy.clock import Clock
from tests.kafka.stores import a_kafka_store
from tests.proxy.granting import ANN, Process, a_process


async def change(process: Process, who: Who) -> None:
    grants = process.grants
    made = await process.create(who=who, duration_ms=random.choice([50, 60_000]))
    tell(made.id, made.revision)
    running = [policy.id for policy in grants.all if not policy.state.final]
    one = random.choice(running or [made.id])  # perhaps another's
    try:
        after = await (
            grants.revoke(one, who) if random.random() < 0.5 else grants.renew(one, {"duration_ms": 60_000}, who)
        )
        tell(after.id, after.revision)
    except NotPossible:
        pass  # it is over


def tell(policy_id: str, revision: int) -> None:
    sys.stdout.write(f"{policy_id} {revision}\n")
    sys.stdout.flush()


async def main(folder: Path, name: str, bootstrap: str = "", topic: str = "") -> None:
    store = a_kafka_store(bootstrap, topic, name) if topic else None
    async with a_process(folder, name, clock=Clock(), store=store) as process:
        # A store forgets what is over of those who have made very much.
        who = replace(ANN, principal=f"ann-{uuid4()}")
        following = asyncio.create_task(process.ledger.run())
        while not following.done():
            await change(process, who)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
