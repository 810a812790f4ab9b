"""Python's garbage collector, where it can only be in the way."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Collect nothing meanwhile.

    Whoever makes millions of values that all stay has the collector walk through them again and again. It finds
    nothing, and takes more time than all the rest.
    """
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()
