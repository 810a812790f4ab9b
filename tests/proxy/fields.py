"""Where in Kafka's messages there are names, ids, addresses and texts, found by walking kio's schemas.

What kind of thing a field is says the schema itself wherever it can: Kafka marks names of topics, groups and
transactional ids, and ids of producers and brokers. The rest is told by how fields are called, or said here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import fields as fields_of
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin

from kordon_protocol.shapes import Entity, Field, Shape, shape_of
from kordon_proxy.apis.telemetry import RELAYED
from kordon_proxy.judging.table import Api
from kordon_proxy.table import APIS

ADMITTED: Final[dict[int, Api]] = {key: api for key, api in {**APIS, **RELAYED}.items() if api.judge is not None}
"""Every API that some listener admits."""

TELLING: Final = frozenset({"string", "uuid", "bytes", "records"})
"""Types whose values can tell something by themselves."""
NUMBERS: Final = frozenset({"int16", "uint16", "int32", "uint32", "int64"})
HOST: Final = "host"
MARKED: Final = frozenset({"TopicName", "GroupId", "TransactionalId", "BrokerId"})
"""Types that kio gives to what Kafka's schemas mark as an entity."""


class Kind(StrEnum):
    TOPIC = "topic"
    TOPIC_ID = "topic id"
    PATTERN = "pattern for topics"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional id"
    MEMBER = "member"
    PRINCIPAL = "principal"
    RESOURCE = "resource of any type"
    SETTING = "setting"
    DIRECTORY = "path on a broker's disk"
    NAMES = "topics in bytes"
    ADDRESS = "address"
    BROKER = "broker id beside an address"
    CLIENT = "address of a client's"
    CLUSTER = "cluster id"
    FREE_TEXT = "free text"
    ID = "another id"
    OPAQUE = "bytes that nobody reads"
    HARMLESS = "harmless"


HIDDEN: Final = frozenset(
    {
        Kind.TOPIC,
        Kind.TOPIC_ID,
        Kind.PATTERN,
        Kind.GROUP,
        Kind.TRANSACTIONAL_ID,
        Kind.PRINCIPAL,
        Kind.RESOURCE,
        Kind.NAMES,
    }
)
"""What names something that may be another tenant's."""


BY_MARK: Final = {
    "TopicName": Kind.TOPIC,
    "GroupId": Kind.GROUP,
    "TransactionalId": Kind.TRANSACTIONAL_ID,
    "BrokerId": Kind.BROKER,
}
BY_NAME: Final = {
    "client_host": Kind.ADDRESS,
    "cluster_id": Kind.CLUSTER,
    "error_message": Kind.FREE_TEXT,
    "acknowledge_error_message": Kind.FREE_TEXT,
    "batch_index_error_message": Kind.FREE_TEXT,
    "broker_id": Kind.BROKER,
    "entity_name": Kind.PRINCIPAL,
    "entity_type": Kind.HARMLESS,
    "group_instance_id": Kind.MEMBER,
    "host": Kind.ADDRESS,
    "host_filter": Kind.CLIENT,
    "instance_id": Kind.MEMBER,
    "log_dir": Kind.DIRECTORY,
    "member_id": Kind.MEMBER,
    "node_id": Kind.BROKER,
    "owner_principal_name": Kind.PRINCIPAL,
    "port": Kind.ADDRESS,
    "principal": Kind.PRINCIPAL,
    "principal_filter": Kind.PRINCIPAL,
    "principal_name": Kind.PRINCIPAL,
    "resource_name": Kind.RESOURCE,
    "resource_name_filter": Kind.RESOURCE,
    "status_detail": Kind.FREE_TEXT,
    "token_requester_principal_name": Kind.PRINCIPAL,
    "user": Kind.PRINCIPAL,
}
"""The last part of a field's path -> what such a field is in every message."""

SAID: Final = {
    Kind.RESOURCE: """
        FindCoordinator: key coordinator_keys coordinators.key
    """,
    Kind.TRANSACTIONAL_ID: """
        ListTransactions: transactional_id_pattern
    """,
    Kind.PRINCIPAL: """
        DescribeUserScramCredentials: users.name
        AlterUserScramCredentials: deletions.name upsertions.name
        DescribeClientQuotas: components.match
    """,
    Kind.DIRECTORY: """
        AlterReplicaLogDirs: dirs.path
    """,
    Kind.CLIENT: """
        DescribeAcls: resources.acls.host
        CreateAcls: creations.host
        DeleteAcls: filter_results.matching_acls.host
        StreamsGroupHeartbeat: user_endpoint.host user_endpoint.port
            partitions_by_user_endpoint.user_endpoint.host partitions_by_user_endpoint.user_endpoint.port
        StreamsGroupDescribe: groups.members.user_endpoint.host groups.members.user_endpoint.port
    """,
    Kind.MEMBER: """
        JoinGroup: leader
    """,
    Kind.PATTERN: """
        ConsumerGroupHeartbeat: subscribed_topic_regex
        ConsumerGroupDescribe: groups.members.subscribed_topic_regex
        StreamsGroupHeartbeat: topology.subtopologies.source_topic_regex
    """,
    Kind.SETTING: """
        CreateTopics: topics.configs.name topics.configs.value
        DescribeConfigs: resources.configuration_keys
            results.configs.name results.configs.value results.configs.documentation
            results.configs.synonyms.name results.configs.synonyms.value
        AlterConfigs: resources.configs.name resources.configs.value
        IncrementalAlterConfigs: resources.configs.name resources.configs.value
        StreamsGroupHeartbeat:
            topology.subtopologies.repartition_source_topics.topic_configs.key
            topology.subtopologies.repartition_source_topics.topic_configs.value
            topology.subtopologies.state_changelog_topics.topic_configs.key
            topology.subtopologies.state_changelog_topics.topic_configs.value
        StreamsGroupDescribe:
            groups.topology.subtopologies.repartition_source_topics.topic_configs.key
            groups.topology.subtopologies.repartition_source_topics.topic_configs.value
            groups.topology.subtopologies.state_changelog_topics.topic_configs.key
            groups.topology.subtopologies.state_changelog_topics.topic_configs.value
    """,
    Kind.NAMES: """
        JoinGroup: protocols.metadata members.metadata
        SyncGroup: assignments.assignment assignment
        DescribeGroups: groups.members.member_metadata groups.members.member_assignment
    """,
    Kind.TOPIC: """
        ConsumerProtocolSubscription: topics
    """,
    Kind.HARMLESS: """
        DescribeQuorum: topics.topic_name nodes.listeners.name
        ListTransactions: unknown_state_filters
        UpdateFeatures: feature_updates.feature results.feature
    """,
}
"""What neither the schema nor the name of a field tells."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A field of a message that could tell something: `path` as `topics.partitions.error_message`."""

    api: str
    path: str
    wire: str
    mark: str

    @property
    def kind(self) -> Kind | None:
        """What it is; None: neither the schema tells nor anybody has said."""
        name = self.path.rpartition(".")[2]
        if self.wire == "uuid":
            return Kind.TOPIC_ID if name == "topic_id" else Kind.ID
        return _SAID.get((self.api, self.path)) or BY_MARK.get(self.mark) or BY_NAME.get(name) or self._by_type

    @property
    def _by_type(self) -> Kind | None:
        return Kind.OPAQUE if self.wire in {"bytes", "records"} else None

    @property
    def is_number(self) -> bool:
        return self.wire in NUMBERS


def places(api: str, entity: Entity) -> Iterator[Place]:
    """All fields of a message that could tell something."""
    return _telling(api, shape_of(entity), "")


def _telling(api: str, shape: Shape, path: str) -> Iterator[Place]:
    fields = (*shape.fields, *shape.tagged)
    marks = {field.name: mark_of(field.type) for field in fields_of(shape.entity)}
    beside, above = _has_host(shape), any(field.struct and _has_host(field.struct) for field in fields)
    for field in fields:
        mark = marks[field.name]
        if field.struct is not None:
            yield from _telling(api, field.struct, f"{path}{field.name}.")
        elif field.wire in TELLING or (field.wire in NUMBERS and (beside or (above and _is_broker(field, mark)))):
            yield Place(api, path + field.name, field.wire, mark)


def _has_host(shape: Shape) -> bool:
    return any(field.name == HOST for field in (*shape.fields, *shape.tagged))


def _is_broker(field: Field, mark: str) -> bool:
    return mark == "BrokerId" or BY_NAME.get(field.name) is Kind.BROKER


def mark_of(annotation: Any) -> str:
    """The name of kio's type for what a field holds, if it is one that Kafka's schemas mark; else nothing."""
    if get_origin(annotation) in {tuple, UnionType}:
        return next(filter(None, map(mark_of, get_args(annotation))), "")
    name = getattr(annotation, "__name__", "")
    return name if annotation is not NoneType and name in MARKED else ""


def read(text: str) -> Iterator[tuple[str, str]]:
    """API and field of each entry of a list, as `Fetch: topics.topic topics.topic_id`."""
    api = ""
    for word in text.split():
        if word.endswith(":"):
            api = word.removesuffix(":")
        else:
            yield api, word


_SAID: Final = {entry: kind for kind, text in SAID.items() for entry in read(text)}
