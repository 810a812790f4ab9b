"""Asking brokers which topics the wanted groups consume from."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from kio.schema.errors import ErrorCode
from structlog.testing import capture_logs

from kordon_protocol.keys import ApiKey
from kordon_proxy.cluster.connection import BrokerConnection
from kordon_proxy.cluster.inference import LAPSE
from kordon_proxy.cluster.pool import DIRECT, Pool
from kordon_proxy.cluster.survey import AT_ONCE, Survey
from tests.proxy.cluster.brokers import SPOKEN, Broker, speaks
from tests.proxy.cluster.loops import on_both_loops, scenario
from tests.proxy.cluster.messages import (
    a_classic_group,
    a_consumer_group,
    an_assignment,
    some_committed,
    some_consumer_groups,
    some_coordinators,
    some_described,
    some_listed,
    some_share_groups,
    some_share_offsets,
)


class Groups:
    """What two brokers know of groups. A test changes it as it likes.

    types: by broker, group to type. committed, assigned: by group. errors: groups that no broker tells anything about.
    """

    def __init__(self) -> None:
        self.types: dict[int, dict[str, str]] = {1: {}, 2: {}}
        self.committed: dict[str, list[str]] = {}
        self.assigned: dict[str, list[str]] = {}
        self.errors: dict[str, ErrorCode] = {}
        self.listing = {1: True, 2: True}
        """Brokers that list their groups; the other answers with an error."""

    def broker(self, node: int) -> Broker:
        return Broker(
            {
                ApiKey.API_VERSIONS: speaks(),
                ApiKey.LIST_GROUPS: lambda _: self._list(node),
                ApiKey.OFFSET_FETCH: lambda request: some_committed(
                    {group.group_id: self._offsets(node, group.group_id) for group in request.groups}
                ),
                ApiKey.DESCRIBE_GROUPS: lambda request: some_described(
                    *(self._classic(node, group) for group in request.groups)
                ),
                ApiKey.CONSUMER_GROUP_DESCRIBE: lambda request: some_consumer_groups(
                    *(
                        a_consumer_group(group, self.assigned.get(group, []), error=self._error(node, group))
                        for group in request.group_ids
                    )
                ),
                ApiKey.SHARE_GROUP_DESCRIBE: lambda request: some_share_groups(
                    {group: self.assigned.get(group, []) for group in request.group_ids}
                ),
                ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: lambda request: some_share_offsets(
                    {group.group_id: self._offsets(node, group.group_id) for group in request.groups}
                ),
                ApiKey.FIND_COORDINATOR: lambda request: some_coordinators(
                    {group: self.coordinator(group) for group in request.coordinator_keys}
                ),
            }
        )

    def coordinator(self, group: str) -> int:
        """The broker that has the group, or else would have it."""
        return next((node for node, types in self.types.items() if group in types), 2)

    def _list(self, node: int) -> Any:
        if not self.listing[node]:
            return some_listed(error=ErrorCode.coordinator_load_in_progress)
        return some_listed(*self.types[node].items())

    def _error(self, node: int, group: str) -> ErrorCode:
        wrong = self.coordinator(group) != node
        return self.errors.get(group, ErrorCode.not_coordinator if wrong else ErrorCode.none)

    def _offsets(self, node: int, group: str) -> Mapping[str, int] | ErrorCode:
        error = self._error(node, group)
        return dict.fromkeys(self.committed.get(group, []), 7) if error is ErrorCode.none else error

    def _classic(self, node: int, group: str) -> Any:
        error = self._error(node, group)
        if error is ErrorCode.none and self.types[node].get(group) != "classic":
            return a_classic_group(group, state="Dead", error=ErrorCode.group_id_not_found)
        return a_classic_group(group, an_assignment(*self.assigned.get(group, [])), error=error)


class Bench:
    """A survey of two brokers."""

    def __init__(self, wanted: Callable[[str], bool] = lambda _: True) -> None:
        self.groups = Groups()
        self.brokers = {node: self.groups.broker(node) for node in (1, 2)}
        self.again: frozenset[str] = frozenset()
        self._now = 0.0
        self._pool = Pool(DIRECT)
        self.survey = Survey(wanted, self._connection, timeout=5.0, clock=self._clock)

    def _clock(self) -> float:
        """A loss counts at the second look: time flies."""
        self._now += LAPSE
        return self._now

    async def _connection(self, node: int) -> BrokerConnection:
        return await self._pool.connection(self.brokers[node].address)

    async def look(self, *groups: str) -> Mapping[str, frozenset[str]]:
        """At these groups, or at all."""
        if groups:
            self.again = await self.survey.look_at(groups, self.brokers)
        else:
            self.again = await self.survey.look_at_all(self.brokers)
        return self.survey.inferred

    async def __aenter__(self) -> "Bench":
        for broker in self.brokers.values():
            await broker.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()
        for broker in self.brokers.values():
            await broker.stop()


@on_both_loops
@scenario
async def test_groups_of_all_types_bring_the_topics_that_they_consume_from(loop: str) -> None:
    async with Bench() as bench:
        bench.groups.types = {
            1: {"billing": "classic", "audit": "consumer"},
            2: {"workers": "share", "joins": "streams"},
        }
        bench.groups.committed = {"billing": ["orders"], "workers": ["jobs"], "joins": ["left", "right"]}
        bench.groups.assigned = {"billing": ["refunds"], "audit": ["trades"], "workers": ["more-jobs"]}

        assert await bench.look() == {
            "billing": {"orders", "refunds"},
            "audit": {"trades"},
            "workers": {"jobs", "more-jobs"},
            "joins": {"left", "right"},
        }


@scenario
async def test_groups_that_nobody_wants_are_not_asked_about() -> None:
    async with Bench(wanted=lambda group: group == "billing") as bench:
        bench.groups.types[1] = {"billing": "classic", "other": "classic"}
        bench.groups.committed = {"billing": ["orders"], "other": ["secrets"]}

        assert await bench.look() == {"billing": {"orders"}}
        assert await bench.look("other") == {"billing": {"orders"}}
        asked = [
            group.group_id for request in bench.brokers[1].asked_for(ApiKey.OFFSET_FETCH) for group in request.groups
        ]
        assert asked == ["billing"]


@scenario
async def test_where_no_group_is_wanted_there_is_one_question_to_each_broker() -> None:
    async with Bench(wanted=lambda _: False) as bench:
        bench.groups.types[1] = {"billing": "classic", "workers": "share"}

        assert await bench.look() == {}
        for broker in bench.brokers.values():
            assert [request.__api_key__ for request in broker.asked] == [ApiKey.API_VERSIONS, ApiKey.LIST_GROUPS]


@scenario
async def test_nothing_new_leaves_the_same_object() -> None:
    async with Bench() as bench:
        bench.groups.types[1] = {"billing": "classic"}
        bench.groups.committed = {"billing": ["orders"]}
        before = await bench.look()

        assert await bench.look() is before
        assert await bench.look("billing") is before


@scenario
async def test_only_the_groups_that_changed_are_asked_about() -> None:
    async with Bench() as bench:
        bench.groups.types = {1: {"billing": "classic", "audit": "consumer"}, 2: {}}
        bench.groups.committed = {"billing": ["orders"]}
        await bench.look()
        bench.groups.committed = {"billing": ["orders", "refunds"], "audit": ["trades"]}

        assert await bench.look("billing") == {"billing": {"orders", "refunds"}}
        assert len(bench.brokers[1].asked_for(ApiKey.CONSUMER_GROUP_DESCRIBE)) == 1


@scenario
async def test_a_group_that_was_just_made_is_found_at_its_coordinator() -> None:
    async with Bench() as bench:
        await bench.look()
        bench.groups.types[2] = {"audit": "consumer"}
        bench.groups.assigned = {"audit": ["trades"]}

        assert await bench.look("audit") == {"audit": {"trades"}}
        assert not bench.again


@pytest.mark.parametrize("hinted", [(), ("billing",)])
@pytest.mark.parametrize("group_type", ["classic", "consumer", "share"])
def test_a_group_that_is_gone_loses_its_topics(group_type: str, hinted: tuple[str, ...]) -> None:
    @scenario
    async def lose() -> None:
        async with Bench() as bench:
            bench.groups.types[2] = {"billing": group_type}
            bench.groups.committed = {"billing": ["orders"]}
            await bench.look()
            bench.groups.types[2] = {}
            bench.groups.committed = {}

            assert await bench.look(*hinted) == {"billing": {"orders"}}
            assert bench.again == {"billing"}
            assert await bench.look(*hinted) == {}
            assert not bench.again

    lose()


@scenario
async def test_a_group_that_is_listed_nowhere_but_not_gone_keeps_its_topics() -> None:
    async with Bench() as bench:
        bench.groups.types[1] = {"billing": "classic"}
        bench.groups.committed = {"billing": ["orders"]}
        before = await bench.look()
        bench.groups.types[1] = {}
        bench.groups.errors = {"billing": ErrorCode.coordinator_load_in_progress}

        assert await bench.look() is before
        assert await bench.look("billing") is before
        assert bench.again == {"billing"}


@scenario
async def test_a_group_that_moves_to_another_coordinator_keeps_its_topics() -> None:
    async with Bench() as bench:
        bench.groups.types = {1: {"billing": "classic"}, 2: {}}
        bench.groups.committed = {"billing": ["orders"]}
        before = await bench.look()

        bench.groups.types = {1: {}, 2: {"billing": "classic"}}

        assert await bench.look() is before


@scenario
async def test_a_group_that_changes_its_type_between_two_questions_keeps_its_topics() -> None:
    async with Bench() as bench:
        bench.groups.types[1] = {"billing": "classic"}
        bench.groups.committed = {"billing": ["orders"]}
        before = await bench.look()
        bench.brokers[1].on[ApiKey.LIST_GROUPS] = lambda _: some_listed(("billing", "classic"))
        bench.groups.types[1] = {"billing": "consumer"}

        assert await bench.look() is before


@pytest.mark.parametrize("hinted", [(), ("billing", "audit")])
def test_a_broker_that_does_not_answer_keeps_the_topics_of_its_groups(hinted: tuple[str, ...]) -> None:
    @scenario
    async def keep() -> None:
        async with Bench() as bench:
            bench.groups.types = {1: {"billing": "classic"}, 2: {"audit": "classic"}}
            bench.groups.committed = {"billing": ["orders"], "audit": ["trades"]}
            await bench.look()
            await bench.brokers[1].stop()
            bench.groups.committed = {"billing": ["refunds"], "audit": ["refunds"]}
            await bench.look(*hinted)

            assert await bench.look(*hinted) == {"billing": {"orders"}, "audit": {"refunds"}}
            assert bench.survey.silent.keys() == {1}

    keep()


@scenario
async def test_a_coordinator_that_is_still_loading_keeps_the_topics_of_its_groups() -> None:
    async with Bench() as bench:
        bench.groups.types[1] = {"billing": "classic"}
        bench.groups.committed = {"billing": ["orders"]}
        before = await bench.look()
        bench.groups.listing[1] = False

        assert await bench.look() is before
        assert "COORDINATOR_LOAD_IN_PROGRESS" in bench.survey.silent[1]

        bench.groups.listing[1] = True
        await bench.look()
        assert bench.survey.silent == {}


@scenario
async def test_a_group_that_cannot_be_told_about_is_logged_once_and_does_not_hold_back_the_others() -> None:
    async with Bench() as bench:
        bench.groups.types[1] = {"billing": "classic", "audit": "classic"}
        bench.groups.committed = {"billing": ["orders"], "audit": ["trades"]}
        bench.groups.errors = {"billing": ErrorCode.group_authorization_failed}

        with capture_logs() as logs:
            assert await bench.look() == {"audit": {"trades"}}
            await bench.look()

        assert [(line["event"], line["group"]) for line in logs] == [("group_tells_no_topics", "billing")]


@scenario
async def test_many_groups_are_asked_about_in_several_questions() -> None:
    async with Bench() as bench:
        names = [f"group-{number}" for number in range(2 * AT_ONCE + 1)]
        bench.groups.types[1] = dict.fromkeys(names, "classic")
        bench.groups.committed = {name: ["orders"] for name in names}

        assert (await bench.look()).keys() == set(names)
        assert [len(request.groups) for request in bench.brokers[1].asked_for(ApiKey.OFFSET_FETCH)] == [
            AT_ONCE,
            AT_ONCE,
            1,
        ]


@scenario
async def test_groups_that_nobody_wants_any_more_are_forgotten() -> None:
    wanted = {"billing", "audit"}
    async with Bench(wanted=lambda group: group in wanted) as bench:
        bench.groups.types[1] = {"billing": "classic", "audit": "classic"}
        bench.groups.committed = {"billing": ["orders"], "audit": ["trades"]}
        await bench.look()

        wanted.remove("billing")

        assert await bench.look() == {"audit": {"trades"}}


@pytest.mark.parametrize(
    "missing",
    [ApiKey.CONSUMER_GROUP_DESCRIBE, ApiKey.SHARE_GROUP_DESCRIBE, ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS],
)
def test_a_broker_that_cannot_be_asked_one_thing_is_asked_the_rest(missing: ApiKey) -> None:
    @scenario
    async def look() -> None:
        async with Bench() as bench:
            older = {key: versions for key, versions in SPOKEN.items() if key != missing}
            bench.brokers[1].on[ApiKey.API_VERSIONS] = speaks(older)
            bench.groups.types[1] = {"billing": "classic", "audit": "consumer", "workers": "share"}
            bench.groups.committed = {group: ["orders"] for group in bench.groups.types[1]}
            bench.groups.assigned = {group: ["orders"] for group in bench.groups.types[1]}

            assert await bench.look() == {group: {"orders"} for group in bench.groups.types[1]}
            assert not bench.survey.silent

    look()


@scenario
async def test_a_broker_too_old_to_be_asked_for_offsets_is_named() -> None:
    async with Bench() as bench:
        bench.brokers[1].on[ApiKey.API_VERSIONS] = speaks({**SPOKEN, ApiKey.OFFSET_FETCH: (1, 7)})
        bench.groups.types[1] = {"billing": "classic"}

        assert await bench.look() == {}
        assert "Kordon needs OFFSET_FETCH in a version of 8-9" in bench.survey.silent[1]


@scenario
async def test_without_any_broker_nothing_is_learned_and_nothing_lost() -> None:
    async with Bench() as bench:
        bench.groups.types[1] = {"billing": "classic"}
        bench.groups.committed = {"billing": ["orders"]}
        before = await bench.look()
        for broker in bench.brokers.values():
            await broker.stop()

        assert await bench.look() is before
        assert await bench.look("billing") is before
