"""Figures by what they are about, as pages and plots show them."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "workers": ("one worker, *", "two workers, *", "* of two workers *"),
    "growth": ("CPU of round trips, *",),
    "throughput": ("produce, acks=*, MB/s", "consume, MB/s", "raw *, MB/s"),
    "cpu": ("*, CPU s/GB", "*, CPU s for 10,000 requests"),
    "round-trips": ("* round trip p??, ms",),
    "latency": ("ack latency at *", "end-to-end latency at *"),
    "connections": (
        "new connections, *",
        "CPU ms for a new connection",
        "memory of an idle connection *",
        "CPU with *",
    ),
    "process": ("start to ready, *", "memory at rest, *", "peak memory *"),
    "metadata": ("Metadata of *",),
    "groups": ("rebalance of *",),
    "decisions": ("decision, *",),
    "reload": ("reload of *",),
}
"""Name of a section to the patterns of its figures. A figure is in the first that it matches."""


def section_of(figure: str) -> str:
    """Raises KeyError for a figure that is in none."""
    for section, patterns in SECTIONS.items():
        if any(fnmatchcase(figure, pattern) for pattern in patterns):
            return section
    raise KeyError(f"no section has figures like {figure!r}")


def figures_of(section: str, figures: Iterable[str]) -> list[str]:
    """Those of the figures that are in a section, in the order of its patterns."""
    mine = [figure for figure in figures if section_of(figure) == section]
    patterns = SECTIONS[section]
    return sorted(mine, key=lambda figure: next(at for at, one in enumerate(patterns) if fnmatchcase(figure, one)))
