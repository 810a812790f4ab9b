"""Nobody gets in without a token that is one, and what nobody has foreseen of a request is answered all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from structlog.testing import capture_logs

from kordon_proxy.admin.api import PREFIX, create_app
from kordon_proxy.admin.server import ApiServer
from kordon_proxy.binding import CannotServe
from kordon_proxy.config.addresses import Address
from kordon_proxy.config.model import AdminApi
from kordon_proxy.demo.ports import free_port
from tests.proxy.admin.calling import ADDRESS, Api
from tests.proxy.admin.test_temporary_policies import run
from tests.proxy.granting import a_body


def logins(api: Api) -> list[dict[str, Any]]:
    return [event["data"] for event in api.told() if event["type"].startswith("kordon.audit.login")]


@pytest.mark.parametrize(
    "headers",
    {
        "none": {},
        "another scheme": {"Authorization": "Basic YW5uOmFubg=="},
        "no token": {"Authorization": "Bearer "},
        "nobody's": {"Authorization": "Bearer kordon_ann_secret"},
        "not ours": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
        "no letters": {"Authorization": "Bearer kordon_\xff_\xff".encode("latin-1")},
    }.values(),
    ids=str,
)
def test_without_a_token_that_is_one_nobody_gets_in(tmp_path: Path, headers: dict[str, Any]) -> None:
    async def work(api: Api) -> None:
        answer = await api.client.get(f"{ADDRESS}/status", headers=headers)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "kordon tokens add" in answer.json()["detail"]
        (login,) = logins(api)
        assert (login["why"]["effect"], login["who"]["peer"], login["who"]["listener"]) == (
            *("Deny", "192.0.2.9:7", "admin-api"),
        )

    run(tmp_path, work)


def test_a_token_whose_roles_may_not_log_in_opens_nothing(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("GET", "/status", "guest")

        assert (answer.status_code, answer.json()["detail"]) == (403, "no role of guest may log in")
        assert [login["who"]["principal"] for login in logins(api)] == ["guest"]

    run(tmp_path, work)


def test_one_is_told_who_one_is(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        ann, dana = [(await api.call("GET", "/status", who)).json() for who in ("ann", "dana")]

        assert (ann["principal"], ann["roles"], ann["tenant"], ann["tenants"], ann["is_admin"]) == (
            *("ann", ["owners"], "Trading", ["Trading", "Payments"], True),
        )
        assert (dana["tenants"], dana["is_admin"]) == (["Trading"], False)
        assert ann["clusters"] == dana["clusters"] == []
        assert "instance" in ann["kordon"]
        assert "instance" not in dana["kordon"]

    run(tmp_path, work)


def test_only_an_administrator_has_the_files_read(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        assert (await api.call("POST", "/reload", "dana")).status_code == 403
        assert api.reloads == 0
        assert (await api.call("POST", "/reload", "ann")).status_code == 200
        assert api.reloads == 1
        done = [(event["data"]["who"]["principal"], event["data"]["why"]["effect"]) for event in api.told()]
        assert sorted(done) == [("ann", "Allow"), ("dana", "Deny")]

    run(tmp_path, work)


def test_an_administrator_is_told_who_could_be_in_his_tenant(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        seen = (await api.call("GET", "/principals")).json()["principals"]
        elsewhere = (await api.call("GET", "/principals", tenant="Payments")).json()["principals"]

        assert [(one["principal"], one["roles"], one["sources"], one["connections"]) for one in seen] == [
            ("ann", ["owners"], ["token ann"], 0),
            ("dana", ["devs"], ["token dana"], 3),
            ("svc", ["devs"], ["listener side"], 0),
        ]
        assert [one["is_admin"] for one in seen] == [True, False, False]
        assert [one["principal"] for one in elsewhere] == ["ann", "oscar"]
        assert (await api.call("GET", "/principals", "dana")).status_code == 403

    run(tmp_path, work)


def test_an_error_that_nobody_foresaw_is_told_as_one_and_says_nothing_of_itself(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        def status() -> Any:
            raise RuntimeError("secret")

        app = create_app(replace(api.process, status=status))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        with capture_logs() as logged:
            async with httpx.AsyncClient(transport=transport) as client:
                headers = {"Authorization": f"Bearer {api.tokens['ann']}"}
                answer = await client.get(f"{ADDRESS}/status", headers=headers)

        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "secret" not in answer.text
        assert [(one["event"], str(one["exc_info"])) for one in logged] == [("admin_call_failed", "secret")]

    run(tmp_path, work)


def test_an_address_where_nothing_is_says_where_to_look(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("GET", "/nothing")
        method = await api.call("PUT", "/temporary-policies")

        assert (answer.status_code, "openapi.json" in answer.json()["detail"]) == (404, True)
        assert (method.status_code, method.json()["detail"]) == (405, "method not allowed")
        assert method.headers["allow"]

    run(tmp_path, work)


def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("POST", "/temporary-policies", body=a_body(reason="x" * (256 << 10)))

        assert answer.status_code == 413

    run(tmp_path, work)


def test_the_document_says_of_every_operation_what_it_answers(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        document = (await api.client.get(f"{ADDRESS}/openapi.json")).json()

        operations = [one for path in document["paths"].values() for one in path.values()]
        assert len({one["operationId"] for one in operations}) == len(operations) > 5
        for one in operations:
            assert {"401", "403", "404"} < one["responses"].keys()
            assert one["description"]
            assert one["security"]

    run(tmp_path, work)


@pytest.mark.timeout(120)
def test_whatever_is_asked_is_answered_as_the_document_says(tmp_path: Path) -> None:
    """Requests are made from the document; an answer that it does not describe, or a 500, is found."""

    async def work(api: Api) -> None:
        async with served(api) as address:
            await asyncio.to_thread(ask_all, f"{address}{PREFIX}/openapi.json", api.tokens["ann"])

    run(tmp_path, work)


def ask_all(document: str, token: str) -> None:
    for operation in schemathesis.openapi.from_url(document).get_all_operations():
        assert isinstance(operation, Ok)

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.ok().as_strategy())
        def check(case: Any) -> None:
            # The document says of what kind values are; that names mean something is for the policy to say.
            headers = {"Authorization": f"Bearer {token}"}
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance], timeout=10)

        check()


def test_the_port_is_free_again_when_it_stops(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        async with served(api) as address:
            answer = await asyncio.to_thread(httpx.get, f"{address}{PREFIX}/status", trust_env=False)
            assert answer.status_code == 401
            assert "server" not in answer.headers
        with pytest.raises(httpx.ConnectError):
            await asyncio.to_thread(httpx.get, f"{address}{PREFIX}/status", trust_env=False)

    run(tmp_path, work)


def test_a_port_that_somebody_else_has_is_told(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        async with served(api) as address:
            port = int(address.rpartition(":")[2])
            with pytest.raises(CannotServe, match=r"`admin\.api\.bind`"):
                await a_server(api, port).start()

    run(tmp_path, work)


def a_server(api: Api, port: int) -> ApiServer:
    settings = AdminApi(bind=Address("127.0.0.1", port), tokens=Path("tokens.yaml"))
    return ApiServer(settings, create_app(api.process))


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[str]:
    """The API on a port of this machine."""
    port = free_port()
    server = a_server(api, port)
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop()
