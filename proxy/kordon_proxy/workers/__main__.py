"""`python -m kordon_proxy.workers <descriptor>` is one worker; the descriptor is of its socket to the parent."""

import gc
import sys

from kordon_proxy.without import UNUSED, without


def run() -> int:
    """Be a worker. Returns the exit code."""
    gc.disable()  # what modules make while they are loaded stays: there is nothing to collect
    with without(*UNUSED):
        from .worker import main

    gc.freeze()
    gc.enable()
    return main(int(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(run())
