"""Parent and worker ask each other, and neither waits for somebody who is gone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from kordon_proxy.workers.channel import Channel, ChannelClosed, NotDone, first_bytes


@asynccontextmanager
async def a_pair() -> AsyncIterator[tuple[Channel, Channel]]:
    ends = socket.socketpair()
    one, other = [await Channel.on(end) for end in ends]
    running = [asyncio.create_task(channel.run()) for channel in (one, other)]
    try:
        yield one, other
    finally:
        for channel in (one, other):
            channel.close()
        await asyncio.gather(*running)


async def echo(**words: Any) -> Any:
    return words


async def refuse() -> None:
    raise NotDone("not today")


async def fail() -> None:
    raise ValueError("a mistake")


async def never() -> None:
    await asyncio.Event().wait()


def test_a_question_has_its_answer_whatever_else_is_asked() -> None:
    async def run() -> None:
        async with a_pair() as (one, other):
            for channel in (one, other):
                channel.handlers = {"echo": echo}
            text = "x" * 300_000

            answers = await asyncio.gather(
                *(one.ask("echo", number=number, text=text) for number in range(20)),
                *(other.ask("echo", number=number) for number in range(20)),
            )

            assert [answer["number"] for answer in answers] == [*range(20), *range(20)]

    asyncio.run(run())


def test_what_is_told_is_heard() -> None:
    async def run() -> None:
        async with a_pair() as (one, other):
            heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

            async def hear(what: str) -> None:
                heard.set_result(what)

            other.handlers = {"news": hear}
            one.tell("news", what="good")

            assert await heard == "good"

    asyncio.run(run())


def test_what_cannot_be_done_is_said() -> None:
    async def run() -> None:
        async with a_pair() as (one, other):
            other.handlers = {"refuse": refuse, "fail": fail}

            with pytest.raises(NotDone, match="not today"):
                await one.ask("refuse")
            with capture_logs() as logs, pytest.raises(NotDone, match="fail failed: a mistake"):
                await one.ask("fail")

            assert [line["event"] for line in logs] == ["worker_question_failed"]

    asyncio.run(run())


def test_nobody_waits_longer_than_he_said() -> None:
    async def run() -> None:
        async with a_pair() as (one, other):
            other.handlers = {"never": never, "echo": echo}

            with pytest.raises(TimeoutError):
                await one.ask("never", 0.01)

            assert await one.ask("echo", still="there") == {"still": "there"}

    asyncio.run(run())


def test_who_waits_hears_that_the_other_is_gone() -> None:
    async def run() -> None:
        async with a_pair() as (one, other):
            other.handlers = {"never": never}
            waiting = asyncio.create_task(one.ask("never"))
            await asyncio.sleep(0)
            other.close()

            with pytest.raises(ChannelClosed):
                await waiting
            with pytest.raises(ChannelClosed):
                await one.ask("never")
            one.tell("never")  # to nobody, and that is no mistake

    asyncio.run(run())


def test_what_is_sent_first_comes_whole_and_nothing_behind_it_is_taken() -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        channel = await Channel.on(ours)
        channel.send(b"y" * 500_000)
        channel.tell("news", what="good")

        assert await asyncio.to_thread(first_bytes, theirs) == b"y" * 500_000
        assert b'"what": "good"' in await asyncio.to_thread(theirs.recv, 1000)

        channel.close()
        theirs.close()

    asyncio.run(run())


def test_a_worker_whose_parent_is_gone_before_it_has_said_anything_is_told() -> None:
    ours, theirs = socket.socketpair()
    ours.close()

    with theirs, pytest.raises(EOFError):
        first_bytes(theirs)
