"""An address that cannot be listened on is told with what it is for, why, and what to do, on either event loop."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable

import pytest
import uvloop

from kordon_proxy.binding import CannotServe
from kordon_proxy.config.addresses import Address

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
ELSEWHERE = "192.0.2.1"
"""An address that is kept for documentation (RFC 5737), so no machine has it."""


def told(address: Address, loop_of: Callable[[], asyncio.AbstractEventLoop]) -> str:
    """What is told of the error that the loop raises for the address."""
    with asyncio.Runner(loop_factory=loop_of) as runner, pytest.raises(OSError) as raised:
        runner.run(listen(address))
    return str(CannotServe("listener apps", address, "its `bind`", raised.value))


async def listen(address: Address) -> None:
    await asyncio.get_running_loop().create_server(asyncio.Protocol, address.host, address.port)


@pytest.fixture(params=LOOPS)
def loop_of(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOPS[request.param]


def test_a_port_that_is_taken(loop_of: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])

        assert told(address, loop_of) == (
            f"cannot serve listener apps on {address}: address already in use; free the port, or change its `bind`"
        )


def test_an_address_of_another_machine(loop_of: Callable[[], asyncio.AbstractEventLoop]) -> None:
    assert told(Address(ELSEWHERE, 19092), loop_of) == (
        f"cannot serve listener apps on {ELSEWHERE}:19092: "
        "no interface of this machine has this address; change its `bind`"
    )


def test_a_name_that_nobody_knows(loop_of: Callable[[], asyncio.AbstractEventLoop]) -> None:
    text = told(Address("nowhere.invalid", 19092), loop_of)

    assert text.startswith("cannot serve listener apps on nowhere.invalid:19092: ")
    assert text.endswith("; change its `bind`")
    assert "Errno" not in text


def test_a_port_that_is_not_for_everybody() -> None:
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    assert str(CannotServe("listener apps", Address("::1", 92), "its `bind`", error)) == (
        "cannot serve listener apps on [::1]:92: permission denied; "
        "take a port from 1024 on in its `bind`, or let Kordon have lower ones (CAP_NET_BIND_SERVICE)"
    )


def test_an_error_without_a_number_speaks_for_itself() -> None:
    assert "127.0.0.1:1: could not bind; change" in str(
        CannotServe("listener apps", Address("127.0.0.1", 1), "its `bind`", OSError("could not bind"))
    )
