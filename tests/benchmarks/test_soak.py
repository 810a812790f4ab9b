"""What a long run is judged by, and that what comes and goes around it ends with it."""

import threading

import pytest

from benchmarks.churn import Churn, happening
from benchmarks.soak import WINDOWS, Window, faults_in, main


def windows(**values: list[float]) -> list[Window]:
    """Twelve that are alike but for what is given."""
    even = {"p50": 1.0, "p99": 2.0, "memory_mb": 100.0}
    return [
        Window(
            seconds=50.0,
            requests=9,
            files=20,
            threads=3,
            **{**even, **{name: told[at] for name, told in values.items()}},
        )
        for at in range(WINDOWS)
    ]


def test_what_stays_as_it_is_has_no_fault() -> None:
    noisy = [2.0, 9.0, 2.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 3.0, 9.0, 3.0]
    warming = [60.0, 90.0, 95.0, 99.0, 100.0, 100.0, 101.0, 101.0, 102.0, 102.0, 103.0, 103.0]
    assert faults_in(windows(), 20, 20) == []
    assert faults_in(windows(p99=noisy, memory_mb=warming), 20, 19) == []


@pytest.mark.parametrize(
    ("values", "after", "fault"),
    [
        ({}, 23, "3 more files are open"),
        ({"memory_mb": [100.0 + 4 * at for at in range(WINDOWS)]}, 20, "memory has grown by 1"),
        ({"p99": [1.0 + at for at in range(WINDOWS)]}, 20, "the 99th percentile is"),
    ],
)
def test_what_grows_is_said(values: dict[str, list[float]], after: int, fault: str) -> None:
    (found,) = faults_in(windows(**values), 20, after)
    assert fault in found


def test_all_that_happens_ends_with_the_block_and_its_faults_are_told() -> None:
    def fail() -> None:
        raise ValueError("no")

    enough = threading.Event()
    churns = (
        Churn(name="steps", every=0.001, step=enough.set),
        Churn(name="fails", every=0.001, step=fail),
    )
    with happening(churns) as (happened, faults):
        assert enough.wait(10)
    assert faults == ["fails: ValueError('no')"]
    assert happened["steps"] >= 1
    assert "fails" not in happened
    assert {"steps", "fails"}.isdisjoint(thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("minutes", ["0", "-1", "many", "nan", "inf"])
def test_a_run_of_no_length_does_not_begin(
    minutes: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["soak", f"--minutes={minutes}"])

    with pytest.raises(SystemExit, match=r"2"):
        main()

    assert f"{minutes} is no number of minutes" in capsys.readouterr().err
