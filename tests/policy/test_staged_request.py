"""What somebody says to a staged mutation is read whole, or every mistake in it is told."""

import pytest

from kordon_policy.staged_request import read_answer


@pytest.mark.parametrize(("body", "reason"), [({}, ""), ({"reason": "OPS-7\nby phone"}, "OPS-7\nby phone")])
def test_a_reason_may_be_given(body: object, reason: str) -> None:
    said = read_answer(body)

    assert (said.possible, said.reason, said.findings) == (True, reason, ())


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], ""),
        (None, ""),
        ({"reason": 7}, "reason"),
        ({"reason": "x" * 1_001}, "reason"),
        ({"reasn": "x"}, "reasn"),
        ({"reason": "x", "by": "me"}, "by"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_its_place(body: object, path: str) -> None:
    said = read_answer(body)

    assert not said.possible
    assert [finding.path for finding in said.findings] == [path]
