"""Which names may be a principal."""

import pytest

from kordon_proxy.principals import fault_of


@pytest.mark.known_fault(5)
@pytest.mark.parametrize(
    "name", ["alice", "svc-trade", "User:x", "a*", "a@b", "=2C", "名前", "ａｂｃ", "a b", "x" * 256]
)
def test_a_name_is_literal_whatever_it_looks_like(name: str) -> None:
    assert fault_of(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "empty"),
        ("*", "stands for others"),
        ("ANONYMOUS", "stands for others"),
        ("kordon", "is Kordon itself in the audit"),
        (" alice", "space"),
        ("alice ", "space"),
        ("a\nb", "control"),
        ("a\0b", "control"),
        ("a\x7fb", "control"),
        ("a\u2028b", "control"),
        ("x" * 257, "257 bytes"),
        ("é" * 129, "258 bytes"),
        ("\ud800", "Unicode"),
    ],
)
def test_other_names_are_refused(name: str, fault: str) -> None:
    assert fault in (fault_of(name) or "")
