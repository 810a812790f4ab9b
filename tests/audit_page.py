"""The journal that docs/audit.md shows, and what the commands there do with it."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Final

from kordon_proxy.audit.event import KORDON, Event, EventType, Outcome, What, Who, Why, encode, rfc3339
from kordon_proxy.audit.line import seal
from kordon_proxy.audit.segments import segment_path

PAGE: Final = Path(__file__).parents[1] / "docs" / "audit.md"
WRITER: Final = "3f0c9f6f2c7b4c1d"
MIDNIGHT: Final = 1_771_977_600_000  # 2026-02-25

DANA: Final = Who(
    principal="dana",
    roles=("devs",),
    mechanism="PLAIN",
    client_id="adminclient-1",
    software_name="apache-kafka-java",
    software_version="4.3.1",
    peer="192.0.2.7:51234",
    listener="apps",
    tenant="Trading",
    connection_id="prod-1-2",
)
ADA: Final = Who(principal="ada", roles=("owners",), tenant="Trading")
GROUP: Final = ("cluster", "prod", "group", "trade_b2")
SKIP: Final = What(
    action="GROUP_EDIT",
    cluster="prod",
    api="OffsetCommit",
    api_version=9,
    resources=(GROUP,),
    parameters={"group": "trade_b2", "offsets": {"tx_trade1-3": 5}},
    correlation_id=16,
)
REFUSED: Final = Event(
    id="dd405528976d4586b8d21a9fb58b0a61",
    type=EventType.DECISION,
    time=MIDNIGHT + 589_708,
    who=DANA,
    what=SKIP,
    why=Why(effect="Deny", epoch=1, reason="no policy allows GROUP_EDIT on group trade_b2 to role devs"),
    outcome=Outcome(error_code=30, error_name="GROUP_AUTHORIZATION_FAILED", items_denied=1),
)
GRANTED: Final = Event(
    id="t1/1",
    type=EventType.TEMPORARY_POLICY,
    time=MIDNIGHT + 900_000,
    who=ADA,
    what=What(
        action="TEMPORARY_POLICY_CREATED",
        cluster="prod",
        resources=(GROUP,),
        parameters={
            "created_by": "ada",
            "tenant": "Trading",
            "role": "devs",
            "actions": ["GROUP_EDIT"],
            "effect": "Allow",
            "expires": rfc3339(MIDNIGHT + 4_500_000),
        },
    ),
    why=Why(effect="Allow", temporary_policy="t1", epoch=2, reason="a poison message blocks trade_b2"),
)
DONE: Final = replace(
    REFUSED,
    id="0c3ad1a9e8c34b5f8f9d0a7c2b6e4d13",
    time=MIDNIGHT + 960_250,
    what=replace(SKIP, parameters={**SKIP.parameters, "old_offsets": {"tx_trade1-3": 4}}),
    why=Why(effect="Allow", temporary_policy="t1", epoch=3, reason="temporary policy t1 allows it"),
    outcome=Outcome(error_code=0, error_name="NONE", items_allowed=1, duration_ms=4.2),
)
EXPIRED: Final = replace(
    GRANTED,
    id="t1/2",
    time=MIDNIGHT + 4_500_000,
    who=KORDON,
    what=replace(GRANTED.what, action="TEMPORARY_POLICY_EXPIRED"),
    why=Why(effect="Allow", temporary_policy="t1", epoch=4),
)
LOGIN: Final = Event(
    id="5a8e2f1f4bb24dd38f0f4f1c9d9f2b11", type=EventType.LOGIN, time=MIDNIGHT + 588_100, who=DANA, outcome=Outcome()
)


def write_journal(folder: Path) -> None:
    """Write the journal that the page shows."""
    lines: list[bytes] = []
    chain: bytes | None = None
    for number, event in enumerate((LOGIN, REFUSED, GRANTED, DONE, EXPIRED), start=1):
        line, chain = seal(encode(event, "urn:kordon:prod-1"), WRITER, number, chain, says_previous=number == 1)
        lines.append(line)
    path = segment_path(folder / "audit", WRITER, 1)
    path.parent.mkdir()
    path.write_bytes(b"".join(lines))


def run_tool(command: str, folder: Path) -> str:
    """Run what is no command of Kordon. What it printed."""
    ran = subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout


def words_of(command: str) -> list[str] | None:
    """The words after `kordon`, None for another command."""
    first, *words = shlex.split(command)
    return words if first == "kordon" else None
