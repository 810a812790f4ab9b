"""Workers know how many connections the others have, and forget those of one that has ended."""

import os
from collections.abc import Iterator

import pytest

from kordon_proxy.workers.board import Board
from tests.proxy.cluster.loops import scenario
from tests.proxy.sessions import Links, a_world


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board.new(workers=3, listeners=2)
    yield board
    os.close(board.descriptor)


def test_each_sees_what_the_others_have_at_the_same_listener(board: Board) -> None:
    board.of(1, 0).have(5)
    board.of(2, 0).have(7)
    board.of(2, 1).have(100)

    assert [board.of(worker, 0).others for worker in (1, 2, 3)] == [7, 5, 12]
    assert [board.of(worker, 1).others for worker in (1, 2, 3)] == [100, 0, 100]


def test_it_is_one_for_all_processes_that_have_it(board: Board) -> None:
    other = Board(os.dup(board.descriptor), workers=3, listeners=2)

    other.of(3, 1).have(9)

    assert board.of(1, 1).others == 9


def test_what_a_worker_had_is_gone_with_it(board: Board) -> None:
    board.of(1, 0).have(5)
    board.of(2, 0).have(7)
    board.of(2, 1).have(8)

    board.clear(2)

    assert [board.of(3, listener).others for listener in (0, 1)] == [5, 0]


@scenario
async def test_the_limit_of_a_listener_is_that_of_all_workers_together(links: Links, board: Board) -> None:
    world = a_world(links, limits={"connections": 3})
    world.listener.places = board.of(1, 0)
    board.of(2, 0).have(2)

    first, second = world.connect(), world.connect()

    assert (first.open, second.transport.aborted) == (True, True)
    assert board.of(2, 0).others == 1

    board.clear(2)
    assert world.connect().open

    first.session.connection_lost(None)
    assert board.of(2, 0).others == 1
