"""Every text, id and run of bytes that an admitted request or answer can hold has been looked at by somebody.

The lists say what each field is, and so why it is safe; that it is treated so is for the tests of its judge. A field
that a new version brings, or a new API, is in none of them and makes a test fail.
"""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from kordon_protocol.codec import request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.shapes import Entity, Shape, shape_of
from kordon_proxy.table import APIS

TELLING: Final = frozenset({"string", "uuid", "bytes", "records"})

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
    IncrementalAlterConfigs: resources.resource_name resources.configs.name
    OffsetDelete: group_id topics.name
    ConsumerGroupHeartbeat: group_id subscribed_topic_names subscribed_topic_regex topic_partitions.topic_id
    ConsumerGroupDescribe: group_ids
    DescribeTopicPartitions: topics.name cursor.topic_name
    DescribeProducers: topics.name
    DescribeTransactions: transactional_ids
    ListTransactions: transactional_id_pattern
    WriteTxnMarkers: markers.topics.name
    AlterConfigs: resources.resource_name resources.configs.name
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
"""
"""Names and ids of what the view may lack, and the bytes that hold such names."""

DROPPED: Final = """
    Fetch: cluster_id
"""
"""Claims of a broker, which never go on."""

PLAIN: Final = """
    Produce: topic_data.partition_data.records
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
    IncrementalAlterConfigs: resources.configs.value
    ConsumerGroupHeartbeat: member_id instance_id rack_id server_assignor
    ListTransactions: state_filters
    AlterConfigs: resources.configs.value
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
"""
"""Means nothing outside the topic or group that was judged."""

ECHO: Final = """
    Produce: responses.name responses.topic_id
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
"""
"""Free texts of the broker: Kafka's constant ones in their place."""

INSIDE: Final = """
    Produce: node_endpoints.rack
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
"""
"""Belongs to the topic or group that was asked about, and so is the tenant's own; racks are no address.

Endpoints of Streams applications are what their members tell each other of themselves, for queries of their stores."""


def read(*lists: str) -> dict[tuple[str, str], int]:
    """API and field -> in how many of the lists it is."""
    found: dict[tuple[str, str], int] = {}
    for one in lists:
        api = ""
        for word in one.split():
            if word.endswith(":"):
                api = word.removesuffix(":")
            else:
                found[api, word] = found.get((api, word), 0) + 1
    return found


def telling(shape: Shape, path: str = "") -> Iterator[str]:
    for field in (*shape.fields, *shape.tagged):
        if field.struct is not None:
            yield from telling(field.struct, f"{path}{field.name}.")
        elif field.wire in TELLING:
            yield path + field.name


@pytest.mark.parametrize(
    ("type_of", "lists"),
    [(request_type, (JUDGED, DROPPED, PLAIN)), (response_type, (ECHO, CUT, OWN, CONSTANT, INSIDE))],
    ids=["requests", "answers"],
)
def test_every_field_that_could_tell_something_is_in_one_list(
    type_of: Callable[[int, int], Entity], lists: tuple[str, ...]
) -> None:
    known = read(*lists)
    there = {
        (api.name, field)
        for key, api in APIS.items()
        if api.judge is not None
        for version in api.versions
        for field in telling(shape_of(type_of(key, version)))
    }

    assert sorted(there - known.keys()) == []
    assert sorted(known.keys() - there) == []
    assert [field for field, times in known.items() if times > 1] == []


def test_a_field_that_nobody_knows_would_be_found() -> None:
    found = set(telling(shape_of(response_type(ApiKey.SHARE_FETCH, 1))))

    assert {"node_endpoints.host", "responses.topic_id", "responses.partitions.records", "error_message"} <= found
