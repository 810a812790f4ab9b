"""Java's consumer at work in the background: in Kafka's console tool, and in a small program of ours."""

import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kordon_proxy.demo import prerequisites, tools

PATIENCE: Final = 60.0


class JavaConsumer:
    """It runs from entering to leaving; `lines` is what it has printed so far.

    with JavaConsumer("kafka-console-consumer", "--bootstrap-server", address, …) as consumer:
    """

    def __init__(self, name: str, *arguments: str, plugins: tuple[Path, ...] = ()) -> None:
        self.lines: list[str] = []
        self._command = tools.command(name, *arguments, plugins=plugins)
        self._thread = threading.Thread(target=self._read, name=name)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def leave(self) -> None:
        """Let it leave its group and end."""
        self._process.terminate()
        self._process.wait(PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))


def a_console_consumer(address: str, group: str, protocol: str, *subscription: str) -> JavaConsumer:
    """Kafka's console consumer as a member of a group, from the beginning of what it has not read."""
    where = ("--bootstrap-server", address, "--group", group, "--from-beginning", *subscription)
    settings = {"group.protocol": protocol, "metadata.max.age.ms": "1000"}
    properties = (word for name, value in settings.items() for word in ("--command-property", f"{name}={value}"))
    return JavaConsumer("kafka-console-consumer", *where, *properties)


def compile_pattern_consumer(folder: Path) -> Path:
    """Compile `PatternConsumer.java` into a folder. Returns the folder."""
    source = Path(__file__).with_name("PatternConsumer.java")
    release = ("--release", str(prerequisites.OLDEST_JAVA))
    classpath = ("-cp", f"{prerequisites.jars()}/*")
    subprocess.run([prerequisites.javac(), *release, *classpath, "-d", str(folder), str(source)], check=True)
    return folder


def a_pattern_consumer(address: str, group: str, pattern: str, classes: Path) -> JavaConsumer:
    """A consumer that subscribes by a pattern which the coordinator is to evaluate; `classes` is where it is compiled.

    It prints `assigned TOPIC…` when that changes, `record TOPIC VALUE`, and `error CLASS MESSAGE`.
    """
    return JavaConsumer("PatternConsumer", address, group, pattern, plugins=(classes,))
