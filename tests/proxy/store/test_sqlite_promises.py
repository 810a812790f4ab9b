"""The embedded store keeps what every store promises."""

from functools import partial
from pathlib import Path

import pytest

from tests.proxy.store.given import Stores, a_store
from tests.proxy.store.promises import *  # noqa: F403 (all of them)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return partial(a_store, tmp_path / "kordon.db")
