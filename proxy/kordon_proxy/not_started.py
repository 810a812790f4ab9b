"""Why a Kordon does not start, in one line for whoever started it."""

from typing import Final

from .audit.segments import AuditError
from .binding import CannotServe
from .config.findings import Refused
from .config.model import Config
from .identity.tls import TlsFault
from .reasons import reason_and_file
from .store.interface import StoreUnavailable


class WorkerNotStarted(Exception):
    """One of several workers could not start; the text says why."""


REASONS: Final = (StoreUnavailable, AuditError, CannotServe, TlsFault, OSError, WorkerNotStarted)
"""What a start can fail with besides Refused, which has every mistake with its place."""


def why_not(error: Exception, config: Config) -> str:
    """Return the line for one of `REASONS`, or for files that were refused."""
    match error:
        case Refused():
            return error.brief
        case StoreUnavailable() if config.store.type == "sqlite":
            return f"{error}; mend it, or name another file in `store.file`"
        case OSError() if not isinstance(error, TlsFault):
            return f"cannot start: {reason_and_file(error)}"
    return str(error)
