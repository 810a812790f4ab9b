"""The page about performance says what the result files say."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.page import PAGE, RESULTS, filled, pictures, soak_table
from benchmarks.results import Results

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_result_files_give() -> None:
    assert filled(TEXT) == TEXT, "python -m benchmarks page writes it anew"


def test_the_page_has_every_figure_of_the_run() -> None:
    for name in {row.figure.name for row in Results.read(RESULTS / "main.json").rows}:
        assert f"| {name} |" in TEXT


def test_each_picture_of_the_page_is_there() -> None:
    folder = PAGE.parent
    linked = re.findall(r"\]\((performance/[^)]+\.svg)\)", TEXT)

    assert {f"performance/{run}-{section}.svg" for run, section in pictures(TEXT)} < set(linked)
    assert all((folder / link).is_file() for link in linked)


def test_a_run_that_is_shown_tells_with_what_and_where_it_was_made() -> None:
    results = Results.read(RESULTS / "main.json")

    assert {"Kafka", "Python", "uvloop", "kio", "confluent-kafka", "kernel"} <= results.versions.keys()
    assert {"cores", "CPU", "memory, GiB"} <= results.machine.keys()
    assert results.command.startswith("python -m benchmarks")
    assert not results.failures


def test_a_long_run_tells_with_what_it_was_made_and_what_went_wrong(tmp_path: Path) -> None:
    window = {"seconds": 50.0, "requests": 9_000, "p50": 0.2, "p99": 1.5, "memory_mb": 70.0, "files": 20, "threads": 3}
    result = {
        "command": "python -m benchmarks.soak --minutes 10",
        "when": "2026-11-29T12:00:00Z",
        "versions": {"Kafka": "4.3.1", "Python": "3.11.7"},
        "machine": {"cores": 2},
        "windows": [window, {**window, "requests": 8_000}],
        "happened": {"connections": 12_000, "reloads": 60},
        "files": {"before": 14, "after": 15},
        "faults": ["1 more files are open than before anybody came"],
    }
    (tmp_path / "soak.json").write_text(json.dumps(result), encoding="utf-8")

    assert soak_table(tmp_path / "soak.json") == (
        "* 2026-11-29T12:00:00Z\n"
        "* cores: 2\n"
        "* Kafka 4.3.1, Python 3.11.7\n"
        "* `python -m benchmarks.soak --minutes 10`\n"
        "* happened: 12,000 connections, 60 reloads\n"
        "* open files with nobody there: 14 before, 15 after\n"
        "* faults: 1 more files are open than before anybody came\n"
        "\n"
        "| minutes | requests | p50, ms | p99, ms | memory, MB | open files |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| 0.8 | 9,000 | 0.20 | 1.50 | 70.0 | 20 |\n"
        "| 1.7 | 8,000 | 0.20 | 1.50 | 70.0 | 20 |\n"
    )


def test_a_mark_that_says_nothing_is_noticed() -> None:
    with pytest.raises(ValueError, match=r"what is 'tabel main cpu'"):
        filled("<!-- benchmarks: tabel main cpu -->\n<!-- end -->")
