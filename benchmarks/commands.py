"""Commands that start further targets, to be timed: `NAME=HOST:PORT:COMMAND`."""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.targets import Target, parse_target

_PATIENCE: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is started, and where it answers then."""

    target: Target
    words: tuple[str, ...]

    @contextmanager
    def running(self) -> Iterator[Callable[[], int]]:
        """A function that starts it and returns its process id; it is ended with the block."""
        begun: list[subprocess.Popen[bytes]] = []

        def begin() -> int:
            silent = subprocess.DEVNULL
            begun.append(subprocess.Popen(self.words, stdin=silent, stdout=silent, stderr=silent))
            return begun[0].pid

        try:
            yield begin
        finally:
            for process in begun:
                _end(process)


def parse_command(text: str) -> Command:
    """Read `NAME=HOST:PORT:COMMAND`. Raises ValueError."""
    name, _, rest = text.partition("=")
    host, _, rest = rest.partition(":")
    port, _, command = rest.partition(":")
    if not command:
        raise ValueError(f"{text!r} is not of the form NAME=HOST:PORT:COMMAND")
    return Command(target=parse_target(f"{name}={host}:{port}"), words=tuple(shlex.split(command)))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
