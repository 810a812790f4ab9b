from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kio.serial import entity_writer

from kordon_protocol.codec import encode
from kordon_protocol.shapes import Entity
from tests.protocol.schemas import EVERY_SCHEMA, messages, schema_id


def written_by_kio(message: Any) -> bytes:
    buffer = BytesIO()
    entity_writer(type(message))(buffer, message)
    return buffer.getvalue()


@pytest.mark.parametrize("entity", EVERY_SCHEMA, ids=schema_id)
@given(data=st.data())
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
def test_every_message_is_written_as_kio_writes_it(entity: Entity, data: st.DataObject) -> None:
    message = data.draw(messages(entity, odd=False))
    assert encode(message) == written_by_kio(message)
