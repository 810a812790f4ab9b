"""How Kordon starts processes of its own code beside this one: with the code that this one has, and no other.

Python would look for modules in the folder that it is started in first, and there anybody may have put some.
"""

import os
import sys
from typing import Final

_KEPT: Final = ("LD_LIBRARY_PATH", "PYTHONHOME")
"""What some installations need to start Python at all."""


def command(module: str, *words: str) -> list[str]:
    """The command line that runs a module."""
    return [sys.executable, "-P", "-m", module, *words]


def where_code_is() -> dict[str, str]:
    """The variable that makes it find what this process finds."""
    return {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}


def bare_environment() -> dict[str, str]:
    """What it needs to start, and nothing else of the environment, which may hold secrets."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | where_code_is()
