"""Start and stop a real Kordon process on the loopback address, as the demo, the tests and the benchmarks need it.

with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY) as kordon:
    kordon.bootstrap  # '127.0.0.1:23456'
"""

import heapq
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from kordon_proxy.audit.journals import journal_directories
from kordon_proxy.audit.tail import read_events
from kordon_proxy.identity import tokens_edit

from . import ports, processes

BROKERS: Final = 8
"""Ports for broker ids 0 to 7."""

_ATTEMPTS: Final = 3


class KordonFailed(Exception):
    """Kordon did not start, or did not stop."""


class PortTaken(KordonFailed):
    """Somebody was quicker to take a port that was free when it was chosen."""


class Kordon:
    """One `kordon serve` in a folder of its own, gone without a trace after `stop`.

    clusters: name to bootstrap addresses, separated by commas, or to the whole section of the configuration.
    policy: the text of `rbac.yaml`.
    listeners: name to what differs from the default (cluster: the first; an identity named `admin` with the role
    `admin`); ports are chosen. Without any there is one listener, `main`.
    settings: further sections of `kordon.yaml`.
    tokens: principal to roles, of those who may use the admin API; nobody: there is none.
    """

    def __init__(
        self,
        *,
        clusters: Mapping[str, str | Mapping[str, Any]],
        policy: str,
        listeners: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        tokens: Mapping[str, Sequence[str]] | None = None,
        ready_timeout: float = 30,
    ) -> None:
        self._clusters = clusters
        self._policy = policy
        self._listeners = listeners or {"main": {}}
        self._settings = settings or {}
        self._environment = environment or {}
        self._files = files or {}
        self._holders = tokens or {}
        self._tokens: dict[str, str] = {}
        self._ready_timeout = ready_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._ports: dict[str, int] = {}
        self._admin_port = self._api_port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- where things are

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise KordonFailed("kordon does not run: start it first")
        return Path(self._folder.name)

    @property
    def policy_file(self) -> Path:
        return self.folder / "rbac.yaml"

    @property
    def config_file(self) -> Path:
        return self.folder / "kordon.yaml"

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return (self.folder / "kordon.log").read_text()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise KordonFailed("kordon does not run: start it first")
        return self._process.pid

    @property
    def bootstrap(self) -> str:
        """The address of the first listener."""
        return self.listener(next(iter(self._listeners)))

    def listener(self, name: str) -> str:
        return f"{ports.HOST}:{self._ports[name]}"

    @property
    def admin(self) -> str:
        """The address of metrics, liveness and readiness."""
        return f"http://{ports.HOST}:{self._admin_port}"

    @property
    def api(self) -> str:
        """The address of the admin API."""
        return f"http://{ports.HOST}:{self._api_port}"

    def token(self, principal: str) -> str:
        """The bearer token of one of those who may use the admin API."""
        return self._tokens[principal]

    def command(
        self, *words: str, by: str, timeout: float = 30, columns: int = 200
    ) -> "subprocess.CompletedProcess[str]":
        """Run the `kordon` command at this Kordon, as one of those who may use the admin API."""
        environment = {"KORDON_URL": self.api, "KORDON_TOKEN": self.token(by), "NO_COLOR": "1", "COLUMNS": str(columns)}
        return subprocess.run(
            [sys.executable, "-m", "kordon_proxy", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the admin port. Raises OSError when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.admin}{path}", timeout=5) as answer:  # noqa: S310 -- a loopback address
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def audit(self) -> list[dict[str, Any]]:
        """All audit events that are on disk, of each worker as it wrote them; of several workers in order of time."""
        journals = [list(read_events(journal)) for journal in journal_directories(self.folder / "audit")]
        return list(heapq.merge(*journals, key=itemgetter("time")))

    # ---- start, stop

    def start(self, *, wait: bool = True) -> None:
        """Start, and return when it is ready. Raises KordonFailed with its log when it is not; then nothing is left.

        After `terminate` or `kill` it starts again in the same folder and on the same ports.
        """
        again = self._folder is not None
        for attempts_left in reversed(range(1 if again else _ATTEMPTS)):
            try:
                self._start(wait=wait)
                break
            except BaseException as why:
                self.kill()
                self.stop()
                if not (isinstance(why, PortTaken) and attempts_left):  # else again, on other ports
                    raise

    def _start(self, *, wait: bool) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="kordon-")
            self._choose_ports()
            self._write_files()
        with (self.folder / "kordon.log").open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kordon_proxy", "serve", "--config", str(self.config_file)],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self._environment},
                start_new_session=True,  # Ctrl-C in a terminal is for Python, which ends Kordon
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._ready_timeout
        answer = ""
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                taken = "address already in use" in self.log
                raise (PortTaken if taken else KordonFailed)(f"kordon ended while it started:\n{self.log}")
            try:
                status, answer = self.get("/readyz")
            except OSError:
                status = 0
            if status == 200:
                return
            if "address already in use" in answer:
                raise PortTaken(f"a port was taken while kordon started: {answer}")
            time.sleep(0.02)
        raise KordonFailed(f"kordon was not ready within {self._ready_timeout} s: {answer}\n{self.log}")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self, timeout: float = 20) -> int:
        """Stop gracefully and keep the folder. Returns the exit code."""
        if self._process is None:
            raise KordonFailed("kordon does not run")
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise KordonFailed(f"kordon did not stop within {timeout} s:\n{self.log}") from None

    def kill(self) -> None:
        """End it at once, as a crash does, and return when none of its workers is left either."""
        if self._process is not None:
            workers = processes.children(self._process.pid)
            self._process.kill()
            self._process.wait()
            processes.wait_for_the_end_of(workers)

    def stop(self) -> None:
        """Stop it if it runs, and delete its folder."""
        try:
            if self._process is not None and self._process.poll() is None:
                self.terminate()
        finally:
            self._process = None
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None

    def _choose_ports(self) -> None:
        taken: list[int] = []
        for name, section in self._listeners.items():
            first = _consecutive(1 + BROKERS, section.get("port"), taken)
            self._ports[name] = first
            taken += range(first, first + 1 + BROKERS)
        self._admin_port = ports.free_port(besides=taken)
        self._api_port = ports.free_port(besides=[*taken, self._admin_port])

    def _write_files(self) -> None:
        self.policy_file.write_text(self._policy)
        for name, text in self._files.items():
            path = self.folder / name
            path.write_text(text)
            path.chmod(0o600)
        if self._holders:
            with tokens_edit.edit(self.folder / "tokens.yaml", create=True) as content:
                for principal, roles in self._holders.items():
                    _, self._tokens[principal] = tokens_edit.add_token(content, principal, roles=tuple(roles))
        # JSON is YAML, so nothing is needed to write it.
        self.config_file.write_text(json.dumps(self._configuration(), indent=2))

    def _configuration(self) -> dict[str, Any]:
        clusters: list[dict[str, Any]] = []
        for name, section in self._clusters.items():
            given = {"bootstrap": section.split(",")} if isinstance(section, str) else dict(section)
            clusters.append({"name": name, **given})
        default = {"cluster": clusters[0]["name"]}
        listeners = [
            {
                "name": name,
                "bind": self.listener(name),
                "ports": {"base": self._ports[name] + 1, "ids": f"0-{BROKERS - 1}"},
                **default,
                **({} if "sasl" in section else {"identity": {"principal": "admin", "roles": ["admin"]}}),
                **{key: value for key, value in section.items() if key != "port"},
            }
            for name, section in self._listeners.items()
        ]
        api = {"bind": f"{ports.HOST}:{self._api_port}", "tokens": "tokens.yaml"}
        return {
            "clusters": clusters,
            "listeners": listeners,
            "policy": "rbac.yaml",
            "admin": {"bind": f"{ports.HOST}:{self._admin_port}"} | ({"api": api} if self._holders else {}),
            **self._settings,
        }


def _consecutive(count: int, wanted: int | None, taken: Sequence[int]) -> int:
    """The first of so many free ports in a row."""
    for _ in range(100):
        first = ports.free_port(wanted, besides=taken)
        row = range(first, first + count)
        if all(port not in taken and ports.free_port(port) == port for port in row[1:]):
            return first
        wanted = None
    raise OSError(f"no {count} free ports in a row on the loopback address")
