"""Wrong uses of the command and of the admin API: each is answered with what was wrong, and what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import pytest

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon

POLICY: Final = """\
admin_roles: [owners]
policies:
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], role: owners}
tenants:
  - {name: Trading, resources: [{include: [cluster, prod, group, "trade_*"]}], roles: [owners, devs]}
"""
COMMANDS: Final = [
    # What one types.
    ("grant", 2, "Missing argument"),
    ("grant devs GROUP_EDIT", 2, "Missing option '--on'"),
    ("grnt devs", 2, "grant"),
    ("grant devs GROUP_EDT --on cluster/prod/group/trade_b2", 1, 'did you mean "GROUP_EDIT"?'),
    ("grant devz GROUP_EDIT --on cluster/prod/group/trade_b2", 1, 'did you mean "devs"?'),
    ("grant devs GROUP_EDIT --on cluster/prd/group/trade_b2", 1, 'did you mean "prod"?'),
    ("grant devs GROUP_EDIT --on /prod/group/trade_b2", 2, "as in cluster/prod/group/trade_b2"),
    ("grant devs GROUP_EDIT --on cluster/prod/grup/trade_b2", 1, "group"),
    ("grant devs GROUP_EDIT --on cluster/prod/topic/tx", 1, "GROUP_EDIT"),
    ("grant devs GROUP_EDIT --on cluster/prod/group/pay_b2", 1, "not all of group pay_b2 in cluster prod is in tenant"),
    ("grant devs GROUP_DELETE --on cluster/prod/group/trade_b2", 1, "ann does not hold GROUP_DELETE"),
    ("grant devs GROUP_EDIT --on cluster/prod/group/trade_b2 --for soon", 2, "a number and one of"),
    ("grant devs GROUP_EDIT --on cluster/prod/group/trade_b2 --for 1d", 1, "longer than max_duration"),
    ("grant devs GROUP_EDIT --on cluster/prod/group/trade_b2 --for 0", 1, "`duration_ms` is not above 0"),
    (
        "grant devs GROUP_EDIT --on cluster/prod/group/trade_b2 --starts tomorrow",
        2,
        "as in 30m or 2027-01-31T12:00:00Z",
    ),
    ("grant * GROUP_EDIT --on cluster/prod/group/trade_b2", 1, "name the role"),
    ("grants 0", 1, "there is no temporary policy 0; `kordon grants --ended` shows all"),
    ("grants ../status", 2, "`kordon grants` shows them"),
    ("revoke 7f3a", 1, "there is no temporary policy 7f3a"),
    ("renew 7f3a", 2, "Missing option '--for'"),
    ("groups skip", 2, "Missing argument"),
    ("groups skip pay_b2", 1, "group pay_b2 is outside the tenant Trading"),
    ("groups skip trade_b2 --partition 3", 1, "name the topic that it is of"),
    ("groups skip trade_b2 --count 0", 1, "`count` is below 1"),
    ("groups reset trade_b2", 2, "Missing option '--to'"),
    ("groups reset trade_b2 --to newest", 1, "newest"),
    ("groups reset trade_b2 --to -5", 1, "`offset` is below 0"),
    ("groups show trade_zz", 1, "there is no group trade_zz"),
    ("groups skip trade_zz", 1, "there is no group trade_zz"),
    ("groups clear trade_zz", 1, "there is no group trade_zz"),
    ("groups list --cluster prd", 1, "there is no cluster prd; --cluster or KORDON_CLUSTER names another one"),
    ("scheduled show 7f3a", 1, "there is no scheduled mutation 7f3a; `kordon scheduled list --ended` shows all"),
    ("staged show 7f3a", 1, "there is no staged mutation 7f3a; `kordon staged list --ended` shows all"),
    ("explain --live GROUP_EDT cluster/prod/group/trade_b2", 2, "did you mean GROUP_EDIT?"),
    ("explain --live --as nobody GROUP_EDIT cluster/prod/group/trade_b2", 2, "nobody is called nobody"),
    ("explain --live --policy rbac.yaml GROUP_EDIT cluster/prod/group/trade_b2", 2, "leave --policy out"),
    ("who-can --live GROUP_EDIT cluster/prd/group/trade_b2", 2, "did you mean prod?"),
    ("what-can --live devz", 2, "did you mean devs?"),
    ("inspect tx_zz", 1, "tx_zz is outside the tenant"),
    ("inspect tx_trade1 --count 9999", 1, "count"),
    ("inspect tx_trade1 --offset 7", 1, "partition"),
    ("status --tenant Nobodys", 1, "`kordon status` without --tenant"),
    ("status --url 127.0.0.1", 2, "as in http://127.0.0.1:9181"),
    ("status --url http://127.0.0.1:1", 2, "--url names another address"),
    ("status --token-file nowhere", 2, "cannot read the token in nowhere"),
    ("status --ca nowhere", 2, "cannot read the authorities in nowhere"),
]
CALLS: Final = [
    # Method, path, body, status, what is said.
    ("POST", "/temporary-policies", "{", 400, "the body is no JSON"),
    ("POST", "/temporary-policies", {}, 400, "`policy`"),
    ("POST", "/temporary-policies", {"duration_ms": "1h", "policy": {}}, 400, "write it like 3600000"),
    ("PUT", "/temporary-policies", {}, 405, "method not allowed"),
    ("GET", "/temporary-polices", None, 404, "/admin/v1/openapi.json tells what there is"),
    ("DELETE", "/temporary-policies/7f3a", None, 404, "there is no temporary policy 7f3a"),
    ("GET", "/temporary-policies?ended=perhaps", None, 400, "query.ended: this is neither true nor false"),
    ("POST", "/scheduled-mutations", {"cluster": "prod", "group": "trade_b2"}, 400, "operation"),
    ("POST", "/scheduled-mutations", {"cluster": "prd", "group": "a", "operation": "skp"}, 400, "skip"),
    ("POST", "/clusters/prod/inspect", {"topic": "a b"}, 400, "no name of a topic"),
]


@pytest.fixture(scope="module")
def kordon(kafka: Kafka) -> Iterator[Kordon]:
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, tokens={"ann": ["owners"]}) as kordon:
        yield kordon


def ran(environment: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "kordon_proxy", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "300", **environment},
    )


@pytest.mark.parametrize(("line", "code", "says"), COMMANDS, ids=[line for line, _, _ in COMMANDS])
def test_a_wrong_use_of_the_command_says_what_to_do(kordon: Kordon, line: str, code: int, says: str) -> None:
    done = ran({"KORDON_URL": kordon.api, "KORDON_TOKEN": kordon.token("ann")}, *line.split())

    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("token", "says"),
    {
        "": "`kordon tokens add` makes one",
        "secret": "the bearer token opens nothing",
        "sécret": "letters in it that no token has",
    }.items(),
)
def test_without_a_good_token_one_is_told_how_to_get_one(kordon: Kordon, token: str, says: str) -> None:
    done = ran({"KORDON_URL": kordon.api, "KORDON_TOKEN": token}, "status")

    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(("method", "path", "body", "status", "says"), CALLS)
def test_a_wrong_use_of_the_api_says_what_to_do(
    kordon: Kordon, method: str, path: str, body: Any, status: int, says: str
) -> None:
    answer = httpx.request(
        method,
        f"{kordon.api}/admin/v1{path}",
        content=body if isinstance(body, str | None) else json.dumps(body),
        headers={"Authorization": f"Bearer {kordon.token('ann')}"},
        trust_env=False,
    )

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.text.replace('\\"', '"')


def test_there_are_more_than_thirty() -> None:
    assert len(COMMANDS) + len(CALLS) > 40
