"""A port that workers share is theirs alone, from before the first of them listens until the parent lets it go."""

import errno
import socket
from collections.abc import Iterator

import pytest

from kordon_proxy.config.addresses import Address
from kordon_proxy.demo.ports import free_port
from kordon_proxy.workers.reservations import Reservations


@pytest.fixture
def ours() -> Iterator[Reservations]:
    reservations = Reservations()
    yield reservations
    reservations.close()


def held(ours: Reservations) -> Address:
    address = Address("127.0.0.1", free_port())
    ours.hold(address)
    return address


def a_worker(address: Address) -> socket.socket:
    return socket.create_server(address, reuse_port=True, backlog=100)


def is_refused(address: Address) -> bool:
    """Whether another Kordon, of one process or of several, cannot have the port."""
    others = Reservations()
    with pytest.raises(OSError) as several:
        others.hold(address)
    with pytest.raises(OSError) as single:
        socket.create_server(address)
    return several.value.errno == single.value.errno == errno.EADDRINUSE


def test_another_kordon_is_refused_before_a_worker_listens_while_one_does_and_when_all_are_gone(
    ours: Reservations,
) -> None:
    address = held(ours)

    assert is_refused(address)
    with a_worker(address):
        assert is_refused(address)
    assert is_refused(address)


def test_a_port_of_a_kordon_of_one_process_is_refused(ours: Reservations) -> None:
    with socket.create_server(("127.0.0.1", 0)) as single, pytest.raises(OSError) as refused:
        ours.hold(Address(*single.getsockname()))

    assert refused.value.errno == errno.EADDRINUSE


def test_what_is_held_lets_nobody_in_until_a_worker_listens(ours: Reservations) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(held(ours), timeout=5)


def test_workers_share_the_port_and_its_clients(ours: Reservations) -> None:
    address = held(ours)
    with a_worker(address) as one, a_worker(address) as other:
        clients = [socket.create_connection(address, timeout=5) for _ in range(64)]
        came = [accepted(one), accepted(other)]

        assert sum(came) == len(clients)
        assert min(came) > 0
        for client in clients:
            client.close()


def accepted(worker: socket.socket) -> int:
    """How many clients wait at a worker."""
    worker.setblocking(False)
    count = 0
    while True:
        try:
            client, _ = worker.accept()
        except BlockingIOError:
            return count
        client.close()
        count += 1


def test_a_port_can_be_had_again_while_connections_of_before_are_not_over(ours: Reservations) -> None:
    address = held(ours)
    with a_worker(address) as worker, socket.create_connection(address, timeout=5):
        client, _ = worker.accept()
        client.close()  # first, so that it is this side that has to wait for late packets
    ours.close()

    ours.hold(address)

    with a_worker(address):
        assert is_refused(address)


def test_a_port_is_free_when_it_is_let_go(ours: Reservations) -> None:
    address = held(ours)

    ours.close()

    with socket.create_server(address):
        pass


def test_holding_a_port_twice_is_holding_it(ours: Reservations) -> None:
    address = held(ours)

    ours.hold(address)

    assert is_refused(address)
