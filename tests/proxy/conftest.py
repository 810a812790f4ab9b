"""What the tests of judges and of sessions share."""

import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from kordon_proxy.judging.may import May
from tests.proxy.judging.worlds import make_may
from tests.proxy.sessions import links

__all__ = ["links", "may_for"]


@pytest.fixture
def may_for() -> Callable[..., May]:
    """Makes the rights of somebody: `worlds.make_may`."""
    return make_may


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Logging is global: put back what was configured."""
    root = logging.getLogger()
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raises
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
