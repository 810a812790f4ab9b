"""The command's words and options, all of them."""

import sys
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

import typer

from kordon_proxy.clock import wall_ms
from kordon_proxy.config.findings import Severity
from kordon_proxy.reasons import reason_of

from . import audit, explain, grants, groups, inspect, process, root, scheduled, staged, tokens, users, who_can
from .options import TextFormat
from .report import MISTAKES, UNTRIED, TextOutput, complain, findings_json, print_findings

app = root.app
app.add_typer(users.app, name="users")
app.add_typer(audit.app, name="audit")
app.add_typer(tokens.app, name="tokens")
for question in (explain.explain, who_can.who_can, who_can.what_can):
    app.command()(question)
RUNNING: Final = "At a running Kordon"
for command in (grants.grant, grants.grants, grants.renew, grants.revoke, inspect.inspect, process.status):
    app.command(rich_help_panel=RUNNING)(command)
app.command(rich_help_panel=RUNNING)(process.principals)
app.command(rich_help_panel=RUNNING)(process.reload)
app.add_typer(groups.app, name="groups", rich_help_panel=RUNNING)
app.add_typer(scheduled.app, name="scheduled", rich_help_panel=RUNNING)
app.add_typer(staged.app, name="staged", rich_help_panel=RUNNING)


class SchemaOf(Enum):
    """The files that have a schema."""

    RBAC = "rbac"
    KORDON = "kordon"


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="kordon.yaml, rbac.yaml, users.yaml: told apart by their keys.")],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Do not look at secrets, keys and users: they are not here.")
    ] = False,
    output: TextFormat = TextOutput.TEXT,
) -> None:
    """Tell every mistake in configuration and policy, with its place and what to do.

    Files that a kordon.yaml names are checked with it. Exit code 0: no error; 1: some; 2: a file cannot be read.
    """
    from .check import check as run

    try:
        findings = run(files, now=wall_ms(), read_secrets=not without_secrets)
    except OSError as error:
        complain(f"cannot read {error.filename}: {reason_of(error)}")
        raise typer.Exit(UNTRIED) from None
    if output is TextOutput.JSON:
        sys.stdout.write(findings_json(findings) + "\n")
    else:
        print_findings(findings, sys.stdout)
    wrong = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(finding.severity in wrong for finding in findings):
        raise typer.Exit(MISTAKES)


@app.command()
def schema(of: Annotated[SchemaOf, typer.Argument(help="Of which file.")]) -> None:
    """Print the JSON Schema of kordon.yaml or rbac.yaml, for editors."""
    if of is SchemaOf.RBAC:
        from kordon_policy.schema import shipped_schema
    else:
        from kordon_proxy.config.schema import shipped_schema
    sys.stdout.write(shipped_schema())


@app.command()
def demo(once: Annotated[bool, typer.Option("--once", help="End after the tour.")] = False) -> None:
    """Start Kafka and Kordon on this machine, and show what they do together, until Ctrl-C."""
    import_module("kordon_proxy.demo.tour").main(once=once)
