"""What one exchange costs in Kordon's own code, without sockets: microseconds, and the functions that take them.

    python -m benchmarks.micro.exchange                 # all exchanges
    python -m benchmarks.micro.exchange produce --profile
    python -m benchmarks.micro.exchange --count 200 --rounds 60 --out benchmarks/results/exchanges.json

A real session between a client's transport and a broker's link that keep nothing. The difference to what
`python -m benchmarks` shows is the event loop, the kernel and the copying of bytes.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import machine, timestamp, versions
from kordon_protocol.codec import request_frame, request_type, response_frame, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.table import Api
from kordon_proxy.link import BrokerLink
from kordon_proxy.table import APIS
from tests.protocol.schemas import build
from tests.proxy.sessions import Connected, FakeTransport, Links, a_world, arrive

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


def fetch() -> tuple[Any, Any]:
    """As a consumer does that has caught up with nothing: a whole request, and a mebibyte of records."""
    part = {"partition": 0, "fetch_offset": 1_000, "partition_max_bytes": 1 << 20}
    topic = {"topic": "tx_one", "partitions": [part]}
    request = a_request(ApiKey.FETCH, 11, session_id=0, session_epoch=-1, topics=[topic], replica_id=-1, rack_id="")
    answer = {"partition_index": 0, "high_watermark": 9_999, "records": bytes(1 << 20), "error_code": 0}
    return request, a_response(ApiKey.FETCH, 11, error_code=0, responses=[{"topic": "tx_one", "partitions": [answer]}])


def empty_fetch() -> tuple[Any, Any]:
    part = {"partition": 0, "fetch_offset": 1_000, "partition_max_bytes": 1 << 20}
    topic = {"topic": "tx_one", "partitions": [part]}
    request = a_request(ApiKey.FETCH, 11, session_id=0, session_epoch=-1, topics=[topic], replica_id=-1, rack_id="")
    answer = {"partition_index": 0, "high_watermark": 1_000, "records": b"", "error_code": 0}
    return request, a_response(ApiKey.FETCH, 11, error_code=0, responses=[{"topic": "tx_one", "partitions": [answer]}])


def offset_commit() -> tuple[Any, Any]:
    part = {"partition_index": 0, "committed_offset": 1_000}
    topic = {"name": "tx_one", "partitions": [part]}
    values = {"group_id": "g_one", "generation_id_or_member_epoch": 1, "member_id": "m", "topics": [topic]}
    request = a_request(ApiKey.OFFSET_COMMIT, 8, **values)
    part = {"partition_index": 0, "error_code": 0}
    return request, a_response(ApiKey.OFFSET_COMMIT, 8, topics=[{"name": "tx_one", "partitions": [part]}])


EXCHANGES: Final[Mapping[str, Callable[[], tuple[Any, Any]]]] = {
    "produce": produce,
    "metadata": metadata,
    "heartbeat": heartbeat,
    "fetch": fetch,
    "empty-fetch": empty_fetch,
    "offset-commit": offset_commit,
}


def turn_of(connected: Connected, request: Any, response: Any) -> Callable[[], None]:
    """One exchange: the client's bytes, then the broker's."""
    asked, answered = chunks(request_frame(request, 7, "client")), chunks(response_frame(response, 7))
    talk = connected.session

    def turn() -> None:
        for chunk in asked:
            arrive(talk, chunk)
        for chunk in answered:
            talk.from_broker(chunk)

    return turn


async def connected(apis: Mapping[int, Api] = APIS) -> Connected:
    client = Connected(a_world(SinkLinks(), apis=apis), None)
    client.session.transport = Sink()
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


async def counted(name: str, count: int, callgrind: bool) -> None:
    """So many turns of one exchange, for what counts the instructions of this process."""
    client = await connected()
    turn = turn_of(client, *EXCHANGES[name]())
    turn()
    await asyncio.sleep(0.05)
    if callgrind:  # which began without counting, as most of the time goes into imports
        _callgrind("on")
    for _ in range(count):
        turn()
    if callgrind:
        _callgrind("off")
    assert client.open


def _callgrind(state: str) -> None:
    subprocess.run(["callgrind_control", f"--instr={state}", str(os.getpid())], check=True, capture_output=True)


WAYS: Final[Mapping[str, Mapping[int, Api]]] = {
    "judged each time": {key: replace(api, repeated=None) for key, api in APIS.items()},
    "repeated": APIS,
}
"""The APIs, and whether it is remembered what became of a request."""
Found = dict[str, dict[str, dict[str, float]]]
"""Exchange to way to microseconds in a loop (hot), and between two of which others use the caches (cold)."""


async def run(names: list[str], count: int, rounds: int, profile: bool) -> Found:
    clients = {way: await connected(apis) for way, apis in WAYS.items()}
    times: dict[str, dict[str, list[float]]]
    found: Found = {}
    for name in names:
        turns = {way: turn_of(client, *EXCHANGES[name]()) for way, client in clients.items()}
        for turn in turns.values():
            turn()
        await asyncio.sleep(0.05)
        assert all(client.open for client in clients.values())
        if profile:
            profiler = cProfile.Profile()
            profiler.enable()
            for _ in range(count):
                turns["repeated"]()
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
        times = {way: {"hot": [], "cold": []} for way in WAYS}
        for _ in range(rounds):
            for way, turn in turns.items():
                times[way]["hot"].append(timed(turn, count, 0))
                times[way]["cold"].append(timed(turn, count, OTHERS))
        assert all(client.open for client in clients.values())
        found[name] = {way: {where: min(some) for where, some in told.items()} for way, told in times.items()}
        for way, told in times.items():
            hot, cold = spread(told["hot"]), spread(told["cold"])
            print(f"{name}, {way}: {hot} µs; when others have used the caches meanwhile {cold} µs")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", nargs="*", choices=[*EXCHANGES, []], metavar="EXCHANGE", help=", ".join(EXCHANGES))
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the least of all rounds as JSON")
    parser.add_argument("--turns", type=int, help="only run one exchange so often: see benchmarks.micro.instructions")
    parser.add_argument("--callgrind", action="store_true", help="and tell Valgrind when to count")
    options = parser.parse_args()
    if min(options.count, options.rounds) < 1:
        parser.error("--count and --rounds begin with 1")
    if options.turns is not None:
        asyncio.run(counted(options.exchange[0], options.turns, options.callgrind))
        return
    found = asyncio.run(run(options.exchange or list(EXCHANGES), options.count, options.rounds, options.profile))
    if options.out is not None:
        command = shlex.join(["python", "-m", "benchmarks.micro.exchange", *sys.argv[1:]])
        told = {
            "command": command,
            "when": timestamp(),
            "versions": dict(versions()),
            "machine": dict(machine()),
            "exchanges": found,
        }
        options.out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
