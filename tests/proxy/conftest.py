"""What the tests of judges and of sessions share."""

from collections.abc import Callable

import pytest

from kordon_proxy.judging.may import May
from tests.proxy.judging.worlds import make_may
from tests.proxy.sessions import links

__all__ = ["links", "may_for"]


@pytest.fixture
def may_for() -> Callable[..., May]:
    """Makes the rights of somebody: `worlds.make_may`."""
    return make_may
