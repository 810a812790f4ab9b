"""What several keys of a file share: texts, lists of names, mappings with known keys, roles, instants."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from kordon_policy.findings import Report, shown
from kordon_policy.model import EVERYBODY, RuleRef
from kordon_policy.nodes import Broken, Mapping, Node, Number, Scalar, Sequence
from kordon_policy.patterns import STAR

MODES: Final = ("shadow",)
_CONTROL: Final = re.compile("[\x00-\x1f]")


def text_of(node: Node, what: str, report: Report, *, control: bool = False) -> str | None:
    """A single text. Control letters are refused unless it is free text."""
    if isinstance(node, Broken):
        return None
    if not isinstance(node, Scalar):
        hint = "put it in quotes" if isinstance(node, Number) else "write it without brackets or dashes"
        report.error(node, f"{what} is one text", hint)
        return None
    if not control and _CONTROL.search(node.text):
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


def instant_of(node: Node, key: str, report: Report) -> int | None:
    """An instant, as ms since the epoch: a date, or a date and time with their offset from UTC."""
    text = text_of(node, f"`{key}`", report)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None and len(text) <= len("2026-01-31"):
            instant = instant.replace(tzinfo=UTC)
        if instant.tzinfo is not None:
            return int(instant.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    report.error(node, f"{shown(text)} is no instant", "write 2026-01-31 (midnight UTC) or 2026-01-31T18:00:00Z")
    return None


def roles_of(node: Node, key: str, report: Report) -> frozenset[str]:
    """A list of roles. A star in one is a letter; only alone it means everybody."""
    named = names_of(node, key, report)
    for role, at in named:
        if STAR in role and role != EVERYBODY:
            report.warning(at, f"role {shown(role)} is taken letter by letter, roles are no patterns", "name each role")
    return frozenset(role for role, _ in named)


def items_of(node: Node | None, key: str, report: Report) -> tuple[Node, ...]:
    """The items of a list; none if the key is left out."""
    if node is None or isinstance(node, Broken):
        return ()
    if not isinstance(node, Sequence):
        report.error(node, f"`{key}` is a list", "begin each with a dash")
        return ()
    return node.items


def ref_to(place: str, node: Node, report: Report, note: str = "") -> RuleRef:
    """Where a rule stands."""
    return RuleRef(place=place, source=report.source, line=node.line, column=node.column, note=note)


def report_missing(key: str, what: str, node: Node, report: Report) -> None:
    """Report a key that must be there."""
    report.error(node, f"{what} without `{key}`", f"write `{key}:`")


def mode_of(values: dict[str, Node], owner: Node, report: Report) -> tuple[bool, int | None]:
    """Is it a shadow part, and until when (ms since the epoch)?"""
    mode, until = values.get("mode"), values.get("shadow_until")
    shadow = mode is not None and choice_of(mode, "mode", MODES, report) is not None
    if shadow and until is None:
        report.error(
            owner, "`mode: shadow` without `shadow_until`", "say when the trial ends: shadow_until: 2026-01-31"
        )
    if until is not None and mode is None:
        report.error(until, "`shadow_until` without `mode: shadow`", "write the mode, or leave both out")
    return shadow, None if until is None else instant_of(until, "shadow_until", report)
