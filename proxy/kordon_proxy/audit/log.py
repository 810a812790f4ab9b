"""The audit of one process: what sessions talk to.

Mutations, denials, logins and everything that administers Kordon are events of their own, on disk before anybody is
told the outcome (`on_durable`). Reads and produces are counted. Sessions ask `accepts_mutations` before they begin one,
and stop reading from clients while `full`.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import structlog

from kordon_policy.model import Effect
from kordon_proxy.clock import wall_ms
from kordon_proxy.config.audit import AuditConfig
from kordon_proxy.metrics import Metrics

from .aggregate import Aggregates, Repeats
from .event import KORDON, Event, EventType, Why, Window, new_id
from .forward import AUDIT_TOPIC, Forwarder, Queue, Sink
from .given_up import GivenUp, event_of
from .journal import Callback, Journal
from .journals import common_directory
from .stdout import Stdout

log = structlog.get_logger()

_SLICE: Final = 100
"""Counters turned into events at a time (1 ms), so that the end of a window delays nobody."""
_FREE_LOGIN_FAILURES: Final = 10
"""Failed logins of one address that are events of their own in a window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What could not be brought to where it belongs before the deadline. It is in memory, or for the next start."""

    unwritten: int
    """Events that are on no disk: they are gone with the process. Nobody was told that they happened."""
    unforwarded: Mapping[str, int]
    """By sink: events that it gets at the next start."""

    @property
    def nothing(self) -> bool:
        """Whether all is done."""
        return not self.unwritten and not any(self.unforwarded.values())


class AuditLog:
    """The audit of one process. All of it belongs to the event loop's thread.

    `source` names this Kordon in each event (a URI reference such as `urn:kordon:prod-1`). `kafka` are aiokafka's
    settings of the cluster that `config.kafka` names. `sinks` are further ones.
    """

    def __init__(
        self,
        config: AuditConfig,
        *,
        source: str,
        metrics: Metrics,
        kafka: Mapping[str, Any] | None = None,
        sinks: Iterable[Sink] = (),
        now: Callable[[], int] = wall_ms,
    ) -> None:
        self._config = config
        self._refuses = config.on_failure == "refuse"
        self._needs_topic = config.kafka is not None and config.kafka.on_failure == "refuse"
        self._source = source
        self._metrics = metrics
        self._now = now
        self._sinks = [*_configured_sinks(config, kafka), *sinks]
        self._denials = Repeats(free=1, most=config.keys)
        self._login_failures = Repeats(free=_FREE_LOGIN_FAILURES, most=config.keys)
        self._window_over = asyncio.Event()
        self._aggregates = Aggregates(most=config.keys, now=now, on_full=self._window_over.set)
        self._failure: tuple[int, str] | None = None
        self._forwarders: list[Forwarder] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.tally = self._aggregates.tally
        """Counts a read or a produce: (who, action, path, verdict, bytes=0, count=1). Costs less than 1 µs."""

    async def start(self) -> None:
        """Open the journal and begin to forward it. Raises AuditError when the directory cannot be used."""
        self._journal = Journal(
            self._config, source=self._source, loop=asyncio.get_running_loop(), on_change=self._on_change
        )
        await asyncio.to_thread(self._journal.start)
        self._metrics.audit_healthy.set(1)
        self._metrics.audit_waiting.set_function(lambda: self._journal.waiting)
        self._metrics.audit_sequence[self._journal.writer].set_function(lambda: self._journal.durable)
        self._metrics.audit_journal_bytes.set_function(lambda: _size(self._journal.directory))
        self._forwarders = [self._forwarder(sink) for sink in self._sinks]
        self._forwarders += self._webhooks()
        runs = [forwarder.run() for forwarder in self._forwarders]
        self._tasks = [asyncio.create_task(run) for run in [*runs, self._write_windows()]]

    async def close(self, within: float = 10.0) -> Left:
        """Write and forward all there is, for so many seconds at most, and say what is left. Sessions have ended."""
        deadline = time.monotonic() + within
        windows = self._tasks.pop()
        await _cancel([windows])
        self._close_window()
        for event in self._aggregates.events():
            self.record(event)
        unwritten = await asyncio.to_thread(self._journal.close, within)
        await self._catch_up(deadline - time.monotonic())
        await _cancel(self._tasks)
        await asyncio.gather(*(forwarder.close() for forwarder in self._forwarders), return_exceptions=True)
        left = Left(
            unwritten=unwritten,
            unforwarded={forwarder.sink.name: forwarder.backlog for forwarder in self._forwarders},
        )
        if not left.nothing:
            log.error("audit_left_behind", unwritten=left.unwritten, unforwarded=dict(left.unforwarded))
        return left

    @property
    def healthy(self) -> bool:
        """Whether the last try to write succeeded."""
        return self._journal.healthy

    @property
    def failure(self) -> str | None:
        """Why the journal cannot be written, None while it can. For readiness."""
        return self._journal.failure

    @property
    def accepts_mutations(self) -> bool:
        """Whether a mutation may be begun: while all takes events that has `on_failure: refuse`."""
        if self._needs_topic and any(self.needs(sink) for sink in self.failing):
            return False
        return not self._refuses or (self._journal.healthy and not self._journal.full)

    def needs(self, sink: str) -> bool:
        """Say whether no mutation may be begun while that sink does not take events."""
        return self._needs_topic and sink == AUDIT_TOPIC

    @property
    def full(self) -> bool:
        """Whether sessions have to stop reading from their clients, until memory has room for what they would do."""
        return self._refuses and self._journal.full

    @property
    def backlog(self) -> Mapping[str, int]:
        """By sink: durable events that it has not got yet."""
        return {forwarder.sink.name: forwarder.backlog for forwarder in self._forwarders}

    @property
    def failing(self) -> Mapping[str, str]:
        """By sink: why it does not take events. Those that do are not here."""
        return {one.sink.name: one.failure for one in self._forwarders if one.failure is not None}

    def decision(self, event: Event, on_durable: Callback | None = None) -> None:
        """Record one decision. The same denial on the same connection is written once a window, and counted after that.
        Where there is no connection, the same address and client id stand for it.

        A denial is what has the effect Deny, also where no rule spoke or the view hid the resource.
        A repeated denial need not wait on a connection: the first one is on its way to the disk, and answers leave in
        order. Where there is none, it waits for the first one.
        """
        if event.why.effect == Effect.DENY and self._denials.is_repeat(_denial_key(event), event):
            if event.who.connection_id is None:
                self._done_with_the_first(on_durable)
            else:
                self._done(on_durable)
        else:
            self.record(event, on_durable)

    def login(self, event: Event, on_durable: Callback | None = None) -> None:
        """Record one login. Of failures (an error code) from one address, those beyond ten a window are counted.

        They come on several connections, so that those that are counted wait for the ten. While the journal cannot be
        written they get no answer, and end with the time that a login has: anybody could have any number wait.
        """
        if event.outcome.error_code and self._login_failures.is_repeat(_host(event.who.peer), event):
            if self.healthy or not self._refuses:
                self._done_with_the_first(on_durable)
        else:
            self.record(event, on_durable)

    def record(self, event: Event, on_durable: Callback | None = None) -> None:
        """Record an event of its own, whatever it is. `on_durable` is called on the loop."""
        if self._journal.append(event, on_durable):
            self._metrics.audit_events[event.type.kind].inc()
        else:
            self._metrics.audit_lost.inc()

    def _webhooks(self) -> list[Forwarder]:
        if not self._config.webhooks:
            return []
        from .webhooks.sink import WebhookSink  # only here: httpx is large

        forwarders = []
        for webhook in self._config.webhooks:
            sink = WebhookSink(webhook)
            queue = Queue(wants=sink.wants, most=webhook.queue, tell=self._tell_given_up)
            forwarders.append(self._forwarder(sink, queue))
        return forwarders

    def _forwarder(self, sink: Sink, queue: Queue | None = None) -> Forwarder:
        return Forwarder(self._journal, sink, self._metrics, backlog_warning=self._config.backlog_warning, queue=queue)

    def _tell_given_up(self, given_up: GivenUp, on_durable: Callback) -> None:
        self.record(event_of(given_up, now=self._now()), on_durable)

    async def _write_windows(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._window_over.wait(), self._config.window)
            except TimeoutError:
                # While the disk does not take them, counters are the smallest form that reads can wait in.
                if not self._journal.healthy:
                    continue
                self._close_window()
            self._window_over.clear()
            events = self._aggregates.events()
            while some := list(islice(events, _SLICE)):
                for event in some:
                    self.record(event)
                await asyncio.sleep(0)

    def _close_window(self) -> None:
        self._aggregates.close_window()
        for event in [*self._denials.close_window(), *self._login_failures.close_window()]:
            self.record(event)

    def _done(self, on_durable: Callback | None) -> None:
        if on_durable is not None:
            asyncio.get_running_loop().call_soon(on_durable)

    def _done_with_the_first(self, on_durable: Callback | None) -> None:
        """The events that this one repeats have been appended before."""
        if on_durable is not None:
            self._journal.when_durable(on_durable)

    def _on_change(self, failure: str | None) -> None:
        self._metrics.audit_healthy.set(0 if failure else 1)
        if failure:
            self._failure = (self._now(), failure)
        elif self._failure is not None:
            self.record(self._interruption(*self._failure))
            self._failure = None

    def _interruption(self, since: int, reason: str) -> Event:
        """What an auditor has to know of a time when the log could not be written: how many events are missing."""
        now = self._now()
        return Event(
            id=new_id(),
            type=EventType.INTERRUPTION,
            time=now,
            who=KORDON,
            why=Why(reason=reason),
            window=Window(count=self._journal.take_lost(), first=since, last=now),
        )

    async def _catch_up(self, within: float) -> None:
        if self._forwarders:
            catching_up = [asyncio.create_task(forwarder.catch_up()) for forwarder in self._forwarders]
            await asyncio.wait(catching_up, timeout=max(0.0, within))
            await _cancel(catching_up)


def _configured_sinks(config: AuditConfig, kafka: Mapping[str, Any] | None) -> list[Sink]:
    sinks: list[Sink] = [Stdout(lock=common_directory(config.directory) / "stdout.lock")] if config.stdout else []
    if config.kafka is not None:
        if kafka is None:
            raise ValueError("the audit topic needs the settings of its cluster")
        from .kafka_sink import KafkaSink  # only here: aiokafka is large

        sinks.append(KafkaSink(config.kafka, kafka))
    return sinks


def _denial_key(event: Event) -> Hashable:
    """What makes two denials the same: all that a reader would want to know, but when it was."""
    who, what, why = event.who, event.what, event.why
    # A connection has one address and one login. A call of the admin API has none; its client id is that of the token.
    whose = who.connection_id or (_host(who.peer), who.client_id)
    return (whose, who.key, what.api, what.action, what.resources, repr(what.parameters), why)


def _host(peer: str | None) -> str | None:
    return peer.rpartition(":")[0] if peer else None


def _size(directory: Path) -> int:
    try:
        return sum(path.stat().st_size for path in directory.glob("audit.*.jsonl"))
    except OSError:  # one was deleted meanwhile
        return 0


async def _cancel(tasks: Iterable["asyncio.Task[None]"]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=2.0)
