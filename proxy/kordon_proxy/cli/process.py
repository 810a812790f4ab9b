"""`kordon status`, `reload`: the running process, by the admin API."""

import sys
from typing import Any

from .calling import calling
from .client import Client, Failure, print_json
from .options import Format
from .report import MISTAKES, Output, print_table


@calling
def status(
    client: Client,
    output: Format = Output.TABLE,
) -> None:
    """Show who you are at a running Kordon, and, to administrators, how it is."""
    answer = client.call("GET", "/status")
    if output is Output.JSON:
        print_json(answer)
    else:
        _print(answer)


@calling
def principals(
    client: Client,
    output: Format = Output.TABLE,
) -> None:
    """Show who could be in the tenant, and with which roles. For administrators."""
    answer = client.listed("/principals", "principals")
    if output is Output.JSON:
        print_json(answer)
    else:
        print_table(("principal", "roles", "tenants", "by", "connections"), map(_known, answer["principals"]))


@calling
def reload(
    client: Client,
    output: Format = Output.TABLE,
) -> None:
    """Have a running Kordon read its policy, users, groups and tokens files now."""
    answer = client.call("POST", "/reload")
    if output is Output.JSON:
        print_json(answer)
    elif answer["failure"] is None:
        at_all = f" at all {len(answer['workers'])} workers" if answer.get("workers") else ""
        sys.stdout.write(f"the policy file is in force{at_all}, as epoch {answer['epoch']}\n")
    if answer["failure"] is not None:
        told = f"epoch {answer['epoch']} stays in force: {answer['failure']}; `kordon check` tells every mistake"
        raise Failure(told, MISTAKES)


def _print(answer: dict[str, Any]) -> None:
    admin = ", administrator" if answer["is_admin"] else ""
    rows = [
        ("you", f"{answer['principal']} ({', '.join(answer['roles'])}{admin})"),
        ("tenant", f"{answer['tenant'] or 'none'} (of {', '.join(answer['tenants']) or 'none'})"),
        ("clusters", ", ".join(answer["clusters"]) or "none"),
    ]
    kordon = answer["kordon"]
    rows += [(key, str(kordon[key])) for key in ("version", "instance", "epoch", "policy") if key in kordon]
    rows += [("ready", "yes" if kordon["ready"] else "no")] if "ready" in kordon else []
    rows += [(f"connections of {name}", str(count)) for name, count in kordon.get("connections", {}).items()]
    rows += [(one["name"], _checked(one)) for one in kordon.get("checks", ())]
    rows += [(f"process of worker {one['worker']}", _process(one)) for one in kordon.get("workers", ())]
    print_table(("", ""), rows)


def _known(one: dict[str, Any]) -> tuple[str, ...]:
    roles = ", ".join(one["roles"]) + (" (administrator)" if one["is_admin"] else "")
    return one["principal"], roles, ", ".join(one["tenants"]), ", ".join(one["sources"]), str(one["connections"])


def _process(worker: dict[str, Any]) -> str:
    if worker["pid"] is None:
        return "none now"
    connections = sum((worker["connections"] or {}).values())
    return f"{worker['pid']}, started again {worker['restarts']} times, with {connections} connections"


def _checked(check: dict[str, Any]) -> str:
    return ("ok" if check["ok"] else "FAILS") + (f": {check['detail']}" if check["detail"] else "")
