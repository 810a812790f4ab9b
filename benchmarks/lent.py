"""Temporary policies that are given by the admin API while Kordon is measured."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from benchmarks.kordons import ADMIN, CLUSTER, ROLE
from kordon_proxy.demo.kordon import Kordon

_ROOT: Final = "root"
TOKENS: Final[Mapping[str, tuple[str, ...]]] = {_ROOT: (ADMIN,)}
"""For a Kordon whose admin API is used: who has a token, with which roles."""
_POLICIES: Final = "/temporary-policies"


def admin_api(kordon: Kordon) -> httpx.Client:
    """Of one that was started with `TOKENS`."""
    headers = {"Authorization": f"Bearer {kordon.token(_ROOT)}"}
    return httpx.Client(base_url=f"{kordon.api}/admin/v1", headers=headers, timeout=30)


def deny(api: httpx.Client, topic: str, milliseconds: int) -> str:
    """Deny for a time what is measured, at a topic that nobody asks for: such rules are looked at first.

    Returns the id of the temporary policy. Raises httpx.HTTPError.
    """
    denied: dict[str, Any] = {
        "role": ROLE,
        "effect": "Deny",
        "actions": ["TOPIC_PRODUCE", "TOPIC_INSPECT"],
        "resource": ["cluster", CLUSTER, "topic", topic],
    }
    answer = api.post(_POLICIES, json={"duration_ms": milliseconds, "policy": denied}).raise_for_status()
    return str(answer.json()["temporary_policy"]["id"])


def revoke(api: httpx.Client, policy_id: str) -> None:
    """Raises httpx.HTTPError."""
    api.delete(f"{_POLICIES}/{policy_id}").raise_for_status()
