"""Fixtures of the judges' tests."""

from collections.abc import Callable

import pytest

from kordon_proxy.apis.may import May
from tests.proxy.apis.worlds import make_may


@pytest.fixture
def may_for() -> Callable[..., May]:
    """Makes the rights of somebody: `worlds.make_may`."""
    return make_may
