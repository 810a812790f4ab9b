"""Whatever was acknowledged is there after kill -9, and each change is told, under one id, by somebody."""

from pathlib import Path
from typing import Final

from tests.proxy.granting import file_of
from tests.proxy.store.given import a_shared_file
from tests.proxy.store.killing import kill_and_compare

NOBODY: Final = "127.0.0.1:1"


def test_nothing_acknowledged_is_lost_and_every_change_is_told(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, a_shared_file(file_of(tmp_path)), cluster=NOBODY)
