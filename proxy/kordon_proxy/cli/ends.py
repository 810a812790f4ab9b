"""When something ends that a command is to make: a password, a token."""

import time
from datetime import UTC, datetime

from kordon_proxy.config.findings import Mistake
from kordon_proxy.config.quantities import parse_duration, parse_instant


def end_of(text: str | None, what: str) -> float | None:
    """Return when it ends, in seconds since the epoch, for `90d` or a date and time; None for None.

    Raises Mistake for what is neither, or over already.
    """
    if text is None:
        return None
    now = time.time()
    try:
        ends = now + parse_duration(text)
    except Mistake:
        try:
            ends = parse_instant(text)
        except Mistake:
            raise Mistake(f"`{text}` is no time and no date, as in 90d or 2027-01-31T12:00:00Z") from None
    if ends <= now:
        raise Mistake(f"a {what} until {text} would have ended already")
    return ends


def date(instant: float) -> str:
    """Write an instant (seconds since the epoch) as a file does."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
