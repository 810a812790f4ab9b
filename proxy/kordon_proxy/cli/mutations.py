"""Mutations that wait, as the command speaks of them: scheduled and staged ones, one after the other or all at once."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from .client import Client, checked_id, print_json
from .report import MISTAKES, Output, print_table, print_told

_LOOK_EVERY: Final = 0.5

Id = Annotated[str, typer.Argument(metavar="ID", help="Which one.", show_default=False)]
Mutation = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutations:
    """Those of one kind: scheduled or staged.

    final: the states after which nothing more comes. columns, row: how people are shown several. print_more: prints
    what else there is to know of one.
    """

    kind: str
    final: frozenset[str]
    columns: tuple[str, ...]
    row: Callable[[Mutation], tuple[str, ...]]
    print_more: Callable[[Mutation], None]

    @property
    def path(self) -> str:
        """Where they are in the API."""
        return f"/{self.kind}-mutations"

    @property
    def name(self) -> str:
        """What an answer has one under."""
        return f"{self.kind}_mutation"

    def path_of(self, mutation_id: str) -> str:
        """Where one is. Raises Mistake for what is no id."""
        return f"{self.path}/{checked_id(mutation_id, f'{self.kind} mutation', f'kordon {self.kind} list')}"

    def print_all(self, client: Client, output: Output, *, ended: bool) -> None:
        """Print those that wait. ended: also those that are over. Raises Failure."""
        answer = client.listed(self.path, f"{self.name}s", {"ended": ended})
        some = answer[f"{self.name}s"]
        if output is Output.JSON:
            print_json(answer)
        elif some:
            self.print_rows(some)
        else:
            sys.stderr.write(f"nothing is {self.kind} here\n")

    def print_rows(self, some: Sequence[Mutation]) -> None:
        """Print a table of them."""
        print_table(self.columns, map(self.row, some))

    def print_one(self, answer: Mapping[str, Any], output: Output) -> None:
        """Print what the API answers about one."""
        if output is Output.JSON:
            print_json(answer)
        else:
            print_told(answer.get("notices", ()), sys.stderr)
            self.print_rows([answer[self.name]])
            self.print_more(answer[self.name])

    def print_over(self, client: Client, answer: Mapping[str, Any], output: Output) -> None:
        """Wait until one is over, and print it. Raises Failure, or Exit unless it has succeeded."""
        while answer[self.name]["state"] not in self.final:
            time.sleep(_LOOK_EVERY)
            answer = client.call("GET", self.path_of(answer[self.name]["id"]))
        self.print_one(answer, output)
        if answer[self.name]["state"] != "succeeded":
            raise typer.Exit(MISTAKES)
