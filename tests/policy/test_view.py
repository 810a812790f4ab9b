"""What tenants see."""

from typing import Any

import pytest

from kordon_policy.access import is_in_view
from kordon_policy.actions import Kind
from kordon_policy.model import Outside
from kordon_policy.view import Inferred
from tests.policy.given import PROD, a_snapshot, a_view, tenants

TRADE = {"include": [["cluster", "*", "topic", "tx_*"], ["cluster", "*", "group", "trade_*"]]}
WHOLE = {"include": ["cluster", "*"]}
INTERNAL = {"exclude": ["cluster", "*", "topic", "*-internal"]}
READS = {"trade_b2": frozenset({"tx_1", "ext_fx", "ext-internal", "__secret"}), "other": frozenset({"hr_1"})}


def test_nothing_is_seen_but_what_is_included() -> None:
    view = a_view(TRADE)
    assert view.sees(Kind.TOPIC, "tx_1")
    assert view.sees(Kind.GROUP, "trade_b2")
    assert not view.sees(Kind.TOPIC, "hr_1")
    assert not view.sees(Kind.GROUP, "tx_1")
    assert not view.sees(Kind.SUBJECT, "tx_1")


@pytest.mark.parametrize("kind", [Kind.GROUP, Kind.BROKER, Kind.PRINCIPAL, Kind.TRANSACTIONAL_ID])
def test_a_tenant_that_includes_topics_only_sees_nothing_else(kind: Kind) -> None:
    assert not a_view({"include": ["cluster", "*", "topic"]}).sees(kind, "a")


def test_excludes_come_last_wherever_they_stand() -> None:
    assert not a_view(INTERNAL, TRADE).sees(Kind.TOPIC, "tx_1-internal")
    assert not a_view(TRADE, INTERNAL).sees(Kind.TOPIC, "tx_1-internal")


def test_a_group_in_the_view_brings_the_topics_that_it_reads() -> None:
    view = a_view(TRADE, INTERNAL, inferred=READS)
    assert view.sees(Kind.TOPIC, "ext_fx")
    assert not view.sees_explicitly(Kind.TOPIC, "ext_fx")
    assert view.sees_explicitly(Kind.TOPIC, "tx_1")
    assert view.reason(Kind.TOPIC, "ext_fx") == "topic ext_fx is in tenant Trading because group trade_b2 reads it"


@pytest.mark.parametrize("topic", ["hr_1", "ext-internal", "__secret"])
def test_inference_comes_from_visible_groups_and_reaches_neither_excludes_nor_internal_topics(topic: str) -> None:
    view = a_view(TRADE, INTERNAL, inferred=READS)
    assert not view.sees(Kind.TOPIC, topic)
    assert not view.topic_for_group(topic, "trade_b2")


def test_an_excluded_group_infers_nothing() -> None:
    view = a_view(TRADE, {"exclude": ["cluster", "*", "group", "*b2"]}, inferred=READS)
    assert not view.sees(Kind.TOPIC, "ext_fx")


def test_everything_of_a_type_is_seen_where_the_whole_cluster_is_and_nothing_of_it_is_excluded() -> None:
    everything, none = {"include": ["cluster", "*"]}, {"exclude": ["cluster", "*", "transactional-id", "hr_*"]}
    assert a_view(everything).sees_all(Kind.TRANSACTIONAL_ID)
    assert a_view(everything, none).sees_all(Kind.GROUP)
    assert not a_view(everything, none).sees_all(Kind.TRANSACTIONAL_ID)
    assert not a_view(everything, {"exclude": ["cluster", "*"]}).sees_all(Kind.GROUP)
    assert not a_view({"include": ["cluster", "*", "transactional-id"]}).sees_all(Kind.TRANSACTIONAL_ID)


def test_a_topic_brings_no_group() -> None:
    view = a_view({"include": ["cluster", "*", "topic", "tx_*"]}, inferred={"g": frozenset({"tx_1"})})
    assert not view.sees(Kind.GROUP, "g")


def test_a_group_may_be_given_what_is_shown_and_what_it_reads_itself() -> None:
    reads = {**READS, "trade_other": frozenset({"ext_ny"})}
    view = a_view(TRADE, inferred=reads)
    assert view.topic_for_group("ext_fx", "trade_b2")
    assert view.topic_for_group("tx_9", "trade_b2")
    assert view.sees(Kind.TOPIC, "ext_ny")
    assert not view.topic_for_group("ext_ny", "trade_b2")
    assert not view.topic_for_group("hr_1", "other")


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        (["*"], False),
        (["cluster", "*"], False),
        (["cluster", "*", "topic", "*"], False),
        (["cluster", "*", "topic", "_*"], False),
        (["cluster", "*", "topic", "*consumer_offsets"], False),
        (["cluster", "*", "topic", "__*"], True),
        (["cluster", "*", "topic", "__con*"], True),
        (["cluster", "*", "topic", "__*_offsets"], True),
        (["cluster", "*", "topic", "__consumer_offsets"], True),
    ],
)
def test_internal_topics_are_seen_only_where_a_path_says_so(path: list[str], seen: bool) -> None:
    assert a_view({"include": path}).sees(Kind.TOPIC, "__consumer_offsets") is seen


def test_a_group_whose_name_begins_like_an_internal_topic_is_a_group_like_any_other() -> None:
    assert a_view({"include": ["cluster", "*"]}).sees(Kind.GROUP, "__mine")


@pytest.mark.parametrize("kind", [Kind.TOPIC, Kind.GROUP, Kind.TRANSACTIONAL_ID])
def test_what_is_kordons_own_is_seen_by_administrators_alone(kind: Kind) -> None:
    include = {"include": ["cluster", "*", str(kind), "__kordon*"]}
    assert not a_view(include).sees(kind, "__kordon_audit_log")
    assert a_view(include, admin=True).sees(kind, "__kordon_audit_log")
    assert not a_view({"include": ["cluster", "*", str(kind), "a"]}, admin=True).sees(kind, "__kordon_audit_log")


@pytest.mark.parametrize(
    ("items", "whole"),
    [
        ([{"include": ["*"]}], True),
        ([{"include": ["cluster"]}], True),
        ([{"include": ["cluster", "prod"]}], True),
        ([{"include": ["cluster", "dev"]}], False),
        ([{"include": ["cluster", "prod", "topic"]}], False),
        ([{"include": ["schema", "prod"]}], False),
        ([{"include": ["*"]}, {"exclude": ["cluster", "prod"]}], False),
        ([{"include": ["*"]}, {"exclude": ["cluster", "prod", "topic"]}], True),
    ],
)
def test_the_whole_cluster_is_in_view_by_short_paths(items: list[dict[str, list[str]]], whole: bool) -> None:
    assert a_view(*items).whole_cluster is whole


@pytest.mark.parametrize(
    ("items", "kind", "beginning", "covered"),
    [
        ([TRADE], Kind.TOPIC, "tx_", True),
        ([TRADE], Kind.TOPIC, "tx_pay", True),
        ([TRADE], Kind.TOPIC, "tx", False),
        ([TRADE], Kind.TOPIC, "", False),
        ([TRADE], Kind.GROUP, "tx_", False),
        ([TRADE], Kind.PRINCIPAL, "User:", False),
        ([TRADE, INTERNAL], Kind.TOPIC, "tx_", False),
        ([TRADE, {"exclude": ["cluster", "*", "topic", "tx_hr*"]}], Kind.TOPIC, "tx_h", False),
        ([TRADE, {"exclude": ["cluster", "*", "topic", "tx_hr*"]}], Kind.TOPIC, "tx_i", True),
        ([{"include": ["cluster", "*", "topic", "tx_1"]}], Kind.TOPIC, "tx_1", False),
        ([{"include": ["cluster", "*", "topic", "*-pay"]}], Kind.TOPIC, "tx-pay", False),
        ([{"include": ["cluster", "*", "topic", "tx*pay*"]}], Kind.TOPIC, "tx-pay", True),
        ([{"include": ["cluster", "*", "topic"]}], Kind.TOPIC, "", False),
        ([{"include": ["cluster", "*", "topic"]}], Kind.TOPIC, "a", True),
        ([{"include": ["cluster", "*", "principal"]}], Kind.PRINCIPAL, "", True),
        ([{"include": ["cluster", "*", "topic", "__*"]}], Kind.TOPIC, "__c", True),
        ([{"include": ["cluster", "*"]}], Kind.TOPIC, "__c", False),
        ([{"include": ["cluster", "*"]}], Kind.TOPIC, "_c", True),
        ([{"include": ["cluster", "*"]}], Kind.TOPIC, "", False),
        ([{"include": ["cluster", "*"]}], Kind.GROUP, "", False),
        ([{"include": ["cluster", "*"]}], Kind.PRINCIPAL, "", True),
    ],
)
def test_a_beginning_is_covered_where_one_path_shows_all_that_begins_so_and_no_exclude_takes_of_it(
    items: list[dict[str, list[str]]], kind: Kind, beginning: str, covered: bool
) -> None:
    assert a_view(*items).covers(kind, beginning) is covered


@pytest.mark.parametrize("kind", [Kind.TOPIC, Kind.GROUP, Kind.TRANSACTIONAL_ID])
@pytest.mark.parametrize("beginning", ["", "_", "__kord"])
def test_what_reaches_kordons_own_is_covered_for_administrators_alone(kind: Kind, beginning: str) -> None:
    everything = ({"include": ["*"]}, {"include": ["cluster", "*", "topic", "__*"]})
    assert not a_view(*everything).covers(kind, beginning)
    assert a_view(*everything, admin=True).covers(kind, beginning)


def test_a_pattern_for_all_topics_is_covered_where_an_administrator_sees_the_whole_cluster() -> None:
    assert a_view({"include": ["cluster", "prod"]}, admin=True).covers(Kind.TOPIC, "")
    assert not a_view({"include": ["cluster", "prod"]}, admin=True).covers(Kind.TOPIC, "__consumer_offsets")
    assert not a_view({"include": ["cluster", "prod", "topic"]}, admin=True).covers(Kind.TOPIC, "")


def test_a_tenant_sees_each_cluster_by_the_paths_that_name_it() -> None:
    snapshot = a_snapshot(tenants({"name": "T", "resources": [{"include": ["cluster", "prod", "topic", "a"]}]}))
    assert snapshot.view("T", frozenset({"lkc-1", "prod"})).sees(Kind.TOPIC, "a")
    assert not snapshot.view("T", frozenset({"dev"})).sees(Kind.TOPIC, "a")


def test_no_tenant_and_one_that_is_gone_see_nothing() -> None:
    snapshot = a_snapshot(tenants({"name": "T", "resources": [{"include": ["*"]}]}))
    for view in (snapshot.view(None, PROD), snapshot.view("Gone", PROD)):
        assert not view.sees(Kind.TOPIC, "a")
        assert not view.whole_cluster
        assert view.outside is Outside.NOT_FOUND
        assert view.tenant is None


def test_a_tenant_says_what_is_told_of_the_outside() -> None:
    snapshot = a_snapshot(tenants({"name": "T", "resources": [{"include": ["*"]}], "outside_view": "denied"}))
    assert snapshot.view("T", PROD).outside is Outside.DENIED


def test_the_same_picture_gives_the_same_view_and_old_ones_do_not_pile_up() -> None:
    snapshot = a_snapshot(tenants({"name": "T", "resources": [TRADE]}))
    pictures = [Inferred({"trade_b2": frozenset({f"ext_{at}"})}) for at in range(5)]

    views = [snapshot.view("T", PROD, picture) for picture in pictures]

    assert snapshot.view("T", PROD, pictures[-1]) is views[-1]
    assert snapshot.view("T", PROD, pictures[-2]) is views[-2]
    assert snapshot.view("T", PROD, pictures[0]) is not views[0]
    assert [view.sees(Kind.TOPIC, "ext_3") for view in views] == [False, False, False, True, False]
    kept = [snapshot.view("T", PROD, {}), snapshot.view("T", PROD), snapshot.view("T", PROD, Inferred())]
    assert kept[0] is kept[1] is kept[2]


def test_a_reason_says_which_path_shows_or_hides() -> None:
    view = a_view(TRADE, INTERNAL)
    assert view.reason(Kind.TOPIC, "tx_1") == "topic tx_1 is in tenant Trading by tenants[0].resources[0] (rbac.yaml:1)"
    hidden = {
        "a-internal": "excluded by tenants[0].resources[1] (rbac.yaml:1)",
        "hr_1": "not included",
        "__a": "no path names it by letters that begin with __",
        "__kordon_a": "it is Kordon's own",
    }
    for name, why in hidden.items():
        assert view.reason(Kind.TOPIC, name) == f"topic {name} is not in tenant Trading: {why}"


def test_a_view_names_all_paths_that_show_a_thing_or_hide_it() -> None:
    twice = {"include": [["cluster", "*", "topic", "tx_1*"]]}
    view = a_view(TRADE, INTERNAL, twice, inferred={"trade_b2": frozenset({"ext_fx"})})

    def places(kind: Kind | None, name: str | None) -> list[str]:
        return [rule.place.removeprefix("tenants[0].resources") for rule in view.rules(kind, name)]

    assert places(Kind.TOPIC, "tx_1") == ["[0]", "[2]"]
    assert places(Kind.TOPIC, "tx_1-internal") == ["[1]"]
    assert places(Kind.TOPIC, "ext_fx") == places(Kind.GROUP, "trade_b2") == ["[0]"]
    assert places(Kind.TOPIC, "hr_1") == []
    assert places(None, None) == []


@pytest.mark.parametrize(
    ("items", "kind", "reason", "by"),
    [
        ([WHOLE], None, "the cluster as a whole is in tenant Trading by tenants[0].resources[0] (rbac.yaml:1)", 1),
        ([TRADE], None, "the cluster as a whole is not in tenant Trading: no include covers all of it", 0),
        (
            [WHOLE, {"exclude": [["cluster", "prod"]]}],
            None,
            "the cluster as a whole is not in tenant Trading: excluded by tenants[0].resources[1] (rbac.yaml:1)",
            1,
        ),
        ([WHOLE], Kind.BROKER, "every broker is in tenant Trading by tenants[0].resources[0] (rbac.yaml:1)", 1),
        (
            [WHOLE, {"exclude": [["cluster", "*", "broker", "7"]]}],
            Kind.BROKER,
            "every broker is not in tenant Trading: excluded by tenants[0].resources[1] (rbac.yaml:1)",
            1,
        ),
    ],
)
def test_a_reason_is_given_for_the_cluster_and_for_all_brokers_too(
    items: list[Any], kind: Kind | None, reason: str, by: int
) -> None:
    view = a_view(*items)
    name = "" if kind else None

    assert view.reason(kind, name) == reason
    assert len(view.rules(kind, name)) == by
    assert is_in_view(view, kind, name) == ("is not" not in reason)


def test_who_is_in_no_tenant_is_told_so_of_everything() -> None:
    view = a_snapshot(tenants({"name": "T", "resources": [WHOLE]})).view(None, PROD)

    for kind, name in ((Kind.TOPIC, "tx_1"), (Kind.BROKER, ""), (None, None)):
        assert view.reason(kind, name).endswith("is hidden: no tenant")
        assert view.rules(kind, name) == ()
