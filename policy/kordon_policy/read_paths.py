"""The paths of a file."""

from typing import Final, NamedTuple

from kordon_policy.actions import KINDS, Domain, Kind
from kordon_policy.findings import Report, shown
from kordon_policy.model import Path
from kordon_policy.nodes import Broken, Node, Scalar, Sequence
from kordon_policy.patterns import STAR, pattern
from kordon_policy.read import name_of

_SHAPE: Final = "a path is [DOMAIN, DOMAIN_ID, TYPE, NAME], or the first of these"
_DOMAINS: Final = frozenset(Domain)
_TYPES: Final = frozenset(Kind)
_FLINK: Final = "flink"  # a domain of Kpow's that Kordon has no gateway for


class Placed(NamedTuple):
    """A path that covers something, and where it stands."""

    path: Path
    node: Node


def paths_of(node: Node, key: str, nothing: str, report: Report) -> list[Placed]:
    """The paths under `resources`, `include` or `exclude`; `nothing` says what comes of a path that covers nothing."""
    if isinstance(node, Broken):
        return []
    if not isinstance(node, Sequence):
        report.error(node, f"`{key}` is a list of paths", _SHAPE)
        return []
    if any(isinstance(item, Scalar) for item in node.items):
        report.error(
            node, f"`{key}` is a list of paths, and this one has bare texts in it", "put each path in brackets"
        )
        return []
    found = (path_of(item, nothing, report) for item in node.items)
    return [placed for placed in found if placed is not None]


def path_of(node: Node, nothing: str, report: Report) -> Placed | None:
    """One path. `None` if it is refused or covers nothing, which is reported."""
    if isinstance(node, Broken):
        return None
    if not isinstance(node, Sequence):
        report.error(node, "a path is a list of texts", _SHAPE)
        return None
    if any(isinstance(item, Sequence) for item in node.items):
        report.error(node, "a list of paths where one path belongs", "write `resources:` for more than one path")
        return None
    elements = [name_of(item, "an element of a path", report) for item in node.items]
    if not 1 <= len(elements) <= 4:
        report.error(node, f"a path of {len(elements)} elements", _SHAPE)
        return None
    texts = [text for text in elements if text is not None]
    if len(texts) < len(elements):
        return None
    if texts == [STAR]:
        return Placed(Path(domain=None), node)
    domain = _domain_of(texts, node, nothing, report)
    return None if domain is None else _path_in(domain, texts, node, nothing, report)


def _domain_of(texts: list[str], node: Sequence, nothing: str, report: Report) -> Domain | None:
    at, domain = node.items[0], texts[0]
    if domain in _DOMAINS:
        return Domain(domain)
    if domain == _FLINK:
        report.notice(at, f"Kordon has nothing to do with flink: {nothing}", "")
    elif domain == STAR:
        report.error(at, '"*" as a DOMAIN stands alone', 'write ["*"] for everything, or name the DOMAIN')
    else:
        hint = report.nearest(domain, list(Domain)) or f"a DOMAIN is one of {', '.join(Domain)}"
        report.error(at, f"{shown(domain)} is no DOMAIN", hint)
    return None


def _path_in(domain: Domain, texts: list[str], node: Sequence, nothing: str, report: Report) -> Placed | None:
    domain_id = texts[1] if len(texts) > 1 and texts[1] != STAR else None
    if domain_id is not None and STAR in domain_id:
        report.warning(
            node.items[1],
            f"{shown(domain_id)} is taken letter by letter, there are no patterns of {domain} names: {nothing}",
            _hint_for_glob(domain, texts),
        )
    if len(texts) < 3:
        return Placed(Path(domain=domain, domain_id=domain_id), node)
    kind = _kind_of(domain, texts[2], node.items[2], nothing, report)
    if kind is None:
        return None
    name = pattern(texts[3]) if len(texts) == 4 else None
    if name is not None and (name.middle or (name.head and name.tail and not name.exact) or texts[3].count(STAR) > 2):
        report.notice(node.items[3], f"{shown(texts[3])} has a star in an unusual place; it works", "")
    return Placed(Path(domain=domain, domain_id=domain_id, kind=kind, name=name), node)


def _hint_for_glob(domain: Domain, texts: list[str]) -> str:
    if len(texts) > 2:
        return f'name each {domain}, or write "*" for all of them'
    kind = KINDS[domain][0]
    return f'for names that match, write ["{domain}", "*", "{kind}", {shown(texts[1])}]'


def _kind_of(domain: Domain, text: str, at: Node, nothing: str, report: Report) -> Kind | None:
    kinds = KINDS[domain]
    if text in kinds:
        return Kind(text)
    if text == STAR:
        report.error(at, '"*" is no TYPE', "end the path before the TYPE to mean all of them")
    elif text in _TYPES:
        report.warning(at, f"{shown(text)} is a TYPE of {Kind(text).domain}, not of {domain}: {nothing}", "")
    else:
        hint = report.nearest(text, kinds) or f"the TYPEs of {domain} are {', '.join(kinds)}"
        report.warning(at, f"{shown(text)} is no TYPE of {domain}: {nothing}", hint)
    return None
