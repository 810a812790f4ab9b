"""How a policy file is read: a large one in a process of its own, so that nobody who is served waits for it."""

import pickle
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from subprocess import PIPE
from typing import IO, Any, Final, NamedTuple

from kordon_policy.collector import collector_at_rest
from kordon_policy.findings import Finding
from kordon_policy.load import load
from kordon_policy.model import Compat
from kordon_policy.snapshot import Asked, Compiled

from .config.findings import Refused
from .own_processes import bare_environment, command

LARGE: Final = 1 << 18
"""Bytes from which another process reads a file. It takes a tenth of a second to read, and as long to start one."""
_MANY: Final = 1_000
"""Policies of a role that is indexed at once, whether somebody has come with it or not."""
_INDEXED: Final = 200_000
"""Policies of roles that are indexed at once, all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file to read. asked: what will be asked for as soon as it is in force.

    aside: others are served meanwhile.
    """

    text: bytes
    source: str
    compat: Compat
    now: int
    asked: Asked
    aside: bool = False


class Reading(NamedTuple):
    """What a file says, if it is without mistakes, and what is to be said of it."""

    compiled: Compiled | None
    findings: tuple[Finding, ...]


class Reader:
    """Reads one file at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, job: Job) -> Reading:
        """Read a file, here or in another process, which takes seconds for a large one. Raises Refused, OSError."""
        reading = read(job) if len(job.text) < LARGE else self._read_apart(job)
        if reading.compiled is not None:
            reading.compiled.prepare(job.asked)
        return reading

    def close(self) -> None:
        """End the process that reads, if there is one."""
        if self._process is not None:
            self._process.kill()

    def _read_apart(self, job: Job) -> Reading:
        with _start() as process:
            self._process = process
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                with process.stdin as its:
                    pickle.dump(job, its, pickle.HIGHEST_PROTOCOL)
                with collector_at_rest():
                    reading: Reading = pickle.Unpickler(_Unhurried(process.stdout)).load()  # noqa: S301 -- our own
            except (BrokenPipeError, EOFError):
                # That says nothing about the file: the system may have been short of memory, say.
                raise OSError(_ended(process)) from None
            except Exception as error:
                # It is at work still, so its end is not waited for. Other code has taken the place of this, say.
                told = f"the process that reads it answers what this one does not understand: {error!r}"
                raise Refused([Finding(message=told, hint=_RESTART, source=job.source)]) from error
            finally:
                self._process = None
                process.kill()
        return reading


_RESTART: Final = "if Kordon was updated where it is installed, restart it"


def _start() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603
        command("kordon_proxy.policy_reader"),
        stdin=PIPE,
        stdout=PIPE,
        env=bare_environment(),
        cwd="/",
        start_new_session=True,  # Ctrl-C in a terminal is for the server
    )


def _ended(process: "subprocess.Popen[bytes]") -> str:
    code = process.wait()
    why = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
    return f"the process that reads the policy file ended before it was done: {why}"


class _Unhurried:
    """What another process writes, in pieces, so that other threads have their turn between them.

    What `pickle` reads in one go has Python's lock for a tenth of a second. Where it asks a function that is written in
    Python for each piece, others can have the lock meanwhile.

    Raises EOFError where it ends within a piece: `pickle` would say that it is damaged.
    """

    def __init__(self, its: IO[bytes]) -> None:
        self._its = its

    def read(self, size: int) -> bytes:
        piece = self._its.read(size)
        if len(piece) < size:
            raise EOFError
        return piece

    def readline(self) -> bytes:
        return self._its.readline()

    def readinto(self, buffer: Any) -> int:
        size: int = self._its.readinto(buffer)  # type: ignore[attr-defined]
        if size < len(buffer):
            raise EOFError
        return size


def read(job: Job) -> Reading:
    """Read a file in this process."""
    loaded = load(job.text, job.source, compat=job.compat, now=job.now)
    return Reading(None if loaded.document is None else Compiled(loaded.document), loaded.findings)


def read_for_another(job: Job) -> Reading:
    """Read a large file, for a process that has no time to work anything out."""
    compiled, findings = read(job)
    if compiled is None:
        return Reading(None, findings)
    compiled.prepare(Asked(roles=(*job.asked.roles, *_large_roles(compiled))))
    return Reading(compiled.packed(), findings)


def _large_roles(compiled: Compiled) -> Iterable[str]:
    left = _INDEXED
    for role, count in sorted(compiled.counts.items(), key=lambda one: -one[1]):
        left -= count
        if count < _MANY or left < 0:
            return
        yield role
