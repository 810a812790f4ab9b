"""Requests of every API with anything in them, drawn from the schemas: with names of everybody's, and of nobody's."""

from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.shapes import Entity, Field, Shape, shape_of, zero_of
from kordon_proxy.table import APIS
from tests.kafka.requests import Things
from tests.kafka.wire import a_batch
from tests.proxy.apis.consumer_bytes import a_subscription, an_assignment

WAITING: Final = {ApiKey.JOIN_GROUP, ApiKey.SYNC_GROUP, ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS}
"""They wait: for other members, who are not there, or minutes for a partition that is not there."""
EVERY_REQUEST: Final = [
    (key, version)
    for key, api in APIS.items()
    if api.judge is not None and key not in WAITING
    for version in api.versions
]
TOPIC_NAMES: Final = {
    "name",
    "repartition_sink_topics",
    "source_topics",
    "subscribed_topic_names",
    "topic",
    "topic_name",
    "topic_names",
}
OTHER_NAMES: Final = {
    "coordinator_keys",
    "group_id",
    "group_ids",
    "groups",
    "groups_names",
    "key",
    "transactional_id",
    "transactional_ids",
    "v3_and_below_transactional_id",
}
USERS: Final = {"users", "deletions", "upsertions"}
"""Fields whose entries have names of users."""
USER_NAMES: Final = {"entity_name", "match"}
PRINCIPALS: Final = {"principal", "principal_filter"}
SECRETS: Final = {"salt", "salted_password"}
ACL_CODES: Final = {
    "match_type",
    "mechanism",
    "operation",
    "pattern_type_filter",
    "permission_type",
    "resource_pattern_type",
    "resource_type_filter",
}
INTEGERS: Final = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}
PORT: Final = "uint16"
NOBODYS_ID: Final = UUID("5a5a5a5a-0000-4000-8000-5a5a5a5a5a5a")


class Drawing:
    """Strategies for requests that name things of the tenant's and of others."""

    def __init__(self, *, foreign: Iterable[Things], missing: Iterable[Things], own: Iterable[Things]) -> None:
        foreign = tuple(foreign)
        everything = (*foreign, *foreign, *missing, *own, *own)
        self._topics = st.sampled_from([one.topic for one in everything] + ["acme.random.new", "", "*"])
        self._others = st.sampled_from([one.group for one in everything] + [""])
        self._principals = st.sampled_from([one.principal for one in everything] + ["User:*", "", "nobody"])
        self._resources = self._topics | self._others | st.sampled_from(["1", ""])
        self._ids = st.sampled_from([None, NOBODYS_ID, *(one.topic_id for one in everything)])
        self._numbers = st.sampled_from([-1, 0, 1, *(one.producer_id for one in foreign)])
        self._members = st.sampled_from(["", "member", *(one.member_id for one in foreign)])
        self._bytes = st.sampled_from(
            [b"", b"\0\1private", *(make(one.topic) for make in (a_subscription, an_assignment) for one in foreign)]
        )
        self._records = st.sampled_from(
            [a_batch(b"x"), a_batch(b"x", producer_id=0, producer_epoch=0, sequence=1, transactional=True)]
        )
        self.request = st.sampled_from(EVERY_REQUEST).flatmap(lambda which: self._message(request_type(*which)))

    @cache  # noqa: B019 -- there is one for the whole run
    def _message(self, entity: Entity, path: tuple[str, ...] = ()) -> st.SearchStrategy[Any]:
        shape: Shape = shape_of(entity)
        values = {field.name: self._field(field, path) for field in shape.fields}
        values |= {field.name: st.just(zero_of(field)) | self._field(field, path) for field in shape.tagged}
        return st.builds(entity, **values)

    def _field(self, field: Field, path: tuple[str, ...]) -> st.SearchStrategy[Any]:
        one = (
            self._value(field, path)
            if field.struct is None
            else self._message(field.struct.entity, (*path, field.name))
        )
        values = st.lists(one, max_size=3).map(tuple) if field.array else one
        return values | st.none() if field.nullable and field.wire != "records" else values

    def _value(self, field: Field, path: tuple[str, ...]) -> st.SearchStrategy[Any]:
        if field.wire == "string":
            return self._text(field.name, path)
        if field.name == "acks":
            return st.sampled_from([-1, 1])
        if field.name == "share_acquire_mode":
            return st.sampled_from([0, 1])
        if field.name.endswith("producer_id"):
            return self._numbers
        if field.wire == PORT:
            return st.sampled_from([0, 9, 2**16 - 1])
        if field.name in SECRETS:
            return st.sampled_from([b"", b"a-secret"])
        if field.name in ACL_CODES or (field.name == "resource_type" and "creations" in path):
            return st.sampled_from([0, 1, 2, 3, 3, 4, 7])
        if field.name in {"resource_type", "resource_types", "config_operation", "key_type"}:
            return st.sampled_from([0, 1, 2, 4, 8, 16, 32])
        if field.name in {"count", "num_partitions", "replication_factor"}:
            return st.sampled_from([-1, 0, 1, 2, 3])
        if field.wire in INTEGERS:
            most = 2 ** INTEGERS[field.wire] - 1
            return st.sampled_from([0, 1, 2, -1, -2, most, -most - 1])
        return {
            "bool": st.booleans(),
            "bytes": self._bytes,
            "float64": st.sampled_from([0.0, -1.0, 1e9]),
            "records": self._records,
            "timedelta": st.sampled_from([timedelta(), timedelta(milliseconds=50)]),
            "uuid": self._ids if field.name == "topic_id" else st.none(),
        }[field.wire.partition("_")[0]]

    def _text(self, name: str, path: tuple[str, ...]) -> st.SearchStrategy[str]:
        if name in USER_NAMES or (name == "name" and path and path[0] in USERS):
            return self._others
        if name in PRINCIPALS:
            return self._principals
        if name == "resource_name_filter" or (name == "resource_name" and "creations" in path):
            return self._topics | self._others | self._principals | st.just("kafka-cluster")
        if name == "entity_type":
            return st.sampled_from(["user", "user", "ip"])  # any name may be that of a client
        if name == "key" and "ops" in path:
            return st.sampled_from(["producer_byte_rate", "request_percentage"])
        if name == "name" and "configs" in path:
            return st.sampled_from(["retention.ms", "max.message.bytes", "consumer.heartbeat.interval.ms"])
        if name in TOPIC_NAMES:
            return self._topics
        if name in OTHER_NAMES:
            return self._others
        if name == "resource_name":
            return self._resources
        if name == "member_id":
            return self._members
        if name in {"source_topic_regex", "subscribed_topic_regex", "transactional_id_pattern"}:
            return st.sampled_from(["", ".*", "globex.*", "("])
        return st.sampled_from(["", "1", "static-member"])
