"""`kordon groups`: groups with what they have read, and their offsets moved once they are Empty."""

from typing import Annotated, Any

import typer

from kordon_proxy.times import duration_ms

from .calling import calling
from .client import Client, cluster_of, cluster_path, print_json
from .options import Cluster, Format, Reason, Ticket, Wait
from .report import MISTAKES, OK, Output, complain, print_table
from .scheduled import SCHEDULED
from .staged import STAGED

app = typer.Typer(no_args_is_help=True, help="Show groups, and move their offsets once they are Empty.")


Name = Annotated[str, typer.Argument(metavar="GROUP", help="Which group.", show_default=False)]
Topic = Annotated[str | None, typer.Option("--topic", "-t", help="Only of this topic.", show_default=False)]
Partition = Annotated[
    int | None, typer.Option("--partition", "-p", help="Only of this partition of it.", show_default=False)
]
Waits = Annotated[str, typer.Option("--for", help="How long it waits for the group to be Empty.")]


@app.command("list")
@calling
def list_groups(
    client: Client,
    cluster: Cluster = None,
    output: Format = Output.TABLE,
) -> None:
    """Show the groups of the tenant."""
    answer = client.listed(cluster_path(client, cluster, "groups"), "groups")
    if output is Output.JSON:
        print_json(answer)
    else:
        rows = [(one["group"], one["state"], one["type"]) for one in answer["groups"]]
        print_table(("group", "state", "type"), rows)


@app.command()
@calling
def show(
    client: Client,
    group: Name,
    cluster: Cluster = None,
    output: Format = Output.TABLE,
) -> None:
    """Show what a group has read, and what is left."""
    path = cluster_path(client, cluster, "groups", group)
    answer = client.call("GET", path)
    if output is Output.JSON:
        print_json(answer)
    else:
        keys = ("topic", "partition", "offset", "latest", "lag", "error")
        print_table(keys, [tuple(_cell(one[key]) for key in keys) for one in answer["offsets"]])


@app.command()
@calling
def skip(
    client: Client,
    group: Name,
    topic: Topic = None,
    partition: Partition = None,
    count: Annotated[int, typer.Option(help="How many records, in each partition.")] = 1,
    waits: Waits = "15min",
    wait: Wait = False,
    reason: Reason = None,
    ticket: Ticket = None,
    cluster: Cluster = None,
    output: Format = Output.TABLE,
) -> None:
    """Go on behind the next record, as soon as the group is Empty."""
    body = _body("skip", cluster_of(client, cluster), group, topic, partition, waits, reason, ticket) | {"count": count}
    _schedule(client, body, output, wait=wait)


@app.command()
@calling
def reset(
    client: Client,
    group: Name,
    to: Annotated[
        str,
        typer.Option(help="earliest, latest, an offset, or a time as 2027-01-31T12:00:00Z.", show_default=False),
    ],
    topic: Topic = None,
    partition: Partition = None,
    waits: Waits = "15min",
    wait: Wait = False,
    reason: Reason = None,
    ticket: Ticket = None,
    cluster: Cluster = None,
    output: Format = Output.TABLE,
) -> None:
    """Set offsets to a place or a time, as soon as the group is Empty."""
    body = _body("reset", cluster_of(client, cluster), group, topic, partition, waits, reason, ticket) | {"to": _to(to)}
    _schedule(client, body, output, wait=wait)


@app.command()
@calling
def clear(
    client: Client,
    group: Name,
    topic: Topic = None,
    partition: Partition = None,
    waits: Waits = "15min",
    wait: Wait = False,
    reason: Reason = None,
    ticket: Ticket = None,
    cluster: Cluster = None,
    output: Format = Output.TABLE,
) -> None:
    """Delete offsets, as soon as the group is Empty."""
    _schedule(
        client,
        _body("clear", cluster_of(client, cluster), group, topic, partition, waits, reason, ticket),
        output,
        wait=wait,
    )


def _body(
    operation: str,
    cluster: str,
    group: str,
    topic: str | None,
    partition: int | None,
    waits: str,
    reason: str | None,
    ticket: str | None,
) -> dict[str, Any]:
    said = {"topic": topic, "partition": partition, "reason": reason, "ticket": ticket}
    asked = {"operation": operation, "cluster": cluster, "group": group, "duration_ms": duration_ms("--for", waits)}
    return asked | {key: value for key, value in said.items() if value is not None}


def _to(text: str) -> Any:
    if text in ("earliest", "latest"):
        return text
    if text.isascii() and text.removeprefix("-").isdigit():
        return {"offset": int(text)}
    return {"time": text}


def _schedule(client: Client, body: dict[str, Any], output: Output, *, wait: bool) -> None:
    answer = client.call("POST", SCHEDULED.path, body=body)
    if STAGED.name in answer:
        STAGED.print_one(answer, output)
        complain("it waits for somebody's approval, and is scheduled then: see `kordon staged`")
        raise typer.Exit(MISTAKES if wait else OK)
    if wait:
        SCHEDULED.print_over(client, answer, output)
    else:
        SCHEDULED.print_one(answer, output)


def _cell(value: object) -> str:
    return "" if value is None else str(value)
