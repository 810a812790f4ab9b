"""A life of many requests, on connections that come and go."""

from benchmarks.figures import Figure
from benchmarks.measures.raw import pump
from benchmarks.messages import metadata_of
from benchmarks.targets import Target
from benchmarks.wire import Connection, framed

_CONNECTIONS = 4
_IN_FLIGHT = 4
_LIVES = 100


def live(target: Target, topic: str, requests: int) -> list[Figure]:
    """Ask so many things, a hundredth of them on each set of connections."""
    frames = [framed(metadata_of(topic))] * _CONNECTIONS

    def taken(_: Connection, __: bytes) -> int:
        return 1

    for _ in range(_LIVES):
        pump(target, frames, requests // _LIVES, _IN_FLIGHT, taken)
    return []
