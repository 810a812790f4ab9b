"""What pages have in common that are made from the code."""

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """In Markdown."""
    names = tuple(head)
    lines = (names, ("---",) * len(names), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def said(versions: range) -> str:
    """Versions, the first and the last of them."""
    first, last = versions[0], versions[-1]
    return str(first) if first == last else f"{first}–{last}"
