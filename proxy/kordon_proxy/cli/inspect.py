"""`kordon inspect`: records of a topic, by the admin API."""

import sys
from typing import Annotated

import typer

from kordon_proxy.inspection.asked import Format as As

from .calling import calling
from .client import Client, cluster_path, print_json
from .inspect_records import print_inspected
from .options import Cluster, Format
from .report import Output


@calling
def inspect(
    client: Client,
    topic: Annotated[str, typer.Argument(help="Which topic.", show_default=False)],
    partition: Annotated[
        int | None, typer.Option("--partition", "-p", help="Only this one; else all.", show_default=False)
    ] = None,
    offset: Annotated[
        str,
        typer.Option(help="From where on: an offset, earliest, latest, or a time as 2026-11-29T12:30:00Z."),
    ] = "latest",
    count: Annotated[int, typer.Option("--count", "-n", help="How many records at most.")] = 20,
    key: Annotated[As, typer.Option(help="How keys are shown.")] = As.AUTO,
    value: Annotated[As, typer.Option(help="How values are shown.")] = As.AUTO,
    filter_by: Annotated[
        str | None,
        typer.Option("--filter", help="A jq expression, as '.value.price > 100'.", show_default=False),
    ] = None,
    uncommitted: Annotated[
        bool, typer.Option("--uncommitted", help="Also what transactions have not committed.")
    ] = False,
    cluster: Cluster = None,
    output: Format = Output.TABLE,
) -> None:
    """Show records of a topic, read by Kordon: no group is joined, and nothing is committed."""
    said = {"topic": topic, "partition": partition, "filter": filter_by}
    body = {name: value for name, value in said.items() if value is not None}
    body |= {"start": offset, "count": count, "key": key.value, "value": value.value, "committed": not uncommitted}
    answer = client.call("POST", cluster_path(client, cluster, "inspect"), body=body)
    if output is Output.JSON:
        print_json(answer)
    else:
        print_inspected(answer["inspected"], sys.stdout)
