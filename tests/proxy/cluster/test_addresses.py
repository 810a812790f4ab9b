"""Ports of brokers, by arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.cluster.addresses import AddressMap, NoPortLeft, overlaps

LISTENER = AddressMap(host="kafka.acme.example", bootstrap=19092, base=19093, ids=range(64))


@st.composite
def address_maps(draw: st.DrawFn) -> AddressMap:
    first = draw(st.integers(0, 3_000))
    ids = range(first, first + draw(st.integers(1, 200)))
    base = draw(st.integers(1, 60_000))
    return AddressMap(host="kafka.acme.example", bootstrap=base + ids.stop, base=base, ids=ids)


@given(address_maps(), st.sets(st.integers(0, 4_000)))
def test_every_broker_has_one_port_of_its_own_or_is_named_as_left_out(listener: AddressMap, brokers: set[int]) -> None:
    ports = listener.ports(brokers)

    left_out = {broker.broker_id for broker in listener.left_out(brokers)}
    assert sorted([*ports.values(), *left_out]) == sorted(brokers)
    assert listener.bootstrap not in ports
    for port, broker in ports.items():
        assert listener.address(broker) == ("kafka.acme.example", port)
        assert listener.broker_at(port) == broker


@given(address_maps(), st.integers(0, 4_000))
def test_an_address_does_not_depend_on_which_other_brokers_live(listener: AddressMap, broker: int) -> None:
    found = listener.address(broker)

    if isinstance(found, NoPortLeft):
        assert broker not in listener.ids
    else:
        assert listener.ports([broker]) == {found[1]: broker}


def test_ports_count_from_the_base_by_broker_id() -> None:
    assert LISTENER.address(0) == ("kafka.acme.example", 19093)
    assert LISTENER.address(63) == ("kafka.acme.example", 19156)


def test_a_broker_beyond_the_range_says_what_to_change() -> None:
    assert str(LISTENER.address(64)) == (
        "broker 64 has no port: this listener has ports for the ids 0-63; widen the range of ids in its ports"
    )


def test_the_bootstrap_port_stands_for_no_broker() -> None:
    assert LISTENER.broker_at(19092) is None
    assert LISTENER.broker_at(19157) is None


@pytest.mark.parametrize(
    ("bootstrap", "base", "ids", "complaint"),
    [
        (9092, 9092, range(3), "port 9092 is for bootstrapping and also the port of broker 0"),
        (9094, 9092, range(3), "also the port of broker 2"),
        (9092, 65_500, range(64), "need the ports 65500-65563: ports are 1 to 65535"),
        (9092, 0, range(3), "need the ports 0-2"),
        (0, 9093, range(3), "port 0 does not exist"),
        (70_000, 9093, range(3), "port 70000 does not exist"),
        (9092, 9093, range(0), "consecutive numbers"),
        (9092, 9093, range(0, 8, 2), "consecutive numbers"),
        (9092, 9093, range(-1, 3), "consecutive numbers"),
    ],
)
def test_impossible_ports_are_refused(bootstrap: int, base: int, ids: range, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        AddressMap(host="localhost", bootstrap=bootstrap, base=base, ids=ids)


def test_an_empty_host_is_refused() -> None:
    with pytest.raises(ValueError, match="advertised host is empty"):
        AddressMap(host="", bootstrap=9092, base=9093, ids=range(3))


def test_ids_may_begin_anywhere() -> None:
    listener = AddressMap(host="localhost", bootstrap=9092, base=9000, ids=range(1001, 1004))

    assert listener.ports([1001, 1003]) == {10_001: 1001, 10_003: 1003}


def test_listeners_that_need_the_same_port_are_named() -> None:
    other = AddressMap(host="localhost", bootstrap=19200, base=19150, ids=range(8))
    third = AddressMap(host="localhost", bootstrap=29092, base=29093, ids=range(8))

    assert overlaps([("apps", LISTENER), ("legacy", other), ("sidecar", third)]) == (
        "listeners apps and legacy both need port 19150",
    )
