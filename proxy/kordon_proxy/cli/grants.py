"""`kordon grant`, `grants`, `renew`, `revoke`: temporary policies, by the admin API."""

import sys
import time
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Final

import typer

from kordon_proxy.config.findings import Mistake
from kordon_proxy.config.quantities import UNLIMITED
from kordon_proxy.explaining.paths import split_path
from kordon_proxy.times import duration_ms, moment, shown_date

from .calling import calling
from .client import Client, checked_id, print_json
from .options import Ended, Format, Reason, Ticket
from .report import Output, print_table, print_told

PATH: Final = "/temporary-policies"
Duration = Annotated[
    str, typer.Option("--for", help=f"How long it holds: 30m, 1h, or {UNLIMITED}: until it is revoked.")
]


class Effect(Enum):
    """What a policy does."""

    ALLOW = "Allow"
    DENY = "Deny"
    STAGE = "Stage"


@calling
def grant(
    client: Client,
    role: Annotated[str, typer.Argument(help="Who is to have it.", show_default=False)],
    actions: Annotated[list[str], typer.Argument(help="What they may do, as GROUP_EDIT.", show_default=False)],
    on: Annotated[str, typer.Option("--on", help="On what, as cluster/prod/group/trade_b2.", show_default=False)],
    duration: Duration = "1h",
    effect: Annotated[
        Effect, typer.Option(case_sensitive=False, help="Allow it, deny it, or stage it for approval.")
    ] = Effect.ALLOW,
    principal: Annotated[
        str | None, typer.Option(help="Only this one of those who have the role.", show_default=False)
    ] = None,
    starts: Annotated[
        str | None, typer.Option(help="From when on: in 30m, or at 2027-01-31T12:00:00Z. Else now.", show_default=False)
    ] = None,
    reason: Reason = None,
    ticket: Ticket = None,
    output: Format = Output.TABLE,
) -> None:
    """Put a policy in force for a time. For administrators, and never more than they may do themselves."""
    policy = {"role": role, "actions": actions, "effect": effect.value, "resource": split_path(on)}
    said = {"principal": principal, "reason": reason, "ticket": ticket, "starts_ts": _instant(starts)}
    body = {key: value for key, value in said.items() if value is not None}
    answer = client.call("POST", PATH, body=body | {"policy": policy, "duration_ms": _duration(duration)})
    if output is Output.JSON:
        print_json(answer)
    else:
        print_told(answer["notices"], sys.stderr)
        _print([answer["temporary_policy"]])


@calling
def grants(
    client: Client,
    policy_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this one.", show_default=False)] = None,
    ended: Ended = False,
    output: Format = Output.TABLE,
) -> None:
    """Show the temporary policies of the tenant; without being an administrator, those that are about you."""
    if policy_id is not None:
        answer = client.call("GET", f"{PATH}/{_one(policy_id)}")
        found = [answer["temporary_policy"]]
    else:
        answer = client.listed(PATH, "temporary_policies", {"ended": ended})
        found = answer["temporary_policies"]
    if output is Output.JSON:
        print_json(answer)
    elif found:
        _print(found)
    else:
        sys.stderr.write(f"no temporary policy {'was' if ended else 'is'} here\n")


@calling
def renew(
    client: Client,
    policy_id: Annotated[str, typer.Argument(metavar="ID", help="Which one.", show_default=False)],
    duration: Duration,
    reason: Reason = None,
    output: Format = Output.TABLE,
) -> None:
    """Give a temporary policy another end, counted from now."""
    body = {"duration_ms": _duration(duration)} | ({} if reason is None else {"reason": reason})
    answer = client.call("PATCH", f"{PATH}/{_one(policy_id)}", body=body)
    _show(answer, output)


@calling
def revoke(
    client: Client,
    policy_id: Annotated[str, typer.Argument(metavar="ID", help="Which one.", show_default=False)],
    reason: Reason = None,
    output: Format = Output.TABLE,
) -> None:
    """End a temporary policy before its time. The next request of every connection is judged without it."""
    answer = client.call("DELETE", f"{PATH}/{_one(policy_id)}", query={"reason": reason})
    _show(answer, output)


def _show(answer: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        print_json(answer)
    else:
        _print([answer["temporary_policy"]])


def _print(policies: list[dict[str, Any]]) -> None:
    print_table(("id", "state", "role", "policy", "on", "until", "by", "why"), map(_row, policies))


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    policy = one["policy"]
    role = policy["role"] if one["principal"] is None else f"{policy['role']} ({one['principal']})"
    why = " ".join(filter(None, (one["reason"], one["ticket"])))
    what = f"{policy['effect']} {' '.join(policy['actions'])}"
    return one["id"], one["state"], role, what, "/".join(policy["resource"]), _end(one), one["created_by"], why


def _end(one: Mapping[str, Any]) -> str:
    ended = one["ended"]
    if ended is not None:
        return f"ended {shown_date(ended['ts'])}" + (f" by {ended['by']}" if ended["by"] else "")
    starts = f"from {shown_date(one['starts_ts'])} " if one["state"] == "scheduled" else ""
    return starts + ("it is revoked" if one["expires_ts"] is None else shown_date(one["expires_ts"]))


def _duration(text: str) -> int | str:
    if text == UNLIMITED:
        return text
    try:
        return duration_ms("--for", text)
    except Mistake as mistake:
        raise Mistake(str(mistake), f"{mistake.hint}, or {UNLIMITED}") from None


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return round(moment(text, time.time()) * 1000)
    except Mistake:
        raise Mistake(f"--starts: `{text}` is no time and no date, as in 30m or 2027-01-31T12:00:00Z") from None


def _one(policy_id: str) -> str:
    return checked_id(policy_id, "temporary policy", "kordon grants")
