"""All entries of all lists of a message are counted, as far as it matters."""

from typing import Any

import pytest

from kordon_protocol.codec import request_type
from kordon_protocol.entries import has_more_entries
from kordon_protocol.keys import ApiKey
from tests.protocol.schemas import build


@pytest.mark.parametrize(
    ("key", "version", "values", "entries"),
    [
        (ApiKey.HEARTBEAT, 4, {"group_id": "g"}, 0),
        (ApiKey.METADATA, 12, {"topics": None}, 0),
        (ApiKey.DESCRIBE_GROUPS, 5, {"groups": ["g"] * 7}, 7),
        (ApiKey.LIST_OFFSETS, 8, {"topics": [{"partitions": [{}, {}, {}]}, {}]}, 5),
        (ApiKey.WRITE_TXN_MARKERS, 1, {"markers": [{"topics": [{"partition_indexes": [0] * 9}]}] * 2}, 22),
        (ApiKey.STREAMS_GROUP_HEARTBEAT, 0, {"topology": {"subtopologies": [{"source_topics": ["t", "u"]}]}}, 3),
    ],
    ids=lambda value: value.name if isinstance(value, ApiKey) else "",
)
def test_entries_of_all_lists_are_counted(key: ApiKey, version: int, values: dict[str, Any], entries: int) -> None:
    message = build(request_type(key, version), values)

    assert not has_more_entries(message, entries)
    assert entries == 0 or has_more_entries(message, entries - 1)
