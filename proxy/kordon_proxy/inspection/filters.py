"""Filters in jq syntax, by libjq. Only ever used in the worker: an expression can run for ever, or take all memory."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import jq

from .plain import to_json

_LONGEST: Final = 300
_MODULE: Final = re.compile(r"module not found|error loading|could not open", re.IGNORECASE)

Filter = Callable[[Mapping[str, Any]], bool]
"""Whether a record is wanted. Raises FilterFault where the expression fails for it."""


class FilterFault(ValueError):
    """An expression that is wrong, or that fails for a record."""


def compile_filter(expression: str) -> Filter:
    """Return the filter. A record is wanted if any of what it gives is neither false nor null. Raises FilterFault."""
    try:
        program = jq.compile(expression)
    except ValueError as error:
        if _MODULE.search(str(error)):  # nor is told whether there is such a file
            raise FilterFault("modules and files cannot be imported") from None
        raise FilterFault(_reason(error)) from None

    def is_wanted(record: Mapping[str, Any]) -> bool:
        try:
            return any(one is not None and one is not False for one in program.input_text(to_json(record)))
        except ValueError as error:
            raise FilterFault(_reason(error)) from None

    return is_wanted


def _reason(error: ValueError) -> str:
    """Return the first line of what jq says."""
    lines = str(error).strip().splitlines() or ["it fails"]
    return lines[0].removeprefix("jq: error: ").replace(" at <top-level>,", " in")[:_LONGEST].rstrip(": ")
