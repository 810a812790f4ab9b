"""Who has a token and no right holds up nobody: the API lives in the event loop that all clients are served from."""

import asyncio
import json
import tracemalloc
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from kordon_proxy.admin.api import PREFIX, create_app
from kordon_proxy.admin.bodies import LARGEST
from kordon_proxy.admin.connection import PatientConnection
from kordon_proxy.admin.server import MOST_CALLS
from kordon_proxy.cluster.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamLoginRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.proxy.admin.calling import POLICY, Api
from tests.proxy.admin.test_callers import served
from tests.proxy.admin.test_temporary_policies import PATH, run
from tests.proxy.granting import a_body

MiB = 1 << 20


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", [PATH, "/scheduled-mutations", "/clusters/prod/inspect"])
def test_a_key_that_stands_twice_is_found_at_once_among_thousands(tmp_path: Path, path: str) -> None:
    body = b"{%b}" % b",".join(b'"%x":1' % key for key in (*range(20_000), 19_999))

    async def work(api: Api) -> None:
        assert len(body) < LARGEST
        answer = await api.call("POST", path, "dana", body)

        assert (answer.status_code, "`4e1f` stands in it twice" in answer.json()["detail"]) == (400, True)

    run(tmp_path, work)


@pytest.mark.parametrize("path", [PATH, "/scheduled-mutations", "/clusters/prod/inspect"])
@pytest.mark.parametrize("body", [b'{"\\ud800": 1}', b'{"\\ud800": 1, "\\ud800": 2}', b'{"policy": {"\\udfff": []}}'])
def test_half_a_letter_in_a_key_is_told_in_letters_that_an_answer_can_have(
    tmp_path: Path, path: str, body: bytes
) -> None:
    async def work(api: Api) -> None:
        answer = await api.call("POST", path, "dana", body)

        assert answer.status_code == 400
        assert answer.json()["detail"]

    run(tmp_path, work)


@pytest.mark.parametrize("path", [PATH, "/scheduled-mutations"])
def test_a_long_key_takes_no_more_room_for_each_value_below_it(tmp_path: Path, path: str) -> None:
    key = "k" * 200_000
    body = b'{"%b":[%b1]}' % (key.encode(), b"1," * 9_000)

    async def work(api: Api) -> None:
        tracemalloc.start()
        try:
            answer = await api.call("POST", path, "dana", body)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert answer.status_code == 400
        assert peak < 50 * MiB
        assert len(answer.content) < 10_000

    run(tmp_path, work)


def test_stars_in_a_row_are_one_star_when_it_is_asked_what_they_cover(tmp_path: Path) -> None:
    policy = a_body()["policy"] | {"actions": ["TOPIC_INSPECT"], "resource": ["cluster", "prod", "topic", "*" * 3_900]}

    async def work(api: Api) -> None:
        rbac = tmp_path / "rbac.yaml"
        rbac.write_text(rbac.read_text().replace('{include: [cluster, "*", group, "trade_*"]}', '{include: ["*"]}'))
        await api.granted.policies.reload()
        answer = await api.call("POST", PATH, body=json.dumps(a_body(policy=policy)).encode())

        assert (answer.status_code, "internal topics" in answer.json()["detail"]) == (403, True)

    run(tmp_path, work)


@pytest.mark.timeout(60)
def test_who_connects_and_says_nothing_or_half_of_it_keeps_nobody_out(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        async with served(api) as address:
            host, _, port = address.removeprefix("http://").partition(":")
            silent = [await asyncio.open_connection(host, int(port)) for _ in range(2 * MOST_CALLS)]
            for _, writer in silent[MOST_CALLS:]:
                writer.write(b"GET /admin/v1/status HTTP/1.1\r\nHost: kordon\r\n")
                await writer.drain()
            headers = {"Authorization": f"Bearer {api.tokens['ann']}"}
            async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
                for _ in range(3):
                    assert (await client.get(f"{address}{PREFIX}/status")).status_code == 200
            for _, writer in silent:
                writer.close()

    run(tmp_path, work)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /admin/v1/status HT",
        b"POST /admin/v1/temporary-policies HTTP/1.1\r\nHost: kordon\r\n"
        b"Authorization: Bearer %b\r\nContent-Length: 9\r\n\r\n{",
    ],
)
def test_a_request_of_which_the_end_does_not_come_is_waited_for_so_long_only(
    tmp_path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientConnection, "arrival", 0.2)

    async def work(api: Api) -> None:
        async with served(api) as address:
            host, _, port = address.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(said % api.tokens["ann"].encode() if b"%b" in said else said)
            with suppress(ConnectionResetError):
                assert b"200" not in await asyncio.wait_for(reader.read(), 20)
            writer.close()

    run(tmp_path, work)


@pytest.mark.timeout(60)
def test_who_sends_the_end_of_a_request_late_is_judged_by_what_holds_then(tmp_path: Path) -> None:
    body = json.dumps(a_body()).encode()

    async def work(api: Api) -> None:
        async with served(api) as address:
            host, _, port = address.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"POST %b%b HTTP/1.1\r\nHost: kordon\r\nConnection: close\r\nAuthorization: Bearer %b\r\n"
                b"Content-Length: %d\r\n\r\n%b"
                % (PREFIX.encode(), PATH.encode(), api.tokens["ann"].encode(), len(body), body[:9])
            )
            await asyncio.sleep(0.2)  # it is known by now whose token it is
            api.process.directory().tokens.by_id.pop("ann")  # type: ignore[attr-defined]
            writer.write(body[9:])
            answer = await asyncio.wait_for(reader.read(), 20)
            writer.close()

        assert answer.startswith(b"HTTP/1.1 401")
        assert not api.granted.may_edit()

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", PATH, a_body("trade_" + "x" * 200_000)),
        ("POST", PATH, a_body(ticket="x" * 200_000)),
        ("POST", "/scheduled-mutations", {"cluster": "prod", "group": "x" * 200_000, "operation": "clear"}),
        ("DELETE", f"{PATH}/{'x' * 20_000}", None),
        ("PATCH", f"{PATH}/{'x' * 20_000}", {"duration_ms": 1_000}),
        ("DELETE", f"/scheduled-mutations/{'x' * 20_000}", None),
        ("DELETE", f"/staged-mutations/{'x' * 20_000}", None),
        ("POST", f"/staged-mutations/{'x' * 20_000}/approve", None),
        ("POST", "/staged-mutations/1/deny", {"reason": "x" * 200_000}),
    ],
)
def test_who_may_do_nothing_fills_no_disk(tmp_path: Path, method: str, path: str, body: object) -> None:
    async def work(api: Api) -> None:
        for _ in range(3):
            assert (await api.call(method, path, "dana", body)).status_code == 400

    run(tmp_path, work)
    assert sum(file.stat().st_size for file in tmp_path.glob("audit-one/*")) < 5_000


def test_the_same_denial_is_written_once_and_counted_after_that(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        for _ in range(20):
            assert (await api.call("POST", "/reload", "dana")).status_code == 403

        assert [event["data"]["what"]["action"] for event in api.told()] == ["RELOAD"]

    run(tmp_path, work)


@pytest.mark.parametrize("kind", [UpstreamUnavailable, UpstreamTimeout, UpstreamLoginRefused, UpstreamGarbled])
def test_nobody_is_told_where_brokers_really_are(tmp_path: Path, kind: type[UpstreamError]) -> None:
    async def work(api: Api) -> None:
        def lacking() -> None:
            raise kind("broker kafka-1.internal:9092 refuses Kordon's own login kordon-svc")

        app = create_app(api.process)
        app.add_api_route("/broken", lacking)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            answer = await client.get("http://kordon/broken")

        assert answer.status_code == 503
        assert "kafka-1" not in answer.text
        assert "kordon-svc" not in answer.text
        assert "Kordon's log says which" in answer.json()["detail"]

    run(tmp_path, work)


def test_who_is_no_administrator_learns_no_cluster_and_no_role_by_asking_for_wrong_ones(tmp_path: Path) -> None:
    async def work(api: Api) -> None:
        granted = {**a_body()["policy"], "role": "owner", "resource": ["cluster", "prot", "group", "g"]}
        offsets = {"cluster": "prot", "group": "trade_b2", "operation": "clear"}
        (tmp_path / "rbac.yaml").write_text(POLICY.replace('[cluster, "*", group, "trade_*"]', "[cluster, dev, group]"))
        await api.process.policies.reload()

        texts = [
            (await api.call("POST", path, by, body)).text
            for by in ("dana", "ann")
            for path, body in ((PATH, a_body() | {"policy": granted}), ("/scheduled-mutations", offsets))
        ]

        assert ["did you mean" in text for text in texts] == [False, False, True, True], texts
        assert not [text for text in texts[:2] if "prod" in text or "owners" in text.replace("not in admin_roles", "")]

    run(tmp_path, work)
