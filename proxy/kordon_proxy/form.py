"""In which form this Kordon runs: its hot modules compiled, or all of it as it is written."""

from typing import Final

from kordon_protocol import errors

IS_COMPILED: Final = not errors.__file__.endswith(".py")
"""Of the modules that an install may compile all are, or none."""
