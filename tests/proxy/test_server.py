"""What a Kordon says of itself when it starts, before any broker has answered."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pytest

from kordon_proxy.demo.kordon import Kordon
from tests.kafka.tap import log_lines, readiness
from tests.kafka.tenants import eventually
from tests.proxy.audit.receiver import a_receiver, free_port

POLICY: Final = """\
policies:
  - {role: devs, effect: Allow, actions: [TOPIC_INSPECT], resource: [cluster, prod, topic, "tx_*"]}
tenants:
  - {name: Trading, resources: [{include: [cluster, prod, topic, "tx_*"]}], roles: [devs]}
"""
SIDE: Final = {"principal": "svc", "roles": ["devs"]}
NOBODY: Final = "127.0.0.1:1"
"""Where no broker is."""


@contextmanager
def started(
    *,
    groups: str = "{}",
    settings: Mapping[str, Any] | None = None,
    tokens: Mapping[str, Sequence[str]] | None = None,
    **listeners: Mapping[str, Any],
) -> Iterator[Kordon]:
    kordon = Kordon(
        clusters={"prod": NOBODY},
        policy=POLICY,
        listeners=listeners,
        settings={"groups_file": "groups.yaml", **(settings or {})},
        files={"groups.yaml": groups},
        tokens=tokens,
    )
    kordon.start(wait=False)
    try:
        eventually(lambda: log_lines(kordon, "started"))
        yield kordon
    finally:
        kordon.stop()


@pytest.fixture
def kordon() -> Iterator[Kordon]:
    with started(side={"identity": SIDE}) as kordon:
        yield kordon


def test_the_line_of_a_start_says_where_everything_is(kordon: Kordon) -> None:
    (line,) = log_lines(kordon, "started")

    assert line["listeners"] == [kordon.listener("side")]
    assert line["clusters"] == {"prod": [NOBODY]}
    assert line["admin"] == kordon.admin.removeprefix("http://")
    assert line["admin_api"] is None


def test_the_line_of_a_start_says_where_the_admin_api_is() -> None:
    with started(side={"identity": SIDE}, tokens={"ann": ["owners"]}) as kordon:
        (line,) = log_lines(kordon, "started")

        assert line["admin_api"] == kordon.api.removeprefix("http://")


def test_readiness_says_that_it_serves(kordon: Kordon) -> None:
    assert readiness(kordon)["serving"] == (True, "")


def shut(kordon: Kordon) -> list[tuple[str, str]]:
    """The listeners that were said to let nobody in, and why."""
    return [(line["listener"], line["reason"]) for line in log_lines(kordon, "nobody_can_log_in")]


def test_a_listener_of_a_tenant_that_is_not_there_is_told_at_the_start_and_whenever_a_policy_comes_into_force() -> None:
    trading = {"identity": SIDE, "tenant": "Trading"}
    billing = {"identity": SIDE, "tenant": "Billing"}
    no_billing = ("billing", "the policy has no tenant `Billing`")
    with started(trading=trading, billing=billing) as kordon:
        assert shut(kordon) == [no_billing]
        assert readiness(kordon)["logins at billing"] == (False, f"nobody can log in: {no_billing[1]}")

        kordon.policy_file.write_text(POLICY.replace("Trading", "Trade"))
        no_trading = ("trading", "the policy has no tenant `Trading`")
        eventually(lambda: shut(kordon) == [no_billing, no_trading, no_billing])

        kordon.policy_file.write_text(POLICY.replace("Trading", "Billing"))
        eventually(lambda: shut(kordon)[3:] == [no_trading])
        assert "logins at billing" not in readiness(kordon)


def test_a_listener_whose_identity_may_not_log_in_any_more_is_told() -> None:
    with started(side={"identity": {"principal": "svc"}}, groups="devs: [svc]") as kordon:
        assert shut(kordon) == []

        (kordon.folder / "groups.yaml").write_text("devs: [dana]")

        eventually(lambda: shut(kordon) == [("side", "the policy does not let its `identity` in")])


def test_a_webhook_is_told_of_policy_files_and_one_that_fails_degrades_kordon() -> None:
    away = {"name": "away", "provider": "slack", "url": f"http://127.0.0.1:{free_port()}/canary"}
    with a_receiver() as receiver:
        ops = {"name": "ops", "provider": "generic", "url": receiver.url}
        with started(side={"identity": SIDE}, settings={"audit": {"webhooks": [ops, away]}}) as kordon:
            eventually(lambda: receiver.got)
            eventually(lambda: "audit webhook-away" in readiness(kordon))
            checks = readiness(kordon)

    (loaded,) = receiver.events
    assert loaded["data"]["what"] == {"action": "LOAD_POLICY", "resources": [], "parameters": {"file": "rbac.yaml"}}
    assert checks["audit webhook-away"] == (False, "does not take events: it cannot be reached: connection refused")
    assert "audit webhook-ops" not in checks
