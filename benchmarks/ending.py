"""How a run ends that is told to."""

import signal
import sys
from types import FrameType
from typing import Final

_TERMINATED: Final = 128 + signal.SIGTERM


def end_in_order() -> None:
    """Let SIGTERM unwind as Ctrl-C does, so that none of the processes that were started stays behind."""
    signal.signal(signal.SIGTERM, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(_TERMINATED)
