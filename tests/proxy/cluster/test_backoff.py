"""Waiting between tries."""

from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.cluster.backoff import FIRST, MOST, Backoff


def test_the_wait_doubles_up_to_a_limit() -> None:
    backoff = Backoff(first=0.1, most=5.0, jitter=lambda: 1.0)

    assert [backoff.fail() for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_success_begins_again_at_the_shortest_wait() -> None:
    backoff = Backoff(first=0.1, most=5.0, jitter=lambda: 1.0)
    for _ in range(5):
        backoff.fail()

    backoff.succeed()

    assert backoff.fail() == 0.1


@given(st.integers(0, 3_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_stays_between_half_and_all_of_it_however_often_it_failed(failures: int, jitter: float) -> None:
    backoff = Backoff(jitter=lambda: jitter)
    for _ in range(failures):
        backoff.fail()

    assert FIRST / 2 <= backoff.fail() <= MOST
