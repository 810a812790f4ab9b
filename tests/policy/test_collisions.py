"""Tenants whose topics can get into each other's way, since Kafka takes a dot and an underscore for the same letter."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_policy import collisions
from kordon_policy.collisions import may_collide
from kordon_policy.findings import Severity
from kordon_policy.load import load
from kordon_policy.patterns import Pattern, pattern
from tests.policy.given import tenants


def told(*paths: list[str]) -> list[str]:
    """What is said of tenants that include one path each."""
    names = "ABCDEFGH"
    given = [{"name": names[n], "resources": [{"include": path}]} for n, path in enumerate(paths)]
    loaded = load(tenants(*given), "rbac.yaml")
    assert loaded.document is not None, loaded.findings
    return [one.message for one in loaded.findings if one.severity is Severity.NOTICE and "collide" in one.message]


def topics(name: str, cluster: str = "*") -> list[str]:
    return ["cluster", cluster, "topic", name]


def test_tenants_that_differ_in_dots_and_underscores_are_told() -> None:
    assert told(topics("acme.*"), topics("other.*"), topics("acme_*")) == [
        'topics of tenant "C" can collide with those of tenant "A": "acme_*" and "acme.*" differ in dots and '
        "underscores alone"
    ]


def test_two_tenants_are_told_once() -> None:
    include = [{"include": [topics("a.*"), topics("b.*")]}, {"include": topics("c.d*")}]
    other = [{"include": [topics("a_*"), topics("b_*")]}, {"include": topics("c_d*")}]
    loaded = load(tenants({"name": "A", "resources": include}, {"name": "B", "resources": other}), "rbac.yaml")
    assert len([one for one in loaded.findings if "collide" in one.message]) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (topics("acme.*"), topics("acme.*")),
        (topics("acme.*"), topics("acme.pay*")),
        (topics("acme.*"), topics("acme-*")),
        (topics("acme.*", "prod"), topics("acme_*", "test")),
        (topics("acme.*"), ["cluster", "*", "group", "acme_*"]),
        (topics("acme.*"), ["cluster", "*"]),
        (topics("acme.*"), ["*"]),
        (topics("a.b"), topics("a.b")),
    ],
)
def test_tenants_that_share_names_or_have_nothing_alike_are_not_told(one: list[str], other: list[str]) -> None:
    assert told(one, other) == []


def test_a_tenant_does_not_collide_with_itself() -> None:
    loaded = load(tenants({"name": "A", "resources": [{"include": [topics("a.*"), topics("a_*")]}]}), "rbac.yaml")
    assert not [one for one in loaded.findings if "collide" in one.message]


LETTERS = st.text("ab._", max_size=4)


@given(LETTERS, LETTERS, LETTERS, LETTERS, st.booleans(), st.booleans())
def test_no_names_collide_where_none_is_told(
    head: str, tail: str, other_head: str, other_tail: str, star: bool, other_star: bool
) -> None:
    one = pattern(f"{head}*{tail}" if star else head + tail)
    other = pattern(f"{other_head}*{other_tail}" if other_star else other_head + other_tail)
    names = ["".join(letters) for size in range(6) for letters in product("a._", repeat=size)]
    first, second = ([name for name in names if each.matches(name)] for each in (one, other))
    folded = {name.replace(".", "_") for name in first} & {name.replace(".", "_") for name in second}
    if folded and not set(first) & set(second):
        assert may_collide(one, other)


def test_of_very_many_names_that_are_alike_not_every_two_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: Pattern, other: Pattern) -> bool:
        compared.append((one, other))
        return may_collide(one, other)

    monkeypatch.setattr(collisions, "may_collide", compare)
    many = 500
    load(tenants(*({"name": f"T{n}", "resources": [{"include": topics(f"*{n}")}]} for n in range(many))), "rbac.yaml")

    assert len(compared) == collisions.COMPARED < many * (many - 1) // 2


def test_a_shadow_tenant_has_no_topics_yet() -> None:
    shadow = {"name": "S", "resources": [{"include": topics("a_*")}], "mode": "shadow", "shadow_until": "2999-01-01"}
    loaded = load(tenants({"name": "A", "resources": [{"include": topics("a.*")}]}, shadow), "rbac.yaml")
    assert loaded.document is not None, loaded.findings
    assert not [one for one in loaded.findings if "collide" in one.message]
