"""`kordon staged`: what waits for a second person, and what has become of it."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer

from kordon_proxy.scheduled_words import operation_of, part_of
from kordon_proxy.times import shown_date

from .calling import calling
from .client import Client
from .mutations import Id, Mutation, Mutations
from .options import Ended, Format, Reason, Wait
from .report import Output, print_table

app = typer.Typer(no_args_is_help=True, help="Show, approve and deny what waits for a second person.")

_MOST_DEMANDS: Final = 20
_MOST_THINGS: Final = 2
_SCHEDULING: Final = "ScheduledMutation"
"""In place of the name of an API: offsets are to be scheduled."""


@app.command("list")
@calling
def list_all(client: Client, ended: Ended = False, output: Format = Output.TABLE) -> None:
    """Show what waits: your own, and as an administrator what is in your tenant."""
    STAGED.print_all(client, output, ended=ended)


@app.command()
@calling
def show(client: Client, mutation: Id, output: Format = Output.TABLE) -> None:
    """Show one, with what it asks for and all that it takes."""
    STAGED.print_one(client.call("GET", STAGED.path_of(mutation)), output)


@app.command()
@calling
def approve(
    client: Client, mutation: Id, reason: Reason = None, wait: Wait = False, output: Format = Output.TABLE
) -> None:
    """Let one happen that somebody else has asked for."""
    answer = client.call("POST", f"{STAGED.path_of(mutation)}/approve", body=_body(reason))
    if wait:
        STAGED.print_over(client, answer, output)
    else:
        STAGED.print_one(answer, output)


@app.command()
@calling
def deny(client: Client, mutation: Id, reason: Reason = None, output: Format = Output.TABLE) -> None:
    """Have one never happen that somebody else has asked for."""
    answer = client.call("POST", f"{STAGED.path_of(mutation)}/deny", body=_body(reason))
    STAGED.print_one(answer, output)


@app.command()
@calling
def withdraw(client: Client, mutation: Id, reason: Reason = None, output: Format = Output.TABLE) -> None:
    """Take back what you have asked for."""
    answer = client.call("DELETE", STAGED.path_of(mutation), query={"reason": reason})
    STAGED.print_one(answer, output)


def _body(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}


def _print_demands(mutation: Mutation) -> None:
    """Print what it takes and asks for."""
    print_table(("it takes", "on"), _demands(mutation))
    print_table(("asked for", ""), _asked(mutation["request"]))
    if mutation["api"] == _SCHEDULING and mutation["state"] == "succeeded":
        sys.stderr.write("it is scheduled: `kordon scheduled list --ended` shows what becomes of it\n")


def _row(one: Mutation) -> tuple[str, ...]:
    ended = one["ended"]
    until = shown_date(one["expires_ts"]) if ended is None else f"ended {shown_date(ended['ts'])}"
    what = f"{_what(one)} in {one['cluster']}"
    return one["id"], one["state"], one["created_by"], what, _things(one), until, _why(one)


def _what(one: Mutation) -> str:
    """The API that was called on the wire, or what is to be done to offsets."""
    if one["api"] != _SCHEDULING or "operation" not in one["request"]:
        return str(one["api"])
    return f"{operation_of(one['request'])} of {part_of(one['request'])}"


def _things(one: Mutation) -> str:
    """What it is about, in the first things that an approval takes a right on."""
    named = list(dict.fromkeys(_thing(each) for each in one["demands"] if each["action"]))
    more = f" and {len(named) - _MOST_THINGS} more" if len(named) > _MOST_THINGS else ""
    return ", ".join(named[:_MOST_THINGS]) + more


def _why(one: Mutation) -> str:
    """What it waits for, what has become of it, or who let it happen."""
    ended = one["ended"]
    said = (
        one["waits_for"]
        if ended is None
        else " ".join(filter(None, (ended["by"] and f"{ended['by']}:", ended["reason"])))
    )
    if said or one["approved_by"] is None:
        return str(said)
    return f"approved by {one['approved_by']}" + (f": {one['approval_reason']}" if one["approval_reason"] else "")


def _demands(one: Mutation) -> list[tuple[str, str]]:
    rows = [(each["action"] or "to see", _thing(each)) for each in one["demands"][:_MOST_DEMANDS]]
    left_out = len(one["demands"]) - _MOST_DEMANDS
    return [*rows, (f"and {left_out} more", "--output json has all")] if left_out > 0 else rows


def _thing(demand: Mapping[str, Any]) -> str:
    if demand["kind"] is None:
        return "the cluster"
    if not demand["name"]:
        return f"every {demand['kind']}"
    return f"{demand['kind']} {demand['name']}" + (" and whatever begins so" if demand["beginning"] else "")


def _asked(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in request.items():
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


STAGED: Final = Mutations(
    kind="staged",
    final=frozenset({"succeeded", "failed", "denied", "expired", "withdrawn"}),
    columns=("id", "state", "by", "what", "on", "until", "why"),
    row=_row,
    print_more=_print_demands,
)
