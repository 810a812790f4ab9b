"""`kordon scheduled`: what waits for a group to be Empty, and what has become of it."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from kordon_proxy.times import shown_date

from .client import checked_id, client_of, complaining, print_json
from .options import DEFAULT_URL, CaFile, Format, Reason, Tenant, TokenFile, Url
from .report import Output, print_table, print_told

app = typer.Typer(no_args_is_help=True, help="Show and call off what waits for a group to be Empty.")

PATH: Final = "/scheduled-mutations"
FINAL: Final = frozenset({"succeeded", "failed", "expired", "cancelled"})
_MOST_OFFSETS: Final = 20

Id = Annotated[str, typer.Argument(metavar="ID", help="Which one.", show_default=False)]


@app.command("list")
def list_all(
    ended: Annotated[bool, typer.Option("--ended", help="Also those that are over.")] = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Show what is scheduled about groups of the tenant."""
    with complaining():
        answer = client_of(url, token_file, tenant, ca).call("GET", PATH, query={"ended": ended})
        _print(answer, answer["scheduled_mutations"], output)


@app.command()
def show(
    mutation: Id,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Show one, with each partition's offsets."""
    with complaining():
        answer = client_of(url, token_file, tenant, ca).call("GET", f"{PATH}/{_one(mutation)}")
        _print(answer, [answer["scheduled_mutation"]], output)


@app.command()
def cancel(
    mutation: Id,
    reason: Reason = None,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Call one off before it is executed."""
    with complaining():
        client = client_of(url, token_file, tenant, ca)
        answer = client.call("DELETE", f"{PATH}/{_one(mutation)}", query={"reason": reason})
        _print(answer, [answer["scheduled_mutation"]], output)


def print_mutations(mutations: Sequence[Mapping[str, Any]], notices: Sequence[Mapping[str, str]] = ()) -> None:
    """Print what is scheduled; of one alone its offsets too."""
    print_told(notices, sys.stderr)
    print_table(("id", "state", "group", "what", "of", "until", "by", "why"), map(_row, mutations))
    if len(mutations) == 1 and mutations[0]["offsets"]:
        offsets = mutations[0]["offsets"]
        rows = [
            (f"{one['topic']}-{one['partition']}", _cell(one["old_offset"]), _cell(one["new_offset"]), _said(one))
            for one in offsets[:_MOST_OFFSETS]
        ]
        print_table(("partition", "old offset", "new offset", ""), rows)
        if len(offsets) > _MOST_OFFSETS:
            sys.stdout.write(f"and {len(offsets) - _MOST_OFFSETS} partitions more; --output json has all\n")


def _print(answer: dict[str, Any], mutations: Sequence[Mapping[str, Any]], output: Output) -> None:
    if output is Output.JSON:
        print_json(answer)
    elif mutations:
        print_mutations(mutations)
    else:
        sys.stderr.write("nothing is scheduled here\n")


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    what = one["operation"]
    if one["to"] is not None:
        what += f" to {_place(one['to'])}"
    if one["count"] not in (None, 1):
        what += f" {one['count']}"
    of = "all" if one["topic"] is None else one["topic"] + ("" if one["partition"] is None else f"-{one['partition']}")
    why = " ".join(filter(None, (one["waits_for"], one["reason"], one["ticket"])))
    ended = one["ended"]
    until = shown_date(one["until_ts"]) if ended is None else f"ended {shown_date(ended['ts'])}"
    why = ended["reason"] or why if ended is not None else why
    return one["id"], one["state"], one["group"], what, of, until, one["created_by"], why


def _place(to: str | Mapping[str, int]) -> str:
    if isinstance(to, str):
        return to
    ((kind, value),) = to.items()
    return shown_date(value) if kind == "time" else str(value)


def _said(offset: Mapping[str, Any]) -> str:
    return f"not done: {offset['error']}" if offset["error"] else str(offset["note"])


def _cell(offset: int | None) -> str:
    return "none" if offset is None else str(offset)


def _one(mutation_id: str) -> str:
    return checked_id(mutation_id, "scheduled mutation", "kordon scheduled list")
