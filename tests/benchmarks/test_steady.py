"""The client that goes on beside what is measured: it is heard of when it does not."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from benchmarks.messages import PRODUCE
from benchmarks.steady import steady_client
from benchmarks.targets import target_at
from benchmarks.wire import Refused
from kordon_protocol.codec import response_type
from kordon_protocol.keys import ApiKey
from tests.protocol.schemas import build
from tests.proxy.cluster.brokers import Broker, HangUp, speaks
from tests.proxy.cluster.loops import scenario


def produced(error: ErrorCode = ErrorCode.none) -> Any:
    part = {"index": 0, "error_code": error}
    return build(response_type(*PRODUCE), {"responses": [{"name": "orders", "partition_responses": [part]}]})


def times_beside(port: int, happens: Callable[[list[float]], None]) -> list[float]:
    with steady_client(target_at("broker", f"127.0.0.1:{port}"), "orders") as times:
        happens(times)
    return times


def until_there_are(count: int) -> Callable[[list[float]], None]:
    def wait(times: list[float]) -> None:
        deadline = time.monotonic() + 10
        while len(times) < count:
            assert time.monotonic() < deadline, "it does not ask on"
            time.sleep(0.001)

    return wait


@scenario
async def test_it_asks_on_as_long_as_the_block_lasts() -> None:
    async with Broker({ApiKey.API_VERSIONS: speaks(), ApiKey.PRODUCE: lambda _: produced()}) as broker:
        times = await asyncio.to_thread(times_beside, broker.port, until_there_are(5))

        assert 5 <= len(times) == len(broker.asked_for(ApiKey.PRODUCE))


@scenario
async def test_an_answer_with_an_error_is_raised_at_the_end_of_the_block() -> None:
    answers = iter([produced(), produced(ErrorCode.topic_authorization_failed)])

    async with Broker({ApiKey.API_VERSIONS: speaks(), ApiKey.PRODUCE: lambda _: next(answers)}) as broker:
        with pytest.raises(Refused, match=r"topic_authorization_failed"):
            await asyncio.to_thread(times_beside, broker.port, until_there_are(2))


@scenario
async def test_a_connection_that_is_closed_is_raised_even_where_the_block_has_failed() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang_up(_: Any) -> Any:
        asked.set()
        raise HangUp

    def fails(_: list[float]) -> None:
        asyncio.run_coroutine_threadsafe(asked.wait(), loop).result()
        raise ValueError("no")

    async with Broker({ApiKey.API_VERSIONS: speaks(), ApiKey.PRODUCE: hang_up}) as broker:
        with pytest.raises((Refused, ConnectionError)) as raised:
            await asyncio.to_thread(times_beside, broker.port, fails)

    assert str(raised.value.__context__) == "no"
