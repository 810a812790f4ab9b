"""Load libraries without those modules that they would use if they were there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

UNUSED: Final = ("hypothesis", "rich")
"""kio describes its types to Hypothesis, for tests, and structlog would show tracebacks by Rich, which the log does not
want. With them a server takes a third longer to start, and 12 MB more."""


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Within the block these modules cannot be imported, unless they have been already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: an import raises ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
