"""Commands that pages of the documentation show, and what they say that is printed.

In what is printed `…` stands for anything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True, slots=True)
class Session:
    """A command that a page shows, and what it prints."""

    command: str
    printed: str

    def is_what_is_printed(self, text: str) -> bool:
        """Whether this text is what the page shows, as far as it says."""
        parts = (re.escape(part) for part in _spaced(self.printed).split("…"))
        return re.fullmatch(".*".join(parts), _spaced(text), re.DOTALL) is not None


def sessions(page: str) -> Iterator[Session]:
    """The commands of a page in their order."""
    for block in re.findall(r"```console\n(.*?)```", (DOCS / page).read_text(), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            yield Session(command, printed)


def _spaced(text: str) -> str:
    """With one blank for several: how wide columns are depends on what is in them."""
    lines = (re.sub(r" +", " ", line).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)
