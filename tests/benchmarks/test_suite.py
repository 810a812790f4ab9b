"""A run of the suite: its order, and one that is real, but of a few megabytes."""

import os
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.apart import Failed, apart
from benchmarks.kafka import Cluster
from benchmarks.results import Results
from benchmarks.sizes import QUICK
from benchmarks.started import Started
from benchmarks.suite import Suite
from benchmarks.table import grouped
from benchmarks.targets import target_at


def test_each_round_begins_with_another_target() -> None:
    targets = [target_at(name, "127.0.0.1:1") for name in "abc"]
    cluster = Cluster(plain="127.0.0.1:1", sasl="127.0.0.1:2", pid=None)
    suite = Suite(Started(cluster=cluster, targets=tuple(targets), narrow={}, commands=()), QUICK, frozenset())

    orders = ["".join(target.name for target in suite.order(number)) for number in suite.rounds()]

    assert orders == ["cab", "abc"]  # the first warms up


def test_a_measurement_has_a_process_of_its_own() -> None:
    assert apart(os.getppid) == os.getpid()


def test_a_measurement_that_fails_says_why() -> None:
    with pytest.raises(Failed, match=r"ValueError: invalid literal"):
        apart(int, "x")


def test_a_measurement_whose_process_ends_has_failed() -> None:
    with pytest.raises(Failed, match=r"ended with 3"):
        apart(os._exit, 3)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--only", "speed"], "no measure speed; there are start, connections"),
        (["127.0.0.1:9092"], "'127.0.0.1:9092' is not of the form NAME=HOST:PORT"),
        (["proxy=127.0.0.1:9092"], "say with --kafka which"),
        (["proxy=127.0.0.1:9092", "proxy=127.0.0.1:9093"], "more than one target proxy"),
        (["kordon=127.0.0.1:9092"], "more than one target kordon"),
        (["--kafka", "127.0.0.1:9092"], "is not of the form HOST:PORT,HOST:PORT"),
        (["--start", "proxy"], "is not of the form NAME=HOST:PORT:COMMAND"),
        (["--before", "/"], "no checkout of Kordon"),
        (["--without", "relay"], "there is no target relay"),
        (["--without", "kordon"], "cannot be left out"),
        (["--rounds", "0"], "no number from 1 on"),
        (["--pin", "0"], "is not of the form OURS:THEIRS"),
        (["--pin", "0:9999"], "this machine has the CPUs"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(
    words: list[str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"2"):
        main(words)

    assert fault in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["table"], "usage: python -m benchmarks table FILE"),
        (["page", "x"], "usage: python -m benchmarks page"),
        (["table", "/dev/null"], "no result file"),
        (["plots", "/dev/null/x", "."], "Not a directory"),
        (["--kafka", "127.0.0.1:1,127.0.0.1:2"], "direct: nothing answers at 127.0.0.1:1"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(words: list[str], fault: str) -> None:
    with pytest.raises(SystemExit, match=fault):
        main(words)


def test_a_real_run_measures_kafka_and_kordon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"
    only = "start,produce,consume,raw-produce,raw-fetch,round-trips,metadata,rebalance"

    sizes = ["--quick", "--cold", "--megabytes", "2", "--round-trips", "20", "--topics", "50"]
    main([*sizes, "--without", "bare", "--only", only, "--out", str(file)])

    results = Results.read(file)
    assert results.targets == ("direct", "direct-sasl", "kordon")
    assert not results.failures
    found = grouped(results.rows)
    for name in ("produce, acks=1", "consume", "raw produce", "raw fetch"):
        assert found[f"{name}, MB/s"].keys() == set(results.targets)
        assert found[f"{name}, CPU s/GB"].keys() == {"kordon"}
    for name in ("Produce", "Metadata", "OffsetCommit", "empty Fetch"):
        assert found[f"{name} round trip p50, ms"].keys() == set(results.targets)
    assert found["Metadata of 50 topics, topics seen"] == {
        name: {0: 51 if name != "kordon" else 50} for name in results.targets
    }
    assert found["Metadata of 1 of 50 topics, topics seen"]["kordon"] == {0: 1}
    assert found["start to ready, ms"].keys() == {"kordon"}
    assert found["rebalance of 50 members, p50, ms"].keys() == set(results.targets)
    shown = capsys.readouterr().out
    assert all(name in shown for name in found)
