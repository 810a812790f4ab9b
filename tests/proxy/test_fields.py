"""Every text, id, address and run of bytes that an admitted request or answer can hold has been looked at by somebody.

The lists say what becomes of each field, and so why it is safe; that it is treated so is for the tests of its judge.
What kind of thing a field is says `fields`: a name may not be in a list for what is harmless. A field that a new
version brings, or a new API, is in none of them and makes a test fail.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import pytest
from kio.index import load_entity_schema
from kio.schema.index import schema_name_map
from kio.static.constants import EntityType

from kordon_protocol.codec import request_type, response_type
from kordon_protocol.keys import ApiKey
from tests.proxy.fields import ADMITTED, HIDDEN, Kind, Place, places, read

JUDGED: Final = """
    Produce: transactional_id topic_data.name topic_data.topic_id
    Fetch: topics.topic topics.topic_id forgotten_topics_data.topic forgotten_topics_data.topic_id
    ListOffsets: topics.name
    Metadata: topics.name topics.topic_id
    OffsetCommit: group_id topics.name topics.topic_id
    OffsetFetch: group_id topics.name groups.group_id groups.topics.name groups.topics.topic_id
    FindCoordinator: key coordinator_keys
    JoinGroup: group_id protocols.metadata
    Heartbeat: group_id
    LeaveGroup: group_id
    SyncGroup: group_id assignments.assignment
    DescribeGroups: groups
    CreateTopics: topics.name topics.configs.name
    DeleteTopics: topic_names topics.name topics.topic_id
    DeleteRecords: topics.name
    InitProducerId: transactional_id
    OffsetForLeaderEpoch: topics.topic
    AddPartitionsToTxn: v3_and_below_transactional_id v3_and_below_topics.name
    AddOffsetsToTxn: transactional_id group_id
    EndTxn: transactional_id
    TxnOffsetCommit: transactional_id group_id topics.name
    DescribeConfigs: resources.resource_name
    CreatePartitions: topics.name
    DeleteGroups: groups_names
    IncrementalAlterConfigs: resources.resource_name resources.configs.name resources.configs.value
    OffsetDelete: group_id topics.name
    ConsumerGroupHeartbeat: group_id subscribed_topic_names subscribed_topic_regex topic_partitions.topic_id
    ConsumerGroupDescribe: group_ids
    DescribeTopicPartitions: topics.name cursor.topic_name
    DescribeProducers: topics.name
    DescribeTransactions: transactional_ids
    ListTransactions: transactional_id_pattern
    WriteTxnMarkers: markers.topics.name
    AlterConfigs: resources.resource_name resources.configs.name resources.configs.value
    AlterReplicaLogDirs: dirs.topics.name
    DescribeLogDirs: topics.topic
    ElectLeaders: topic_partitions.topic
    AlterPartitionReassignments: topics.name
    ListPartitionReassignments: topics.name
    AddRaftVoter: cluster_id
    RemoveRaftVoter: cluster_id
    StreamsGroupHeartbeat: group_id
        topology.subtopologies.source_topics topology.subtopologies.source_topic_regex
        topology.subtopologies.repartition_sink_topics
        topology.subtopologies.repartition_source_topics.name
        topology.subtopologies.repartition_source_topics.topic_configs.key
        topology.subtopologies.state_changelog_topics.name
        topology.subtopologies.state_changelog_topics.topic_configs.key
    StreamsGroupDescribe: group_ids
    DescribeAcls: resource_name_filter principal_filter
    CreateAcls: creations.resource_name creations.principal
    DeleteAcls: filters.resource_name_filter filters.principal_filter
    DescribeClientQuotas: components.match
    AlterClientQuotas: entries.entity.entity_name
    DescribeUserScramCredentials: users.name
    AlterUserScramCredentials: deletions.name upsertions.name
    ShareGroupHeartbeat: group_id subscribed_topic_names
    ShareGroupDescribe: group_ids
    ShareFetch: group_id topics.topic_id forgotten_topics_data.topic_id
    ShareAcknowledge: group_id topics.topic_id
    DescribeShareGroupOffsets: groups.group_id groups.topics.topic_name
    AlterShareGroupOffsets: group_id topics.topic_name
    DeleteShareGroupOffsets: group_id topics.topic_name
"""
"""Names and ids of what the view may lack, and the bytes that hold such names."""

DROPPED: Final = """
    Fetch: cluster_id
"""
"""Claims of a broker, which never go on."""

PLAIN: Final = """
    Produce: topic_data.partition_data.records
    GetTelemetrySubscriptions: client_instance_id
    PushTelemetry: client_instance_id metrics
    Fetch: rack_id topics.partitions.replica_directory_id
    OffsetCommit: member_id group_instance_id topics.partitions.committed_metadata
    OffsetFetch: groups.member_id
    JoinGroup: member_id group_instance_id protocol_type protocols.name reason
    Heartbeat: member_id group_instance_id
    LeaveGroup: member_id members.member_id members.group_instance_id members.reason
    SyncGroup: member_id group_instance_id assignments.member_id protocol_type protocol_name
    ListGroups: states_filter types_filter
    CreateTopics: topics.configs.value
    TxnOffsetCommit: member_id group_instance_id topics.partitions.committed_metadata
    DescribeConfigs: resources.configuration_keys
    ConsumerGroupHeartbeat: member_id instance_id rack_id server_assignor
    ListTransactions: state_filters
    AlterReplicaLogDirs: dirs.path
    DescribeQuorum: topics.topic_name
    UpdateFeatures: feature_updates.feature
    AddRaftVoter: voter_directory_id listeners.name listeners.host
    RemoveRaftVoter: voter_directory_id
    StreamsGroupHeartbeat:
        member_id instance_id rack_id process_id user_endpoint.host client_tags.key client_tags.value
        topology.subtopologies.subtopology_id
        topology.subtopologies.repartition_source_topics.topic_configs.value
        topology.subtopologies.state_changelog_topics.topic_configs.value
        active_tasks.subtopology_id standby_tasks.subtopology_id warmup_tasks.subtopology_id
        task_offsets.subtopology_id task_end_offsets.subtopology_id
    DescribeAcls: host_filter
    CreateAcls: creations.host
    DeleteAcls: filters.host_filter
    DescribeClientQuotas: components.entity_type
    AlterClientQuotas: entries.entity.entity_type entries.ops.key
    AlterUserScramCredentials: upsertions.salt upsertions.salted_password
    ShareGroupHeartbeat: member_id rack_id
    ShareFetch: member_id
    ShareAcknowledge: member_id
"""
"""Means nothing outside the topic or group that was judged, or is the client's own."""

ECHO: Final = """
    Produce: responses.name responses.topic_id
    GetTelemetrySubscriptions: client_instance_id
    Fetch: responses.topic responses.topic_id
    ListOffsets: topics.name
    OffsetCommit: topics.name topics.topic_id
    OffsetFetch: groups.group_id
    FindCoordinator: coordinators.key
    LeaveGroup: members.member_id members.group_instance_id
    DescribeGroups: groups.group_id
    CreateTopics: topics.name topics.topic_id
    DeleteTopics: responses.name responses.topic_id
    DeleteRecords: topics.name
    OffsetForLeaderEpoch: topics.topic
    AddPartitionsToTxn: results_by_topic_v3_and_below.name
    TxnOffsetCommit: topics.name
    DescribeConfigs: results.resource_name
    CreatePartitions: results.name
    DeleteGroups: results.group_id
    IncrementalAlterConfigs: responses.resource_name
    OffsetDelete: topics.name
    ConsumerGroupHeartbeat: member_id
    ConsumerGroupDescribe: groups.group_id
    DescribeProducers: topics.name
    DescribeTransactions: transaction_states.transactional_id
    ListTransactions: unknown_state_filters
    WriteTxnMarkers: markers.topics.name
    AlterConfigs: responses.resource_name
    AlterReplicaLogDirs: results.topic_name
    ElectLeaders: replica_election_results.topic
    AlterPartitionReassignments: responses.name
    DescribeQuorum: topics.topic_name
    UpdateFeatures: results.feature
    StreamsGroupHeartbeat: member_id
    StreamsGroupDescribe: groups.group_id
    DeleteAcls: filter_results.matching_acls.resource_name filter_results.matching_acls.principal
    AlterClientQuotas: entries.entity.entity_type entries.entity.entity_name
    AlterUserScramCredentials: results.user
    ShareGroupHeartbeat: member_id
    ShareGroupDescribe: groups.group_id
    ShareFetch: responses.topic_id
    ShareAcknowledge: responses.topic_id
    DescribeShareGroupOffsets: groups.group_id
    AlterShareGroupOffsets: responses.topic_name responses.topic_id
    DeleteShareGroupOffsets: responses.topic_name responses.topic_id
"""
"""What the broker was asked about, by its name or by its id, and what it gave the client itself."""

CUT: Final = """
    Metadata: topics.name topics.topic_id
    OffsetFetch: topics.name groups.topics.name groups.topics.topic_id
    JoinGroup: members.metadata leader
    SyncGroup: assignment
    DescribeGroups: groups.members.member_id groups.members.member_metadata groups.members.member_assignment
    ListGroups: groups.group_id
    DescribeConfigs: results.configs.value results.configs.synonyms.name results.configs.synonyms.value
    ConsumerGroupHeartbeat: assignment.topic_partitions.topic_id
    ConsumerGroupDescribe:
        groups.members.member_id
        groups.members.subscribed_topic_names groups.members.subscribed_topic_regex
        groups.members.assignment.topic_partitions.topic_name groups.members.assignment.topic_partitions.topic_id
        groups.members.target_assignment.topic_partitions.topic_name
        groups.members.target_assignment.topic_partitions.topic_id
    DescribeTopicPartitions: topics.name topics.topic_id next_cursor.topic_name
    DescribeTransactions: transaction_states.topics.topic
    ListTransactions: transaction_states.transactional_id
    DescribeLogDirs: results.log_dir results.topics.name
    ListPartitionReassignments: topics.name
    ListConfigResources: config_resources.resource_name
    DescribeQuorum: nodes.listeners.name nodes.listeners.host
    StreamsGroupHeartbeat:
        status.status_detail
        partitions_by_user_endpoint.active_partitions.topic partitions_by_user_endpoint.standby_partitions.topic
    StreamsGroupDescribe:
        groups.members.member_id
        groups.topology.subtopologies.source_topics groups.topology.subtopologies.repartition_sink_topics
        groups.topology.subtopologies.state_changelog_topics.name
        groups.topology.subtopologies.repartition_source_topics.name
    DescribeAcls: resources.resource_name resources.acls.principal
    DescribeClientQuotas: entries.entity.entity_name
    DescribeUserScramCredentials: results.user
    ShareGroupHeartbeat: assignment.topic_partitions.topic_id
    ShareGroupDescribe: groups.members.member_id groups.members.subscribed_topic_names
        groups.members.assignment.topic_partitions.topic_name groups.members.assignment.topic_partitions.topic_id
    DescribeShareGroupOffsets: groups.topics.topic_name groups.topics.topic_id
"""
"""Lists of the broker's, cut to the view; and ids of members, cut to what others are told."""

OWN: Final = """
    Produce: node_endpoints.host
    Fetch: node_endpoints.host
    Metadata: brokers.host cluster_id
    FindCoordinator: host coordinators.host
    DescribeGroups: groups.members.client_host
    DescribeCluster: brokers.host cluster_id
    ConsumerGroupDescribe: groups.members.client_host
    StreamsGroupDescribe: groups.members.client_host
    ShareGroupDescribe: groups.members.client_host
    ShareFetch: node_endpoints.host
    ShareAcknowledge: node_endpoints.host
"""
"""Addresses and cluster ids: Kordon's in place of the real ones."""

CONSTANT: Final = """
    Produce: responses.partition_responses.error_message
        responses.partition_responses.record_errors.batch_index_error_message
    FindCoordinator: error_message coordinators.error_message
    DescribeGroups: groups.error_message
    CreateTopics: topics.error_message
    DeleteTopics: responses.error_message
    DescribeConfigs: results.error_message
    CreatePartitions: results.error_message
    IncrementalAlterConfigs: responses.error_message
    DescribeCluster: error_message
    ConsumerGroupHeartbeat: error_message
    ConsumerGroupDescribe: groups.error_message
    DescribeProducers: topics.partitions.error_message
    AlterConfigs: responses.error_message
    ElectLeaders: replica_election_results.partition_result.error_message
    AlterPartitionReassignments: error_message responses.partitions.error_message
    ListPartitionReassignments: error_message
    DescribeQuorum: error_message topics.partitions.error_message
    UpdateFeatures: error_message results.error_message
    UnregisterBroker: error_message
    AddRaftVoter: error_message
    RemoveRaftVoter: error_message
    StreamsGroupHeartbeat: error_message
    StreamsGroupDescribe: groups.error_message
    DescribeAcls: error_message
    CreateAcls: results.error_message
    DeleteAcls: filter_results.error_message filter_results.matching_acls.error_message
    DescribeClientQuotas: error_message
    AlterClientQuotas: entries.error_message
    DescribeUserScramCredentials: error_message results.error_message
    AlterUserScramCredentials: results.error_message
    ShareGroupHeartbeat: error_message
    ShareGroupDescribe: groups.error_message
    ShareFetch: error_message responses.partitions.error_message responses.partitions.acknowledge_error_message
    ShareAcknowledge: error_message responses.partitions.error_message
    DescribeShareGroupOffsets: groups.error_message groups.topics.partitions.error_message
    AlterShareGroupOffsets: error_message responses.partitions.error_message
    DeleteShareGroupOffsets: error_message responses.error_message
"""
"""Free texts of the broker: Kafka's constant ones in their place."""

INSIDE: Final = """
    Produce: node_endpoints.rack
    GetTelemetrySubscriptions: requested_metrics
    Fetch: responses.partitions.records node_endpoints.rack
    Metadata: brokers.rack
    OffsetFetch: topics.partitions.metadata groups.topics.partitions.metadata
    JoinGroup: protocol_type protocol_name member_id members.member_id members.group_instance_id
    SyncGroup: protocol_type protocol_name
    DescribeGroups: groups.group_state groups.protocol_type groups.protocol_data
        groups.members.group_instance_id groups.members.client_id
    ListGroups: groups.protocol_type groups.group_state groups.group_type
    CreateTopics: topics.configs.name topics.configs.value
    DescribeConfigs: results.configs.name results.configs.documentation
    DescribeCluster: brokers.rack
    ConsumerGroupDescribe: groups.group_state groups.assignor_name
        groups.members.instance_id groups.members.client_id groups.members.rack_id
    DescribeTransactions: transaction_states.transaction_state
    ListTransactions: transaction_states.transaction_state
    DescribeQuorum:
        topics.partitions.current_voters.replica_directory_id topics.partitions.observers.replica_directory_id
    StreamsGroupHeartbeat:
        active_tasks.subtopology_id standby_tasks.subtopology_id warmup_tasks.subtopology_id
        partitions_by_user_endpoint.user_endpoint.host
    StreamsGroupDescribe: groups.group_state
        groups.topology.subtopologies.subtopology_id
        groups.topology.subtopologies.state_changelog_topics.topic_configs.key
        groups.topology.subtopologies.state_changelog_topics.topic_configs.value
        groups.topology.subtopologies.repartition_source_topics.topic_configs.key
        groups.topology.subtopologies.repartition_source_topics.topic_configs.value
        groups.members.instance_id groups.members.rack_id groups.members.client_id groups.members.process_id
        groups.members.user_endpoint.host
        groups.members.client_tags.key groups.members.client_tags.value groups.members.task_offsets.subtopology_id
        groups.members.task_end_offsets.subtopology_id
        groups.members.assignment.active_tasks.subtopology_id groups.members.assignment.standby_tasks.subtopology_id
        groups.members.assignment.warmup_tasks.subtopology_id
        groups.members.target_assignment.active_tasks.subtopology_id
        groups.members.target_assignment.standby_tasks.subtopology_id
        groups.members.target_assignment.warmup_tasks.subtopology_id
    DescribeAcls: resources.acls.host
    DeleteAcls: filter_results.matching_acls.host
    DescribeClientQuotas: entries.entity.entity_type entries.values.key
    ShareGroupDescribe: groups.group_state groups.assignor_name groups.members.rack_id groups.members.client_id
    ShareFetch: responses.partitions.records node_endpoints.rack
    ShareAcknowledge: node_endpoints.rack
"""
"""Belongs to the topic or group that was asked about, and so is the tenant's own; racks are no address. What the
platform asks of its clients is for all of them.

Endpoints of Streams applications are what their members tell each other of themselves, for queries of their stores."""

MEMBERS_CUT: Final = """
    ConsumerProtocolSubscription: topics owned_partitions.topic user_data
    ConsumerProtocolAssignment: assigned_partitions.topic user_data
"""
"""In the bytes that members of a group tell each other: topics, cut to the view, and what goes with them."""

MEMBERS_INSIDE: Final = """
    ConsumerProtocolSubscription: rack_id
"""
"""The same, and the group's own."""


Field = tuple[str, str]
"""API and path."""


def messages_of_brokers(*, requests: bool) -> Iterator[Place]:
    """The fields of all messages that are admitted. Numbers beside addresses need no list: see their kinds."""
    for key, api in ADMITTED.items():
        for version in api.versions:
            yield from places(api.name, (request_type if requests else response_type)(key, version))


def messages_of_members() -> Iterator[Place]:
    """The fields of what consumers tell each other through the coordinator, in all versions."""
    for name, api in MEMBERS.items():
        for version in schema_name_map[name]:
            yield from places(api, load_entity_schema(name, version, EntityType.data))


MEMBERS: Final = {
    "consumer_protocol_subscription": "ConsumerProtocolSubscription",
    "consumer_protocol_assignment": "ConsumerProtocolAssignment",
}
REQUESTS: Final = frozenset(messages_of_brokers(requests=True))
ANSWERS: Final = frozenset(messages_of_brokers(requests=False))
AMONG_MEMBERS: Final = frozenset(messages_of_members())
DIRECTIONS: Final = pytest.mark.parametrize(
    ("there", "lists"),
    [
        (REQUESTS, (JUDGED, DROPPED, PLAIN)),
        (ANSWERS, (ECHO, CUT, OWN, CONSTANT, INSIDE)),
        (AMONG_MEMBERS, (MEMBERS_CUT, MEMBERS_INSIDE)),
    ],
    ids=["requests", "answers", "among members"],
)


@DIRECTIONS
def test_every_field_that_could_tell_something_is_in_one_list(there: Iterable[Place], lists: tuple[str, ...]) -> None:
    known = Counter(entry for one in lists for entry in read(one))
    fields = {(place.api, place.path) for place in there if not place.is_number}

    assert sorted(fields - known.keys()) == []
    assert sorted(known.keys() - fields) == []
    assert [field for field, times in known.items() if times > 1] == []


@DIRECTIONS
def test_what_a_field_is_does_not_depend_on_the_version(there: Iterable[Place], lists: tuple[str, ...]) -> None:
    kinds = {((place.api, place.path), place.kind) for place in there}

    assert [field for field, times in Counter(field for field, _ in kinds).items() if times > 1] == []


def in_wrong_lists(
    there: Iterable[Place], *lists: str, kinds: Iterable[Kind | None]
) -> list[tuple[Field, Kind | None]]:
    """The fields in these lists that are of none of these kinds."""
    entries = {entry for one in lists for entry in read(one)}
    found = {((place.api, place.path), place.kind) for place in there if (place.api, place.path) in entries}
    return sorted((entry for entry in found if entry[1] not in set(kinds)), key=str)


BESIDES: Final = (Kind.MEMBER, Kind.SETTING, Kind.ID, Kind.OPAQUE, Kind.CLIENT, Kind.HARMLESS, None)
"""What is no name of anything that could be hidden, no text and no address of a broker."""


def test_what_is_left_alone_is_no_name_no_text_and_no_address() -> None:
    claims = {Kind.ADDRESS, Kind.DIRECTORY}  # of clients that administer the cluster
    assert in_wrong_lists(REQUESTS, PLAIN, kinds={*BESIDES, *claims}) == []
    assert in_wrong_lists(ANSWERS, INSIDE, kinds=BESIDES) == []
    assert in_wrong_lists(AMONG_MEMBERS, MEMBERS_INSIDE, kinds=BESIDES) == []


def test_what_is_judged_cut_or_said_back_is_a_name_or_said_to_be_none() -> None:
    named = HIDDEN | set(BESIDES) - {None}
    assert in_wrong_lists(REQUESTS, JUDGED, kinds={*named, Kind.DIRECTORY, Kind.CLUSTER}) == []
    assert in_wrong_lists(ANSWERS, ECHO, kinds=named) == []
    assert in_wrong_lists(ANSWERS, CUT, kinds={*named, Kind.DIRECTORY, Kind.ADDRESS, Kind.FREE_TEXT}) == []
    assert in_wrong_lists(AMONG_MEMBERS, MEMBERS_CUT, kinds={Kind.TOPIC, Kind.OPAQUE}) == []


def test_addresses_are_replaced_and_so_are_texts() -> None:
    assert in_wrong_lists(ANSWERS, OWN, kinds={Kind.ADDRESS, Kind.CLUSTER}) == []
    assert in_wrong_lists(ANSWERS, CONSTANT, kinds={Kind.FREE_TEXT}) == []


def test_a_number_beside_a_host_is_part_of_the_address_or_the_id_of_its_broker() -> None:
    kinds = {(place.api, place.path): place.kind for place in ANSWERS if place.is_number}

    assert {field for field, kind in kinds.items() if kind not in {Kind.ADDRESS, Kind.BROKER, Kind.CLIENT}} == set()
    assert kinds["Metadata", "brokers.port"] is Kind.ADDRESS
    assert kinds["Metadata", "controller_id"] is Kind.BROKER
    assert kinds["FindCoordinator", "node_id"] is Kind.BROKER


def test_a_field_that_nobody_knows_would_be_found() -> None:
    found = {place.path: place for place in places("ShareFetch", response_type(ApiKey.SHARE_FETCH, 1))}

    assert {"node_endpoints.host", "node_endpoints.port", "node_endpoints.node_id"} <= found.keys()
    assert found["responses.topic_id"].kind is Kind.TOPIC_ID
    assert found["responses.partitions.records"].kind is Kind.OPAQUE
    assert found["responses.partitions.acknowledge_error_message"].kind is Kind.FREE_TEXT
    assert found["node_endpoints.rack"].kind is None
