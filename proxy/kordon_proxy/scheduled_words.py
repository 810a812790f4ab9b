"""What a scheduled mutation does and to which offsets, in a word or two; of answers, of requests, and of events."""

from collections.abc import Mapping
from typing import Any

from kordon_proxy.times import shown_date


def operation_of(one: Mapping[str, Any]) -> str:
    """As `skip 10`, or `reset to earliest`."""
    what = str(one["operation"])
    if one.get("to") is not None:
        what += f" to {_place(one['to'])}"
    if one.get("count") not in (None, 1):
        what += f" {one['count']}"
    return what


def part_of(one: Mapping[str, Any]) -> str:
    """As `tx_trade1-3`, or `all` of the group."""
    if one.get("topic") is None:
        return "all"
    return str(one["topic"]) + ("" if one.get("partition") is None else f"-{one['partition']}")


def _place(to: str | Mapping[str, int | str]) -> str:
    if isinstance(to, str):
        return to
    ((kind, value),) = to.items()
    return shown_date(value) if kind == "time" and isinstance(value, int) else str(value)
