"""A module can be loaded without another one that it would use."""

import sys

import pytest

from kordon_proxy.without import without


def test_a_module_cannot_be_imported_within_the_block_and_can_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)

    with without("this"), pytest.raises(ModuleNotFoundError):
        import this  # noqa: F401

    assert "this" not in sys.modules


def test_it_can_be_imported_after_a_block_that_has_failed() -> None:
    with pytest.raises(ValueError), without("antigravity"):
        raise ValueError

    assert "antigravity" not in sys.modules


def test_what_is_loaded_already_stays_so() -> None:
    with without("pytest"):
        assert sys.modules["pytest"] is pytest

    assert sys.modules["pytest"] is pytest
