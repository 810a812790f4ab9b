"""What the demonstration prints, on a terminal or into the log of a build, and what it claims, which has to be true."""

import io
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

WIDTH: Final = 120
"""Columns where there is no terminal to ask."""


class NotShown(Exception):
    """Something is not as the demonstration claims; the text is the claim, and what was there instead."""


class Show:
    """Prints scene after scene."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or a_console()
        self._scenes = 0

    def scene(self, title: str, *text: str) -> None:
        """Begin a scene, with a few words about what it shows."""
        self._scenes += 1
        self.console.print()
        self.console.print(Rule(f"[bold]{self._scenes}  {title}", align="left", style="cyan"))
        self.say(*text)

    def say(self, *text: str) -> None:
        """Print sentences, wrapped where the line ends."""
        for line in text:
            self.console.print(Padding(line, (0, 2, 1, 2), expand=False))

    def gap(self) -> None:
        """Print an empty line."""
        self.console.print()

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Tell what is done while it is done, and afterwards how long it took."""
        start = time.monotonic()
        with self.console.status(f"{what} …"):
            yield
        self.console.print(f"  [dim]{what}: {time.monotonic() - start:.1f} s")

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Tell what is done while it is done, to those who watch."""
        with self.console.status(f"{what} …"):
            yield

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
        """Print a table; the first column is what the others are about."""
        rows = list(rows)
        table = Table(show_lines=any("\n" in str(cell) for row in rows for cell in row), header_style="bold")
        for number, column in enumerate(columns):
            table.add_column(column, overflow="fold", style="" if number else "cyan")
        for row in rows:
            table.add_row(*row)
        self.console.print(Padding(table, (0, 2, 1, 2), expand=False))

    def command(self, who: str, line: str, output: str, *, good: bool = True) -> None:
        """Print a command and what it printed, as it did."""
        colour = "green" if good else "red"
        self.console.print(Text.assemble("  ", (f"{who} $ {line}", "bold")), soft_wrap=True)  # to be copied, too
        self.console.print(Padding(Panel.fit(Text(output), border_style=colour), (0, 2), expand=False))

    def claim(self, what: str, holds: bool, instead: object = "") -> None:
        """Print what has been shown. Raises NotShown when it does not hold."""
        if not holds:
            raise NotShown(f"{what}: this does not hold" + (f"; instead: {instead}" if instead else ""))
        grid = Table.grid(padding=(0, 1))  # so that a second line begins below the first
        grid.add_row(Text("✔", style="green"), what)
        self.console.print(Padding(grid, (0, 2), expand=False))

    def hint(self, purpose: str, command: str) -> None:
        """Print a command to be copied, in one line however long it is."""
        self.console.print(f"  [dim]# {purpose}")
        self.console.print(Text(command), soft_wrap=True)
        self.console.print()

    def event(self, line: str) -> None:
        """Print what has just happened."""
        self.console.print(Text(f"  {time.strftime('%H:%M:%S')}  {line}"))

    def aside(self, *lines: str) -> None:
        """Print what may help somebody who looks for a fault."""
        self.console.print(Text("\n".join(lines), style="dim"))

    def failure(self, why: str) -> None:
        """Print why the demonstration ends here."""
        self.console.print()
        self.console.print(Text(f"✘ {why}", style="bold red"))


def a_console() -> Console:
    """Return a console that is wide enough for tables, whatever the output is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an old terminal shows a question mark, and no traceback
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)
