"""Member ids as others are told them."""

import pytest

from kordon_proxy.judging.member_ids import is_masked, masked

CLASSIC = "app-1-3f2a9c1e-5b7d-4c11-a1b2-0123456789ab"
NEW = "Qm9yZGVyLWNhc2UtaWQtMQ"
"""As Kafka's own clients choose one (KIP-848)."""


@pytest.mark.parametrize("member_id", [CLASSIC, NEW])
def test_the_beginning_is_told_so_that_people_know_which_member_it_is(member_id: str) -> None:
    told = masked(member_id)

    assert told == member_id[:-12] + "************"
    assert is_masked(told)
    assert not is_masked(member_id)


@pytest.mark.parametrize("member_id", ["m", "member-id-12"])
def test_nothing_is_told_of_an_id_that_is_short(member_id: str) -> None:
    assert masked(member_id) == "************"


def test_no_id_stays_none() -> None:
    assert masked("") == ""
    assert not is_masked("")


def test_an_id_that_is_masked_already_stays_as_it_is() -> None:
    assert masked(masked(CLASSIC)) == masked(CLASSIC)
