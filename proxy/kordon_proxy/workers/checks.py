"""One report of readiness, from those of all workers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kordon_proxy.health import Check


@dataclass(frozen=True, slots=True)
class Told:
    """What one worker says. checks: None for one that does not answer; is_ready: whether it has been since its start;
    down: why it does not serve, where that is known."""

    name: str
    checks: Sequence[Check] | None
    is_ready: bool = False
    down: str | None = None


_ITS_OWN: Final = "event_loop"
"""A check that each process has for itself, the parent too."""


def of_all(told: Sequence[Told], *, has_been_ready: bool) -> Iterator[Check]:
    """Each check as all workers have it, and one for each worker.

    To become ready takes all of them. Later, while one of them starts again, its ports are closed and clients come to
    the others: that degrades the whole, as long as there is another.
    """
    others_serve = has_been_ready and any(one.is_ready and one.checks is not None for one in told)
    found: dict[str, list[tuple[Told, Check]]] = {}
    for one in told:
        starts = others_serve and not one.is_ready
        for check in one.checks or ():
            kept = replace(check, required=check.required and not starts)
            if check.name != _ITS_OWN:
                found.setdefault(check.name, []).append((one, kept))
    for one in told:
        yield _alive(one, required=not (others_serve and one.down is not None))
    for some in found.values():
        yield _as_one(some)


def _alive(one: Told, *, required: bool) -> Check:
    if one.checks is not None:
        return Check(name=one.name, ok=True)
    return Check(name=one.name, ok=False, detail=one.down or "it does not answer", required=required)


def _as_one(some: Iterable[tuple[Told, Check]]) -> Check:
    """The worst that there is of one check, and who says so."""
    worst: tuple[Told, Check] | None = None
    for told, check in some:
        if worst is None or (check.ok, not check.required) < (worst[1].ok, not worst[1].required):
            worst = told, check
    assert worst is not None
    told, check = worst
    return check if check.ok else replace(check, detail=f"{told.name}: {check.detail}".removesuffix(": "))
