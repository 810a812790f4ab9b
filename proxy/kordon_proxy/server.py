"""`kordon serve`: put the parts together, open the doors, follow the files and the clusters, stop gracefully."""

import asyncio
import gc
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import structlog

from . import reloading
from .assembly import Keepers, audit_kafka_of, keepers_of, store_of, upstream_of
from .audit.journals import left_behind
from .audit.log import AuditLog
from .cluster.picture import Picture
from .config import listeners as config
from .config.model import AdminApi, Config
from .event_loop import new_event_loop
from .form import IS_COMPILED
from .health import Check, HealthServer, Pulse
from .heap import keep_freed_memory
from .identity.directory import DirectoryFiles
from .identity.passwords import PasswordChecker
from .identity.plain import PLAIN, PlainMechanism
from .identity.values import Mechanism
from .listener import Listener
from .metrics import Metrics
from .policies import Policies
from .ports import Ports
from .readiness import audit_checks, cluster_check, listener_checks, policy_check, store_check
from .reloading import Reloading
from .staging import Staging
from .store.ledger import Ledger
from .table import apis_at
from .upstream import Upstream

if TYPE_CHECKING:
    from .admin.server import ApiServer
    from .workers.supervised import Supervised

log = structlog.get_logger()

SWEEP_EVERY: Final = 1.0


def serve(settings: Config) -> None:
    """Serve until SIGTERM or SIGINT. Raises what a start can fail with: see `Server.start`."""
    keep_freed_memory()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(Server(settings).run())


class Server:
    """One Kordon process."""

    def __init__(self, settings: Config, supervised: "Supervised | None" = None) -> None:
        """supervised: its place, where it is one of several workers."""
        self._settings = settings
        self._supervised = supervised
        self._instance = f"{socket.gethostname()}-{secrets.token_hex(3)}" if supervised is None else supervised.instance
        self.metrics = Metrics()
        self.policies = Policies(settings.policy, settings.compat)
        self._directory = DirectoryFiles(settings)
        self._passwords = PasswordChecker()
        self._audit: AuditLog | None = None
        self._left_behind: list[AuditLog] = []
        self._files: Reloading | None = None
        self._keepers: Keepers | None = None
        self._api: ApiServer | None = None
        self._pulse = Pulse(self.metrics.event_loop_lag)
        self._health = None if supervised is not None else self._health_server()
        self.upstreams: dict[str, Upstream] = {}
        self.listeners: list[Listener] = []
        self._ports = Ports(None if supervised is None else supervised.hold)
        self._stop = asyncio.Event()
        self._at_once = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Start, serve until told to stop, drain."""
        await self.start()
        if self._supervised is not None:
            self._supervised.started()
        gc.collect()
        gc.freeze()  # schemas, table and policy stay: the collector need not walk through them again and again
        try:
            await self._stop.wait()
        finally:
            await self.close()

    async def start(self) -> None:
        """Open everything.

        Raises Refused, AuditError, StoreUnavailable, CannotServe, or OSError for a policy file that cannot be read.
        """
        self.policies.subscribe(self._new_snapshot)
        self.policies.load()
        settings = self._settings
        self._audit = AuditLog(
            settings.audit, source=f"urn:kordon:{self._instance}", metrics=self.metrics, kafka=audit_kafka_of(settings)
        )
        await self._audit.start()
        await self._take_over()
        self._files = Reloading(self.policies, self._directory, self._audit, self.metrics)
        self._files.record(None)
        for cluster in settings.clusters:
            upstream = self.upstreams[cluster.name] = upstream_of(cluster, settings, self.policies)
            if self._supervised is not None:
                upstream.cluster.echo = partial(self._supervised.seen, cluster.name)
        ledger = Ledger(store_of(settings, self._instance), self._audit, writer=self._instance)
        keepers = self._keepers = keepers_of(settings, ledger, self.policies, self.upstreams)
        await ledger.start()
        self.listeners = [self._listener(one, self._audit, keepers.staging) for one in settings.listeners]
        if self._supervised is not None:
            for place, listener in enumerate(self.listeners):
                listener.places = self._supervised.places(place)
        self._tell_shut()
        if self._health is not None:
            self._health.start()
        if settings.admin.api is not None:
            self._api = self._admin_api(settings.admin.api, self._audit, keepers)
            await self._api.start()
        if self._supervised is None:
            for listener in self.listeners:
                await self._ports.open(listener)
        for upstream in self.upstreams.values():
            upstream.cluster.subscribe(partial(self._picture_changed, upstream))
            upstream.cluster.start()
        self._signals()
        self._loops += [
            asyncio.create_task(self._pulse.beat()),
            asyncio.create_task(ledger.run()),
            asyncio.create_task(self._every(reloading.EVERY, self._watch_files)),
            asyncio.create_task(self._every(SWEEP_EVERY, self._sweep)),
        ]
        log.info(
            "started",
            listeners=[str(one.settings.bind) for one in self.listeners],
            clusters={one.name: [str(address) for address in one.bootstrap] for one in settings.clusters},
            admin=str(settings.admin.bind),
            admin_api=None if settings.admin.api is None else str(settings.admin.api.bind),
            epoch=self.policies.snapshot.epoch,
            event_loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
            compiled=IS_COMPILED,
        )

    # ---- parts

    async def _take_over(self) -> None:
        """Forward what is left in the journals of workers that are not there any more. Raises AuditError."""
        settings = self._settings
        if self._supervised is not None and not self._supervised.is_first:
            return
        for directory in left_behind(settings.audit.directory, settings.workers):
            audit = settings.audit.model_copy(update={"directory": directory})
            # Not into the metrics: sinks have one backlog there, and it is that of the journal that goes on.
            left = AuditLog(
                audit, source=f"urn:kordon:{self._instance}", metrics=Metrics(), kafka=audit_kafka_of(settings)
            )
            await left.start()
            self._left_behind.append(left)

    def _listener(self, one: config.Listener, audit: AuditLog, staging: Staging) -> Listener:
        return Listener(
            settings=one,
            limits=self._settings.limits_of(one),
            instance=self._instance if self._supervised is None else self._supervised.process,
            upstream=self.upstreams[one.cluster],
            apis=apis_at(one),
            policies=self.policies,
            directory=lambda: self._directory.current,
            audit=audit,
            metrics=self.metrics,
            mechanisms={name: self._mechanism(one, name, provider) for name, provider in one.sasl.items()},
            staging=staging,
        )

    def _mechanism(self, listener: config.Listener, name: str, provider: str) -> Mechanism:
        if name != PLAIN:
            raise ValueError(f"the mechanism {name} is not served")  # the configuration has seen to it
        return PlainMechanism(
            provider=provider,
            users=lambda: self._directory.current.users[provider],
            checker=self._passwords,
            suffix=listener.tenant_suffix,
            is_tenant=lambda tenant: self.policies.snapshot.has_tenant(tenant),
        )

    def _admin_api(self, settings: AdminApi, audit: AuditLog, keepers: Keepers) -> "ApiServer":
        # Only here: who does not want it does not pay for it.
        from .admin.api import create_app
        from .admin.process import Process
        from .admin.server import ApiServer
        from .explaining.live import Live
        from .inspection.inspector import Inspector

        process = Process(
            policies=self.policies,
            directory=lambda: self._directory.current,
            audit=audit,
            ledger=keepers.ledger,
            grants=keepers.grants,
            schedule=keepers.schedule,
            staging=keepers.staging,
            inspector=Inspector(self._settings.clusters, self._settings.registries),
            upstreams=self.upstreams,
            fixed={
                one.name: (one.identity.principal, frozenset(one.identity.roles))
                for one in self._settings.listeners
                if one.identity is not None
            },
            live=Live(
                self.policies, keepers.grants, lambda: self._directory.current, self.upstreams, self._settings.listeners
            ),
            connections=(self._supervised or self).connections,
            reload=(self._supervised or self).reload,
            status=(self._supervised or self).status,
        )
        return ApiServer(settings, create_app(process), shared=self._supervised is not None)

    def _health_server(self) -> HealthServer:
        bind = self._settings.admin.bind
        return HealthServer(bind.host, bind.port, self.metrics.registry, ready=self._ready, live=self._live)

    async def connections(self) -> Counter[str]:
        """How many connections each principal has."""
        sessions = (session for listener in self.listeners for session in listener.sessions)
        return Counter(one.member.identity.principal for one in sessions if one.member is not None)

    async def status(self) -> dict[str, Any]:
        """What this process is, and how it is."""
        return {
            "version": metadata.version("kordon"),
            "instance": self._instance,
            "epoch": self.policies.snapshot.epoch,
            "policy": str(self._settings.policy),
            "policy_failure": self.policies.last_failure,
            "ready": all(check.ok for check in self._ready() if check.required),
            "checks": [asdict(check) for check in self._ready()],
            "connections": {one.name: len(one.sessions) for one in self.listeners},
        }

    # ---- health

    def _live(self) -> list[Check]:
        return [self._pulse.check()]

    def _ready(self) -> list[Check]:
        """Everything that has to be well for clients to be sent here."""
        checks = [self._pulse.check(), self._serving()]
        if self._audit is not None:
            checks += audit_checks(self._audit)
        if self._keepers is not None:
            checks.append(store_check(self._keepers.ledger))
        checks.append(policy_check(self.policies))
        checks += [
            Check(name="users", ok=False, detail=problem, required=False) for problem in self._directory.problems
        ]
        checks += [cluster_check(upstream, self.listeners) for upstream in self.upstreams.values()]
        checks += self._ports.checks()
        checks += [check for listener in self.listeners for check in listener_checks(listener)]
        return checks

    async def checks(self) -> list[dict[str, Any]]:
        """The checks of readiness, for JSON."""
        return [asdict(check) for check in self._ready()]

    def _serving(self) -> Check:
        stopping = self._stop.is_set()
        return Check(name="serving", ok=not stopping, detail="stopping" if stopping else "")

    # ---- ports follow the cluster

    def _picture_changed(self, upstream: Upstream, picture: Picture) -> None:
        self._spawn(self._follow(upstream, picture))

    async def _follow(self, upstream: Upstream, picture: Picture) -> None:
        listeners = [one for one in self.listeners if one.upstream is upstream]
        await self._ports.follow(listeners, picture)
        without: set[int] = set().union(*(one.without_port for one in listeners))
        self.metrics.unmapped_brokers[upstream.name].set(len(without))

    async def _follow_again(self) -> None:
        """Try ports again that somebody else had."""
        for upstream in self.upstreams.values():
            picture = upstream.cluster.picture
            if self._ports.some_are_taken and picture is not None:
                await self._follow(upstream, picture)

    def _show_upstream(self, upstream: Upstream) -> None:
        """Tell in the metrics which brokers Kordon reaches."""
        cluster = upstream.cluster
        state = cluster.state
        for broker_id in () if cluster.picture is None else cluster.picture.brokers:
            up = state.reachable and broker_id not in state.unreachable
            self.metrics.upstream_up[upstream.name, str(broker_id)].set(up)

    # ---- running

    def _new_snapshot(self, snapshot: Any) -> None:
        self.metrics.policy_epoch.set(snapshot.epoch)
        self.metrics.policy_loaded.set(self.policies.loaded)
        for upstream in self.upstreams.values():
            upstream.cluster.hint_groups()

    def _signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload()))

    def stop(self) -> None:
        """Begin to stop; a second time: at once."""
        if self._stop.is_set():
            self._at_once.set()
        self._stop.set()

    async def reload(self) -> list[dict[str, Any]]:
        """Look at the files now. Says what each process has in force: here there is no other."""
        await self._look_at_files()
        return [{"epoch": self.policies.snapshot.epoch, "failure": self.policies.last_failure}]

    async def _reload(self) -> None:
        await self.reload()

    async def _watch_files(self) -> None:
        if await self._look_at_files() and self._supervised is not None:
            self._supervised.files_changed()

    async def _look_at_files(self) -> bool:
        """Look at the files; whether they say something new."""
        assert self._files is not None, "it has started"
        is_new = await self._files.look()
        if is_new:
            self._tell_shut()
        return is_new

    def _tell_shut(self) -> None:
        """Tell of listeners where nobody can log in: the policy is read apart from their configuration."""
        for listener in self.listeners:
            if (reason := listener.shut) is not None:
                log.warning("nobody_can_log_in", listener=listener.name, reason=reason)

    async def _sweep(self) -> None:
        now = time.monotonic()
        for listener in self.listeners:
            await listener.sweep(now)
        for upstream in self.upstreams.values():
            self._show_upstream(upstream)
            if upstream.tls is not None:
                upstream.tls.look_again()
        if self._keepers is not None:
            self.metrics.store_healthy.set(self._keepers.ledger.problem is None)
            self.metrics.temporary_policies.set(self._keepers.grants.live)
            self.metrics.staged_mutations.set(self._keepers.staging.waiting)
        await self._follow_again()

    async def _every(self, seconds: float, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await step()
            except Exception:
                log.exception("task_failed")

    def _spawn(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(step)
        self._loops.append(task)
        task.add_done_callback(lambda done: self._loops.remove(done) if done in self._loops else None)

    # ---- the end

    async def close(self) -> None:
        """Take no more connections, let answers in flight leave, write down what is left."""
        self.metrics.draining.set(1)
        self._ports.close()
        for listener in self.listeners:
            listener.drain()
        await self._drained()
        left = sum(len(listener.sessions) for listener in self.listeners)
        for listener in self.listeners:
            for session in tuple(listener.sessions):
                session.close("drain-timeout")
        if self._keepers is not None:
            await self._keepers.staging.close()
        self.policies.close()
        for task in tuple(self._loops):
            task.cancel()
        for upstream in self.upstreams.values():
            await upstream.cluster.close()
        if self._api is not None:
            await self._api.stop()
        if self._keepers is not None:
            await self._keepers.schedule.close()
            await self._keepers.ledger.close()
        await asyncio.gather(*(audit.close() for audit in (self._audit, *self._left_behind) if audit is not None))
        self._passwords.close()
        if self._health is not None:
            self._health.stop()
        log.info("stopped", cut_off=left)

    async def _drained(self) -> None:
        """Wait until all connections are done, for as long as they may take, or until told to stop at once."""
        ends = [asyncio.create_task(self._all_drained()), asyncio.create_task(self._told_twice())]
        await asyncio.wait(ends, timeout=self._settings.drain, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    async def _all_drained(self) -> None:
        for listener in self.listeners:
            await listener.drained.wait()

    async def _told_twice(self) -> None:
        await self._at_once.wait()
