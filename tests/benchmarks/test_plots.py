"""A picture of the same figures is the same file."""

from pathlib import Path
from xml.etree import ElementTree

from benchmarks.plots import plot
from tests.benchmarks.results import SPEED, TRIP, a_result


def test_a_picture_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "another"):
        plot(a_result(), "throughput", tmp_path / f"{name}.svg")

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "another.svg").read_bytes()


def test_a_picture_shows_figures_and_targets_as_text(tmp_path: Path) -> None:
    for section, figure, label in (
        ("throughput", SPEED, "MB/s, ratio to direct"),
        ("round-trips", TRIP, "ms, difference to direct"),
        ("cpu", "raw fetch, CPU s/GB", "CPU s/GB"),
    ):
        plot(a_result(), section, tmp_path / "a.svg")

        words = {text.strip() for text in ElementTree.parse(tmp_path / "a.svg").getroot().itertext()}
        assert {figure, label, "kordon"} <= words
        assert "direct" not in words  # all others are shown as their ratio to it
