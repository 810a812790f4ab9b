"""The Kordons that are measured: with login, tenants, as many rules as wanted, audit and metrics."""

import os
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from benchmarks.targets import PASSWORD, USER, Target, target_at
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.identity import users_edit

CLUSTER: Final = "bench"
RULES: Final = 1_000
ROLE: Final = "bench"
ADMIN: Final = "bench-admin"
"""The role of those who may use the admin API; nobody who is measured has it."""
# Names, prefixes, suffixes and both: every shape that a policy's index knows.
_SHAPES: Final = ("other-{}", "other-{}-*", "*-other-{}", "o{}-*-r", "*-o-{}-*")
_OWN_RULES: Final = f"""\
  - resource: [cluster, {CLUSTER}, topic, "bench*"]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE]
    role: {ROLE}
  - resource: [cluster, {CLUSTER}, group, "bench*"]
    effect: Allow
    actions: [GROUP_CONSUME]
    role: {ROLE}
"""
_OWN_TENANTS: Final = f"""\
  - name: Bench
    resources:
      - include:
          - [cluster, {CLUSTER}, topic, "bench*"]
          - [cluster, {CLUSTER}, topic, "many*"]
          - [cluster, {CLUSTER}, group, "bench*"]
    roles: [{ROLE}, {ADMIN}]
  - name: Few
    resources:
      - include: [cluster, {CLUSTER}, topic, "bench*"]
    roles: [{ROLE}]
"""
LISTENERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "bench": {"sasl": {"PLAIN": "staff"}, "tenant": "Bench"},
    "few": {"sasl": {"PLAIN": "staff"}, "tenant": "Few"},
}
"""`bench` sees all topics that the suite makes; `few` sees of those for all-topics Metadata a fiftieth."""


def policy(*, rules: int = RULES, tenants: int = 2) -> str:
    """The text of a policy file with so many rules and tenants, of which two rules and two tenants matter.

    The other rules are of the same role and ask for the same actions, for other names: the worst case for an index.
    """
    others = "".join(
        f'  - {{resource: [cluster, {CLUSTER}, topic, "{_SHAPES[at % len(_SHAPES)].format(at)}"], '
        f"effect: Allow, actions: [TOPIC_INSPECT, TOPIC_PRODUCE], role: {ROLE}}}\n"
        for at in range(max(0, rules - 2))
    )
    more = "".join(
        f'  - {{name: T{at}, resources: [{{include: [cluster, {CLUSTER}, topic, "t{at}-*"]}}], roles: [{ROLE}]}}\n'
        for at in range(max(0, tenants - 2))
    )
    return f"admin_roles: [{ADMIN}]\npolicies:\n{_OWN_RULES}{others}tenants:\n{_OWN_TENANTS}{more}"


def a_kordon(
    bootstrap: str,
    *,
    checkout: Path | None = None,
    text: str | None = None,
    tokens: Mapping[str, tuple[str, ...]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Kordon:
    """Kordon in front of a cluster, ready to be started; of another checkout, if one is given."""
    rooms = [str(checkout / room) for room in ("proxy", "protocol", "policy")] if checkout else []
    return Kordon(
        clusters={CLUSTER: bootstrap},
        policy=policy() if text is None else text,
        listeners=LISTENERS,
        settings={
            "providers": {"staff": {"type": "users", "file": "users.yaml"}},
            "log": {"level": "warning"},
            **(settings or {}),
        },
        files={"users.yaml": _users()},
        environment={"PYTHONPATH": os.pathsep.join(rooms)} if rooms else {},
        tokens=tokens,
        ready_timeout=120,
    )


def target_of(kordon: Kordon, name: str, listener: str = "bench") -> Target:
    """A Kordon that runs, as a target."""
    return target_at(name, kordon.listener(listener), pid=kordon.pid, sasl=True)


@cache
def _users() -> str:
    """A users file with the one who measures, whose login is computed once and then remembered by Kordon."""
    with tempfile.TemporaryDirectory(prefix="kordon-bench-") as folder:
        file = Path(folder) / "users.yaml"
        with users_edit.edit(file, create=True) as content:
            users_edit.add_user(content, USER, PASSWORD, roles=(ROLE,))
        return file.read_text(encoding="utf-8")
