"""Targets that are said to run already."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.probes import faults_of
from benchmarks.targets import Target, target_at

NOBODY = 1 << 22
"""More than any process id of Linux."""


@pytest.fixture
def closing() -> Iterator[Target]:
    """What accepts connections and closes them, as what wants a login does with those who have none."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_all() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.recv(1)
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()

        thread = threading.Thread(target=close_all)
        thread.start()
        yield target_at("proxy", f"127.0.0.1:{server.getsockname()[1]}")
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_what_does_not_listen_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        (fault,) = faults_of([target_at("proxy", address, pid=os.getpid())])

    assert fault == f"proxy: nothing answers at {address}: Connection refused; start it first"


def test_a_process_that_is_not_there_is_told(closing: Target) -> None:
    assert faults_of([replace(closing, pid=NOBODY)])[0].startswith(f"proxy: there is no process {NOBODY}")


def test_who_is_not_let_in_is_told_what_may_be_missing(closing: Target) -> None:
    (without,) = faults_of([closing])
    (with_login,) = faults_of([replace(closing, sasl=True)])

    assert without.endswith("where it wants a login, add ,sasl")
    assert "does not let bench / bench-secret in by SASL PLAIN" in with_login
