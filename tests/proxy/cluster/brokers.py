"""Brokers that answer as a test tells them to, over real sockets."""

import asyncio
import struct
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_request, response_frame
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy.cluster.addresses import Address
from tests.proxy.cluster.messages import a_metadata, a_topic, an_api_versions

SPOKEN: Final[Mapping[int, tuple[int, int]]] = {
    ApiKey.METADATA: (12, 12),
    ApiKey.OFFSET_FETCH: (9, 9),
    ApiKey.FIND_COORDINATOR: (6, 6),
    ApiKey.DESCRIBE_GROUPS: (6, 6),
    ApiKey.LIST_GROUPS: (5, 5),
    ApiKey.API_VERSIONS: (0, 4),
    ApiKey.CONSUMER_GROUP_DESCRIBE: (1, 1),
    ApiKey.SHARE_GROUP_DESCRIBE: (1, 1),
    ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: (1, 1),
}


class HangUp(Exception):
    """Raised by an answer: close the connection in its place."""


Answer = Callable[[Any], Any]
"""From the request to the response: a message, or bytes to send as they are. It may be a coroutine function."""


class Broker:
    """Listens from `start` to `stop`. `asked` holds every request that came, decoded, in order.

    on: by API key. A request for which there is no answer closes the connection, as Kafka does.
    """

    def __init__(self, on: Mapping[int, Answer] | None = None) -> None:
        self.on: dict[int, Answer] = dict(on or {})
        self.asked: list[Any] = []
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._served: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address:
        return "127.0.0.1", self.port

    def asked_for(self, key: ApiKey) -> list[Any]:
        return [request for request in self.asked if request.__api_key__ == key]

    async def start(self) -> None:
        """Listen; on the same port as before, if it has been stopped."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End all connections and listen no more."""
        if self._server is not None:
            self._server.close()
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        self.connections += 1
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                await self._answer(await reader.readexactly(size), writer)
        except (HangUp, asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, frame: bytes, writer: asyncio.StreamWriter) -> None:
        head = peek_request(frame)
        request = decode_request(head.api_key, head.api_version, frame, head.body_offset)
        self.asked.append(request)
        answer = self.on.get(head.api_key)
        if answer is None:
            raise HangUp
        response = answer(request)
        if asyncio.iscoroutine(response):
            response = await response
        writer.write(response if isinstance(response, bytes) else response_frame(response, head.correlation_id))
        await writer.drain()


def speaks(versions: Mapping[int, tuple[int, int]] = SPOKEN, **features: Any) -> Answer:
    """An answer to ApiVersions, as a broker of these versions gives it: of v0 where it does not know the one asked."""

    def answer(request: Any) -> Any:
        low, high = versions[ApiKey.API_VERSIONS]
        if low <= request.__version__ <= high:
            return an_api_versions(versions, version=request.__version__, **features)
        own = {int(ApiKey.API_VERSIONS): (low, high)}
        return an_api_versions(own, version=0, error=ErrorCode.unsupported_version)

    return answer


class FakeCluster:
    """Brokers of one cluster, by id from 1 up, that tell of the same topics: name to number (which makes the id)."""

    def __init__(self, nodes: int = 1, *, name: str = "cluster-a") -> None:
        self.name = name
        self.topics: dict[str, int] = {}
        self.brokers = {
            node: Broker({ApiKey.API_VERSIONS: speaks(), ApiKey.METADATA: self.describe})
            for node in range(1, nodes + 1)
        }
        self.live = set(self.brokers)
        """Those that the cluster calls live, whether or not they listen."""

    def describe(self, _: Any) -> Any:
        return a_metadata(
            *(a_topic(name, number=number) for name, number in self.topics.items()),
            brokers={node: self.brokers[node].address for node in sorted(self.live)},
            cluster=self.name,
        )

    @property
    def bootstrap(self) -> tuple[Address, ...]:
        return tuple(broker.address for broker in self.brokers.values())

    def questions(self) -> int:
        """How often any of them was asked about all topics."""
        return sum(len(broker.asked_for(ApiKey.METADATA)) for broker in self.brokers.values())

    async def __aenter__(self) -> Self:
        for broker in self.brokers.values():
            await broker.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for broker in self.brokers.values():
            await broker.stop()
