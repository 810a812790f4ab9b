"""`kordon staged`: what waits for a second person, and what has become of it."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from kordon_proxy.times import shown_date

from .client import checked_id, client_of, complaining, print_json, until_over
from .options import DEFAULT_URL, CaFile, Format, Reason, Tenant, TokenFile, Url, Wait
from .report import MISTAKES, Output, print_table

app = typer.Typer(no_args_is_help=True, help="Show, approve and deny what waits for a second person.")

PATH: Final = "/staged-mutations"
FINAL: Final = frozenset({"succeeded", "failed", "denied", "expired", "withdrawn"})
_MOST_DEMANDS: Final = 20

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
    """Show what waits: your own, and as an administrator what is in your tenant."""
    with complaining():
        answer = client_of(url, token_file, tenant, ca).call("GET", PATH, query={"ended": ended})
        print_answer(answer, answer["staged_mutations"], output)


@app.command()
def show(
    mutation: Id,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Show one, with what it asks for and all that it takes."""
    with complaining():
        answer = client_of(url, token_file, tenant, ca).call("GET", f"{PATH}/{_one(mutation)}")
        print_answer(answer, [answer["staged_mutation"]], output)


@app.command()
def approve(
    mutation: Id,
    reason: Reason = None,
    wait: Wait = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Let one happen that somebody else has asked for."""
    with complaining():
        client = client_of(url, token_file, tenant, ca)
        path = f"{PATH}/{_one(mutation)}"
        answer = client.call("POST", f"{path}/approve", body=_body(reason))
        if wait:
            answer = until_over(client, PATH, answer, "staged_mutation", FINAL)
        print_answer(answer, [answer["staged_mutation"]], output)
        if wait and answer["staged_mutation"]["state"] != "succeeded":
            raise typer.Exit(MISTAKES)


@app.command()
def deny(
    mutation: Id,
    reason: Reason = None,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Have one never happen that somebody else has asked for."""
    with complaining():
        answer = client_of(url, token_file, tenant, ca).call(
            "POST", f"{PATH}/{_one(mutation)}/deny", body=_body(reason)
        )
        print_answer(answer, [answer["staged_mutation"]], output)


@app.command()
def withdraw(
    mutation: Id,
    reason: Reason = None,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Take back what you have asked for."""
    with complaining():
        client = client_of(url, token_file, tenant, ca)
        answer = client.call("DELETE", f"{PATH}/{_one(mutation)}", query={"reason": reason})
        print_answer(answer, [answer["staged_mutation"]], output)


def _body(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}


def print_answer(answer: dict[str, Any], mutations: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Print what the API answers about these; about one alone what it takes and asks for too."""
    if output is Output.JSON:
        print_json(answer)
    elif not mutations:
        sys.stderr.write("nothing is staged here\n")
    else:
        print_table(("id", "state", "by", "what", "until", "why"), map(_row, mutations))
        if "staged_mutation" in answer:
            print_table(("it takes", "on"), _demands(mutations[0]))
            print_table(("asked for", ""), _asked(mutations[0]["request"]))


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    ended = one["ended"]
    until = shown_date(one["expires_ts"]) if ended is None else f"ended {shown_date(ended['ts'])}"
    return one["id"], one["state"], one["created_by"], f"{one['api']} in {one['cluster']}", until, _why(one)


def _why(one: Mapping[str, Any]) -> str:
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


def _demands(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [(each["action"] or "to see", _thing(each)) for each in one["demands"][:_MOST_DEMANDS]]
    left_out = len(one["demands"]) - _MOST_DEMANDS
    return [*rows, (f"and {left_out} more", "--output json has all")] if left_out > 0 else rows


def _thing(demand: Mapping[str, Any]) -> str:
    if demand["kind"] is None:
        return "the cluster"
    return f"{demand['kind']} {demand['name']}" if demand["name"] else f"every {demand['kind']}"


def _asked(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in request.items():
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _one(mutation_id: str) -> str:
    return checked_id(mutation_id, "staged mutation", "kordon staged list")
