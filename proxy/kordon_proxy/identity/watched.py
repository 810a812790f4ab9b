"""Files that are read again when they change, and of which the last good version stays in use."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from kordon_proxy.config.findings import Refused
from kordon_proxy.reasons import reason_of

T = TypeVar("T")
Fingerprint = tuple[int, int, int]


class WatchedFile(Generic[T]):
    """The contents of one file. `load` raises `Refused` or `OSError` for one that cannot be used."""

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        """Load it. Raises what `load` raises: at the start there is no older version to keep."""
        self.path = path
        self.problem: str | None = None
        """Why the file as it is now is not in use; None while it is."""
        self._load = load
        self._seen = fingerprint(path)
        self.value = load(path)

    def poll(self) -> bool:
        """Load the file again if it has changed. Says whether the value, or the problem, is another one now."""
        seen = fingerprint(self.path)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.value = self._load(self.path)
        except Refused as refused:
            self.problem = str(refused)
        except OSError as error:
            self.problem = f"cannot read {self.path}: {reason_of(error)}"
        else:
            self.problem = None
        return True


def fingerprint(path: Path) -> Fingerprint | None:
    """Return what changes with a file: size, time and inode (which Kubernetes' swap of a symbolic link changes)."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
