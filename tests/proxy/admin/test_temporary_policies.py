"""Temporary policies by the API: made, seen, renewed and revoked by whom they are for, and told to the audit."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.admin.calling import Api, an_api
from tests.proxy.granting import HOUR, NOON, a_body, until_taken_out

PATH = "/temporary-policies"
Work = Callable[[Api], Coroutine[Any, Any, None]]


def run(folder: Path, work: Work) -> None:
    async def all_of_it() -> None:
        async with an_api(folder) as api:
            await work(api)

    asyncio.run(all_of_it())


def actions(api: Api) -> list[tuple[str, str, str]]:
    """Who did what, and with which effect."""
    return [
        (event["data"]["who"]["principal"], event["data"]["what"]["action"], event["data"]["why"]["effect"])
        for event in api.told()
        if "action" in event["data"]["what"]
    ]


def test_what_an_administrator_makes_is_in_force_when_he_is_answered(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("POST", PATH, body=a_body())

        assert answer.status_code == 201
        made = answer.json()["temporary_policy"]
        assert made["policy"] == a_body()["policy"]
        assert (made["duration_ms"], made["created_ts"], made["state"]) == (HOUR, NOON, "live")
        assert (made["created_by"], made["tenant"], made["reason"], made["ticket"]) == (
            *("ann", "Trading", "poison", "OPS-7"),
        )
        assert answer.json()["metadata"] | {"response_id": ""} == {
            "response_id": "",
            "is_staged": False,
            "tenant_id": "Trading",
        }
        assert api.granted.may_edit()
        assert (await api.call("GET", f"{PATH}/{made['id']}")).json()["temporary_policy"] == made
        assert [one["id"] for one in (await api.call("GET", PATH)).json()["temporary_policies"]] == [made["id"]]

    run(tmp_path, work)


def test_every_mistake_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        policy = {"role": "devz", "actions": ["GROUP_EDT"], "effect": "Allow", "resource": ["cluster", "prd", "group"]}
        answer = await api.call("POST", PATH, body={"duration_ms": -1, "policy": policy, "reasn": "x"})

        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["title"] == "Bad Request"
        assert {finding["path"] for finding in problem["findings"]} == {
            *("duration_ms", "reasn", "policy.role", "policy.actions[0]", "policy.resource[1]"),
        }
        assert '"GROUP_EDIT"' in next(one["hint"] for one in problem["findings"] if one["path"] == "policy.actions[0]")

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "says"),
    {
        "nothing": (b"", "the body is no JSON"),
        "no JSON": (b"{", "the body is no JSON"),
        "a key twice": (b'{"policy": 1, "policy": 2}', "`policy` stands in it twice"),
        "no number": (b'{"duration_ms": NaN}', "NaN is no number"),
        "too deep": (b"[" * 200_000 + b"]" * 200_000, "the body has more than"),
        "deep": (b"[" * 50_000 + b"]" * 50_000, "the body is no JSON: it is nested too deep"),
        "no mapping": (b"[]", "mapping"),
        "half a letter": (b'{"reason": "\\ud800", "duration_ms": 1, "policy": {}}', "half a letter"),
    }.values(),
    ids=str,
)
def test_what_is_no_request_is_refused_and_says_why(tmp_path: Path, body: bytes, says: str) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("POST", PATH, body=body)

        assert answer.status_code in (400, 413)
        assert says in answer.json()["detail"]

    run(tmp_path, work)


def test_who_is_no_administrator_makes_none_and_that_is_in_the_audit(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("POST", PATH, "dana", a_body())

        assert (answer.status_code, answer.json()["detail"]) == (
            *(403, "dana is no administrator: role devs is not in admin_roles"),
        )
        assert not api.granted.may_edit()
        assert actions(api) == [("dana", "TEMPORARY_POLICY_REFUSED", "Deny")]

    run(tmp_path, work)


def test_an_administrator_gives_no_more_than_he_has(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        policy = a_body()["policy"] | {"actions": ["GROUP_DELETE"]}
        answer = await api.call("POST", PATH, body=a_body(policy=policy))

        assert answer.status_code == 403
        assert "ann does not hold GROUP_DELETE on all of group trade_b2" in answer.json()["detail"]

    run(tmp_path, work)


def test_one_is_renewed_and_revoked_and_the_audit_says_by_whom(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        made = await api.made()
        renewed = await api.call("PATCH", f"{PATH}/{made['id']}", body={"duration_ms": 60_000, "reason": "shorter"})
        revoked = await api.call("DELETE", f"{PATH}/{made['id']}?reason=done")
        again = await api.call("DELETE", f"{PATH}/{made['id']}")

        assert renewed.json()["temporary_policy"]["expires_ts"] == NOON + 60_000
        assert revoked.json()["temporary_policy"]["ended"] == {"ts": NOON, "by": "ann", "reason": "done"}
        assert not api.granted.may_edit()
        assert (again.status_code, "was revoked" in again.json()["detail"]) == (409, True)
        assert (await api.call("GET", PATH)).json()["temporary_policies"] == []
        ended = (await api.call("GET", f"{PATH}?ended=true")).json()["temporary_policies"]
        assert [one["state"] for one in ended] == ["revoked"]

        await until_taken_out(api.folder, by=[api.granted])
        assert sorted(actions(api)) == [
            ("ann", "TEMPORARY_POLICY_CREATED", "Allow"),
            ("ann", "TEMPORARY_POLICY_RENEWED", "Allow"),
            ("ann", "TEMPORARY_POLICY_REVOKED", "Allow"),
            ("ann", "TEMPORARY_POLICY_STARTED", "Allow"),
        ]

    run(tmp_path, work)


@pytest.mark.parametrize(("who", "status"), [("dana", 403), ("oscar", 404)])
@pytest.mark.parametrize(
    ("method", "event", "body"), [("DELETE", "REVOKED", None), ("PATCH", "RENEWED", {"duration_ms": 1_000})]
)
def test_who_may_not_change_one_is_refused_and_that_is_in_the_audit(
    tmp_path: Path, who: str, status: int, method: str, event: str, body: Any
) -> None:
    async def work(api: Api) -> None:
        made = await api.made()
        answer = await api.call(method, f"{PATH}/{made['id']}", who, body)

        assert answer.status_code == status
        assert api.granted.may_edit()
        await until_taken_out(api.folder, by=[api.granted])
        assert (who, f"TEMPORARY_POLICY_{event}", "Deny") in actions(api)

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("principal", "told"),
    [
        (None, []),
        ("dana", []),
        ("svc", []),
        ("dan", [('nobody is called "dan" yet, so it is for nobody now', 'did you mean "dana"?')]),
        (
            "somebody-else",
            [
                (
                    'nobody is called "somebody-else" yet, so it is for nobody now',
                    "`kordon principals` shows who is known",
                )
            ],
        ),
    ],
)
def test_a_name_that_nobody_has_is_told(tmp_path: Path, principal: str | None, told: list[tuple[str, str]]) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("POST", PATH, body=a_body(**({} if principal is None else {"principal": principal})))

        assert answer.status_code == 201, answer.text
        assert [(one["message"], one["hint"]) for one in answer.json()["notices"]] == told
        assert {one["severity"] for one in answer.json()["notices"]} <= {"notice"}

    run(tmp_path, work)


def test_each_sees_those_that_are_in_his_tenant_and_about_him(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        for_devs = await api.made()
        for_dora = await api.made(principal="dora")

        async def seen(who: str) -> set[str]:
            return {one["id"] for one in (await api.call("GET", PATH, who)).json()["temporary_policies"]}

        assert await seen("ann") == {for_devs["id"], for_dora["id"]}
        assert await seen("dana") == {for_devs["id"]}
        assert await seen("oscar") == set()
        hidden = await api.call("GET", f"{PATH}/{for_devs['id']}", "oscar")
        missing = await api.call("GET", f"{PATH}/{'0' * 32}", "oscar")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.text.replace(for_devs["id"], "0" * 32) == missing.text

    run(tmp_path, work)


def test_the_tenant_is_chosen_by_a_header(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        made = await api.made()

        async def seen(tenant: str) -> Any:
            return await api.call("GET", PATH, tenant=tenant)

        assert [one["id"] for one in (await seen("Trading")).json()["temporary_policies"]] == [made["id"]]
        payments = (await seen("Payments")).json()
        assert (payments["temporary_policies"], payments["metadata"]["tenant_id"]) == ([], "Payments")
        assert (await seen("Nobody's")).status_code == 403

    run(tmp_path, work)
