from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import encode, read_request, reader_of
from kordon_protocol.keys import ApiKey
from kordon_protocol.shapes import Entity
from tests.protocol.schemas import EVERY_SCHEMA, messages, schema_id


@pytest.mark.parametrize("entity", EVERY_SCHEMA, ids=schema_id)
@given(data=st.data())
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_decoding_what_was_encoded_gives_the_same_message(entity: Entity, data: st.DataObject) -> None:
    message: Any = data.draw(messages(entity, odd=False))
    encoded = encode(message)
    reading, end = reader_of(entity)(b"head" + encoded, 4)
    assert reading == (message, True)
    assert end == len(encoded) + 4


def test_what_follows_a_request_is_ignored_and_not_passed_on() -> None:
    # Brokers do the same; librdkafka 2.16 sends three bytes too many behind Metadata v13 for all topics.
    body = bytes.fromhex("00000000010000")

    reading = read_request(ApiKey.METADATA, 13, body)

    assert reading.message.topics is None
    assert not reading.exact
