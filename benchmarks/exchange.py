"""What one exchange costs in Kordon's own code, without sockets: microseconds, and the functions that take them.

    python -m benchmarks.exchange                 # all exchanges
    python -m benchmarks.exchange produce --profile

A real session between a client's transport and a broker's link that keep nothing. The difference to what
`benchmarks.relay` shows is the event loop, the kernel and the copying of bytes.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kordon_protocol.codec import request_frame, request_type, response_frame, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy import session
from kordon_proxy.link import BrokerLink
from tests.protocol.schemas import build
from tests.proxy.sessions import Connected, FakeTransport, Links, a_world

CHUNK: Final = 65_536
OTHERS: Final = 1 << 20
"""Bytes that kernel, client and broker move through the processor's caches between two exchanges."""
RECORDS: Final = bytes(64_000)


class Sink(FakeTransport):
    """A transport that takes everything and keeps nothing."""

    def write(self, data: Any) -> None:
        pass

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        pass


class SinkLinks(Links):
    async def open(self, link: BrokerLink, *_: object) -> None:
        link.connection_made(Sink())


def chunks(frame: bytes) -> list[bytes]:
    return [frame[at : at + CHUNK] for at in range(0, len(frame), CHUNK)]


def a_request(key: int, version: int, /, **values: Any) -> Any:
    return build(request_type(key, version), values)


def a_response(key: int, version: int, /, **values: Any) -> Any:
    return build(response_type(key, version), values)


def produce() -> tuple[Any, Any]:
    partition: Mapping[str, Any] = {"index": 1, "records": RECORDS}
    request = a_request(ApiKey.PRODUCE, 12, acks=1, topic_data=[{"name": "tx_one", "partition_data": [partition]}])
    answer = {"index": 1, "error_code": 0, "base_offset": 123_456}
    response = a_response(ApiKey.PRODUCE, 12, responses=[{"name": "tx_one", "partition_responses": [answer]}])
    return request, response


def metadata() -> tuple[Any, Any]:
    request = a_request(ApiKey.METADATA, 12, topics=[{"name": "tx_one"}])
    part = {"partition_index": 0, "leader_id": 1, "replica_nodes": (1, 2, 3), "isr_nodes": (1, 2, 3)}
    nodes = [{"node_id": one, "host": f"broker{one}.example", "port": 9092} for one in (1, 2, 3)]
    topics = [{"name": "tx_one", "partitions": [part] * 6}]
    return request, a_response(ApiKey.METADATA, 12, brokers=nodes, cluster_id="real", controller_id=1, topics=topics)


def heartbeat() -> tuple[Any, Any]:
    request = a_request(ApiKey.HEARTBEAT, 4, group_id="g_one", member_id="m", generation_id=1)
    return request, a_response(ApiKey.HEARTBEAT, 4)


EXCHANGES: Final[Mapping[str, Callable[[], tuple[Any, Any]]]] = {
    "produce": produce,
    "metadata": metadata,
    "heartbeat": heartbeat,
}


def turn_of(connected: Connected, request: Any, response: Any) -> Callable[[], None]:
    """One exchange: the client's bytes, then the broker's."""
    asked, answered = chunks(request_frame(request, 7, "client")), chunks(response_frame(response, 7))
    talk = connected.session

    def turn() -> None:
        for chunk in asked:
            talk.data_received(chunk)
        for chunk in answered:
            talk.from_broker(chunk)

    return turn


async def connected() -> Connected:
    links = SinkLinks()
    world = a_world(links)
    client = Connected(world, None)
    client.session.transport = Sink()
    setattr(session, "open_link", links.open)  # noqa: B010 -- as the tests do it
    return client


def timed(turn: Callable[[], None], count: int, others: int) -> float:
    """Microseconds for one, where so many bytes are copied between one and the next."""
    elsewhere, took = bytearray(others), 0.0
    for _ in range(count):
        bytes(elsewhere)
        begin = time.perf_counter()
        turn()
        took += time.perf_counter() - begin
    return 1e6 * took / count


def spread(times: list[float]) -> str:
    return f"{statistics.median(times):.1f} ({min(times):.1f}–{max(times):.1f})"


async def run(names: list[str], count: int, rounds: int, profile: bool) -> None:
    client = await connected()
    for name in names:
        turn = turn_of(client, *EXCHANGES[name]())
        turn()
        await asyncio.sleep(0.05)
        assert client.open
        if profile:
            profiler = cProfile.Profile()
            profiler.enable()
            for _ in range(count):
                turn()
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
        hot, cold = [[timed(turn, count, others) for _ in range(rounds)] for others in (0, OTHERS)]
        assert client.open
        print(f"{name}: {spread(hot)} µs; when others have used the caches meanwhile {spread(cold)} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", nargs="*", choices=[*EXCHANGES, []])
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    asyncio.run(run(options.exchange or list(EXCHANGES), options.count, options.rounds, options.profile))


if __name__ == "__main__":
    main()
