"""Each figure is in one section, and sections are in an order of their own."""

import pytest

from benchmarks.sections import SECTIONS, figures_of, section_of


@pytest.mark.parametrize(
    ("figure", "section"),
    [
        ("produce, acks=all, MB/s", "throughput"),
        ("raw fetch, CPU s/GB", "cpu"),
        ("empty Fetch, CPU s for 10,000 requests", "cpu"),
        ("two workers, CPU s for 10,000 requests", "workers"),
        ("requests/s of two workers to one, ×", "workers"),
        ("Metadata round trip p50, ms", "round-trips"),
        ("Metadata of 100 of 5,000 topics, p50, ms", "metadata"),
        ("memory of an idle connection (5,000 of them), KB", "connections"),
        ("peak memory with 5,000 topics, MB", "process"),
        ("CPU of round trips, 5,000 rules to 5, ×", "growth"),
    ],
)
def test_a_figure_is_in_the_section_that_it_is_about(figure: str, section: str) -> None:
    assert section_of(figure) == section


def test_a_figure_of_no_section_is_noticed() -> None:
    with pytest.raises(KeyError, match=r"no section has figures like 'happiness'"):
        section_of("happiness")


def test_the_patterns_of_a_section_order_its_figures() -> None:
    figures = ["raw fetch, MB/s", "consume, MB/s", "raw fetch, CPU s/GB", "produce, acks=1, MB/s"]

    assert figures_of("throughput", figures) == ["produce, acks=1, MB/s", "consume, MB/s", "raw fetch, MB/s"]
    assert figures_of("reload", figures) == []
    assert "reload" in SECTIONS
