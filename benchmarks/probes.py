"""Do targets that are said to run already answer? Asked before the half hour in which each measure would fail."""

from collections.abc import Iterable, Iterator

from benchmarks.messages import METADATA, a_request
from benchmarks.processes import tree
from benchmarks.targets import PASSWORD, USER, Target
from benchmarks.wire import Connection, Refused


def faults_of(targets: Iterable[Target]) -> list[str]:
    """What keeps these targets from being measured, and what to do about it."""
    return [f"{target.name}: {fault}" for target in targets for fault in _faults(target)]


def _faults(target: Target) -> Iterator[str]:
    if target.pid is not None and not tree(target.pid):
        yield f"there is no process {target.pid}, so its CPU time and memory would be told as nothing"
    try:
        with Connection(target) as connection:
            # Those that want a login answer ApiVersions without one.
            connection.ask_message(a_request(*METADATA, topics=()))
    except OSError as error:
        yield f"nothing answers at {target.address}: {error.strerror or error}; start it first"
    except Refused as refused:
        if target.sasl:
            yield f"{target.address} does not let {USER} / {PASSWORD} in by SASL PLAIN: {refused}"
        else:
            yield f"{target.address} does not answer Metadata: {refused}; where it wants a login, add ,sasl"
