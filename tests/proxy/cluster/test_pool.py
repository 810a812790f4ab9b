"""Kordon's own connections by address."""

import asyncio
import ssl

import pytest

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.cluster.connection import BrokerConnection
from kordon_proxy.cluster.errors import UpstreamLoginRefused, UpstreamUnavailable
from kordon_proxy.cluster.pool import DIRECT, Pool, Reach
from kordon_proxy.identity.tls import TlsFault
from kordon_proxy.identity.upstream import LoggedIn, LoginFailed
from tests.proxy.cluster.brokers import Broker, speaks
from tests.proxy.cluster.logins import Login, a_guarded_broker
from tests.proxy.cluster.loops import on_both_loops, scenario, settle, until
from tests.proxy.cluster.messages import some_listed


def a_broker() -> Broker:
    return Broker({ApiKey.API_VERSIONS: speaks()})


@on_both_loops
@scenario
async def test_all_who_ask_at_the_same_time_share_one_connection(loop: str) -> None:
    async with a_broker() as broker:
        pool = Pool(DIRECT)

        connections = await asyncio.gather(*(pool.connection(broker.address) for _ in range(20)))

        assert len(set(connections)) == 1
        assert broker.connections == 1
        await pool.close()


@scenario
async def test_a_connection_that_was_lost_is_made_anew() -> None:
    async with a_broker() as broker:
        pool = Pool(DIRECT)
        lost = await pool.connection(broker.address)
        await broker.stop()
        await until(lambda: not lost.usable)
        await broker.start()

        assert (await pool.connection(broker.address)).usable
        await pool.close()


@scenario
async def test_files_of_tls_that_cannot_be_used_are_a_reason_like_others() -> None:
    def unusable() -> ssl.SSLContext:
        raise TlsFault("cannot use the authorities in ca.pem")

    async with a_broker() as broker:
        pool = Pool(Reach(tls=unusable))

        with pytest.raises(UpstreamUnavailable, match=r"cannot use the authorities in ca\.pem"):
            await pool.connection(broker.address)

        assert broker.connections == 0
        await pool.close()


@scenario
async def test_an_address_that_failed_just_now_is_not_tried_again_at_once() -> None:
    async with a_broker() as broker:
        pool = Pool(DIRECT, backoff=lambda: Backoff(first=3_600.0, most=3_600.0))
        await broker.stop()
        (first,) = await settle(pool.connection(broker.address))
        await broker.start()

        later = await settle(*(pool.connection(broker.address) for _ in range(10)))

        assert isinstance(first, UpstreamUnavailable)
        assert later == [first] * 10
        assert broker.connections == 0
        await pool.close()


@scenario
async def test_an_address_that_failed_is_tried_again_when_its_time_has_come() -> None:
    async with a_broker() as broker:
        pool = Pool(DIRECT)
        await broker.stop()
        await settle(pool.connection(broker.address))
        await broker.start()

        outcome: object = None
        while not isinstance(outcome, BrokerConnection):
            (outcome,) = await settle(pool.connection(broker.address))

        assert broker.connections == 1
        await pool.close()


@scenario
async def test_what_is_not_kept_is_closed() -> None:
    async with a_broker() as stays, a_broker() as leaves:
        pool = Pool(DIRECT)
        kept, dropped = await pool.connection(stays.address), await pool.connection(leaves.address)

        pool.keep([stays.address])
        await until(lambda: not dropped.usable)

        assert kept.usable
        assert pool.is_connected(stays.address)
        assert not pool.is_connected(leaves.address)
        assert await pool.connection(stays.address) is kept
        await pool.close()


@scenario
async def test_who_waits_for_an_address_that_is_dropped_meanwhile_gets_a_connection_that_will_be_closed() -> None:
    async with a_broker() as broker:
        pool = Pool(DIRECT)
        waiting = [asyncio.create_task(pool.connection(broker.address)) for _ in range(3)]
        await asyncio.sleep(0)
        pool.keep([])
        connections = await asyncio.gather(*waiting)

        await pool.close()

        assert not any(connection.usable for connection in connections)


@scenario
async def test_a_closed_pool_opens_nothing() -> None:
    async with a_broker() as broker:
        pool = Pool(DIRECT)
        await pool.close()

        with pytest.raises(UpstreamUnavailable, match="closing"):
            await pool.connection(broker.address)
        assert broker.connections == 0


@scenario
async def test_the_first_credentials_that_work_are_used() -> None:
    old, new = Login(LoginFailed("expired")), Login(LoggedIn())

    async with a_guarded_broker() as broker:
        pool = Pool(Reach(logins=(lambda: old, lambda: new)))

        assert (await pool.connection(broker.address)).usable
        assert broker.connections == 2
        await pool.close()


@scenario
async def test_where_no_credentials_work_the_first_refusal_is_told() -> None:
    async with a_guarded_broker() as broker:
        pool = Pool(Reach(logins=(lambda: Login(LoginFailed("expired")), lambda: Login(LoginFailed("not yet")))))

        with pytest.raises(UpstreamLoginRefused, match="expired"):
            await pool.connection(broker.address)
        await pool.close()


@scenario
async def test_a_session_that_is_about_to_end_is_replaced_after_its_last_answers() -> None:
    go = asyncio.Event()

    async def later(_: object) -> object:
        await go.wait()
        return some_listed(("billing", "classic"))

    logins = iter([Login(LoggedIn(0.2)), Login(LoggedIn())])
    async with a_guarded_broker() as broker:
        broker.on[ApiKey.LIST_GROUPS] = later
        pool = Pool(Reach(logins=(lambda: next(logins),)))
        first = await pool.connection(broker.address)
        due = asyncio.create_task(first.request(request_type(ApiKey.LIST_GROUPS, 5)(), 5))
        await until(lambda: not first.usable)
        second = asyncio.create_task(pool.connection(broker.address))
        await asyncio.sleep(0)
        go.set()

        assert [group.group_id for group in (await due).groups] == ["billing"]
        assert await second is not first
        await pool.close()
