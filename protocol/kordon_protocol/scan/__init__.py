"""Skip-scans: find what matters in large messages without decoding them, and never look at a record byte."""

from kordon_protocol.scan.endpoints import endpoints_replacement, node_endpoints
from kordon_protocol.scan.fetch import FetchedPartition, FetchHead, FetchResponseWalker
from kordon_protocol.scan.fetch_names import behind_partitions, partitions_of_only_topic
from kordon_protocol.scan.metadata import (
    MetadataHead,
    encode_metadata_head,
    encode_topics_count,
    metadata_response_head,
    read_topics_count,
)
from kordon_protocol.scan.pieces import Endpoint
from kordon_protocol.scan.produce import (
    ProduceScan,
    ScannedPartition,
    ScannedTopic,
    produce_request_without,
    scan_produce_request,
)
from kordon_protocol.scan.produce_names import ProduceNames, is_only_partition, produce_names
from kordon_protocol.scan.produce_response import is_plain_produce_response
from kordon_protocol.scan.share_fetch import ShareFetchWalker, Text, share_endpoints, share_endpoints_replacement

__all__ = (
    "Endpoint",
    "FetchHead",
    "FetchResponseWalker",
    "FetchedPartition",
    "MetadataHead",
    "ProduceNames",
    "ProduceScan",
    "ScannedPartition",
    "ScannedTopic",
    "ShareFetchWalker",
    "Text",
    "behind_partitions",
    "encode_metadata_head",
    "encode_topics_count",
    "endpoints_replacement",
    "is_only_partition",
    "is_plain_produce_response",
    "metadata_response_head",
    "node_endpoints",
    "partitions_of_only_topic",
    "produce_names",
    "produce_request_without",
    "read_topics_count",
    "scan_produce_request",
    "share_endpoints",
    "share_endpoints_replacement",
)
