"""Why, who and what, asked of a running process: with what is granted, and of others by administrators alone."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from kordon_proxy.standings import Standings
from kordon_proxy.upstream import Upstream
from tests.proxy.admin.calling import Api, an_api
from tests.proxy.admin.test_temporary_policies import run
from tests.proxy.granting import a_body, stepped
from tests.proxy.judging.worlds import a_picture
from tests.proxy.sessions import FakeCluster, spoken

PATH = "cluster/prod/group/trade_b2"
ASKED = {"action": "GROUP_EDIT", "path": PATH}


async def explained(api: Api, operation: str, body: Any, by: str = "ann") -> dict[str, Any]:
    answer = await api.call("POST", f"/{operation}", by, body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["explained"]
    return found


def test_a_right_that_is_granted_is_explained_by_its_temporary_policy(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        before = await explained(api, "explain", ASKED, "dana")
        made = await api.made()
        now = await explained(api, "explain", ASKED, "dana")

        assert (before["answer"], now["answer"]) == ("denied", "allowed")
        assert before["reason"] == "no policy allows GROUP_EDIT on group trade_b2 to role devs"
        assert made["id"] in now["reason"]
        who = await explained(api, "who-can", ASKED)
        assert made["id"] in str(who)
        what = await explained(api, "what-can", {}, "dana")
        assert "GROUP_EDIT" in str(what)

    run(tmp_path, work)


def test_an_administrator_asks_about_others_and_nobody_else_does(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        about = {"roles": ["devs"], "tenant": "Trading"}
        assert (await explained(api, "explain", ASKED | about))["answer"] == "denied"
        for operation, body in (("explain", ASKED | about), ("what-can", about), ("who-can", ASKED)):
            refused = await api.call("POST", f"/{operation}", "dana", body)
            assert (refused.status_code, "no administrator" in refused.json()["detail"]) == (403, True)
        await stepped(api.granted, times=2)
        denied = [event["data"]["what"]["action"] for event in api.told() if event["data"]["why"]["effect"] == "Deny"]
        assert sorted(denied) == ["EXPLAIN", "WHAT_CAN", "WHO_CAN"]

    run(tmp_path, work)


def test_what_is_outside_the_view_is_answered_alike_whether_a_policy_speaks_of_it(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        one, other = [
            await explained(api, "explain", {"action": "GROUP_EDIT", "path": f"cluster/prod/group/{name}"}, "dana")
            for name in ("pay_b2", "zzz_b2")
        ]
        assert one["answer"] == "hidden"
        assert str(one).replace("pay_b2", "zzz_b2") == str(other)

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("operation", "body", "says"),
    [
        ("explain", {}, "`action` is missing"),
        ("explain", ASKED | {"pth": "x"}, "did you mean `path`?"),
        ("explain", ASKED | {"path": ["cluster", "prod"]}, "this is no text"),
        ("explain", [], "a request is a mapping of keys to values"),
        ("explain", ASKED | {"action": "GROUP_EDT"}, "did you mean GROUP_EDIT?"),
        ("explain", ASKED | {"path": "cluster"}, "it ends too early"),
        ("explain", ASKED | {"at": "soon"}, "as in 30m or 2027-01-31T12:00:00Z"),
        ("explain", ASKED | {"roles": "devs"}, "write it in brackets"),
        ("explain", ASKED | {"roles": ["devz"]}, "did you mean devs?"),
        ("explain", ASKED | {"principal": "nobody"}, "nobody"),
        ("who-can", {"action": "VIEW", "path": PATH}, "ask about an action"),
        ("what-can", {"tenants": "x"}, "tenants"),
    ],
)
def test_a_slip_is_told_with_its_cure(tmp_path: Path, operation: str, body: Any, says: str) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("POST", f"/{operation}", body=body)

        assert (answer.status_code, says in answer.text) == (400, True), answer.text

    run(tmp_path, work)


def test_who_is_no_administrator_asks_about_himself_by_his_name_too(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        for about in ({}, {"principal": "dana"}, {"principal": "dana", "tenant": "Trading"}):
            assert (await explained(api, "explain", ASKED | about, "dana"))["question"]["roles"] == ["devs"]
            assert "refused" in await explained(api, "what-can", about, "dana")
        for other in ({"tenant": "Payments"}, {"roles": ["owners"]}):
            body = ASKED | {"principal": "dana"} | other
            assert (await api.call("POST", "/explain", "dana", body)).status_code == 403

    run(tmp_path, work)


OPEN = """\
authorized_roles: ["*"]
admin_roles: [owners]
policies: [{resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], roles: [owners, hush]}]
tenants: [{name: Trading, resources: [{include: [cluster, "*", group, "trade_*"]}], roles: ["*"]}]
"""


def test_somebody_without_roles_that_the_policy_names_is_told_of_himself_and_of_nobodys_roles(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        (tmp_path / "rbac.yaml").write_text(OPEN)
        await api.process.policies.reload()
        assert (await explained(api, "explain", ASKED, "guest"))["answer"] == "denied"

        # A role that is lent to alone is none of the policy file's.
        await api.made(policy={**a_body()["policy"], "role": "guests"})
        answer = await explained(api, "explain", ASKED, "guest")

        assert answer["answer"] == "allowed"
        assert "hush" not in str(answer)

    run(tmp_path, work)


def test_who_is_no_administrator_is_not_told_which_clusters_there_are(tmp_path: Path) -> None:
    cluster = FakeCluster(replace(a_picture(), api_versions=spoken()))
    names = frozenset({"hush-7", "live"})
    upstream = Upstream(cluster=cast("Any", cluster), name="hush-7", standings=Standings(names), tls=None, logins=())

    async def all_of_it() -> None:
        async with an_api(tmp_path, {"hush-7": upstream}) as api:
            (tmp_path / "rbac.yaml").write_text(
                (tmp_path / "rbac.yaml")
                .read_text()
                .replace('[cluster, "*", group, "trade_*"]', "[cluster, prod, group]")
            )
            await api.process.policies.reload()
            there, missing = [
                await explained(api, "explain", {"action": "VIEW", "path": f"cluster/{name}/group/a"}, "dana")
                for name in ("live", "life")
            ]
            assert str(there).replace("live", "life") == str(missing)
            what = await explained(api, "what-can", {"cluster": "life"}, "dana")
            assert "hush" not in str((there, missing, what))
            told = await api.call("POST", "/explain", "ann", {"action": "VIEW", "path": "cluster/life/group/a"})
            assert "did you mean live?" in told.text

    asyncio.run(all_of_it())
