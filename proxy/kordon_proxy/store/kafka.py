"""The store of Kordons on several machines: one compacted topic on a cluster that Kordon stands in front of.

What stands in it is for `entries`, what it means for `facts`. Here it is kept connected, so that news cost nothing and
nobody waits for long for brokers that are away.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from kordon_proxy.audit.event import new_id
from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.identity.tls import TlsFault
from kordon_proxy.reasons import reason_of

from .entries import Line, change_lines, forget_line
from .facts import Facts, OlderState
from .interface import Key, News, Step, StoreUnavailable
from .kafka_link import PATIENCE, SILENT, Link, Silence
from .kafka_topic import Place, UnfitTopic

T = TypeVar("T")

log = structlog.get_logger()

CONNECT: Final = 15.0
"""Seconds in which a connection has to be made."""
_AT_ONCE: Final = 500  # lines
_EXPECTED: Final = (KafkaError, OlderState, OSError, Silence, UnfitTopic)


class KafkaStore:
    """A store in a topic. writer: names this process in the outbox.

    settings: gives aiokafka's own for the n-th try to connect, and may raise OSError: files and passwords may be new.
    """

    def __init__(self, place: Place, settings: Callable[[int], Mapping[str, Any]], writer: str) -> None:
        self._place = place
        self._settings = settings
        self._writer = writer
        self._tries = 0
        self._link: Link | None = None
        self._known: Facts | None = None
        self._problem = "it has not been opened"
        self._following: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the topic if there is none, and read all of it. Raises StoreUnavailable."""
        if self._following is None:
            self._use(await _apart(self._connect(make=True)))
            self._following = asyncio.create_task(self._follow())

    async def news(self) -> News | None:
        """What any process has changed since the last time, as far as it has been read. Asks nobody."""
        link = self._connected()
        if link.is_silent:
            raise self._unusable(f"no broker has answered for more than {SILENT:g} s")
        return link.facts.news()

    async def take(self, step: Step) -> bool:
        """Keep a change with its events, if nobody was quicker."""
        link = self._connected()
        if not link.facts.is_at(step.key, step.before):
            return False
        attempt = new_id()
        try:
            return await link.decide(attempt, change_lines(_id_of(link.facts), self._writer, attempt, step))
        except TimeoutError:
            raise self._unusable(f"{_not_taken(link)}, so whether the change was kept is not known") from None
        except KafkaError as error:
            raise self._unusable(_reason(error)) from None

    async def told(self, numbers: Collection[int]) -> None:
        """Take events out of the outbox."""
        link = self._connected()
        await self._append(link, [Line(key, None) for key in link.facts.outbox(numbers)])

    async def forget(self, keys: Collection[Key]) -> None:
        """Take records out that are over for long."""
        link = self._connected()
        store = _id_of(link.facts)
        known = [(key, revision) for key in keys if (revision := link.facts.revision(key))]
        await self._append(link, [forget_line(store, self._writer, new_id(), key, before) for key, before in known])

    async def close(self) -> None:
        """End the connections. Does not wait for brokers that hang."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
            self._following = None
        if self._link is not None:  # it was never followed
            await self._link.close()
            self._link = None
        self._problem = "it has been closed"

    async def _append(self, link: Link, lines: Sequence[Line]) -> None:
        try:
            for first in range(0, len(lines), _AT_ONCE):
                await link.append(lines[first : first + _AT_ONCE])
        except TimeoutError:
            raise self._unusable(_not_taken(link)) from None
        except KafkaError as error:
            raise self._unusable(_reason(error)) from None

    def _connected(self) -> Link:
        if self._link is None:
            raise self._unusable(self._problem)
        if (problem := self._link.facts.problem) is not None:
            raise self._unusable(problem)
        return self._link

    def _unusable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(f"the store {self._place} cannot be used: {reason}")

    # ---- the connection

    def _use(self, link: Link) -> None:
        self._link, self._known = link, link.facts

    async def _follow(self) -> None:
        backoff = Backoff()
        while True:
            link = self._link
            assert link is not None
            try:
                await _apart(link.follow())
            except _EXPECTED as error:
                self._problem = _reason(error)
            except Exception as error:
                log.exception("store_connection_failed")
                self._problem = f"an error that nobody foresaw: {error!r}"
            finally:
                self._link = None
                await link.close()
            self._use(await self._connect_again(backoff))
            backoff.succeed()

    async def _connect_again(self, backoff: Backoff) -> Link:
        while True:
            await asyncio.sleep(backoff.fail())
            try:
                return await _apart(self._connect(make=False))
            except StoreUnavailable:
                pass  # `_problem` says why
            except Exception as error:
                log.exception("store_connection_failed")
                self._problem = f"an error that nobody foresaw: {error!r}"

    async def _connect(self, *, make: bool) -> Link:
        """A connection that has read all there is. Raises StoreUnavailable."""
        link: Link | None = None
        try:
            async with asyncio.timeout(CONNECT):
                link = Link(self._place, self._settings(self._tries), self._writer)
                await link.start(make=make)
            await link.catch_up()
            if self._known is not None:
                link.facts.go_on_from(self._known)
            elif link.facts.problem is not None:
                raise UnfitTopic(link.facts.problem)
            elif link.facts.store is None:
                await link.begin(new_id())
        except BaseException as error:
            self._tries += 1  # perhaps there is another password
            if link is not None:
                await link.close()
            if not isinstance(error, _EXPECTED):
                raise
            self._problem = _reason(error)
            raise self._unusable(self._problem) from None
        return link


async def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Do it as it is, but for cancellations that nobody asked for: aiokafka lets some of its own out."""
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise KafkaConnectionError from None


def _id_of(facts: Facts) -> str:
    assert facts.store is not None  # a topic that is none is made one when it is opened
    return facts.store


def _not_taken(link: Link) -> str:
    return f"the brokers have not taken what was sent within {PATIENCE:g} s" + (
        f" ({link.trouble})" if link.trouble is not None else ""
    )


def _reason(error: Exception) -> str:
    match error:
        case TlsFault() | UnfitTopic():
            return str(error)
        case OlderState():
            return f"it is {error}; start Kordon again to use it"
        case KafkaConnectionError():
            return "no broker can be reached; the log says why"
        case ClusterAuthorizationFailedError() | TopicAuthorizationFailedError():
            return "Kordon's account lacks a right on it, which are READ, WRITE and DESCRIBE_CONFIGS"
        case Silence() | TimeoutError():
            return "no broker answers"
        case OSError():
            return reason_of(error)
    return str(error)
