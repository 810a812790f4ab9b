"""What the wire costs: codec and scans, beside kio alone where kio does the same.

python -m benchmarks.micro.codec --fast -o before.json     # on one branch
python -m benchmarks.micro.codec --fast -o after.json      # on the other
python -m pyperf compare_to before.json after.json --table
"""

from io import BytesIO
from typing import Any

import pyperf
from kio.serial import entity_reader, entity_writer

from kordon_protocol.codec import decode_request, encode, request_type, response_type
from kordon_protocol.frames import RequestCollector, with_prefix
from kordon_protocol.header import peek_request, request_header
from kordon_protocol.keys import ApiKey
from kordon_protocol.scan import FetchResponseWalker, metadata_response_head, scan_produce_request
from kordon_proxy.judging.entries import make, struct_type

CHUNK = 65_536


def fetch_request(topics: int, partitions: int) -> Any:
    kind = request_type(ApiKey.FETCH, 12)
    topic = struct_type(kind, "topics")
    parts = tuple(make(struct_type(topic, "partitions"), partition=index) for index in range(partitions))
    return make(kind, topics=tuple(make(topic, topic=f"topic-{index}", partitions=parts) for index in range(topics)))


def fetch_response(partitions: int, size: int) -> Any:
    kind = response_type(ApiKey.FETCH, 16)
    topic = struct_type(kind, "responses")
    part = struct_type(topic, "partitions")
    parts = tuple(make(part, partition_index=index, records=bytes(size)) for index in range(partitions))
    return make(kind, responses=(make(topic, partitions=parts),))


def produce_request(size: int) -> Any:
    kind = request_type(ApiKey.PRODUCE, 9)
    topic = struct_type(kind, "topic_data")
    part = make(struct_type(topic, "partition_data"), records=bytes(size))
    return make(kind, topic_data=(make(topic, name="orders", partition_data=(part,)),))


def metadata_response(topics: int) -> Any:
    kind = response_type(ApiKey.METADATA, 12)
    topic = struct_type(kind, "topics")
    part = make(struct_type(topic, "partitions"), replica_nodes=(1, 2, 3), isr_nodes=(1, 2, 3))
    broker = make(struct_type(kind, "brokers"), host="broker.example", port=9092)
    entries = tuple(make(topic, name=f"topic-{index}", partitions=(part,)) for index in range(topics))
    return make(kind, brokers=(broker,) * 3, topics=entries)


def written_by_kio(message: Any) -> bytes:
    buffer = BytesIO()
    entity_writer(type(message))(buffer, message)
    return buffer.getvalue()


def walk(chunks: list[bytes]) -> None:
    walker = FetchResponseWalker(16)
    for chunk in chunks:
        walker.feed(chunk)
    assert walker.end_of_topics


def collect(chunks: list[bytes]) -> None:
    collector = RequestCollector(1 << 20)
    assert sum(len(collector.feed(chunk)) for chunk in chunks) == 1_000


def chunked(stream: bytes) -> list[bytes]:
    return [stream[start : start + CHUNK] for start in range(0, len(stream), CHUNK)]


def main() -> None:
    runner = pyperf.Runner()
    for topics, partitions in ((1, 1), (10, 10)):
        name = f"fetch request of {topics} x {partitions}"
        message = fetch_request(topics, partitions)
        body = encode(message)
        runner.bench_func(f"{name}: decode", decode_request, ApiKey.FETCH, 12, body)
        runner.bench_func(f"{name}: decode with kio alone", entity_reader(type(message)), body, 0)
        runner.bench_func(f"{name}: encode", encode, message)
        runner.bench_func(f"{name}: encode with kio alone", written_by_kio, message)
    for topics in (1, 2_000):
        message = metadata_response(topics)
        runner.bench_func(f"metadata of {topics} topics: encode", encode, message)
        runner.bench_func(f"metadata of {topics} topics: encode with kio alone", written_by_kio, message)
    runner.bench_func("metadata head", metadata_response_head, 12, encode(metadata_response(2_000)))
    produced = encode(produce_request(16_000))
    runner.bench_func("produce request: scan", scan_produce_request, 9, produced)
    for partitions, size in ((1, 1 << 20), (100, 10_000)):
        chunks = chunked(encode(fetch_response(partitions, size)))
        runner.bench_func(f"fetch response of {partitions} x {size} B: walk", walk, chunks)
    frame = request_header(ApiKey.PRODUCE, 9, 1, "client") + produced
    runner.bench_func("request header: peek", peek_request, frame)
    runner.bench_func("collect 1000 requests of 16 kB", collect, chunked(with_prefix(frame) * 1_000))


if __name__ == "__main__":
    main()
