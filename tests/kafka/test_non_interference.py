"""Whoever else is in the cluster, a tenant gets the same answers: byte for byte those of a cluster of its own.

Two real clusters are asked the same, all along. In the one Acme is alone. In the other Globex has what stands before,
between and behind Acme's things in the alphabet; it is at work meanwhile, or else is found as it was left.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kordon_policy.actions import Action
from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka import share_requests as share
from tests.kafka.drawing import Drawing
from tests.kafka.neighbours import Neighbours
from tests.kafka.probes import PROBES
from tests.kafka.requests import GROUP, TOPIC, Things
from tests.kafka.sameness import OF_THE_CLUSTER
from tests.kafka.twins import Build, Busy, Lines, Twin, Twins
from tests.proxy.apis import acl_messages as acl
from tests.proxy.apis import user_messages as user
from tests.proxy.apis.messages import a_request

CHANGING: Final = {
    ApiKey.ALTER_CLIENT_QUOTAS,
    ApiKey.ALTER_CONFIGS,
    ApiKey.ALTER_PARTITION_REASSIGNMENTS,
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS,
    ApiKey.CREATE_ACLS,
    ApiKey.CREATE_PARTITIONS,
    ApiKey.CREATE_TOPICS,
    ApiKey.DELETE_ACLS,
    ApiKey.DELETE_TOPICS,
    ApiKey.ELECT_LEADERS,
    ApiKey.INCREMENTAL_ALTER_CONFIGS,
    ApiKey.METADATA,
    ApiKey.STREAMS_GROUP_HEARTBEAT,
}
"""What a controller does, and brokers take over a moment later. Some create a topic that they name and miss."""
USING_UP: Final = {
    ApiKey.DELETE_GROUPS,
    ApiKey.DELETE_TOPICS,
    ApiKey.JOIN_GROUP,
    ApiKey.OFFSET_DELETE,
}
"""What needs things of its own in each version, since it leaves too little of them, or too much."""
BY_AND_BY: Final = {ApiKey.SYNC_GROUP, ApiKey.SHARE_FETCH}
"""What one's own are used by only in an order, since a broker waits for others or gets ready: see how groups live."""
BROKER, LOGGER, CLIENT_METRICS = 4, 8, 16
LISTS: Final[Mapping[ApiKey, Callable[[int], tuple[Any, ...]]]] = {
    ApiKey.METADATA: lambda v: (ask.find_all_topics(v),),
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: lambda v: tuple(ask.describe_topics(v, limit=limit) for limit in (1, 5, 100)),
    ApiKey.LIST_GROUPS: lambda v: (ask.list_groups(v),),
    ApiKey.LIST_TRANSACTIONS: lambda v: (ask.list_transactions(v), ask.list_transactions(v, states=("Empty", "Dead"))),
    ApiKey.LIST_CONFIG_RESOURCES: lambda v: tuple(
        ask.list_settings(v, *types) for types in ((), (TOPIC,), (GROUP, TOPIC), (BROKER, LOGGER, CLIENT_METRICS))
    ),
    ApiKey.DESCRIBE_LOG_DIRS: lambda v: (ask.describe_all_disks(v),),
    ApiKey.LIST_PARTITION_REASSIGNMENTS: lambda v: (ask.list_all_moves(v),),
    ApiKey.ELECT_LEADERS: lambda v: (ask.elect_all_leaders(v),),
    ApiKey.DESCRIBE_ACLS: lambda v: (acl.describe(v),),
    ApiKey.DESCRIBE_CLIENT_QUOTAS: lambda v: (
        user.describe_quotas(v),
        user.describe_quotas(v, ("user", user.ANY, None)),
        user.describe_quotas(v, ("user", user.ANY, None), ("client-id", user.ANY, None), strict=True),
        user.describe_quotas(v, ("user", user.DEFAULT, None)),
    ),
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: lambda _: (
        user.describe_credentials(),
        user.describe_credentials(everybody=True),
    ),
    ApiKey.DESCRIBE_QUORUM: lambda v: (ask.describe_quorum(v),),
    ApiKey.DESCRIBE_CLUSTER: lambda v: tuple(
        a_request(ApiKey.DESCRIBE_CLUSTER, v, endpoint_type=kind, include_cluster_authorized_operations=True)
        for kind in (1, 2)
    ),
    ApiKey.DESCRIBE_CONFIGS: lambda v: (ask.describe_settings(v, (BROKER, "1"), (BROKER, "")),),
    ApiKey.UPDATE_FEATURES: lambda v: (ask.update_feature(v, "metadata.version", 1, only_validate=True),),
    ApiKey.UNREGISTER_BROKER: lambda v: (ask.unregister_broker(v, 99),),
    ApiKey.ADD_RAFT_VOTER: lambda v: (ask.add_voter(v, 99),),
    ApiKey.REMOVE_RAFT_VOTER: lambda v: (ask.remove_voter(v, 99),),
    ApiKey.API_VERSIONS: lambda v: (
        a_request(ApiKey.API_VERSIONS, v, client_software_name="client", client_software_version="1"),
    ),
}
"""What is asked without a name: for all there is, or for what there is of the cluster itself."""
ALWAYS_ASKED: Final[Mapping[ApiKey, str]] = {
    ApiKey.DESCRIBE_CONFIGS: "a group that is not there has settings, which are the broker's for all groups",
    ApiKey.DESCRIBE_LOG_DIRS: "directories are told, whatever lies in them",
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: "a cursor alone asks for all there is after it",
    ApiKey.LIST_TRANSACTIONS: "a list that is cut by what is named",
}
"""What goes on to a broker even if it names nothing of the tenant's, and why."""


def ids(keys: Iterable[int]) -> list[Any]:
    return [pytest.param(ApiKey(key), id=ApiKey(key).name) for key in keys]


PROBED: Final = [key for key, probes in PROBES.items() if probes]
OF_EDITORS: Final = [
    key for key in {**PROBES, **LISTS} if key in APIS and Action.BROKER_EDIT in (APIS[key].needs or ())
]
"""What whoever may edit brokers is told more by, or may do more by, than others."""


def versions(key: ApiKey) -> range:
    return range(5) if key is ApiKey.API_VERSIONS else APIS[key].versions


def test_every_api_is_asked() -> None:
    assert {key for key, api in APIS.items() if api.judge is not None} == {*PROBED, *LISTS} - {ApiKey.API_VERSIONS}


@contextmanager
def crowd(twins: Twins, *, busy: bool) -> Iterator[None]:
    """Globex is at work meanwhile, or else is found as it was left."""
    if busy:
        with Busy(twins.crowded):
            yield
        return
    before = twins.crowded.state()
    yield
    assert twins.crowded.state() == before


def about(key: ApiKey, version: int, *things: Twin) -> Build:
    """All that can be asked by an API about these."""
    probes = [probe for probe in PROBES[key] if version in probe.versions]
    return lambda we: [probe.build(version, one(we), we) for one in things for probe in probes]


def each_of(*things: Things) -> list[Twin]:
    """The same in both clusters."""
    return [lambda _, one=one: one for one in things]  # type: ignore[misc]


def everything(keys: Any = LISTS) -> list[Any]:
    """All lists, by the last version of each."""
    return [request for key in keys if key in APIS for request in LISTS[key](APIS[key].versions[-1])]


@pytest.mark.parametrize(("listener", "busy"), [("worker", True), ("strict", False)], ids=["busy", "denied"])
@pytest.mark.parametrize("key", ids(PROBED))
def test_what_others_have_is_as_missing_as_where_there_are_no_others(
    twins: Twins, key: ApiKey, listener: str, busy: bool
) -> None:
    """By its answers and by its way, which is the time that it takes."""
    which = slice(0, None, 2) if busy else slice(1, None, 2)
    with crowd(twins, busy=busy):
        for version in versions(key):
            ways = []
            for things in (twins.foreign, twins.crowded.missing):
                build = about(key, version, *each_of(*things[which]))
                with Lines(twins, listener) as lines:  # anew, as sessions are of a connection
                    lines.ask(build)
                    ways += lines.ways()
                if key in CHANGING:
                    twins.catch_up()
            assert ways == [ways[0]] * len(ways)
            going_on, _ = ways[0]
            requests = list(build(twins.crowded))
            strange = [requests[number] for number in going_on if not is_about_acme(requests[number], twins.crowded)]
            assert key in ALWAYS_ASKED or not strange


def is_about_acme(request: Any, we: Neighbours) -> bool:
    """Whether it names what is Acme's, or might be."""
    said = encode(request).replace(b"acme.vault", b"").replace(b"acme-vault", b"")
    return b"acme" in said or any(one.topic_id.bytes in said for one in (we.own, we.idle))


def use(twins: Twins, lines: Lines, key: ApiKey) -> None:
    """Ask all that an API can be asked about things of Acme's, and see what has become of everything."""
    for version in versions(key):
        if version == versions(key)[0] or key in USING_UP:
            spare = twins.spare()
        lines.ask(about(key, version, spare))
        if key in CHANGING:
            twins.catch_up()
    requests = everything()
    lines.say(requests, requests)


@pytest.mark.parametrize("key", ids(key for key in PROBED if key not in BY_AND_BY))
def test_what_is_done_to_ones_own_things_is_done_and_answered_as_where_there_are_no_others(
    twins: Twins, key: ApiKey
) -> None:
    with crowd(twins, busy=False), Lines(twins) as lines:
        use(twins, lines, key)


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
@pytest.mark.parametrize("key", ids(LISTS))
def test_all_there_is_is_what_one_has(twins: Twins, key: ApiKey, busy: bool) -> None:
    with crowd(twins, busy=busy), Lines(twins) as lines:
        for version in versions(key):
            requests = LISTS[key](version)
            lines.say(list(requests), list(requests))


@pytest.mark.parametrize("key", ids(OF_EDITORS))
def test_who_edits_brokers_is_shown_the_cluster_itself_and_nothing_of_others(twins: Twins, key: ApiKey) -> None:
    with crowd(twins, busy=False), Lines(twins, "keeper", without=OF_THE_CLUSTER) as lines:
        if PROBES[ApiKey(key)]:
            use(twins, lines, key)
        for version in versions(key) if key in LISTS else ():
            requests = LISTS[key](version)
            lines.say(list(requests), list(requests))


@pytest.mark.parametrize("version", APIS[ApiKey.JOIN_GROUP].versions)
def test_a_group_lives_as_where_there_are_no_others(twins: Twins, version: int) -> None:
    spare = twins.spare()
    with crowd(twins, busy=True), Lines(twins) as lines:
        member = joined(twins, lines, version, spare)
        if version >= 4:  # at first there is only an id
            member = joined(twins, lines, version, member)
        lines.ask(lambda we: life(version, member(we)))


def joined(twins: Twins, lines: Lines, version: int, who: Twin) -> Twin:
    """Who joins his group, as he is known in it afterwards; in the first place by no id."""
    (answers,) = lines.ask(lambda we: [ask.join(version, who(we), who(we).topic, member_id=known(who(we)))])
    alone, crowded = (
        replace(who(we), member_id=answer.member_id, generation=answer.generation_id)
        for we, answer in zip(twins.both, answers, strict=True)
    )
    return lambda we: alone if we is twins.alone else crowded


def known(member: Things) -> str:
    """The id of a member that has got one from a coordinator, which is a long one."""
    return member.member_id if "-" in member.member_id else ""


def life(version: int, member: Things) -> Iterator[Any]:
    """Of a member, from its first assignment on."""
    yield ask.sync(min(version, 5), member, member.topic)
    yield ask.heartbeat(min(version, 4), member)
    yield ask.commit(9, member, member, member=True)
    yield from (ask.describe_groups(one, member.group) for one in APIS[ApiKey.DESCRIBE_GROUPS].versions)
    yield ask.list_groups(5)
    yield ask.fetch_all_offsets(9, member)
    yield ask.leave(min(version, 5), member, member.member_id)
    yield ask.describe_groups(6, member.group)


@pytest.mark.parametrize("version", APIS[ApiKey.SHARE_FETCH].versions)
def test_a_share_group_lives_as_where_there_are_no_others(twins: Twins, version: int) -> None:
    spare = twins.spare()
    member = twins.made(lambda by, we: by.shared(replace(spare(we), group=f"acme-together-{version}")))
    with crowd(twins, busy=True), Lines(twins) as lines:
        lines.ask(lambda we: life_together(version, member(we)))


def life_together(version: int, member: Things) -> Iterator[Any]:
    """Of a member that has read one record."""
    yield share.fetch(version, member, member, max_records=1, max_wait=ask.SOON)
    yield share.acknowledge(version, member, member, acks=(1, 1))
    yield share.fetch(version, member, epoch=-1)
    yield share.beat(1, member, epoch=member.generation)
    yield from (
        share.describe_offsets(one, (member, None)) for one in APIS[ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS].versions
    )
    yield share.describe(1, member.group)
    yield ask.list_groups(5)


# Whatever is in it


@pytest.fixture(scope="module")
def drawing(twins: Twins) -> Drawing:
    """Requests to the cluster where Acme is alone."""
    own = [twins.spare()(twins.alone) for _ in range(3)]
    return Drawing(foreign=twins.foreign, missing=twins.alone.missing, own=own)


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
def test_whatever_is_asked_is_answered_as_where_there_are_no_others(twins: Twins, drawing: Drawing, busy: bool) -> None:
    with crowd(twins, busy=busy), Lines(twins) as lines:
        for message in drawn(drawing, scripts=12)[busy::2]:
            lines.say([message], [twins.counterparts.translated(message)])
            if message.__api_key__ in CHANGING:
                twins.catch_up()
        requests = everything()
        lines.say(requests, requests)


def drawn(drawing: Drawing, *, scripts: int) -> list[Any]:
    """The same requests each time. Drawn beforehand: nothing of what is asked can be asked once more."""
    messages: list[Any] = []

    @given(script=st.lists(drawing.request, min_size=20, max_size=30))
    @settings(max_examples=scripts, derandomize=True, database=None, phases=[Phase.generate])
    def draw(script: list[Any]) -> None:
        messages.extend(script)

    draw()
    return messages
