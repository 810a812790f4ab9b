"""Kordon's own connection to one broker."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type, response_frame
from kordon_protocol.frames import with_prefix
from kordon_protocol.keys import ApiKey
from kordon_proxy.cluster.connection import BrokerConnection
from kordon_proxy.cluster.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamLoginRefused,
    UpstreamTimeout,
    UpstreamTooOld,
    UpstreamUnavailable,
)
from kordon_proxy.identity.upstream import LoggedIn, LoginFailed
from tests.proxy.cluster.brokers import SPOKEN, Broker, HangUp, speaks
from tests.proxy.cluster.logins import TOKEN, Login, a_guarded_broker
from tests.proxy.cluster.loops import on_both_loops, scenario, settle, until
from tests.proxy.cluster.messages import an_api_versions, some_listed

LIST_GROUPS: Any = request_type(ApiKey.LIST_GROUPS, 5)()


def about(*groups: str) -> Any:
    """A question that the broker can tell from others."""
    return request_type(ApiKey.LIST_GROUPS, 5)(states_filter=groups)


def echo(request: Any) -> Any:
    return some_listed(*((state, "classic") for state in request.states_filter))


def a_broker(list_groups: Callable[[Any], Any] = echo, **more: Any) -> Broker:
    return Broker({ApiKey.API_VERSIONS: speaks(**more), ApiKey.LIST_GROUPS: list_groups})


def answered(response: Any) -> list[str]:
    return [group.group_id for group in response.groups]


@on_both_loops
@scenario
async def test_it_says_who_it_is_and_learns_what_the_broker_speaks(loop: str) -> None:
    async with a_broker(finalized={"group.version": 1}, epoch=3) as broker:
        connection = await BrokerConnection.open(broker.address)

        assert broker.asked[0].client_software_name == "kordon"
        assert connection.spoken.versions == SPOKEN
        assert connection.spoken.features.finalized == {"group.version": 1}
        await connection.close()


@on_both_loops
@scenario
async def test_questions_at_the_same_time_get_their_own_answers(loop: str) -> None:
    async with a_broker() as broker:
        connection = await BrokerConnection.open(broker.address)

        responses = await asyncio.gather(*(connection.request(about(f"group-{n}"), 5) for n in range(200)))

        assert [answered(response) for response in responses] == [[f"group-{n}"] for n in range(200)]
        assert broker.connections == 1
        await connection.close()


@on_both_loops
@scenario
async def test_who_stops_waiting_leaves_the_answers_of_the_others_in_order(loop: str) -> None:
    go = asyncio.Event()

    async def later(request: Any) -> Any:
        await go.wait()
        return echo(request)

    async with a_broker(later) as broker:
        connection = await BrokerConnection.open(broker.address)
        impatient = asyncio.create_task(connection.request(about("first"), 5))
        patient = asyncio.create_task(connection.request(about("second"), 5))
        await until(lambda: broker.asked_for(ApiKey.LIST_GROUPS))
        impatient.cancel()
        await settle(impatient)
        go.set()

        assert answered(await patient) == ["second"]
        assert connection.usable
        await connection.close()


@on_both_loops
@scenario
async def test_a_broker_that_does_not_answer_in_time_is_given_up_with_all_that_it_owes(loop: str) -> None:
    async with a_broker(lambda _: asyncio.Event().wait()) as broker:
        connection = await BrokerConnection.open(broker.address)

        slow = asyncio.create_task(connection.request(LIST_GROUPS, 60))
        quick = asyncio.create_task(connection.request(LIST_GROUPS, 0.05))

        assert [type(error) for error in await settle(slow, quick)] == [UpstreamTimeout, UpstreamTimeout]
        assert not connection.usable
        await connection.close()


@on_both_loops
@scenario
async def test_a_lost_connection_fails_whoever_waits_and_whoever_asks_later(loop: str) -> None:
    def hang_up(_: Any) -> Any:
        raise HangUp

    async with a_broker(hang_up) as broker:
        connection = await BrokerConnection.open(broker.address)

        with pytest.raises(UpstreamUnavailable, match="closed the connection"):
            await connection.request(LIST_GROUPS, 5)
        with pytest.raises(UpstreamUnavailable, match="closed the connection"):
            await connection.request(LIST_GROUPS, 5)
        assert not connection.usable
        await connection.close()


@on_both_loops
@scenario
async def test_where_nobody_listens_it_says_where(loop: str) -> None:
    async with a_broker() as broker:
        pass

    with pytest.raises(UpstreamUnavailable, match=f"broker at 127.0.0.1:{broker.port} cannot be reached"):
        await BrokerConnection.open(broker.address)


@on_both_loops
@scenario
async def test_a_broker_that_accepts_and_stays_silent_is_given_up(loop: str) -> None:
    async with Broker({ApiKey.API_VERSIONS: lambda _: asyncio.Event().wait()}) as broker:
        with pytest.raises(UpstreamTimeout, match=r"did not answer within 0\.05 s"):
            await BrokerConnection.open(broker.address, within=0.05)


@scenario
async def test_a_listener_without_tls_is_named_as_such() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()[:2]

        with pytest.raises(UpstreamUnavailable, match=r"broker at 127\.0\.0\.1:\d+ .*does it speak TLS on this port"):
            await BrokerConnection.open(address, tls=ssl.create_default_context())


@scenario
async def test_a_broker_that_hangs_up_at_once_may_want_tls_or_a_login() -> None:
    def hang_up(_: Any) -> Any:
        raise HangUp

    async with a_broker(hang_up) as broker:  # as Kafka does, after it has told what it speaks
        connection = await BrokerConnection.open(broker.address)

        with pytest.raises(UpstreamUnavailable, match="does it want `tls` or `own_login`"):
            await connection.request(LIST_GROUPS, 5)
        await connection.close()


@scenario
async def test_an_alert_of_tls_is_told_from_an_answer() -> None:
    def send_alert(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes.fromhex("15030300020250"))
        writer.close()

    server = await asyncio.start_server(send_alert, "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()[:2]

        with pytest.raises(UpstreamGarbled, match=r"sends no Kafka answer: .*; does it want `tls` or `own_login`"):
            await BrokerConnection.open(address)


@scenario
async def test_a_broker_that_has_served_and_hangs_up_wants_nothing() -> None:
    answers = [some_listed()]

    def serve_once(_: Any) -> Any:
        if not answers:
            raise HangUp
        return answers.pop()

    async with a_broker(serve_once) as broker:
        connection = await BrokerConnection.open(broker.address)
        await connection.request(LIST_GROUPS, 5)

        with pytest.raises(UpstreamUnavailable, match=r"closed the connection$"):
            await connection.request(LIST_GROUPS, 5)
        await connection.close()


@scenario
async def test_an_answer_to_another_question_ends_the_connection() -> None:
    async with a_broker(lambda _: response_frame(some_listed(), 12_345)) as broker:
        connection = await BrokerConnection.open(broker.address)

        with pytest.raises(UpstreamGarbled, match="answers another question"):
            await connection.request(LIST_GROUPS, 5)
        assert not connection.usable
        await connection.close()


@scenario
async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    async with a_broker(lambda _: response_frame(some_listed(), 2) * 2) as broker:
        connection = await BrokerConnection.open(broker.address)

        await settle(connection.request(LIST_GROUPS, 5))

        await until(lambda: not connection.usable)
        await connection.close()


@scenario
async def test_an_answer_over_the_limit_ends_the_connection_before_it_arrives() -> None:
    async with a_broker(lambda _: (2**31 - 1).to_bytes(4, "big")) as broker:
        connection = await BrokerConnection.open(broker.address, max_answer=1_000_000)

        with pytest.raises(UpstreamGarbled, match="2147483647"):
            await connection.request(LIST_GROUPS, 5)
        await connection.close()


@given(st.binary(max_size=60))
@settings(max_examples=40)
def test_whatever_a_broker_answers_the_caller_gets_an_answer_or_an_upstream_error(body: bytes) -> None:
    @scenario
    async def ask() -> None:
        async with a_broker(lambda _: with_prefix(body)) as broker:
            connection = await BrokerConnection.open(broker.address)
            (outcome,) = await settle(connection.request(LIST_GROUPS, 5))
            assert isinstance(outcome, UpstreamError | type(some_listed()))
            await connection.close()

    ask()


@scenario
async def test_a_broker_from_before_the_newest_versions_question_is_asked_an_older_one() -> None:
    async with Broker({ApiKey.API_VERSIONS: speaks({**SPOKEN, ApiKey.API_VERSIONS: (0, 3)})}) as broker:
        connection = await BrokerConnection.open(broker.address)

        assert [request.__version__ for request in broker.asked] == [4, 3]
        assert connection.spoken.versions[ApiKey.METADATA] == (12, 12)
        await connection.ask_spoken(5)
        assert broker.asked[-1].__version__ == 3
        await connection.close()


@scenario
async def test_a_broker_that_does_not_say_what_it_speaks_is_of_no_use() -> None:
    refusal = an_api_versions({}, error=ErrorCode.invalid_request)

    async with Broker({ApiKey.API_VERSIONS: lambda _: refusal}) as broker:
        with pytest.raises(UpstreamGarbled, match="does not say what it speaks: INVALID_REQUEST"):
            await BrokerConnection.open(broker.address)


@scenario
async def test_the_newest_version_that_both_have_is_chosen() -> None:
    async with Broker({ApiKey.API_VERSIONS: speaks({**SPOKEN, ApiKey.METADATA: (3, 12)})}) as broker:
        connection = await BrokerConnection.open(broker.address)

        assert connection.version(ApiKey.METADATA, range(11, 14)) == 12
        assert connection.version(ApiKey.METADATA, range(3, 8)) == 7
        with pytest.raises(UpstreamTooOld, match=r"Kordon needs METADATA in a version of 13-14, and .* has 3-12"):
            connection.version(ApiKey.METADATA, range(13, 15))
        with pytest.raises(UpstreamTooOld, match="needs METADATA in a version of 0-2"):
            connection.version(ApiKey.METADATA, range(3))
        with pytest.raises(UpstreamTooOld, match="does not have it"):
            connection.version(ApiKey.SHARE_FETCH, range(1, 3))
        await connection.close()


@scenario
async def test_closing_waits_for_answers_that_are_due_if_told_to() -> None:
    go = asyncio.Event()

    async def later(request: Any) -> Any:
        await go.wait()
        return echo(request)

    async with a_broker(later) as broker:
        connection = await BrokerConnection.open(broker.address)
        due = asyncio.create_task(connection.request(about("billing"), 5))
        await until(lambda: broker.asked_for(ApiKey.LIST_GROUPS))
        closing = asyncio.create_task(connection.close(patience=5))
        await asyncio.sleep(0)
        go.set()

        assert answered(await due) == ["billing"]
        await closing
        assert not connection.usable


@scenario
async def test_closing_at_once_fails_whoever_waits() -> None:
    async with a_broker(lambda _: asyncio.Event().wait()) as broker:
        connection = await BrokerConnection.open(broker.address)
        due = asyncio.create_task(connection.request(LIST_GROUPS, 5))
        await until(lambda: broker.asked_for(ApiKey.LIST_GROUPS))

        await connection.close()

        with pytest.raises(UpstreamUnavailable, match="was closed"):
            await due


@scenario
async def test_it_logs_in_before_anything_else() -> None:
    async with a_guarded_broker() as broker:
        login = Login(TOKEN, LoggedIn())
        connection = await BrokerConnection.open(broker.address, login=lambda: login)

        keys = [request.__api_key__ for request in broker.asked]
        assert keys == [ApiKey.SASL_AUTHENTICATE, ApiKey.SASL_AUTHENTICATE, ApiKey.API_VERSIONS]
        assert connection.usable
        await connection.close()


@scenario
async def test_a_refused_login_says_whose_it_was_and_asks_nothing_more() -> None:
    async with a_guarded_broker() as broker:
        with pytest.raises(UpstreamLoginRefused, match="refuses Kordon's own login: wrong password"):
            await BrokerConnection.open(broker.address, login=lambda: Login(LoginFailed("wrong password")))

        assert [request.__api_key__ for request in broker.asked] == [ApiKey.SASL_AUTHENTICATE]


@scenario
async def test_no_question_is_asked_on_a_session_that_is_about_to_end() -> None:
    async with a_guarded_broker() as broker:
        connection = await BrokerConnection.open(broker.address, login=lambda: Login(LoggedIn(0.0)))

        assert not connection.usable
        await connection.close()
