"""What options of `kordon audit` mean."""

from collections.abc import Iterable, Sequence

from kordon_policy.patterns import Pattern, pattern
from kordon_proxy.audit.event import rfc3339
from kordon_proxy.audit.filters import KINDS, VERDICTS, Filter
from kordon_proxy.config.findings import Mistake
from kordon_proxy.times import moment


def wanted(
    now: int,
    *,
    who: Sequence[str] | None = None,
    roles: Sequence[str] | None = None,
    what: Sequence[str] | None = None,
    tenants: Sequence[str] | None = None,
    verdicts: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Filter:
    """Return the filter that the options ask for. now: ms since the epoch. Raises Mistake."""
    return Filter(
        who=_patterns(who),
        roles=tuple(roles or ()),
        what=_patterns(what),
        tenants=_patterns(tenants),
        verdicts=_known("--verdict", verdicts, VERDICTS),
        kinds=_known("--type", kinds, KINDS),
        since=None if since is None else _instant("--since", since, now),
        until=None if until is None else _instant("--until", until, now),
    )


def _instant(option: str, text: str, now: int) -> str:
    """The instant that an option means, as events have it."""
    try:
        return rfc3339(max(0, round(moment(text, now / 1000, ago=True) * 1000)))
    except Mistake:
        raise Mistake(f"{option} {text}: this is no time", "as in 2027-01-31T12:00:00Z, 30m or 7d ago") from None


def _patterns(texts: Iterable[str] | None) -> tuple[Pattern, ...]:
    return tuple(map(pattern, texts or ()))


def _known(option: str, words: Iterable[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    found = tuple(word.lower() for word in words or ())
    if unknown := [word for word in found if word not in known]:
        raise Mistake(f"{option} {unknown[0]}: there is no such", f"one of {', '.join(known)}")
    return found
