"""What Kordon says of what is outside the view is what a real broker says of what does not exist, byte for byte.

The same request is judged twice: for a tenant that sees everything, so that the broker answers, and for one that sees
nothing of it, so that Kordon does.
"""

import socket
import struct
from collections.abc import Callable
from typing import Any, Final

import pytest

from kordon_protocol.codec import decode_response, encode, request_frame, request_type
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.verdict import Answer, Ask, Mended
from kordon_proxy.table import APIS
from tests.kafka.tenants import eventually
from tests.proxy.apis.messages import a_request
from tests.proxy.judging.worlds import make_may

SEES: Final = """
policies:
- resource: [cluster, "*"]
  effect: Allow
  actions: [GROUP_EDIT, GROUP_DELETE, GROUP_CONSUME, TOPIC_INSPECT]
  role: "*"
tenants:
- name: acme
  roles: [devs]
  resources:
  - include: {}
"""
ALL: Final = '[[cluster, "*", topic, "*"], [cluster, "*", group, "*"], [cluster, "*", transactional-id, "*"]]'
GROUPS: Final = '[cluster, "*", group, "*"]'
NOTHING: Final = '[cluster, "*", group, "none-of-these"]'

GROUP, TOPIC = "test-nobody", "test-nowhere"
Case = tuple[ApiKey, int, Callable[[int], Any]]


def ask(address: str, request: Any) -> Any:
    """One request on a connection of its own."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection, connection.makefile("rb") as answers:
        connection.sendall(request_frame(request, 7, "test"))
        (size,) = struct.unpack(">i", answers.read(4))
        frame = answers.read(size)
    key, version = request.__api_key__, request.__version__
    return decode_response(key, version, frame, peek_response(frame, key, version).body_offset)


def answer_for(may: May, request: Any, address: str) -> bytes:
    judge = APIS[request.__api_key__].judge
    assert judge is not None
    verdict = judge(request, may)
    assert not isinstance(verdict, Ask)
    if isinstance(verdict, Answer):
        return encode(verdict.response)
    response = ask(address, getattr(verdict, "request", request))
    return encode(verdict.plan.mend(response, may) if isinstance(verdict.plan, Mended) else response)


def named(key: ApiKey, version: int, *path: str, partitions: str, **values: Any) -> Any:
    """An entry for two partitions of the topic."""
    kind = struct_type(request_type(key, version), *path)
    if partitions == "partition_indexes":
        return make(kind, name=TOPIC, partition_indexes=(0, 1))
    entry = struct_type(kind, partitions)
    return make(kind, name=TOPIC, **{partitions: tuple(make(entry, partition_index=i, **values) for i in (0, 1))})


def describe(version: int) -> Any:
    return a_request(ApiKey.DESCRIBE_GROUPS, version, groups=(GROUP,))


def describe_new(version: int) -> Any:
    return a_request(ApiKey.CONSUMER_GROUP_DESCRIBE, version, group_ids=(GROUP,))


def describe_streams(version: int) -> Any:
    return a_request(ApiKey.STREAMS_GROUP_DESCRIBE, version, group_ids=(GROUP,), include_authorized_operations=True)


def delete(version: int) -> Any:
    return a_request(ApiKey.DELETE_GROUPS, version, groups_names=(GROUP,))


def fetch(version: int, *, everything: bool = False) -> Any:
    key = ApiKey.OFFSET_FETCH
    path = ("topics",) if version < 8 else ("groups", "topics")
    topics = None if everything else (named(key, version, *path, partitions="partition_indexes"),)
    if version < 8:
        return a_request(key, version, group_id=GROUP, topics=topics)
    group = struct_type(request_type(key, version), "groups")
    return a_request(key, version, groups=(make(group, group_id=GROUP, topics=topics),))


def fetch_all(version: int) -> Any:
    return fetch(version, everything=True)


def remove(version: int) -> Any:
    key = ApiKey.LEAVE_GROUP
    if version < 3:
        return a_request(key, version, group_id=GROUP, member_id="")
    member = make(struct_type(request_type(key, version), "members"), member_id="", group_instance_id="instance")
    return a_request(key, version, group_id=GROUP, members=(member,))


def describe_settings(version: int) -> Any:
    key = ApiKey.DESCRIBE_CONFIGS
    kind = struct_type(request_type(key, version), "resources")
    group = make(kind, resource_type=32, resource_name=GROUP, configuration_keys=None)
    return a_request(key, version, resources=(group,), include_synonyms=True)


def describe_shared(version: int) -> Any:
    return a_request(ApiKey.SHARE_GROUP_DESCRIBE, version, group_ids=(GROUP,))


def shared_offsets(version: int, *, everything: bool = False) -> Any:
    kind = struct_type(request_type(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, version), "groups")
    topic = make(struct_type(kind, "topics"), topic_name=TOPIC, partitions=(0, 1))
    group = make(kind, group_id=GROUP, topics=None if everything else (topic,))
    return a_request(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, version, groups=(group,))


def all_shared_offsets(version: int) -> Any:
    return shared_offsets(version, everything=True)


def shared_offsets_deleted(version: int) -> Any:
    key = ApiKey.DELETE_SHARE_GROUP_OFFSETS
    topic = make(struct_type(request_type(key, version), "topics"), topic_name=TOPIC)
    return a_request(key, version, group_id=GROUP, topics=(topic,))


def shared_offsets_altered(version: int) -> Any:
    key = ApiKey.ALTER_SHARE_GROUP_OFFSETS
    kind = struct_type(request_type(key, version), "topics")
    part = make(struct_type(kind, "partitions"), partition_index=1, start_offset=0)
    return a_request(key, version, group_id=GROUP, topics=(make(kind, topic_name=TOPIC, partitions=(part,)),))


def delete_offsets(version: int) -> Any:
    key = ApiKey.OFFSET_DELETE
    return a_request(key, version, group_id=GROUP, topics=(named(key, version, "topics", partitions="partitions"),))


def commit(version: int) -> Any:
    key = ApiKey.OFFSET_COMMIT
    topic = named(key, version, "topics", partitions="partitions", committed_offset=7)
    return a_request(key, version, group_id=GROUP, generation_id_or_member_epoch=1, member_id="m", topics=(topic,))


def describe_producers(version: int) -> Any:
    key = ApiKey.DESCRIBE_PRODUCERS
    return a_request(key, version, topics=(named(key, version, "topics", partitions="partition_indexes"),))


MISSING_GROUPS: Final[list[Case]] = [
    *((ApiKey.DESCRIBE_GROUPS, version, describe) for version in range(7)),
    *((ApiKey.CONSUMER_GROUP_DESCRIBE, version, describe_new) for version in range(2)),
    (ApiKey.STREAMS_GROUP_DESCRIBE, 0, describe_streams),
    *((ApiKey.DELETE_GROUPS, version, delete) for version in range(3)),
    *((ApiKey.OFFSET_FETCH, version, fetch) for version in range(1, 10)),
    *((ApiKey.OFFSET_FETCH, version, fetch_all) for version in range(2, 11)),
    *((ApiKey.LEAVE_GROUP, version, remove) for version in range(6)),
    (ApiKey.OFFSET_DELETE, 0, delete_offsets),
    (ApiKey.SHARE_GROUP_DESCRIBE, 1, describe_shared),
    *((ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, version, shared_offsets) for version in range(2)),
    *((ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, version, all_shared_offsets) for version in range(2)),
    (ApiKey.DELETE_SHARE_GROUP_OFFSETS, 0, shared_offsets_deleted),
]
MISSING_TOPICS: Final[list[Case]] = [
    *((ApiKey.OFFSET_FETCH, version, fetch) for version in range(1, 10)),
    *((ApiKey.OFFSET_COMMIT, version, commit) for version in range(2, 10)),
    *((ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, version, shared_offsets) for version in range(2)),
    (ApiKey.ALTER_SHARE_GROUP_OFFSETS, 0, shared_offsets_altered),
    (ApiKey.DESCRIBE_PRODUCERS, 0, describe_producers),
]


def case_id(value: object) -> str:
    return value.name if isinstance(value, ApiKey) else getattr(value, "__name__", str(value))


@pytest.fixture(scope="module")
def settled(kafka: Kafka) -> str:
    """The address of a broker that coordinates groups: a first look-up makes it create what it needs."""
    for _ in range(200):
        found = ask(kafka.bootstrap, a_request(ApiKey.FIND_COORDINATOR, 3, key=GROUP))
        described = ask(kafka.bootstrap, describe(6)).groups[0].error_code if found.node_id >= 0 else None
        if described is not None and described.name == "group_id_not_found":
            return kafka.bootstrap
    raise AssertionError("no coordinator")


@pytest.mark.parametrize(("key", "version", "request_of"), MISSING_GROUPS, ids=case_id)
def test_a_group_outside_the_view_is_one_that_does_not_exist(
    settled: str, key: ApiKey, version: int, request_of: Callable[[int], Any]
) -> None:
    request = request_of(version)
    assert request.__api_key__ == key
    there = answer_for(make_may(SEES.format(ALL)), request, settled)
    outside = answer_for(make_may(SEES.format(NOTHING)), request, "nobody is asked")
    assert there == outside


@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_CONFIGS].versions)
def test_a_group_outside_the_view_has_the_settings_of_one_that_does_not_exist(settled: str, version: int) -> None:
    """The broker is asked either way, and not by that name."""
    there = answer_for(make_may(SEES.format(ALL)), describe_settings(version), settled)
    outside = answer_for(make_may(SEES.format(NOTHING)), describe_settings(version), settled)
    assert there == outside
    assert b"consumer.session.timeout.ms" in outside


@pytest.mark.parametrize(("key", "version", "request_of"), MISSING_TOPICS, ids=case_id)
def test_a_topic_outside_the_view_is_one_that_does_not_exist(
    settled: str, key: ApiKey, version: int, request_of: Callable[[int], Any]
) -> None:
    request = request_of(version)
    assert request.__api_key__ == key
    there = answer_for(make_may(SEES.format(ALL)), request, settled)
    outside = answer_for(make_may(SEES.format(GROUPS)), request, settled)
    assert there == outside


def test_a_transactional_id_outside_the_view_is_one_that_does_not_exist(kafka: Kafka) -> None:
    request = a_request(ApiKey.DESCRIBE_TRANSACTIONS, 0, transactional_ids=("test-nobody",))
    ask(kafka.bootstrap, a_request(ApiKey.FIND_COORDINATOR, 3, key="test-nobody", key_type=1))
    outside = answer_for(make_may(SEES.format(NOTHING)), request, "nobody is asked")

    # The coordinator says other things until it has loaded what it knows of transactions, which is soon.
    eventually(lambda: answer_for(make_may(SEES.format(ALL)), request, kafka.bootstrap) == outside)
