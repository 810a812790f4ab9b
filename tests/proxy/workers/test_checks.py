"""The readiness of several workers is told in one report, with the names that a single process has for its checks."""

from collections.abc import Sequence

from kordon_proxy.health import Check
from kordon_proxy.workers.checks import Told, of_all

FINE = Check(name="cluster prod", ok=True)
AWAY = Check(name="cluster prod", ok=False, detail="no broker answers")
DEGRADED = Check(name="cluster prod", ok=False, detail="a broker is away", required=False)


def serving(name: str, *checks: Check) -> Told:
    return Told(name, checks, is_ready=True)


def report(told: Sequence[Told], *, has_been_ready: bool = True) -> dict[str, Check]:
    return {check.name: check for check in of_all(told, has_been_ready=has_been_ready)}


def is_ready(told: Sequence[Told], *, has_been_ready: bool = True) -> bool:
    return all(check.ok for check in of_all(told, has_been_ready=has_been_ready) if check.required)


def test_a_check_that_holds_everywhere_is_told_once_as_one_process_would() -> None:
    told = report([serving("worker 1", FINE), serving("worker 2", FINE)])

    assert told == {
        "worker 1": Check(name="worker 1", ok=True),
        "worker 2": Check(name="worker 2", ok=True),
        "cluster prod": FINE,
    }


def test_a_check_that_fails_somewhere_fails_and_says_where() -> None:
    told = report([serving("worker 1", FINE), serving("worker 2", AWAY)])

    assert told["cluster prod"] == Check(name="cluster prod", ok=False, detail="worker 2: no broker answers")


def test_of_failures_the_one_that_is_required_is_told() -> None:
    told = report([serving("worker 1", DEGRADED), serving("worker 2", AWAY)])

    assert told["cluster prod"].detail == "worker 2: no broker answers"
    assert told["cluster prod"].required


def test_event_loops_are_told_by_worker_and_not_as_one() -> None:
    told = report([serving("worker 1", Check(name="event_loop", ok=True))])

    assert set(told) == {"worker 1"}


def test_to_become_ready_takes_all_workers() -> None:
    starts = Told("worker 2", None, down="it starts")
    reaches = Told("worker 2", [AWAY])

    for other in (starts, reaches):
        assert not is_ready([serving("worker 1", FINE), other], has_been_ready=False)


def test_a_worker_that_starts_again_degrades_while_another_serves() -> None:
    for again in (Told("worker 2", None, down="it has ended (signal 9), and starts again"), Told("worker 2", [AWAY])):
        told = [serving("worker 1", FINE), again]

        assert is_ready(told)
        assert not all(check.ok for check in report(told).values())


def test_when_no_worker_serves_it_is_not_ready() -> None:
    down = [Told(f"worker {number}", None, down="it starts") for number in (1, 2)]

    assert not is_ready(down)


def test_a_worker_that_serves_and_does_not_answer_is_a_failure() -> None:
    told = report([serving("worker 1", FINE), Told("worker 2", None, is_ready=True)])

    assert told["worker 2"] == Check(name="worker 2", ok=False, detail="it does not answer")


def test_a_worker_that_has_been_ready_and_is_not_any_more_is_a_failure() -> None:
    assert not is_ready([serving("worker 1", FINE), serving("worker 2", AWAY)])
