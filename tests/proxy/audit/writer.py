"""A process that writes a journal as fast as it can, and says on standard output which events it was told are durable.

python -m tests.proxy.audit.writer DIRECTORY
"""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from kordon_proxy.audit.event import Event
from kordon_proxy.logs import configure_logging
from tests.proxy.audit.events import a_journal, a_mutation


def tell(event: Event) -> None:
    os.write(1, f"{event.id}\n".encode())


async def write(directory: Path) -> None:
    journal = a_journal(directory, rotation={"size": 65_536, "keep": "all"})
    while True:
        for _ in range(50):
            event = a_mutation()
            journal.append(event, partial(tell, event))
        await asyncio.sleep(0)


if __name__ == "__main__":
    configure_logging()
    asyncio.run(write(Path(sys.argv[1])))
