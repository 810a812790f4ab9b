from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import encode, reader_of
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
