"""The parts that several keys of a file share: lists of texts, mappings with known keys, paths, instants."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final, NamedTuple

from kordon_policy.actions import KINDS, Domain, Kind
from kordon_policy.findings import Report, shown
from kordon_policy.model import Path
from kordon_policy.patterns import STAR, pattern
from kordon_policy.yaml_nodes import Broken, Mapping, Node, Scalar, Sequence

_FORMER_SPACE = " "  # below it stand the control letters
_SHAPE: Final = "a path is [DOMAIN, DOMAIN_ID, TYPE, NAME], or the first of these"
_FLINK: Final = "flink"  # a domain of Kpow's that Kordon has no gateway for


class Placed(NamedTuple):
    """A path that covers something, and where it stands."""

    path: Path
    node: Node


def text_of(node: Node, what: str, report: Report, *, control: bool = False) -> str | None:
    """A single text. Control letters are refused unless it is free text."""
    if isinstance(node, Broken):
        return None
    if not isinstance(node, Scalar):
        report.error(node, f"{what} is one text", "write it without brackets or dashes")
        return None
    if not control and any(letter < _FORMER_SPACE for letter in node.text):
        report.error(node, f"{what} with a control letter: {shown(node.text)}", "names are made of visible letters")
        return None
    return node.text


def name_of(node: Node, what: str, report: Report) -> str | None:
    """A single text that is not empty."""
    text = text_of(node, what, report)
    if text == "":
        report.error(node, f"{what} is empty", "write a name")
        return None
    return text


def names_of(node: Node, key: str, report: Report) -> list[tuple[str, Node]]:
    """A list of names; one text alone is a list of one."""
    if isinstance(node, Scalar):
        report.notice(node, f"`{key}` is a list", f"write [{node.text}]" if node.text.isprintable() else "")
        items: tuple[Node, ...] = (node,)
    elif isinstance(node, Sequence):
        items = node.items
    else:
        if not isinstance(node, Broken):
            report.error(node, f"`{key}` is a list of names", "write [name, name]")
        items = ()
    named = ((name_of(item, f"a name in `{key}`", report), item) for item in items)
    return [(name, item) for name, item in named if name is not None]


def choice_of(node: Node, key: str, choices: Collection[str], report: Report) -> str | None:
    """One of some words, letter by letter."""
    text = text_of(node, f"`{key}`", report)
    if text is None or text in choices:
        return text
    hint = report.nearest(text, choices) or f"one of {', '.join(choices)}"
    report.error(node, f"{shown(text)} is no value of `{key}`", hint)
    return None


def known_keys(node: Node, what: str, known: Collection[str], report: Report) -> dict[str, Node] | None:
    """The entries of a mapping in which every key must be known."""
    if isinstance(node, Broken):
        return None
    if not isinstance(node, Mapping):
        report.error(node, f"{what} is a mapping with the keys {', '.join(known)}", "write key: value")
        return None
    for text, (key, _) in node.entries.items():
        if text not in known:
            hint = report.nearest(text, known) or f"the keys of {what} are {', '.join(known)}"
            report.error(key, f"{shown(text)} is no key of {what}", hint)
    return {text: value for text, (_, value) in node.entries.items() if text in known}


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
    if domain in set(Domain):
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
    elif text in set(Kind):
        report.warning(at, f"{shown(text)} is a TYPE of {Kind(text).domain}, not of {domain}: {nothing}", "")
    else:
        hint = report.nearest(text, kinds) or f"the TYPEs of {domain} are {', '.join(kinds)}"
        report.warning(at, f"{shown(text)} is no TYPE of {domain}: {nothing}", hint)
    return None


def instant_of(node: Node, key: str, report: Report) -> int | None:
    """An instant, as ms since the epoch: a date, or a date and time with their offset from UTC."""
    text = text_of(node, f"`{key}`", report)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is not None and instant.tzinfo is None and len(text) <= len("2026-01-31"):
        instant = instant.replace(tzinfo=UTC)
    if instant is None or instant.tzinfo is None:
        report.error(node, f"{shown(text)} is no instant", "write 2026-01-31 (midnight UTC) or 2026-01-31T18:00:00Z")
        return None
    return int(instant.timestamp() * 1000)
