"""One node of a Kafka: a Java process with its ports, its log and its data, and what a fault test does to it."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kordon_proxy.demo import ports, tools
from kordon_proxy.demo.properties import Listener

_SHUT_DOWN_TIMEOUT = 30.0


class KafkaFailed(Exception):
    """Kafka did not start, or a node ended by itself; the text has the last lines of its log."""


class PortTaken(KafkaFailed):
    """Somebody took a port between the moment it was found free and the moment Kafka wanted it."""


class Node:
    """A node that was given its ports and its configuration; it starts when it is told to."""

    def __init__(
        self,
        node_id: int,
        *,
        listeners: Mapping[Listener, int],
        host: str,
        folder: Path,
        jvm: tuple[str, ...],
        plugins: tuple[Path, ...],
        timeout: float,
        guard: Callable[[int], None],
    ) -> None:
        self.node_id = node_id
        self.listeners = dict(listeners)
        self._host = host
        self.data = folder / f"node{node_id}"
        self.properties = folder / f"node{node_id}.properties"
        self._log = folder / f"node{node_id}.log"
        # Compression libraries unpack themselves into the folder for temporary files; there they go with the rest.
        self._jvm = (*jvm, f"-Djava.io.tmpdir={folder}")
        self._plugins = plugins
        self._timeout = timeout
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None

    def address(self, listener: Listener = "PLAINTEXT") -> str:
        """Return `host:port` of one of its listeners."""
        return f"{self._host}:{self.listeners[listener]}"

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def log(self) -> str:
        """Return what it has logged: warnings and errors."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it, on the same ports and the same data as before, and return when it answers. Raises KafkaFailed."""
        self.launch()
        self.wait_until_it_sees({self.node_id})

    def launch(self) -> None:
        """Start it without waiting: a node that has no majority of the others to talk to does not answer."""
        if self.pid:
            raise KafkaFailed(f"node {self.node_id} runs already")
        self._process = self._run("kafka-server-start", self.properties)
        self._guard(self._process.pid)

    def wait_until_it_sees(self, nodes: set[int]) -> None:
        """Return when it has joined the cluster and knows these nodes as alive. Raises KafkaFailed."""
        deadline = time.monotonic() + self._timeout
        while not self._sees(nodes):
            if self.pid is None:
                raise self.failure()
            if time.monotonic() > deadline:
                raise KafkaFailed(f"node {self.node_id} did not answer in {self._timeout:g} s:\n{self._last_lines()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a power cut would. Its data stays."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def shut_down(self) -> None:
        """Ask it to end in order (it hands its leaderships over first) and wait until it has."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(_SHUT_DOWN_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()

    def restart(self) -> None:
        """Restart it in order, as for an upgrade. Raises KafkaFailed."""
        self.shut_down()
        self.start()

    def move(self, listener: Listener, port: int) -> None:
        """Let it listen on another port from its next start on, as a broker does that was made anew elsewhere."""
        text = self.properties.read_text()
        self.properties.write_text(text.replace(f":{self.listeners[listener]}", f":{port}"))
        self.listeners[listener] = port

    def pause(self) -> None:
        """Freeze it: its connections stay open and silent."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def format(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin to prepare its storage, which takes a second; the exit code of the process says whether it worked."""
        process = self._run("kafka-storage", "format", "--config", self.properties, *arguments)
        self._guard(process.pid)
        return process

    def failure(self) -> KafkaFailed:
        """Return why it has ended by itself, to be raised."""
        lines = self._last_lines()
        kind = PortTaken if "Address already in use" in lines else KafkaFailed
        return kind(f"node {self.node_id} ended by itself:\n{lines}")

    def _run(self, name: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                tools.command(name, *arguments, jvm=self._jvm, plugins=self._plugins),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._log.parent,
                start_new_session=True,  # Ctrl-C in a terminal is for Python, which ends the nodes
            )

    def _sees(self, nodes: set[int]) -> bool:
        try:
            return nodes <= ports.brokers(self.listeners["PLAINTEXT"]).keys()
        except OSError:
            return False

    def _last_lines(self) -> str:
        return "\n".join(self.log().splitlines()[-20:])
