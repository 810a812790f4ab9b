"""What several requests to an API have alike: free texts, numbers, instants, names of clusters."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

from kordon_policy.actions import Domain
from kordon_policy.decision import listed
from kordon_policy.findings import Report, shown
from kordon_policy.lifecycle import LAST_INSTANT, instant
from kordon_policy.nodes import Broken, Node, Number
from kordon_policy.read import name_of, text_of

LONGEST: Final = {"reason": 1_000, "ticket": 200, "principal": 1_000}  # letters
FIRST_INSTANT: Final = 100_000_000_000
"""As ms in 1973, as seconds in 5138: whoever writes less means seconds, and has left three digits out."""


def free_text(key: str, values: Mapping[str, Node], report: Report) -> str:
    """Free text, or the name of a principal; "" if it is left out."""
    node = values.get(key)
    if node is None:
        return ""
    text = name_of(node, f"`{key}`", report) if key == "principal" else text_of(node, f"`{key}`", report, control=True)
    if text is not None and len(text) > LONGEST[key]:
        report.error(node, f"`{key}` is longer than {LONGEST[key]} letters", "say it in fewer")
    return text or ""


def whole_number_of(node: Node, what: str, report: Report, *, hint: str) -> int | None:
    """A whole number, of whatever size; no truth value, and no text of one."""
    value = node.value if isinstance(node, Number) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(node, Broken):
        report.error(node, f"{what} is a whole number", hint)
    return None


def milliseconds_of(node: Node, what: str, report: Report, *, example: str) -> int | None:
    """A time, or an instant since the epoch, in ms: above 0, and before the year 10000."""
    value = node.value if isinstance(node, Number) else None
    if not isinstance(value, int) or isinstance(value, bool):
        if not isinstance(node, Broken):
            report.error(node, f"{what} is a whole number of milliseconds", f"write it like {example}")
        return None
    if 0 < value <= LAST_INSTANT:
        return value
    report.error(node, f"{what} is {'not above 0' if value <= 0 else 'after the year 9999'}", "it is in milliseconds")
    return None


def must_be_known(
    node: Node, domain: Domain, name: str, known: Mapping[Domain, Collection[frozenset[str]]], report: Report
) -> None:
    """Report a cluster (registry, ...) of a name that none has."""
    names = sorted(frozenset().union(*known.get(domain, ())))
    if name not in names:
        hint = report.nearest(name, names) or (f"known are {listed(names)}" if names else "none is configured")
        report.error(node, f"no {domain} is known as {shown(name)}", hint)


def hint_of_instant(ts: int, now: int) -> str:
    """What to do about an instant (ms since the epoch) that has gone by: some write it in seconds."""
    return "instants are in milliseconds since the epoch" if ts < FIRST_INSTANT else f"now it is {instant(now)}"


def long(ms: int) -> str:
    """A time in a sentence: 3600000 ms (1:00:00)."""
    return f"{ms} ms ({timedelta(milliseconds=ms)})"
