"""A schema registry is asked as little as can be, tells of no topic what belongs to another, and may be away."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kordon_proxy.config.clusters import SchemaRegistry, UpstreamTls
from kordon_proxy.demo.certificates import issue, make_authority
from kordon_proxy.inspection import registry as module
from kordon_proxy.inspection.framing import SchemaRef
from kordon_proxy.inspection.registry import Registry
from kordon_proxy.secrets import Secret
from tests.proxy.inspection.registries import MISSING, Answer, FakeRegistry

LONG = '"long"'


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as server:
        yield server


def find(registry: Registry, *refs: int | str, topic: str = "orders") -> list[dict[str, Any]]:
    """What one inspection finds, by ids or guids."""

    async def ask() -> list[dict[str, Any]]:
        async with registry.session(topic) as session:
            named = (SchemaRef(one, None) if isinstance(one, int) else SchemaRef(None, one) for one in refs)
            return [await session.find(ref) for ref in named]

    return asyncio.run(ask())


def problem(registry: Registry, ref: int = 1) -> str:
    (found,) = find(registry, ref)
    return str(found.get("problem"))


def test_a_schema_is_asked_for_once_whoever_inspects(server: FakeRegistry) -> None:
    number = server.register("orders-value", LONG)
    registry = Registry(server.settings())

    found = [*find(registry, number, number), *find(registry, number)]

    assert [one["text"] for one in found] == [LONG] * 3
    assert server.asked == [f"/schemas/ids/{number}/subjects", f"/schemas/ids/{number}"]


def test_a_schema_of_another_topic_is_as_good_as_none(server: FakeRegistry) -> None:
    subjects = ("secret-value", "orders-eu-value", "orders-eu-acme.Order", "orders", "my-orders-value")
    registry = Registry(server.settings())

    for number, subject in enumerate(subjects, start=1):
        server.register(subject, f'{{"type": "long", "doc": "{number}"}}')

        ((found,), (nothing,)) = find(registry, number), find(registry, 99)
        assert found == {"problem": f"it names schema {number}, which the registry does not have for topic orders"}
        assert nothing == {"problem": "it names schema 99, which the registry does not have for topic orders"}
    assert all(path.endswith("/subjects") for path in server.asked)


@pytest.mark.parametrize("subject", ["orders-key", "orders-value", "orders-acme.Order_2"])
def test_a_schema_of_the_topic_is_found_by_each_strategy_that_names_the_topic(
    server: FakeRegistry, subject: str
) -> None:
    number = server.register(subject, LONG)

    (found,) = find(Registry(server.settings()), number)

    assert found["text"] == LONG


def test_any_schema_is_found_if_the_configuration_says_so(server: FakeRegistry) -> None:
    number = server.register("acme.Order", LONG)

    (found,) = find(Registry(server.settings(subjects="any")), number)

    assert found["text"] == LONG
    assert server.asked == [f"/schemas/ids/{number}"]


def test_a_schema_named_by_its_guid_has_to_be_of_the_topic_too(server: FakeRegistry) -> None:
    own, other = server.register("orders-value", LONG), server.register("secret-value", '"int"')

    found = find(Registry(server.settings()), server.guid(own), server.guid(other))

    assert (found[0]["text"], list(found[1])) == (LONG, ["problem"])


def test_what_was_found_for_one_topic_was_not_for_another(server: FakeRegistry) -> None:
    number = server.register("orders-value", LONG)
    registry = Registry(server.settings())

    assert [list(find(registry, number, topic=topic)[0]) for topic in ("orders", "other")] == [
        ["type", "text", "references"],
        ["problem"],
    ]


def test_what_was_not_there_is_asked_for_again_after_a_while(
    server: FakeRegistry,
) -> None:
    now = 0.0
    registry = Registry(server.settings(), clock=lambda: now)
    assert "does not have" in problem(registry)
    server.register("orders-value", LONG)
    assert "does not have" in problem(registry)

    now += module.AGAIN

    assert problem(registry) == "None"


def test_an_account_is_shown_to_the_registry() -> None:
    with FakeRegistry(login=("kordon", "secret")) as server:
        server.register("orders-value", LONG)
        right, wrong = ({"username": "kordon", "password": Secret(one)} for one in ("secret", "guess"))

        assert problem(Registry(server.settings(**right))) == "None"
        assert problem(Registry(server.settings(**wrong))) == (
            "the schema registry does not let Kordon in (401): look at `username` and `password` in `schema_registries`"
        )


def test_a_registry_that_is_away_is_told_and_left_alone_for_a_while() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        registry = Registry(SchemaRegistry(url=f"http://127.0.0.1:{taken.getsockname()[1]}"))

        found = find(registry, 1, 2, 3)

    (reason,) = {one["problem"] for one in found}
    assert reason.startswith("the schema registry cannot be reached: ")


def test_a_registry_that_does_not_answer_keeps_nobody_waiting(
    server: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WITHIN", 0.2)
    server.behave = server.stuck
    registry = Registry(server.settings())

    found = find(registry, 1, 2, 3)

    assert [one["problem"] for one in found] == ["the schema registry did not answer within 0.2 s"] * 3
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, {}), "the schema registry answers with status 500"),
        ((302, {}), "the schema registry answers with status 302"),
        (b"<html>", "the schema registry answers something else than schemas"),
        ((200, {"subjects": []}), "the schema registry answers something else than schemas"),
        (b"[" * 100_000, "the schema registry answers something else than schemas"),
        (b" " * (5 << 20), "the schema registry answers more than 4 MiB"),
        (MISSING, "it names schema 1, which the registry does not have for topic orders"),
    ],
    ids=["error", "redirect", "page", "shape", "depth", "size", "missing"],
)
def test_an_odd_answer_is_told(server: FakeRegistry, answer: Answer | bytes, reason: str) -> None:
    server.behave = lambda _: answer

    assert problem(Registry(server.settings())) == reason


def test_references_that_go_round_or_are_too_many_come_to_an_end(server: FakeRegistry) -> None:
    to_itself = {"name": "a", "subject": "a", "version": 1}
    server.register("a", '"int"', references=(to_itself,))
    round_and_round = server.register("orders-value", LONG, references=(to_itself,))
    many = tuple({"name": f"r{number}", "subject": "a", "version": 1} for number in range(101))
    too_many = server.register("orders-value", LONG, references=many)

    found = find(Registry(server.settings()), round_and_round, too_many)

    assert [one["name"] for one in found[0]["references"]] == ["a"]
    assert found[1] == {"problem": "the schema refers to more than 100 others"}


def test_a_reference_that_is_missing_is_told(server: FakeRegistry) -> None:
    number = server.register(
        "orders-value", LONG, references=({"name": "acme.Money", "subject": "money", "version": 1},)
    )

    assert problem(Registry(server.settings()), number) == (
        "the registry does not have acme.Money, to which the schema refers"
    )


def test_one_inspection_does_not_ask_for_any_number_of_schemas(server: FakeRegistry) -> None:
    found = find(Registry(server.settings()), *range(1, 103))

    assert len(server.asked) == 100
    assert found[-1] == {"problem": "schema 102 was not asked for: more than 100 schemas in one inspection"}


def test_a_registry_with_tls_is_verified(tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    authority, other = (make_authority(tmp_path / name) for name in ("right", "wrong"))
    holder = issue(authority, tmp_path, "registry")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(holder.both)
    with FakeRegistry(tls=context) as server:
        server.register("orders-value", LONG)
        right, wrong = (UpstreamTls(ca=one.certificate) for one in (authority, other))

        assert problem(Registry(server.settings(tls=right))) == "None"
        assert "certificate" in problem(Registry(server.settings(tls=wrong)))
        assert "certificate" in problem(Registry(server.settings()))


def test_files_of_tls_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    settings = SchemaRegistry(url="https://localhost:1", tls=UpstreamTls(ca=tmp_path / "none.pem"))

    assert problem(Registry(settings)).startswith("cannot use the authorities in ")
