"""A client that produces one record after the other while something else happens, and notes how long each takes."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.measures.round_trips import fault_of
from benchmarks.messages import PRODUCE, batch, produce
from benchmarks.sizes import RECORD
from benchmarks.targets import Target
from benchmarks.wire import Connection, Refused, framed


@contextmanager
def steady_client(target: Target, topic: str, *, pause: float = 0) -> Iterator[list[float]]:
    """It goes on as long as the block. Yields the milliseconds that each of its requests has taken so far.

    pause: seconds from an answer to the next request. Raises at the end of the block what has ended the client before:
    OSError, or Refused for an answer with an error.
    """
    times: list[float] = []
    over = threading.Event()
    frame = framed(produce(topic, 0, batch(os.urandom(RECORD), 1)))

    def work(connection: Connection) -> None:
        while not over.wait(pause):
            times.append(connection.timed(frame))
            if fault := fault_of(connection.decoded(*PRODUCE)):
                raise Refused(f"Produce: {fault}")

    with Connection(target) as connection, ThreadPoolExecutor(1, "steady-client") as pool:
        client = pool.submit(work, connection)
        try:
            yield times
        finally:
            over.set()
            client.result()
