"""From what decoders give to plain JSON values: text, numbers, truth values, lists, mappings."""

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

DEEPEST: Final = 100
"""Lists and mappings within each other. Whoever reads the answer needs room of his own for each of them."""


class TooDeep(ValueError):
    """More lists and mappings within each other than anybody should have to read."""


def plain(value: Any, depth: int = 0) -> Any:
    """Return the value as JSON has it.

    Bytes become base64, decimals text with all their digits, times ISO 8601, numbers that are none `"NaN"` and the like
    (as in Protobuf's JSON). Halves of surrogate pairs, which no UTF-8 can hold, become `\\udc00`. Raises TooDeep.
    """
    match value:
        case None | bool() | int():
            return value
        case str():
            return text(value)
        case float():
            return value if math.isfinite(value) else _no_number(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii")
        case Mapping():
            _check(depth)
            return {text(str(key)): plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple():
            _check(depth)
            return [plain(item, depth + 1) for item in value]
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal() | UUID() | timedelta():
            return str(value)
        case _:
            raise TypeError(f"a {type(value).__name__} is no JSON")


def text(value: str) -> str:
    """Return text that can be written in UTF-8."""
    if value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def to_json(value: Any) -> str:
    """Return plain values as JSON, in ASCII."""
    return _encoder.encode(value)


def from_json(content: str | bytes) -> Any:
    """Return plain values for JSON, of which `plain` has been made sure. Raises ValueError."""
    try:
        return plain(json.loads(content, parse_constant=_refuse, parse_float=_number))
    except RecursionError:
        raise TooDeep(f"more than {DEEPEST} lists and mappings within each other") from None


def _check(depth: int) -> None:
    if depth >= DEEPEST:
        raise TooDeep(f"more than {DEEPEST} lists and mappings within each other")


def _no_number(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number in it is too large")
    return value


_encoder: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":"))
