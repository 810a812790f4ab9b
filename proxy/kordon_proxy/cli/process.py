"""`kordon status`, `reload`: the running process, by the admin API."""

import sys
from typing import Any

from .client import Failure, client_of, complaining, print_json
from .options import DEFAULT_URL, CaFile, Format, Tenant, TokenFile, Url
from .report import MISTAKES, Output, print_table


def status(
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Show who you are at a running Kordon, and, to administrators, how it is."""
    with complaining():
        answer = client_of(url, token_file, tenant, ca).call("GET", "/status")
        if output is Output.JSON:
            print_json(answer)
        else:
            _print(answer)


def principals(
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Show who could be in the tenant, and with which roles. For administrators."""
    with complaining():
        answer = client_of(url, token_file, tenant, ca).call("GET", "/principals")
        if output is Output.JSON:
            print_json(answer)
        else:
            print_table(("principal", "roles", "tenants", "by", "connections"), map(_known, answer["principals"]))


def reload(
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    ca: CaFile = None,
    output: Format = Output.TABLE,
) -> None:
    """Have a running Kordon read its policy, users, groups and tokens files now."""
    with complaining():
        answer = client_of(url, token_file, tenant, ca).call("POST", "/reload")
        if output is Output.JSON:
            print_json(answer)
        elif answer["failure"] is None:
            sys.stdout.write(f"the policy file is in force, as epoch {answer['epoch']}\n")
        if answer["failure"] is not None:
            told = f"epoch {answer['epoch']} stays in force: {answer['failure']}; `kordon check` tells every mistake"
            raise Failure(told, MISTAKES)


def _print(answer: dict[str, Any]) -> None:
    admin = ", administrator" if answer["is_admin"] else ""
    rows = [
        ("you", f"{answer['principal']} ({', '.join(answer['roles'])}{admin})"),
        ("tenant", f"{answer['tenant'] or 'none'} (of {', '.join(answer['tenants']) or 'none'})"),
    ]
    kordon = answer["kordon"]
    rows += [(key, str(kordon[key])) for key in ("version", "instance", "epoch", "policy") if key in kordon]
    rows += [("ready", "yes" if kordon["ready"] else "no")] if "ready" in kordon else []
    rows += [(f"connections of {name}", str(count)) for name, count in kordon.get("connections", {}).items()]
    rows += [(one["name"], _checked(one)) for one in kordon.get("checks", ())]
    print_table(("", ""), rows)


def _known(one: dict[str, Any]) -> tuple[str, ...]:
    roles = ", ".join(one["roles"]) + (" (administrator)" if one["is_admin"] else "")
    return one["principal"], roles, ", ".join(one["tenants"]), ", ".join(one["sources"]), str(one["connections"])


def _checked(check: dict[str, Any]) -> str:
    return ("ok" if check["ok"] else "FAILS") + (f": {check['detail']}" if check["detail"] else "")
