"""Nothing outside the view can be told from what does not exist, and nothing there can be touched, by any API.

Every admitted API in every version names what its neighbour has and, in the same way, what nobody has: the two answers
are the same byte for byte, the broker hears the same of both, and what the neighbour has is as it was.
"""

from typing import Final

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.neighbours import Neighbours
from tests.kafka.probes import PROBES
from tests.kafka.requests import Things, errors_of
from tests.proxy.apis.messages import a_request

ADMITTED: Final = [
    pytest.param(ApiKey(key), version, id=f"{api.name}-{version}")
    for key, api in APIS.items()
    if api.judge is not None
    for version in api.versions
]
NAMING_NOTHING: Final = {
    ApiKey.LIST_GROUPS,
    ApiKey.DESCRIBE_CLUSTER,
    ApiKey.UPDATE_FEATURES,
    ApiKey.UNREGISTER_BROKER,
    ApiKey.ADD_RAFT_VOTER,
    ApiKey.REMOVE_RAFT_VOTER,
    ApiKey.LIST_CONFIG_RESOURCES,
}
NEVER_DENIED: Final = {ApiKey.LIST_TRANSACTIONS, ApiKey.LIST_PARTITION_REASSIGNMENTS}
"""What names things only to leave others out."""
OWN_ANSWERS: Final = {ApiKey.API_VERSIONS, ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE}
"""What Kordon answers from what it knows of itself and of the brokers."""


def test_every_api_that_clients_are_offered_is_probed_in_all_its_versions(neighbours: Neighbours) -> None:
    with neighbours.through() as wire:
        offered = wire.ask(a_request(ApiKey.API_VERSIONS, 3, client_software_name="a", client_software_version="1"))

    ranges = {ApiKey(api.api_key): range(api.min_version, api.max_version + 1) for api in offered.message.api_keys}
    assert ranges.keys() - OWN_ANSWERS == PROBES.keys()
    assert {key for key, probes in PROBES.items() if not probes} == NAMING_NOTHING
    for key, probes in PROBES.items():
        admitted = APIS[key].versions
        assert ranges[key] == (range(admitted.stop) if key is ApiKey.PRODUCE else admitted)  # KAFKA-18659
        for version in admitted if probes else ():
            assert any(version in probe.versions for probe in probes), (key, version)


def in_terms_of(frame: bytes, of: Things, instead: Things) -> bytes:
    """The bytes with the marks of the one in place of those of the other."""
    for mark, other in zip(of.marks, instead.marks, strict=True):
        frame = frame.replace(mark, other)
    return frame


@pytest.mark.known_fault(14)
@pytest.mark.parametrize("listener", ["acme", "strict"])
@pytest.mark.parametrize(("key", "version"), ADMITTED)
def test_a_foreign_name_and_a_missing_one_get_the_same_answer(
    neighbours: Neighbours, key: ApiKey, version: int, listener: str
) -> None:
    before, since = neighbours.state(), len(neighbours.tap.heard)
    pairs = tuple(zip(neighbours.foreign, neighbours.missing, strict=True))
    asked = [(probe, *pair) for probe in PROBES[key] if version in probe.versions for pair in pairs]

    with neighbours.through(listener) as wire:
        replies = wire.ask_all(probe.build(version, one, neighbours) for probe, *pair in asked for one in pair)

    heard = neighbours.tap.requests("client", since)
    for place, (probe, foreign, missing) in enumerate(asked):
        name, of_foreign, of_missing = f"{probe.name}: {foreign.topic}", replies[2 * place], replies[2 * place + 1]
        assert in_terms_of(of_foreign.body, foreign, missing) == of_missing.body, (name, of_foreign, of_missing)
        assert not neighbours.traces(of_foreign, besides=foreign), name
        assert not neighbours.traces(of_missing), name
        sent = heard.get(2 * place + 1)
        assert sent == heard.get(2 * place + 2), name
        assert not [mark for mark in (*foreign.marks, *missing.marks) if mark in (sent or b"")], name
    assert neighbours.state() == before


# What a tenant is told that wants names outside its view to be denied

DENIED: Final = {
    ApiKey.PRODUCE: (12, 29),
    ApiKey.FETCH: (12, 29),
    ApiKey.LIST_OFFSETS: (11, 29),
    ApiKey.OFFSET_FOR_LEADER_EPOCH: (4, 29),
    ApiKey.METADATA: (13, 29),
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: (0, 29),
    ApiKey.CREATE_TOPICS: (7, 29),
    ApiKey.DELETE_TOPICS: (6, 29),
    ApiKey.DELETE_RECORDS: (2, 29),
    ApiKey.CREATE_PARTITIONS: (3, 29),
    ApiKey.DESCRIBE_CONFIGS: (4, 29),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: (1, 29),
    ApiKey.FIND_COORDINATOR: (6, 30),
    ApiKey.JOIN_GROUP: (9, 30),
    ApiKey.SYNC_GROUP: (5, 30),
    ApiKey.HEARTBEAT: (4, 30),
    ApiKey.LEAVE_GROUP: (5, 30),
    ApiKey.DESCRIBE_GROUPS: (6, 30),
    ApiKey.CONSUMER_GROUP_DESCRIBE: (1, 30),
    ApiKey.CONSUMER_GROUP_HEARTBEAT: (1, 30),
    ApiKey.ALTER_CONFIGS: (2, 29),
    ApiKey.ELECT_LEADERS: (2, 31),
    ApiKey.ALTER_PARTITION_REASSIGNMENTS: (1, 31),
    ApiKey.DESCRIBE_LOG_DIRS: (5, 31),
    ApiKey.ALTER_REPLICA_LOG_DIRS: (2, 31),
    ApiKey.DESCRIBE_QUORUM: (2, 31),
    ApiKey.STREAMS_GROUP_DESCRIBE: (0, 30),
    ApiKey.STREAMS_GROUP_HEARTBEAT: (0, 30),
    ApiKey.SHARE_GROUP_HEARTBEAT: (1, 30),
    ApiKey.SHARE_GROUP_DESCRIBE: (1, 30),
    ApiKey.SHARE_FETCH: (2, 30),
    ApiKey.SHARE_ACKNOWLEDGE: (2, 30),
    ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: (1, 30),
    ApiKey.ALTER_SHARE_GROUP_OFFSETS: (0, 30),
    ApiKey.DELETE_SHARE_GROUP_OFFSETS: (0, 30),
    ApiKey.DELETE_GROUPS: (2, 30),
    ApiKey.OFFSET_COMMIT: (9, 30),
    ApiKey.OFFSET_FETCH: (9, 30),
    ApiKey.OFFSET_DELETE: (0, 30),
    ApiKey.INIT_PRODUCER_ID: (5, 53),
    ApiKey.ADD_PARTITIONS_TO_TXN: (3, 53),
    ApiKey.ADD_OFFSETS_TO_TXN: (4, 53),
    ApiKey.END_TXN: (5, 53),
    ApiKey.TXN_OFFSET_COMMIT: (5, 53),
    ApiKey.DESCRIBE_ACLS: (3, 31),
    ApiKey.CREATE_ACLS: (3, 31),
    ApiKey.DELETE_ACLS: (3, 31),
    ApiKey.DESCRIBE_CLIENT_QUOTAS: (1, 31),
    ApiKey.ALTER_CLIENT_QUOTAS: (1, 31),
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: (0, 31),
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: (0, 31),
    ApiKey.DESCRIBE_PRODUCERS: (0, 29),
    ApiKey.DESCRIBE_TRANSACTIONS: (0, 53),
    ApiKey.WRITE_TXN_MARKERS: (2, 31),
}


def test_names_outside_the_view_are_denied_where_the_tenant_is_to_be_told_so(neighbours: Neighbours) -> None:
    assert DENIED.keys() == PROBES.keys() - NAMING_NOTHING - NEVER_DENIED
    for key, (version, code) in DENIED.items():
        things = (*neighbours.foreign, *neighbours.missing)
        with neighbours.through("strict") as wire:
            replies = wire.ask_all(PROBES[key][0].build(version, one, neighbours) for one in things)
        assert {frozenset(errors_of(reply.message)) for reply in replies} == {frozenset({code})}, key


@pytest.mark.parametrize("version", [13, 18])
def test_an_id_outside_the_view_is_unknown_even_there(neighbours: Neighbours, version: int) -> None:
    with neighbours.through("strict") as wire:
        replies = wire.ask_all(ask.fetch(version, one) for one in (*neighbours.foreign, *neighbours.missing))

    assert {tuple(errors_of(reply.message)) for reply in replies} == {(100,)}
