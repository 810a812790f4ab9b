"""Nothing of a Kafka outlives the process that started it, however that one ends."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

_SCRIPT: Final = Path(__file__).with_name("watchdog.sh")


class Watchdog:
    """A process of its own that ends what it guards, and deletes the folder, when this process is gone or says so."""

    def __init__(self, folder: Path) -> None:
        # In a session of its own, so that Ctrl-C in a terminal is for Python alone.
        line = [shutil.which("sh") or "/bin/sh", str(_SCRIPT), str(folder)]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, cwd="/", start_new_session=True)

    def guard(self, pid: int) -> None:
        """Take care of one more process, whose command line names the folder."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{pid}\n".encode())
        self._process.stdin.flush()

    def clean_up(self) -> None:
        """End what still runs and delete the folder."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
