"""What groups consume from, from plain answers."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode
from kio.schema.list_groups.v4 import response as list_groups_v4
from kio.schema.types import GroupId

from kordon_proxy.cluster.inference import (
    GONE,
    LAPSE,
    Failed,
    Finding,
    Gone,
    GroupType,
    Known,
    Learned,
    add_up,
    forget,
    infer,
    read_assigned,
    read_classic_assigned,
    read_committed,
    read_listed,
    read_share_offsets,
)
from tests.proxy.cluster.messages import (
    NO_TIME,
    a_classic_group,
    a_consumer_group,
    an_assignment,
    some_committed,
    some_consumer_groups,
    some_described,
    some_listed,
    some_share_offsets,
)

BROKEN = Failed(ErrorCode.not_coordinator)


def learned(*topics: str) -> Learned:
    return Learned(frozenset(topics))


def classic(*assignments: bytes, state: str = "Stable", protocol: str = "consumer") -> Finding:
    """What is read from the description of one classic group."""
    group = a_classic_group("billing", *assignments, state=state, protocol=protocol)
    return read_classic_assigned(some_described(group))["billing"]


def test_only_wanted_groups_are_read_from_a_list() -> None:
    listing = some_listed(("billing", "consumer"), ("other", "classic"))

    assert read_listed(listing, lambda group: group == "billing") == {"billing": GroupType.CONSUMER}


@pytest.mark.parametrize(
    ("told", "group_type"),
    [
        ("classic", GroupType.CLASSIC),
        ("Consumer", GroupType.CONSUMER),
        ("Share", GroupType.SHARE),
        ("streams", GroupType.STREAMS),
        ("quantum", GroupType.OTHER),
    ],
)
def test_a_group_has_the_type_that_the_broker_tells(told: str, group_type: GroupType) -> None:
    assert read_listed(some_listed(("billing", told)), lambda _: True) == {"billing": group_type}


def test_a_broker_from_before_group_types_has_classic_groups() -> None:
    listing = list_groups_v4.ListGroupsResponse(
        throttle_time=NO_TIME,
        error_code=ErrorCode.none,
        groups=(
            list_groups_v4.ListedGroup(group_id=GroupId("billing"), protocol_type="consumer", group_state="Stable"),
        ),
    )

    assert read_listed(listing, lambda _: True) == {"billing": GroupType.CLASSIC}


def test_topics_with_a_committed_offset_are_consumed_from() -> None:
    committed = some_committed({"billing": {"orders": 0, "trades": 17, "never": -1}, "idle": {}})

    assert read_committed(committed) == {"billing": learned("orders", "trades"), "idle": learned()}


def test_a_group_whose_offsets_cannot_be_told_has_failed() -> None:
    assert read_committed(some_committed({"billing": ErrorCode.not_coordinator})) == {"billing": BROKEN}


def test_topics_assigned_to_any_member_of_a_classic_group_are_consumed_from() -> None:
    assert classic(an_assignment("orders"), an_assignment("orders", "trades"), b"") == learned("orders", "trades")


@pytest.mark.parametrize("claim", [b"\x00", b"\x00\x00\xff\xff\xff\xff\xff", b"\x00\x00\x7f\xff\xff\xff"])
def test_an_assignment_that_cannot_be_read_names_nothing_and_hides_nothing(claim: bytes) -> None:
    assert classic(claim, an_assignment("orders")) == learned("orders")


def test_bytes_of_another_protocol_type_mean_nothing() -> None:
    assert classic(an_assignment("orders"), protocol="connect") == learned()


def test_a_classic_group_that_is_dead_is_gone() -> None:
    assert classic(state="Dead") is GONE


def test_a_classic_group_that_is_not_found_is_gone() -> None:
    group = a_classic_group("billing", state="Dead", error=ErrorCode.group_id_not_found)

    assert read_classic_assigned(some_described(group)) == {"billing": GONE}


def test_a_dead_group_at_another_coordinator_is_not_gone() -> None:
    group = a_classic_group("billing", state="Dead", error=ErrorCode.not_coordinator)

    assert read_classic_assigned(some_described(group)) == {"billing": BROKEN}


def test_the_current_assignment_counts_and_neither_the_target_nor_the_subscription() -> None:
    described = some_consumer_groups(a_consumer_group("billing", assigned=["orders"], target=["planned"]))

    assert read_assigned(described) == {"billing": learned("orders")}


def test_a_group_that_cannot_be_described_has_failed() -> None:
    described = some_consumer_groups(a_consumer_group("billing", error=ErrorCode.not_coordinator))

    assert read_assigned(described) == {"billing": BROKEN}


def test_topics_in_which_a_share_group_has_started_are_consumed_from() -> None:
    offsets = some_share_offsets({"workers": {"orders": 3, "never": -1}, "lost": ErrorCode.not_coordinator})

    assert read_share_offsets(offsets) == {"workers": learned("orders"), "lost": BROKEN}


def test_internal_topics_are_never_inferred() -> None:
    assert classic(an_assignment("__consumer_offsets", "_schemas")) == learned("_schemas")
    assert read_committed(some_committed({"billing": {"__audit": 4}})) == {"billing": learned()}
    assert read_share_offsets(some_share_offsets({"workers": {"__audit": 4}})) == {"workers": learned()}
    assert read_assigned(some_consumer_groups(a_consumer_group("billing", assigned=["__audit"]))) == {
        "billing": learned()
    }


def test_answers_about_one_group_add_up() -> None:
    assert add_up([{"billing": learned("orders")}, {"billing": learned("trades"), "audit": learned()}]) == {
        "billing": learned("orders", "trades"),
        "audit": learned(),
    }


@pytest.mark.parametrize("other", [learned("orders"), GONE])
def test_half_an_answer_is_none(other: Finding) -> None:
    assert add_up([{"billing": BROKEN}, {"billing": other}]) == {"billing": BROKEN}
    assert add_up([{"billing": other}, {"billing": BROKEN}]) == {"billing": BROKEN}


def test_a_group_that_is_gone_is_gone_whatever_its_offsets_say() -> None:
    assert add_up([{"billing": learned()}, {"billing": GONE}]) == {"billing": GONE}


KNOWN = Known({"billing": frozenset({"orders", "refunds"}), "audit": frozenset({"trades"})}, {})
NOON = 1_000.0
LATER = NOON + LAPSE
UNSETTLED = Learned(frozenset({"orders", "returns"}), settled=False)


def test_what_a_group_has_gained_counts_at_once() -> None:
    after = infer(KNOWN, {"billing": learned("orders", "refunds", "returns"), "risk": learned("limits")}, NOON)

    assert after.inferred["billing"] == {"orders", "refunds", "returns"}
    assert after.inferred["risk"] == {"limits"}
    assert not after.doubted


@pytest.mark.parametrize("finding", [GONE, learned(), learned("orders")])
def test_what_a_group_has_lost_counts_when_it_is_still_lost_later(finding: Learned | Gone) -> None:
    at_first = infer(KNOWN, {"billing": finding}, NOON)
    too_soon = infer(at_first, {"billing": finding}, LATER - 0.1)
    later = infer(too_soon, {"billing": finding}, LATER)

    assert at_first == too_soon == Known(KNOWN.inferred, {"billing": NOON})
    assert later.inferred.get("billing", frozenset()) == (
        finding.topics if isinstance(finding, Learned) else frozenset()
    )
    assert not later.doubted


def test_a_loss_that_was_not_seen_again_never_was() -> None:
    lost = infer(KNOWN, {"billing": GONE}, NOON)
    back = infer(lost, {"billing": learned("orders", "refunds")}, LATER)

    assert infer(back, {"billing": GONE}, LATER).inferred == KNOWN.inferred


def test_a_failure_in_between_leaves_the_doubt() -> None:
    doubted = infer(infer(KNOWN, {"billing": GONE}, NOON), {"billing": BROKEN}, NOON)

    assert "billing" not in infer(doubted, {"billing": GONE}, LATER).inferred


def test_what_is_gained_meanwhile_counts_although_something_seems_lost() -> None:
    after = infer(KNOWN, {"billing": learned("returns")}, NOON)

    assert after.inferred["billing"] == {"orders", "refunds", "returns"}


def test_a_group_that_rebalances_gains_and_loses_nothing_however_long_it_takes() -> None:
    known = KNOWN
    for minute in range(5):
        known = infer(known, {"billing": UNSETTLED}, NOON + 60.0 * minute)

    assert known.inferred["billing"] == {"orders", "refunds", "returns"}


def test_a_group_that_failed_keeps_its_topics() -> None:
    assert infer(KNOWN, {"billing": BROKEN}, NOON) == KNOWN
    assert infer(KNOWN, {"billing": BROKEN}, NOON).inferred is KNOWN.inferred


def test_a_group_with_other_topics_leaves_the_others_the_same_objects() -> None:
    after = infer(KNOWN, {"billing": learned("orders", "refunds", "returns"), "audit": learned("trades")}, NOON)

    assert after.inferred["audit"] is KNOWN.inferred["audit"]


def test_groups_that_nobody_wants_any_more_are_forgotten() -> None:
    doubted = infer(KNOWN, {"billing": GONE}, NOON)

    assert forget(doubted, lambda group: group == "audit") == Known({"audit": frozenset({"trades"})}, {})
    assert forget(doubted, lambda _: True) == doubted
    assert forget(doubted, lambda _: True).inferred is doubted.inferred


groups = st.sampled_from(["billing", "audit", "risk"])
topics = st.frozensets(st.sampled_from(["orders", "trades", "__audit"]))
known_maps = st.builds(
    Known, st.dictionaries(groups, topics.filter(bool)), st.dictionaries(groups, st.floats(0.0, NOON))
)
settled_findings = st.one_of(topics.map(Learned), st.just(GONE), st.just(BROKEN))
findings_maps = st.dictionaries(groups, settled_findings)


@given(known_maps, findings_maps)
def test_what_is_found_out_again_later_is_what_is_known(known: Known, findings: Mapping[str, Finding]) -> None:
    later = infer(infer(known, findings, NOON), findings, LATER)

    for group in known.inferred.keys() | findings.keys():
        match findings.get(group, BROKEN):
            case Learned(found):
                assert later.inferred.get(group, frozenset()) == found
            case Failed():
                assert later.inferred.get(group) == known.inferred.get(group)
            case _:
                assert group not in later.inferred
    assert infer(later, findings, LATER).inferred is later.inferred


@given(known_maps, findings_maps)
def test_the_map_is_the_same_object_if_and_only_if_it_is_equal(known: Known, findings: Mapping[str, Finding]) -> None:
    after = infer(known, findings, NOON)

    assert (after.inferred == known.inferred) == (after.inferred is known.inferred)
    assert all(after.inferred.values())


@pytest.mark.parametrize("state", ["PreparingRebalance", "CompletingRebalance"])
def test_a_classic_group_that_rebalances_is_not_settled(state: str) -> None:
    assert classic(an_assignment("orders"), state=state) == Learned(frozenset({"orders"}), settled=False)


@pytest.mark.parametrize("state", ["Assigning", "Reconciling", "reconciling"])
def test_a_consumer_group_that_rebalances_is_not_settled(state: str) -> None:
    described = some_consumer_groups(a_consumer_group("billing", assigned=["orders"], state=state))

    assert read_assigned(described) == {"billing": Learned(frozenset({"orders"}), settled=False)}


def test_one_answer_that_is_not_settled_unsettles_all() -> None:
    assert add_up([{"billing": UNSETTLED}, {"billing": learned("trades")}]) == {
        "billing": Learned(frozenset({"orders", "returns", "trades"}), settled=False)
    }
