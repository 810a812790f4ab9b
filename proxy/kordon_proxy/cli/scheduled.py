"""`kordon scheduled`: what waits for a group to be Empty, and what has become of it."""

import sys
from collections.abc import Mapping
from typing import Any, Final

import typer

from kordon_proxy.scheduled_words import operation_of, part_of
from kordon_proxy.times import shown_date

from .calling import calling
from .client import Client
from .mutations import Id, Mutation, Mutations
from .options import Ended, Format, Reason
from .report import Output, print_table

app = typer.Typer(no_args_is_help=True, help="Show and call off what waits for a group to be Empty.")

_MOST_OFFSETS: Final = 20


@app.command("list")
@calling
def list_all(client: Client, ended: Ended = False, output: Format = Output.TABLE) -> None:
    """Show what is scheduled about groups of the tenant."""
    SCHEDULED.print_all(client, output, ended=ended)


@app.command()
@calling
def show(client: Client, mutation: Id, output: Format = Output.TABLE) -> None:
    """Show one, with each partition's offsets."""
    SCHEDULED.print_one(client.call("GET", SCHEDULED.path_of(mutation)), output)


@app.command()
@calling
def cancel(client: Client, mutation: Id, reason: Reason = None, output: Format = Output.TABLE) -> None:
    """Call one off before it is executed."""
    answer = client.call("DELETE", SCHEDULED.path_of(mutation), query={"reason": reason})
    SCHEDULED.print_one(answer, output)


def _print_offsets(mutation: Mutation) -> None:
    """Print what was or is set where, as far as that is known."""
    offsets = mutation["offsets"]
    if not offsets:
        return
    rows = [
        (f"{one['topic']}-{one['partition']}", _cell(one["old_offset"]), _cell(one["new_offset"]), _said(one))
        for one in offsets[:_MOST_OFFSETS]
    ]
    print_table(("partition", "old offset", "new offset", ""), rows)
    if len(offsets) > _MOST_OFFSETS:
        sys.stdout.write(f"and {len(offsets) - _MOST_OFFSETS} partitions more; --output json has all\n")


def _row(one: Mutation) -> tuple[str, ...]:
    why = " ".join(filter(None, (one["waits_for"], one["reason"], one["ticket"])))
    ended = one["ended"]
    until = shown_date(one["until_ts"]) if ended is None else f"ended {shown_date(ended['ts'])}"
    why = ended["reason"] or why if ended is not None else why
    what, of = operation_of(one), part_of(one)
    return one["id"], one["state"], one["group"], what, of, until, one["created_by"], why


def _said(offset: Mapping[str, Any]) -> str:
    return f"not done: {offset['error']}" if offset["error"] else str(offset["note"])


def _cell(offset: int | None) -> str:
    return "none" if offset is None else str(offset)


SCHEDULED: Final = Mutations(
    kind="scheduled",
    final=frozenset({"succeeded", "failed", "expired", "cancelled"}),
    columns=("id", "state", "group", "what", "of", "until", "by", "why"),
    row=_row,
    print_more=_print_offsets,
)
