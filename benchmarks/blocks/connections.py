"""What it costs to start, to be there, and to have connections, by processes that have done nothing else yet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.kordons import a_kordon, target_of
from benchmarks.measures.idle import idle_connections, new_connections
from benchmarks.measures.start import answers, start_to_ready
from benchmarks.started import bare_relay
from benchmarks.suite import Suite
from benchmarks.targets import BARE, KORDON, Target
from benchmarks.wire import Refused
from kordon_proxy.demo.kordon import Kordon

_SHARE: Final = 5
"""Of the connections that are kept open, so many fewer are opened again and again, in turns."""


def start(suite: Suite) -> None:
    """Kordon, and the commands that were given for others."""
    with a_kordon(suite.there.cluster.plain) as kordon:  # whose files and ports are there from now on
        target = target_of(kordon, KORDON)
        for number in range(suite.sizes.starts):
            kordon.terminate()
            _started(suite, target, number, lambda: _again(kordon), lambda: answers(target) and _is_ready(kordon))
    for number in range(suite.sizes.starts):
        for command in suite.there.commands:
            with command.running() as begin:
                _started(suite, command.target, number, begin, lambda: answers(command.target))  # noqa: B023 -- at once


def connections(suite: Suite) -> None:
    """Memory of idle ones, then the cost of new ones."""
    with suite.topic("connections") as topic:
        for target in suite.targets:
            if target.pid is None:
                continue
            with _fresh(suite, target) as one:
                suite.measure(one, 0, idle_connections, topic, suite.sizes.connections, peak=None)
        for number in suite.rounds():
            for target in suite.order(number):
                suite.measure(target, number, new_connections, topic, suite.sizes.connections // _SHARE, peak=None)


def _started(suite: Suite, target: Target, number: int, begin: Callable[[], int], ready: Callable[[], bool]) -> None:
    try:
        suite.note(target, number, start_to_ready(target, begin, ready))
    except Refused as error:
        suite.fail(str(error))


def _again(kordon: Kordon) -> int:
    kordon.start(wait=False)
    return kordon.pid


def _is_ready(kordon: Kordon) -> bool:
    try:
        return kordon.get("/readyz")[0] == 200
    except OSError:
        return False


@contextmanager
def _fresh(suite: Suite, target: Target) -> Iterator[Target]:
    """A process of the same kind that has done nothing yet; where we did not start it, it is as it was found."""
    address = suite.there.cluster.plain
    if target.name == BARE:
        with bare_relay(address) as relay:
            yield relay
    elif target.name == KORDON:
        with a_kordon(address) as kordon:
            yield target_of(kordon, KORDON)
    else:
        yield target
