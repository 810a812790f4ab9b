"""Staged mutations by the API: seen, approved, denied and withdrawn by whom they are for, and told to the audit."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import pytest

from kordon_policy.own_rights import Author
from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.admin.working import without_haste
from kordon_proxy.audit.event import Who
from kordon_proxy.calls import Case
from kordon_proxy.staged_requests import Asked
from kordon_proxy.standings import Standings
from kordon_proxy.table import APIS
from kordon_proxy.upstream import Upstream
from tests.proxy.admin.calling import Api, an_api
from tests.proxy.apis.messages import a_request
from tests.proxy.cluster.loops import until
from tests.proxy.judging.worlds import a_picture
from tests.proxy.sessions import FakeCluster, spoken

PATH: Final = "/staged-mutations"
DANA: Final = Who(principal="dana", roles=("devs",), tenant="Trading", client_id="reset.sh", peer="192.0.2.7:1")
ANN: Final = Who(principal="ann", roles=("owners",), tenant="Trading")
STAGED: Final = """\
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_DELETE], roles: [owners, devs]}
  - {resource: [cluster, prod, group, "trade_*"], effect: Stage, actions: [GROUP_DELETE], role: devs}
"""
Work = Callable[[Api], Coroutine[Any, Any, None]]


def run(folder: Path, work: Work) -> None:
    async def all_of_it() -> None:
        cluster = FakeCluster(replace(a_picture(), api_versions=spoken()))
        upstream = Upstream(
            cluster=cast("Any", cluster), name="prod", standings=Standings(frozenset({"prod"})), tls=None, logins=()
        )
        async with an_api(folder, {"prod": upstream}) as api:
            policy = folder / "rbac.yaml"
            policy.write_text(policy.read_text().replace("tenants:", f"{STAGED}tenants:"))
            await api.process.policies.reload()
            await work(api)

    asyncio.run(all_of_it())


async def staged(api: Api, *groups: str) -> str:
    """The id of what dana has asked for."""
    request = a_request(ApiKey.DELETE_GROUPS, 2, groups_names=groups or ("trade_b2",))
    upstream = api.process.upstreams["prod"]
    author = Author(principal=DANA.principal, roles=frozenset(DANA.roles), tenant=DANA.tenant)
    may = Case(upstream=upstream, policies=api.process.policies, author=author).may_by_approval(())
    delete = APIS[ApiKey.DELETE_GROUPS]
    assert delete.judge is not None
    delete.judge(request, may)
    asked = Asked(
        api=delete,
        request=request,
        body=encode(request),
        broker=None,
        forwarded=None,
        rulings=tuple(may.notes),
        author=author,
        who=DANA,
    )
    told, *_ = await api.process.staging.stage(asked, upstream, recordable=True)
    assert told.refusal is not None
    return str(told.refusal.text).rpartition(" ")[2]


def changes(api: Api) -> list[tuple[str, str, str]]:
    """Who did what to staged mutations, and with which effect."""
    return [
        (event["data"]["who"]["principal"], event["data"]["what"]["action"], event["data"]["why"]["effect"])
        for event in api.told()
        if str(event["data"]["what"].get("action")).startswith("STAGED_MUTATION")
    ]


def test_what_waits_is_told_to_its_author_and_to_administrators_of_its_tenant(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        mutation_id = await staged(api)

        answer = (await api.call("GET", f"{PATH}/{mutation_id}", "dana")).json()

        one = answer["staged_mutation"]
        assert (one["state"], one["api"], one["api_version"], one["cluster"]) == ("pending", "DeleteGroups", 2, "prod")
        assert (one["created_by"], one["tenant"], one["request"]) == ("dana", "Trading", {"groups": ["trade_b2"]})
        demand = {"action": "GROUP_DELETE", "kind": "group", "name": "trade_b2", "explicit": False, "beginning": False}
        assert one["demands"] == [demand]
        assert one["client"] == {"client_id": "reset.sh", "peer": "192.0.2.7:1"}
        assert one["rules"] == ["policies[2] (rbac.yaml:5)"]
        assert (answer["metadata"]["is_staged"], answer["metadata"]["tenant_id"]) == (True, "Trading")
        for who in ("ann", "dana"):
            seen = (await api.call("GET", PATH, who)).json()["staged_mutations"]
            assert [one["id"] for one in seen] == [mutation_id]
        assert (await api.call("GET", PATH, "oscar")).json()["staged_mutations"] == []
        hidden = await api.call("GET", f"{PATH}/{mutation_id}", "oscar")
        missing = await api.call("GET", f"{PATH}/{mutation_id[::-1]}", "oscar")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.json()["detail"].replace(mutation_id, mutation_id[::-1]) == missing.json()["detail"]

    run(tmp_path, work)


def test_a_second_person_approves_and_is_told_how_it_stands(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        mutation_id = await staged(api)

        answer = await api.call("POST", f"{PATH}/{mutation_id}/approve", body={"reason": "OPS-7"})

        one = answer.json()["staged_mutation"]
        assert (answer.status_code, one["state"], one["approved_by"], one["approval_reason"]) == (
            *(200, "approved", "ann", "OPS-7"),
        )
        assert answer.json()["metadata"]["is_staged"]
        again = await api.call("POST", f"{PATH}/{mutation_id}/approve")
        assert (again.status_code, "cannot be approved" in again.json()["detail"]) == (409, True)

    run(tmp_path, work)


def test_whoever_may_not_approve_is_refused_and_it_is_in_the_audit(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        mutation_id = await staged(api)

        own = await api.call("POST", f"{PATH}/{mutation_id}/approve", "dana")
        hidden = await api.call("POST", f"{PATH}/{mutation_id}/approve", "oscar")
        anothers = await api.call("DELETE", f"{PATH}/{mutation_id}", "ann")

        assert [own.status_code, hidden.status_code, anothers.status_code] == [403, 404, 403]
        assert own.json()["detail"] == "dana has asked for it himself: it takes a second person"
        await api.granted.ledger.step()
        await until(lambda: len(changes(api)) == 4)
        assert sorted(changes(api)) == [
            ("ann", "STAGED_MUTATION_WITHDRAWN", "Deny"),
            ("dana", "STAGED_MUTATION_APPROVED", "Deny"),
            ("dana", "STAGED_MUTATION_STAGED", "Stage"),
            ("oscar", "STAGED_MUTATION_APPROVED", "Deny"),
        ]
        assert (await api.call("GET", f"{PATH}/{mutation_id}")).json()["staged_mutation"]["state"] == "pending"

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("method", "path", "by", "state"),
    [("POST", "/deny", "ann", "denied"), ("DELETE", "", "dana", "withdrawn")],
    ids=["denied", "withdrawn"],
)
def test_what_is_stopped_is_over_and_shown_when_asked_for(
    tmp_path: Path, method: str, path: str, by: str, state: str
) -> None:
    async def work(api: Api) -> None:
        mutation_id = await staged(api)

        answer = await api.call(method, f"{PATH}/{mutation_id}{path}", by)

        one = answer.json()["staged_mutation"]
        assert (answer.status_code, one["state"], one["ended"]["by"]) == (200, state, by)
        assert not answer.json()["metadata"]["is_staged"]
        assert (await api.call("GET", PATH)).json()["staged_mutations"] == []
        ended = (await api.call("GET", PATH, params={"ended": "true"})).json()["staged_mutations"]
        assert [one["id"] for one in ended] == [mutation_id]
        again = await api.call("POST", f"{PATH}/{mutation_id}/approve")
        assert (again.status_code, "it is over since" in again.json()["detail"]) == (409, True)

    run(tmp_path, work)


def test_every_mistake_in_what_is_said_is_told(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        mutation_id = await staged(api)

        answer = await api.call("POST", f"{PATH}/{mutation_id}/deny", body={"reasn": "no", "reason": 7})

        assert answer.status_code == 400
        assert {finding["path"] for finding in answer.json()["findings"]} == {"reasn", "reason"}
        assert (await api.call("GET", f"{PATH}/{mutation_id}")).json()["staged_mutation"]["state"] == "pending"

    run(tmp_path, work)


def test_a_list_says_little_of_each_and_holds_up_nobody(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        groups = [f"trade_{number:0200}" for number in range(30)]
        mutation_id = await staged(api, *groups)
        for number in range(5):
            await staged(api, f"trade_{number}")
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        await asyncio.sleep(0)
        before, seen = turns, await without_haste(api.process.staging.seen_by(ANN))
        task.cancel()

        assert (len(seen), turns - before >= len(seen)) == (6, True)
        listed = (await api.call("GET", PATH)).json()["staged_mutations"]
        (brief,) = (one for one in listed if one["id"] == mutation_id)
        assert (len(brief["demands"]), brief["more_demands"]) == (20, 10)
        assert brief["request"] == {"left_out": "it is too long for a list"}
        whole = (await api.call("GET", f"{PATH}/{mutation_id}")).json()["staged_mutation"]
        assert (len(whole["demands"]), whole["more_demands"]) == (30, 0)
        assert whole["request"] == {"groups": groups}

    run(tmp_path, work)
