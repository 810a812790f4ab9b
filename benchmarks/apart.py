"""Run a measurement in a process of its own, so that none finds what another has left, and none can hang the run."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_SPAWN = multiprocessing.get_context("spawn")
LONGEST = 600.0
"""Seconds after which a measurement is given up."""


class Failed(Exception):
    """A measurement did not come to its end. The text says why."""


def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function of some module returns, in a new process. Raises Failed, whatever went wrong there."""
    ours, theirs = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_work, args=(theirs, work, args, kwargs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(LONGEST):
            raise Failed(f"no result after {LONGEST:g} s")
        result, fault = ours.recv()
    except EOFError:
        process.join()
        raise Failed(f"the process ended with {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        ours.close()
    if fault is not None:
        raise Failed(fault)
    answer: T = result
    return answer


def _work(out: Connection, work: Callable[..., Any], args: Any, kwargs: Any) -> None:
    try:
        out.send((work(*args, **kwargs), None))
    except Exception as error:
        out.send((None, f"{type(error).__name__}: {error}"))
    out.close()
