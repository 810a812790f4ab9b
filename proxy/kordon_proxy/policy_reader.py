"""The process that reads a large policy file: it is told which on standard input, and answers on standard output."""

import os
import pickle
import sys
from typing import Final

from .policy_file import Job, read_for_another

_NICE: Final = 5
"""How far it stands back behind those who serve."""


def main() -> None:
    """Read one file."""
    job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301 -- from the process that has started this one
    if job.aside:
        os.nice(_NICE)
    pickle.dump(read_for_another(job), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
    sys.stdout.buffer.flush()
    os._exit(0)  # without taking apart what is no longer needed


if __name__ == "__main__":
    main()
