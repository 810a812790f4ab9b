"""Ports of the loopback address."""

import socket

import pytest

from kordon_proxy.demo import ports


def test_the_wanted_port_is_taken_when_nobody_has_it() -> None:
    wanted = ports.free_port()

    assert ports.free_port(wanted) == wanted


def test_a_port_that_somebody_listens_on_is_never_given() -> None:
    with socket.create_server(("127.0.0.1", ports.free_port())) as somebody:
        taken = somebody.getsockname()[1]

        assert ports.free_port(taken) != taken


def test_a_port_that_was_given_before_is_not_given_again() -> None:
    wanted = ports.free_port()

    assert ports.free_port(wanted, besides=[wanted]) != wanted


def test_who_hangs_up_instead_of_answering_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", ports.free_port())) as somebody:
        somebody.settimeout(10)
        with socket.create_connection(somebody.getsockname()):
            somebody.accept()[0].close()
        somebody.shutdown(socket.SHUT_RDWR)

        with pytest.raises(OSError):
            ports.brokers(somebody.getsockname()[1], timeout=0.5)
