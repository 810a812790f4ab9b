"""Times as one types them, and as they are shown: for people, and as files have them."""

import time
from datetime import UTC, datetime

from kordon_proxy.config.findings import Mistake
from kordon_proxy.config.quantities import parse_duration, parse_instant, spell_instant


def moment(text: str, now: float, *, ago: bool = False) -> float:
    """Return seconds since the epoch for a date and time (UTC where it has no zone), or for `30m` from now on.

    With `ago`, `30m` and `-30m` are before now. Raises Mistake for what is neither.
    """
    try:
        return now - parse_duration(text.removeprefix("-")) if ago else now + parse_duration(text)
    except Mistake:
        return parse_instant(text)


def end_of(text: str | None, what: str) -> float | None:
    """Return when it ends that a command is to make, in seconds since the epoch, for `90d` or a date; None for None.

    Raises Mistake for what is neither, or over already.
    """
    if text is None:
        return None
    now = time.time()
    try:
        ends = moment(text, now)
    except Mistake:
        raise Mistake(f"`{text}` is no time and no date, as in 90d or 2027-01-31T12:00:00Z") from None
    if ends <= now:
        raise Mistake(f"a {what} until {text} would have ended already")
    try:
        spell_instant(ends)
    except (OverflowError, ValueError):
        raise Mistake(f"a {what} for {text} would end after the year 9999; without an end leave it out") from None
    return ends


def duration_ms(option: str, text: str) -> int:
    """Return ms for the duration that an option has. Raises Mistake."""
    try:
        return round(parse_duration(text) * 1000)
    except Mistake as mistake:
        raise Mistake(f"{option}: {mistake}", mistake.hint) from None


def shown_date(ts: int) -> str:
    """An instant (ms since the epoch) for people, to the second."""
    return f"{datetime.fromtimestamp(ts / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"
