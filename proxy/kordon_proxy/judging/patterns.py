"""Patterns that clients write, evaluated here over what the view holds, and what they may cost.

They are read in Kafka's dialect: RE2, as RE2/J.

*Cost.* RE2 takes time linear in the name, but also in the pattern: two letters of it may be a class of a thousand
ranges, and a hostile one of twenty letters takes a tenth of a second for one long name. So the length of a pattern is
bounded, and so is what one request evaluates of it: what is over is left for a later one, and what has been found is
kept for all who ask the same.
"""

from collections.abc import Callable
from typing import Any, Final

LONGEST: Final = 4096
"""Letters of a pattern. To read the worst one of so many takes a quarter of a second."""
MEMORY: Final = 1 << 20
"""Bytes that one compiled pattern may take."""
STEPS: Final = 1 << 27
"""Letters of names times instructions of the pattern that are evaluated at a time. A step takes four nanoseconds at
worst, for patterns that are made for it, and hardly any time for others."""


class InvalidPattern(ValueError):
    """The client's pattern cannot be read, or is larger than Kordon takes."""


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str, compiled: Any) -> None:
        self.text = text
        self._compiled = compiled

    def fullmatch(self, name: str) -> object | None:
        """The match of the whole name, or None."""
        found: object | None = self._compiled.fullmatch(name.encode())
        return found

    @property
    def letters_at_a_time(self) -> int:
        """How many letters of names are evaluated at a time."""
        return max(1, int(STEPS // self._compiled.programsize))


def compile_pattern(text: str) -> Pattern | None:
    """Compile a pattern; the empty one means that there is none. Raises InvalidPattern."""
    if not text:
        return None
    if len(text) > LONGEST:
        raise InvalidPattern(f"invalid pattern: {len(text)} letters, limit {LONGEST}")
    import re2  # only now: it takes 2.5 MB, and hardly any client has a pattern

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    options.never_capture = True  # what the groups in it match is nobody's question, and takes longer to find
    try:
        compiled = re2.compile(text, options)  # the module keeps those that were used lately
    except re2.error as error:
        raise InvalidPattern(f"invalid pattern: {_text(error)}") from None
    return Pattern(text, compiled)


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return text[:200]  # it repeats the pattern


class Matches:
    """Which of the names that come and go meet a condition that does not change. Each is looked at once."""

    __slots__ = ("_seen", "found")

    def __init__(self) -> None:
        self.found: tuple[str, ...] = ()
        """The names that meet it, sorted, of those that have been looked at."""
        self._seen: tuple[str, ...] = ()

    def look(self, names: tuple[str, ...], meets: Callable[[str], bool], letters: int) -> bool:
        """Look at new names until they have so many letters. Whether all have been looked at now.

        names: all that are there. The same tuple as the last time has no new ones.
        """
        if names is self._seen:
            return True
        there, seen = set(names), set(self._seen)
        found = [name for name in self.found if name in there]
        later = set()
        for name in names:
            if name in seen:
                continue
            if letters <= 0:
                later.add(name)
                continue
            letters -= len(name)
            if meets(name):
                found.append(name)
        self.found = tuple(sorted(found))
        self._seen = tuple(name for name in names if name not in later) if later else names
        return not later
