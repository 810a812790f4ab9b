"""Kordon's picture of one cluster, kept up to date: who asks when, and who is told.

Ages are measured by `time.monotonic`, not by the clock of the loop: that of uvloop counts milliseconds and stands still
while the loop is busy, so that a question could seem younger than a call that came later.

One question about all topics at a time, shared by everybody who wants to know (single-flight), with a bound on its age
that each caller chooses. Nothing here runs on a client's connection or with a client's rights.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import structlog

from .addresses import Address
from .backoff import Backoff
from .bell import Bell
from .connection import BrokerConnection
from .errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from .groups import GroupWatch
from .picture import Inferred, Picture, next_picture, with_inferred
from .pool import DIRECT, Pool, Reach
from .survey import Survey
from .topology import Topology

log = structlog.get_logger()

SPACING: Final = 1.0
"""Seconds between two looks that hints have caused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One cluster and how often to look at it. Times are in seconds."""

    name: str
    bootstrap: tuple[Address, ...]
    reach: Reach = DIRECT
    request_timeout: float = 10.0
    topics_every: float = 30.0
    groups_every: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Whether Kordon reaches the cluster, for readiness."""

    reachable: bool
    error: str | None
    """Why not, or None."""
    unreachable: Mapping[int, str]
    """Brokers that the cluster calls live and that Kordon does not reach, and why."""
    surveyed: bool
    """Whether inferred topics are known, or none are wanted. Until then a tenant sees fewer topics than it should."""


class Cluster:
    """One cluster, watched from `start` to `close`.

    wanted: whether any tenant includes the group; None: nothing is inferred.
    """

    def __init__(self, settings: Settings, *, wanted: Callable[[str], bool] | None = None) -> None:
        self.settings = settings
        self._pool = Pool(settings.reach)
        self._topology = Topology(settings.name, settings.bootstrap, self._pool, settings.request_timeout)
        self._groups = None if wanted is None else self._group_watch(wanted)
        self.picture: Picture | None = None
        """The newest picture; None before the first. A plain attribute, as every request asks for it twice."""
        self._checked_at = float("-inf")
        """When the newest answer was asked for; the picture may be older, if nothing changed since."""
        self._flight: asyncio.Task[UpstreamError | None] | None = None
        self._backoff = Backoff()
        self._not_before = float("-inf")
        self._error: UpstreamError | None = None
        self._subscribers: list[Callable[[Picture], None]] = []
        self._bell = Bell(SPACING)
        self.echo: Callable[[str | None], None] | None = None
        """Told of what was seen here and others may want to look at: a group, or None for topics. Not all the time."""
        self._echoed = float("-inf")
        self._loops: list[asyncio.Task[None]] = []
        self._closed = False

    def _group_watch(self, wanted: Callable[[str], bool]) -> GroupWatch:
        survey = Survey(wanted, self.connection, timeout=self.settings.request_timeout)
        return GroupWatch(
            survey, every=self.settings.groups_every, picture=self._shown_picture, publish=self._show_inferred
        )

    # What is known

    @property
    def age(self) -> float:
        """Seconds since the newest look was asked for; infinity before the first."""
        return time.monotonic() - self._checked_at

    @property
    def state(self) -> State:
        """Whether the cluster can be reached, as far as the last try tells."""
        return State(
            reachable=self._error is None and self.picture is not None,
            error=str(self._error) if self._error else None if self.picture else "no broker has answered yet",
            unreachable=dict(self._topology.unreachable),
            surveyed=self._groups is None or self._groups.surveyed,
        )

    def subscribe(self, callback: Callable[[Picture], None]) -> Callable[[], None]:
        """Call back with each new picture from now on. Returns what ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    # Asking

    async def refresh(self, max_age: float) -> Picture:
        """A picture whose topics and brokers were asked for `max_age` seconds before this call, or later.

        Infinity: any will do. 0: one that was asked for before the call does not count. Callers at the same time share
        one question.

        Raises UpstreamUnavailable when no broker answers, and until the next try is due at once.
        """
        since = time.monotonic() - max_age
        while self.picture is None or self._checked_at < since:
            if self._flight is None:
                if self._closed:
                    raise UpstreamUnavailable(f"cluster {self.settings.name} is not watched any more")
                if self._error is not None and time.monotonic() < self._not_before:
                    raise self._error.with_traceback(None)
                self._flight = asyncio.create_task(self._fly(), name=f"look at cluster {self.settings.name}")
            flight = self._flight
            await asyncio.wait([flight])  # so that a caller who gives up does not end it for the others
            if flight.cancelled():
                raise UpstreamUnavailable(f"cluster {self.settings.name} is not watched any more")
            if (error := flight.result()) is not None:
                raise error.with_traceback(None)
        return self.picture

    async def connection(self, broker_id: int | None = None) -> BrokerConnection:
        """Kordon's own connection to a broker, or to any, for questions of its own. Shared: do not close it.

        Raises UpstreamError.
        """
        picture = self.picture or await self.refresh(float("inf"))
        if broker_id is None:
            return await self._any_connection(picture)
        broker = picture.brokers.get(broker_id)
        if broker is None:
            raise UpstreamUnavailable(f"cluster {self.settings.name} has no live broker {broker_id}")
        return await self._pool.connection((broker.host, broker.port))

    async def ask(self, question: Any, broker_id: int | None = None) -> Any:
        """What a broker, or any, answers to a request, which is kio's and carries no client's name.

        Raises UpstreamError.
        """
        connection = await self.connection(broker_id)
        return await connection.request(question, self.settings.request_timeout)

    async def _any_connection(self, picture: Picture) -> BrokerConnection:
        error: UpstreamError | None = None
        for address in self._topology.candidates(picture):
            try:
                return await self._pool.connection(address)
            except UpstreamError as why:
                error = why
        raise error or UpstreamUnavailable(f"cluster {self.settings.name} has no broker")

    # Hints

    def hint(self) -> None:
        """Topics may have changed: something was created or deleted, or an unknown id was seen. Looks soon."""
        self._bell.ring()
        if self.echo is not None and (now := time.monotonic()) - self._echoed >= SPACING:
            self._echoed = now
            self.echo(None)

    def hint_group(self, group: str, topics: Iterable[str] = ()) -> None:
        """A group may consume from other topics now: a rebalance or a commit was seen. Looks soon.

        topics: all that a commit named, if the caller knows; when they are inferred already nothing is looked for.
        """
        if self._groups is not None and self._groups.hint(group, topics) and self.echo is not None:
            self.echo(group)

    def heard(self, group: str | None) -> None:
        """Another worker has seen what its `echo` tells. Looks soon."""
        if group is None:
            self._bell.ring()
        elif self._groups is not None:
            self._groups.hint(group, ())

    def hint_groups(self) -> None:
        """Other groups may be wanted now: the tenants changed. Looks at all soon."""
        if self._groups is not None:
            self._groups.hint_all()

    # Running

    def start(self) -> None:
        """Begin to watch. Does not wait for the cluster, which may be down."""
        self._loops.append(asyncio.create_task(self._watch_topics(), name=f"topics of {self.settings.name}"))

    async def close(self) -> None:
        """Stop watching and close all connections. Callers of `refresh` who still wait get UpstreamUnavailable."""
        self._closed = True
        tasks = [*self._loops, *([self._flight] if self._flight else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.close()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _fly(self) -> UpstreamError | None:
        limit = self.settings.reach.connect_timeout + 2 * self.settings.request_timeout
        try:
            async with asyncio.timeout(limit):
                layout, asked_at = await self._topology.look(self.picture)
        except TimeoutError:
            return self._fail(UpstreamTimeout(f"no broker of cluster {self.settings.name} answered in {limit:g} s"))
        except UpstreamError as error:
            return self._fail(error)
        finally:
            self._flight = None
        self._checked_at = asked_at
        self._succeed()
        self._show(next_picture(self.picture, layout, self._topology.spoken(), asked_at))
        return None

    async def _watch_topics(self) -> None:
        rung = False
        versions_due = float("-inf")
        while True:
            before = self.picture
            with_versions = time.monotonic() >= versions_due
            if with_versions:
                versions_due = time.monotonic() + self.settings.topics_every
            pause = await self._round(with_versions=with_versions)
            if rung and self.picture is before:
                # Who made the change may have heard of it before the broker that we ask. Once more, then.
                pause = min(pause, SPACING)
            rung = await self._bell.wait(pause)

    async def _round(self, *, with_versions: bool) -> float:
        """Look once. Returns the seconds until the next time."""
        try:
            picture = await self.refresh(0.0)
            if with_versions:
                asked_at = time.monotonic()
                await self._topology.ask_versions(picture.brokers.values(), again=True)
                picture = self._shown_picture()
                self._show(next_picture(picture, picture, self._topology.spoken(), asked_at))
        except UpstreamError:
            return self._not_before - time.monotonic()
        except Exception:
            # A mistake of ours in reading one answer must not end the watch for good.
            log.exception("look_failed", cluster=self.settings.name)
        return self.settings.topics_every

    def _fail(self, error: UpstreamError) -> UpstreamError:
        self._not_before = time.monotonic() + self._backoff.fail()
        if self._error is None:
            log.warning("cluster_unreachable", cluster=self.settings.name, error=str(error))
            self._bell.ring()  # the loop may sleep for long, and the cluster may be back in a moment
        self._error = error
        return error

    def _succeed(self) -> None:
        self._backoff.succeed()
        if self._error is not None or self.picture is None:
            log.info("cluster_reached", cluster=self.settings.name)
        self._error = None

    def _show(self, picture: Picture) -> None:
        before, self.picture = self.picture, picture
        if picture is before:
            return
        if before is None and self._groups is not None:
            self._loops.append(asyncio.create_task(self._groups.run(), name=f"groups of {self.settings.name}"))
        for callback in tuple(self._subscribers):
            try:
                callback(picture)
            except Exception:
                log.exception("subscriber_failed", cluster=self.settings.name)

    def _show_inferred(self, inferred: Inferred) -> None:
        self._show(with_inferred(self._shown_picture(), inferred, time.monotonic()))

    def _shown_picture(self) -> Picture:
        assert self.picture is not None
        return self.picture
