"""Requests about somebody's things, in every version: what a version has no field for is left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes
from tests.kafka.wire import a_batch
from tests.proxy.apis.consumer_bytes import a_subscription, an_assignment
from tests.proxy.apis.messages import a_request, asked

LONG: Final = timedelta(hours=2)
"""For how long members and transactions live without a sign of life: longer than all tests take."""
SOON: Final = timedelta(seconds=10)
TOPIC, GROUP = 2, 32
"""Types of resources that have settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """A topic, a group and a transactional id, and what one has to know to use them."""

    topic: str
    topic_id: UUID
    group: str
    transactional_id: str
    member_id: str = "member"
    generation: int = 1
    instance_id: str | None = None
    producer_id: int = 4711
    producer_epoch: int = 0

    @property
    def user(self) -> str:
        """Who works on them: named like the group."""
        return self.group

    @property
    def principal(self) -> str:
        return f"User:{self.user}"

    @property
    def marks(self) -> tuple[bytes, ...]:
        """By what their traces are found in bytes."""
        ids = (self.topic_id.bytes, str(self.topic_id).encode())
        return (self.topic.encode(), *ids, self.group.encode(), self.transactional_id.encode())

    def without_trace(self) -> "Things":
        """Things with names of the same length that nothing exists of. All else that one has to know is the same."""
        return replace(
            self,
            topic=_missing(self.topic),
            topic_id=uuid4(),
            group=_missing(self.group),
            transactional_id=_missing(self.transactional_id),
        )


def _missing(name: str) -> str:
    return name[:-3] + "non"


def errors_of(message: Any) -> list[int]:
    """All error codes in a message that are errors."""
    return [int(code) for _, code in body_error_codes(message) if code]


# Records


def produce(
    version: int, *all_things: Things, by: Things | None = None, batch: bytes = b"", partition: int = 0, acks: int = -1
) -> Any:
    """`by`: whose transactional id is used."""
    key = ApiKey.PRODUCE
    part = asked(key, version, "topic_data", "partition_data", index=partition, records=batch or a_batch(b"record"))
    topics = _topics(key, version, "topic_data", all_things, partition_data=(part,))
    return a_request(
        key,
        version,
        transactional_id=None if by is None else by.transactional_id,
        acks=acks,
        timeout=SOON,
        topic_data=topics,
    )


def fetch(
    version: int,
    *all_things: Things,
    forgotten: Iterable[Things] = (),
    session: tuple[int, int] = (0, -1),
    partitions: Iterable[int] = (0,),
    **values: Any,
) -> Any:
    key = ApiKey.FETCH
    entry = asked(
        key,
        version,
        "topics",
        "partitions",
        current_leader_epoch=-1,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=1 << 20,
    )
    parts = tuple(replace(entry, partition=index) for index in partitions)
    topics = _topics(key, version, "topics", all_things, partitions=parts)
    forgets = tuple(
        asked(key, version, "forgotten_topics_data", topic=one.topic, topic_id=one.topic_id, partitions=(0,))
        for one in forgotten
    )
    told: dict[str, Any] = {"max_wait": timedelta(), "max_bytes": 1 << 20, "topics": topics} | values
    return a_request(
        key, version, session_id=session[0], session_epoch=session[1], forgotten_topics_data=forgets, **told
    )


def list_offsets(version: int, *all_things: Things, timestamp: int = -1, **values: Any) -> Any:
    key = ApiKey.LIST_OFFSETS
    part = asked(key, version, "topics", "partitions", timestamp=timestamp, current_leader_epoch=-1)
    told: dict[str, Any] = {"replica_id": -1, "timeout": SOON} | values
    return a_request(key, version, topics=_topics(key, version, "topics", all_things, partitions=(part,)), **told)


def find_epochs(version: int, *all_things: Things) -> Any:
    key = ApiKey.OFFSET_FOR_LEADER_EPOCH
    part = asked(key, version, "topics", "partitions", current_leader_epoch=-1, leader_epoch=0)
    topics = _topics(key, version, "topics", all_things, partitions=(part,))
    return a_request(key, version, replica_id=-1, topics=topics)


def truncate(version: int, *all_things: Things, offset: int = -1) -> Any:
    key = ApiKey.DELETE_RECORDS
    part = asked(key, version, "topics", "partitions", offset=offset)
    return a_request(key, version, topics=_topics(key, version, "topics", all_things, partitions=(part,)), timeout=SOON)


# Topics


def find_topics(version: int, *all_things: Things, creating: bool = True, bits: bool = False) -> Any:
    topics = tuple(asked(ApiKey.METADATA, version, "topics", name=one.topic) for one in all_things)
    return _metadata(version, topics, creating, bits)


def find_topics_by_id(version: int, *all_things: Things, named: bool = False) -> Any:
    """v12+. `named`: the names are said too."""
    topics = tuple(
        asked(ApiKey.METADATA, version, "topics", topic_id=one.topic_id, name=one.topic if named else None)
        for one in all_things
    )
    return _metadata(version, topics, True, False)


def find_all_topics(version: int) -> Any:
    return _metadata(version, () if version == 0 else None, True, version >= 8)


def _metadata(version: int, topics: tuple[Any, ...] | None, creating: bool, bits: bool) -> Any:
    return a_request(
        ApiKey.METADATA,
        version,
        topics=topics,
        allow_auto_topic_creation=creating,
        include_topic_authorized_operations=bits,
        include_cluster_authorized_operations=bits,
    )


def describe_topics(version: int, *all_things: Things, limit: int = 100, cursor: tuple[str, int] | None = None) -> Any:
    key = ApiKey.DESCRIBE_TOPIC_PARTITIONS
    at = None if cursor is None else asked(key, version, "cursor", topic_name=cursor[0], partition_index=cursor[1])
    topics = _topics(key, version, "topics", all_things)
    return a_request(key, version, topics=topics, response_partition_limit=limit, cursor=at)


def create_topics(version: int, *all_things: Things, only_validate: bool = False, **values: Any) -> Any:
    key = ApiKey.CREATE_TOPICS
    told: dict[str, Any] = {"num_partitions": 1, "replication_factor": 1} | values
    topics = _topics(key, version, "topics", all_things, **told)
    return a_request(key, version, topics=topics, timeout=SOON, validate_only=only_validate)


def delete_topics(version: int, *all_things: Things) -> Any:
    """By name, whatever field the version has for it."""
    key = ApiKey.DELETE_TOPICS
    if version < 6:
        return a_request(key, version, topic_names=tuple(one.topic for one in all_things), timeout=SOON)
    topics = tuple(asked(key, version, "topics", name=one.topic) for one in all_things)
    return a_request(key, version, topics=topics, timeout=SOON)


def delete_topics_by_id(version: int, *all_things: Things, named: bool = False) -> Any:
    """v6+. `named`: the names are said too."""
    key = ApiKey.DELETE_TOPICS
    topics = tuple(
        asked(key, version, "topics", name=one.topic if named else None, topic_id=one.topic_id) for one in all_things
    )
    return a_request(key, version, topics=topics, timeout=SOON)


def grow_topics(version: int, *all_things: Things, count: int = 8, only_validate: bool = False) -> Any:
    key = ApiKey.CREATE_PARTITIONS
    topics = _topics(key, version, "topics", all_things, count=count, assignments=None)
    return a_request(key, version, topics=topics, timeout=SOON, validate_only=only_validate)


# Settings


def describe_settings(version: int, *resources: tuple[int, str], keys: tuple[str, ...] | None = None) -> Any:
    key = ApiKey.DESCRIBE_CONFIGS
    entries = tuple(
        asked(key, version, "resources", resource_type=kind, resource_name=name, configuration_keys=keys)
        for kind, name in resources
    )
    return a_request(key, version, resources=entries, include_synonyms=True)


def alter_settings(
    version: int, *resources: tuple[int, str], setting: tuple[str, str], only_validate: bool = False
) -> Any:
    return _settings(ApiKey.INCREMENTAL_ALTER_CONFIGS, version, resources, setting, only_validate)


def replace_settings(
    version: int, *resources: tuple[int, str], setting: tuple[str, str], only_validate: bool = False
) -> Any:
    """All settings of each resource go but this one, which is set."""
    return _settings(ApiKey.ALTER_CONFIGS, version, resources, setting, only_validate)


def _settings(
    key: ApiKey, version: int, resources: Iterable[tuple[int, str]], setting: tuple[str, str], only_validate: bool
) -> Any:
    config = asked(key, version, "resources", "configs", name=setting[0], value=setting[1])
    entries = tuple(
        asked(key, version, "resources", resource_type=kind, resource_name=name, configs=(config,))
        for kind, name in resources
    )
    return a_request(key, version, resources=entries, validate_only=only_validate)


def list_settings(version: int, *types: int) -> Any:
    """What has settings: client metrics in v0, else all of these types, or all that there is."""
    return a_request(ApiKey.LIST_CONFIG_RESOURCES, version, resource_types=types)


# Groups


def find_coordinator(version: int, *names: str, key_type: int = 0) -> Any:
    name = names[0] if names else ""
    return a_request(ApiKey.FIND_COORDINATOR, version, key=name, key_type=key_type, coordinator_keys=names)


def join(
    version: int,
    things: Things,
    *topics: str,
    member_id: str = "",
    protocol_type: str = "consumer",
    metadata: bytes | None = None,
) -> Any:
    said = a_subscription(*topics) if metadata is None else metadata
    protocol = asked(ApiKey.JOIN_GROUP, version, "protocols", name="range", metadata=said)
    return a_request(
        ApiKey.JOIN_GROUP,
        version,
        group_id=things.group,
        session_timeout=LONG,
        rebalance_timeout=LONG,
        member_id=member_id,
        group_instance_id=things.instance_id,
        protocol_type=protocol_type,
        protocols=(protocol,),
    )


def sync(
    version: int,
    things: Things,
    *topics: str,
    protocol_type: str | None = "consumer",
    assignment: bytes | None = None,
) -> Any:
    said = an_assignment(*topics) if assignment is None else assignment
    return a_request(
        ApiKey.SYNC_GROUP,
        version,
        assignments=(assigned_to(version, things.member_id, said),),
        protocol_type=protocol_type,
        protocol_name="range",
        **_member(things),
    )


def assigned_to(version: int, member_id: str, assignment: bytes) -> Any:
    """What a leader says of one member."""
    return asked(ApiKey.SYNC_GROUP, version, "assignments", member_id=member_id, assignment=assignment)


def heartbeat(version: int, things: Things) -> Any:
    return a_request(ApiKey.HEARTBEAT, version, **_member(things))


def leave(version: int, things: Things, *member_ids: str) -> Any:
    """Members leave by their ids, and a static member by its name if its id is empty."""
    if version < 3:
        return a_request(ApiKey.LEAVE_GROUP, version, group_id=things.group, member_id=member_ids[0])
    members = tuple(
        asked(ApiKey.LEAVE_GROUP, version, "members", member_id=one, group_instance_id=things.instance_id)
        for one in member_ids
    )
    return a_request(ApiKey.LEAVE_GROUP, version, group_id=things.group, members=members)


def _member(things: Things) -> dict[str, Any]:
    return {
        "group_id": things.group,
        "generation_id": things.generation,
        "member_id": things.member_id,
        "group_instance_id": things.instance_id,
    }


def describe_groups(version: int, *names: str, bits: bool = True) -> Any:
    return a_request(ApiKey.DESCRIBE_GROUPS, version, groups=names, include_authorized_operations=bits)


def list_groups(version: int) -> Any:
    return a_request(ApiKey.LIST_GROUPS, version, states_filter=(), types_filter=())


def delete_groups(version: int, *names: str) -> Any:
    return a_request(ApiKey.DELETE_GROUPS, version, groups_names=names)


def beat(version: int, things: Things, *topics: str, epoch: int = 0, **values: Any) -> Any:
    """Of a member of the new protocol."""
    told: dict[str, Any] = {
        "subscribed_topic_names": topics,
        "topic_partitions": () if epoch == 0 else None,
        "rebalance_timeout": LONG,
        **values,
    }
    return a_request(
        ApiKey.CONSUMER_GROUP_HEARTBEAT,
        version,
        group_id=things.group,
        member_id=things.member_id,
        member_epoch=epoch,
        **told,
    )


def owned(version: int, *all_things: Things) -> tuple[Any, ...]:
    """What a member of the new protocol says that it owns: two partitions of each topic."""
    return tuple(
        asked(ApiKey.CONSUMER_GROUP_HEARTBEAT, version, "topic_partitions", topic_id=one.topic_id, partitions=(0, 1))
        for one in all_things
    )


def describe_consumers(version: int, *names: str, bits: bool = True) -> Any:
    return a_request(ApiKey.CONSUMER_GROUP_DESCRIBE, version, group_ids=names, include_authorized_operations=bits)


# Groups of Kafka Streams applications


def a_topology(*parts: Mapping[str, Iterable[str]], epoch: int = 0, pattern: str | None = None, **values: Any) -> Any:
    """Each part with names of its `sources`, `sinks`, `repartitions` and `changelogs`. `values`: of internal topics."""
    return asked(
        ApiKey.STREAMS_GROUP_HEARTBEAT,
        0,
        "topology",
        epoch=epoch,
        subtopologies=tuple(_part(str(number), part, pattern, values) for number, part in enumerate(parts)),
    )


def _part(number: str, names: Mapping[str, Iterable[str]], pattern: str | None, values: Mapping[str, Any]) -> Any:
    path = ("topology", "subtopologies")
    internal = {
        field: tuple(
            asked(ApiKey.STREAMS_GROUP_HEARTBEAT, 0, *path, field, name=name, **values) for name in names.get(kind, ())
        )
        for field, kind in (("repartition_source_topics", "repartitions"), ("state_changelog_topics", "changelogs"))
    }
    return asked(
        ApiKey.STREAMS_GROUP_HEARTBEAT,
        0,
        *path,
        subtopology_id=number,
        source_topics=tuple(names.get("sources", ())),
        source_topic_regex=() if pattern is None else (pattern,),
        repartition_sink_topics=tuple(names.get("sinks", ())),
        **internal,
    )


def flow(version: int, things: Things, *, epoch: int = 0, **values: Any) -> Any:
    """The heartbeat of a member of a Streams application."""
    joins = epoch == 0
    told: dict[str, Any] = {
        **dict.fromkeys(("active_tasks", "standby_tasks", "warmup_tasks"), () if joins else None),
        "process_id": "process" if joins else None,
        "client_tags": () if joins else None,
        "task_offsets": None,
        "task_end_offsets": None,
        "endpoint_information_epoch": -1,
        "rebalance_timeout": LONG,
    }
    return a_request(
        ApiKey.STREAMS_GROUP_HEARTBEAT,
        version,
        group_id=things.group,
        member_id=things.member_id,
        member_epoch=epoch,
        **told | values,
    )


def flow_from(version: int, things: Things, *sources: Things, **values: Any) -> Any:
    """Of a member that joins with an application which only reads these topics."""
    topology = a_topology({"sources": [one.topic for one in sources]})
    return flow(version, things, topology=topology, **values)


def describe_flows(version: int, *names: str, bits: bool = True) -> Any:
    return a_request(ApiKey.STREAMS_GROUP_DESCRIBE, version, group_ids=names, include_authorized_operations=bits)


# Offsets


def commit(version: int, things: Things, *all_things: Things, member: bool = False, offset: int = 1) -> Any:
    """To the group of the first; as its member, or from outside."""
    key = ApiKey.OFFSET_COMMIT
    part = asked(key, version, "topics", "partitions", committed_offset=offset, committed_leader_epoch=-1)
    topics = _topics(key, version, "topics", all_things, partitions=(part,))
    who = _member(things)
    generation = who.pop("generation_id")
    if not member:
        who, generation = {"group_id": things.group}, -1
    return a_request(key, version, generation_id_or_member_epoch=generation, topics=topics, **who)


def fetch_offsets(version: int, things: Things, *all_things: Things) -> Any:
    return fetch_many_offsets(version, (things, all_things))


def fetch_all_offsets(version: int, things: Things) -> Any:
    return fetch_many_offsets(version, (things, None))


def fetch_many_offsets(version: int, *groups: tuple[Things, tuple[Things, ...] | None]) -> Any:
    """Of several groups from v8 on; no topics: of all."""
    key = ApiKey.OFFSET_FETCH
    path = ("topics",) if version < 8 else ("groups", "topics")
    entries: list[dict[str, Any]] = []
    for things, all_things in groups:
        topics = None if all_things is None else _topics(key, version, path, all_things, partition_indexes=(0, 1))
        entries.append({"group_id": things.group, "topics": topics})
    if version < 8:
        return a_request(key, version, **entries[0])
    return a_request(
        key, version, groups=tuple(asked(key, version, "groups", member_epoch=-1, **entry) for entry in entries)
    )


def delete_offsets(version: int, things: Things, *all_things: Things) -> Any:
    key = ApiKey.OFFSET_DELETE
    parts = tuple(asked(key, version, "topics", "partitions", partition_index=index) for index in (0, 1))
    topics = _topics(key, version, "topics", all_things, partitions=parts)
    return a_request(key, version, group_id=things.group, topics=topics)


# Transactions


def init_producer(version: int, things: Things, *, again: bool = False) -> Any:
    """`again`: by who has the producer id."""
    known = {"producer_id": things.producer_id, "producer_epoch": things.producer_epoch}
    told = known if again else {"producer_id": -1, "producer_epoch": -1}
    return a_request(
        ApiKey.INIT_PRODUCER_ID,
        version,
        transactional_id=things.transactional_id,
        transaction_timeout=LONG,
        **told,
    )


def add_partitions(version: int, things: Things, *all_things: Things) -> Any:
    key = ApiKey.ADD_PARTITIONS_TO_TXN
    topics = _topics(key, version, "v3_and_below_topics", all_things, partitions=(0, 1))
    return a_request(
        key,
        version,
        v3_and_below_transactional_id=things.transactional_id,
        v3_and_below_producer_id=things.producer_id,
        v3_and_below_producer_epoch=things.producer_epoch,
        v3_and_below_topics=topics,
    )


def add_offsets(version: int, things: Things, group: str) -> Any:
    return a_request(ApiKey.ADD_OFFSETS_TO_TXN, version, group_id=group, **_transaction(things))


def end_transaction(version: int, things: Things, *, committed: bool) -> Any:
    return a_request(ApiKey.END_TXN, version, committed=committed, **_transaction(things))


def commit_in_transaction(version: int, things: Things, of: Things, *all_things: Things, member: bool = True) -> Any:
    """In the transaction of the first, to the group of the second."""
    key = ApiKey.TXN_OFFSET_COMMIT
    part = asked(key, version, "topics", "partitions", committed_offset=1, committed_leader_epoch=-1)
    topics = _topics(key, version, "topics", all_things, partitions=(part,))
    who = _member(of) if member else {"group_id": of.group, "generation_id": -1}
    return a_request(key, version, topics=topics, **who, **_transaction(things))


def describe_transactions(*names: str) -> Any:
    return a_request(ApiKey.DESCRIBE_TRANSACTIONS, 0, transactional_ids=names)


def describe_producers(*all_things: Things) -> Any:
    topics = _topics(ApiKey.DESCRIBE_PRODUCERS, 0, "topics", all_things, partition_indexes=(0, 1))
    return a_request(ApiKey.DESCRIBE_PRODUCERS, 0, topics=topics)


def list_transactions(
    version: int,
    *,
    producer_ids: Iterable[int] = (),
    states: Iterable[str] = (),
    longer_than: int = -1,
    pattern: str | None = None,
) -> Any:
    """Of all transactions those of these producers, in these states, that take longer than so many milliseconds."""
    return a_request(
        ApiKey.LIST_TRANSACTIONS,
        version,
        producer_id_filters=tuple(producer_ids),
        state_filters=tuple(states),
        duration_filter=longer_than,
        transactional_id_pattern=pattern,
    )


def write_markers(
    version: int, *all_things: Things, of: Things, committed: bool = False, partitions: Iterable[int] = (0, 1)
) -> Any:
    """End what the producer of the one has open in the topics of the others."""
    key = ApiKey.WRITE_TXN_MARKERS
    topics = _topics(key, version, ("markers", "topics"), all_things, partition_indexes=tuple(partitions))
    marker = asked(
        key,
        version,
        "markers",
        producer_id=of.producer_id,
        producer_epoch=of.producer_epoch,
        transaction_result=committed,
        topics=topics,
    )
    return a_request(key, version, markers=(marker,))


# The cluster


def elect_leaders(version: int, *all_things: Things, partitions: Iterable[int] = (0, 1), unclean: bool = False) -> Any:
    key = ApiKey.ELECT_LEADERS
    topics = _topics(key, version, "topic_partitions", all_things, partitions=tuple(partitions))
    return a_request(key, version, topic_partitions=topics, election_type=int(unclean), timeout=SOON)


def elect_all_leaders(version: int) -> Any:
    return a_request(ApiKey.ELECT_LEADERS, version, topic_partitions=None, timeout=SOON)


def move_replicas(version: int, *all_things: Things, to: Iterable[int] | None, partitions: Iterable[int] = (0,)) -> Any:
    """To these brokers; None gives up what is being moved."""
    key = ApiKey.ALTER_PARTITION_REASSIGNMENTS
    replicas = None if to is None else tuple(to)
    parts = tuple(
        asked(key, version, "topics", "partitions", partition_index=index, replicas=replicas) for index in partitions
    )
    return a_request(key, version, topics=_topics(key, version, "topics", all_things, partitions=parts), timeout=SOON)


def list_moves(version: int, *all_things: Things) -> Any:
    key = ApiKey.LIST_PARTITION_REASSIGNMENTS
    topics = _topics(key, version, "topics", all_things, partition_indexes=(0, 1))
    return a_request(key, version, topics=topics, timeout=SOON)


def list_all_moves(version: int) -> Any:
    return a_request(ApiKey.LIST_PARTITION_REASSIGNMENTS, version, topics=None, timeout=SOON)


def describe_disks(version: int, *all_things: Things) -> Any:
    key = ApiKey.DESCRIBE_LOG_DIRS
    return a_request(key, version, topics=_topics(key, version, "topics", all_things, partitions=(0, 1)))


def describe_all_disks(version: int) -> Any:
    return a_request(ApiKey.DESCRIBE_LOG_DIRS, version, topics=None)


def move_between_disks(version: int, *all_things: Things, path: str) -> Any:
    key = ApiKey.ALTER_REPLICA_LOG_DIRS
    topics = _topics(key, version, ("dirs", "topics"), all_things, partitions=(0, 1))
    return a_request(key, version, dirs=(asked(key, version, "dirs", path=path, topics=topics),))


def describe_quorum(version: int, topic: str = "__cluster_metadata") -> Any:
    key = ApiKey.DESCRIBE_QUORUM
    part = asked(key, version, "topics", "partitions", partition_index=0)
    return a_request(key, version, topics=(asked(key, version, "topics", topic_name=topic, partitions=(part,)),))


def update_feature(version: int, name: str, level: int, *, only_validate: bool = False) -> Any:
    key = ApiKey.UPDATE_FEATURES
    update = asked(key, version, "feature_updates", feature=name, max_version_level=level, upgrade_type=1)
    return a_request(key, version, feature_updates=(update,), timeout=SOON, validate_only=only_validate)


def unregister_broker(version: int, broker_id: int) -> Any:
    return a_request(ApiKey.UNREGISTER_BROKER, version, broker_id=broker_id)


def add_voter(version: int, voter_id: int, *, cluster_id: str | None = None) -> Any:
    key = ApiKey.ADD_RAFT_VOTER
    listener = asked(key, version, "listeners", name="CONTROLLER", host="127.0.0.1", port=9)
    told = {"voter_id": voter_id, "voter_directory_id": uuid4(), "listeners": (listener,)}
    return a_request(key, version, cluster_id=cluster_id, timeout=SOON, **told)


def remove_voter(version: int, voter_id: int, *, cluster_id: str | None = None) -> Any:
    told = {"voter_id": voter_id, "voter_directory_id": uuid4()}
    return a_request(ApiKey.REMOVE_RAFT_VOTER, version, cluster_id=cluster_id, **told)


def _transaction(things: Things) -> dict[str, Any]:
    return {
        "transactional_id": things.transactional_id,
        "producer_id": things.producer_id,
        "producer_epoch": things.producer_epoch,
    }


def _topics(
    key: ApiKey, version: int, path: str | tuple[str, ...], all_things: Iterable[Things], **values: Any
) -> tuple[Any, ...]:
    """An entry for the topic of each, by name or id as the version has it."""
    steps = (path,) if isinstance(path, str) else path
    return tuple(
        asked(key, version, *steps, name=one.topic, topic=one.topic, topic_id=one.topic_id, **values)
        for one in all_things
    )
