"""Records are decoded by the schemas of a registry: those that Confluent's own serializers write, and Apache's."""

import asyncio
import base64
import datetime
import io
import json
import struct
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import avro.io
import avro.schema
import pytest
from confluent_kafka.schema_registry import header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, timestamp_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.inspection.decoding import Schemas
from kordon_proxy.inspection.framing import VALUE_HEADER, SchemaRef, framed
from kordon_proxy.inspection.plain import to_json
from kordon_proxy.inspection.registry import Registry
from kordon_proxy.inspection.schemas import Schema, SchemaFault
from kordon_proxy.inspection.shown import Shown
from tests.proxy.inspection.registries import FakeRegistry

TOPIC: Final = "orders"
ORDER: Final = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "acme",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "note", "type": ["null", "string"], "default": None},
            {"name": "lines", "type": {"type": "array", "items": {"type": "map", "values": "double"}}},
        ],
    }
)
Headers = list[tuple[str, Any]]


@pytest.fixture(scope="module")
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


def value_of(topic: str = TOPIC, headers: Headers | None = None) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE, headers)


def show(registry: FakeRegistry, data: bytes, headers: Headers | None = None, topic: str = TOPIC) -> Shown:
    """As the worker does it, with Kordon's own questions to the registry."""
    named = [(name.encode(), value) for name, value in headers or ()]
    frame = framed(data, named, VALUE_HEADER)
    assert frame is not None
    return Schemas(lambda ref: ask(registry, ref, topic)).show(frame, data)


def ask(registry: FakeRegistry, ref: SchemaRef, topic: str = TOPIC) -> Schema:
    async def find() -> dict[str, Any]:
        async with Registry(registry.settings()).session(topic) as session:
            return await session.find(ref)

    answer = asyncio.run(find())
    if "problem" in answer:
        raise SchemaFault(answer["problem"])
    return Schema.from_json(answer)


# Avro


def test_avro_by_confluents_serializer(registry: FakeRegistry) -> None:
    order = {"id": 2**40, "note": "grüße", "lines": [{"a": 1.5}, {}]}
    data = AvroSerializer(registry.client(), ORDER)(order, value_of())

    shown = show(registry, data)

    assert (shown.format, shown.data, shown.problem) == ("avro", order, None)
    assert shown.schema is not None
    assert (shown.schema["type"], shown.schema["name"]) == ("AVRO", "acme.Order")


def test_avro_whose_schema_is_named_in_a_header(registry: FakeRegistry) -> None:
    order: dict[str, Any] = {"id": 1, "note": None, "lines": []}
    headers: Headers = []
    settings = {"schema.id.serializer": header_schema_id_serializer}
    data = AvroSerializer(registry.client(), ORDER, conf=settings)(order, value_of(headers=headers))

    shown = show(registry, data, headers)

    assert (shown.format, shown.data) == ("avro", order)
    assert shown.schema is not None
    assert uuid.UUID(shown.schema["guid"])


def avro_of(registry: FakeRegistry, schema: Any, value: Any) -> bytes:
    """By Apache's library, and framed by hand."""
    text = json.dumps(schema)
    buffer = io.BytesIO()
    avro.io.DatumWriter(avro.schema.parse(text)).write(value, avro.io.BinaryEncoder(buffer))
    return struct.pack(">bI", 0, registry.register(f"{TOPIC}-value", text)) + buffer.getvalue()


def test_avro_by_apaches_library_with_what_json_has_no_word_for(registry: FakeRegistry) -> None:
    at = datetime.datetime(2026, 11, 29, 12, 30, 15, 250_000, tzinfo=datetime.UTC)
    fields: dict[str, tuple[Any, Any, Any]] = {
        "raw": ("bytes", b"\x00\xff", "AP8="),
        "price": (
            {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2},
            Decimal("123456789012345.10"),
            "123456789012345.10",
        ),
        "when": ({"type": "long", "logicalType": "timestamp-millis"}, at, "2026-11-29T12:30:15.250000+00:00"),
        "day": ({"type": "int", "logicalType": "date"}, at.date(), "2026-11-29"),
        "rate": ("double", float("nan"), "NaN"),
        "kind": ({"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "B", "B"),
        "hash": ({"type": "fixed", "name": "Hash", "size": 2}, b"\x01\x02", "AQI="),
        "either": (["null", "long", "string"], "x", "x"),
    }
    schema = {
        "type": "record",
        "name": "Odd",
        "fields": [{"name": name, "type": field[0]} for name, field in fields.items()],
    }

    shown = show(registry, avro_of(registry, schema, {name: field[1] for name, field in fields.items()}))

    assert shown.problem is None
    assert shown.data == {name: field[2] for name, field in fields.items()}


@pytest.mark.parametrize(
    ("schema", "value", "wanted"), [("string", "text", "text"), ("long", -5, -5), ("null", None, None)]
)
def test_avro_that_is_no_record(registry: FakeRegistry, schema: str, value: Any, wanted: Any) -> None:
    shown = show(registry, avro_of(registry, schema, value))

    assert (shown.format, shown.data, shown.problem) == ("avro", wanted, None)


def test_bytes_as_confluents_serializer_writes_them(registry: FakeRegistry) -> None:
    data = AvroSerializer(registry.client(), '"bytes"')(b"\x00\x01\xff", value_of())

    assert show(registry, data).data == base64.b64encode(b"\x00\x01\xff").decode()


def test_avro_whose_schema_refers_to_others(registry: FakeRegistry) -> None:
    money = {"type": "record", "name": "acme.Money", "fields": [{"name": "cents", "type": "long"}]}
    line = {"type": "record", "name": "acme.Line", "fields": [{"name": "price", "type": "acme.Money"}]}
    cart = {"type": "record", "name": "acme.Cart", "fields": [{"name": "line", "type": "acme.Line"}]}
    to_money = {"name": "acme.Money", "subject": "money", "version": 1}
    to_line = {"name": "acme.Line", "subject": "sub/line", "version": 1}
    registry.register("money", json.dumps(money))
    registry.register("sub/line", json.dumps(line), references=(to_money,))
    number = registry.register(f"{TOPIC}-value", json.dumps(cart), references=(to_line, to_money))

    shown = show(registry, struct.pack(">bI", 0, number) + b"\x54")

    assert (shown.data, shown.problem) == ({"line": {"price": {"cents": 42}}}, None)


def test_bytes_that_are_left_over_are_told(registry: FakeRegistry) -> None:
    shown = show(registry, avro_of(registry, "long", 5) + b"xyz")

    assert (shown.data, shown.problem) == (5, "3 bytes are left over behind what the schema says")


def test_bytes_that_are_not_as_the_schema_says_are_shown_as_they_are(registry: FakeRegistry) -> None:
    number = registry.register(f"{TOPIC}-value", ORDER)
    data = struct.pack(">bI", 0, number) + b"\x02\xff\xff"

    shown = show(registry, data)

    assert (shown.format, shown.data) == ("hex", data.hex())
    assert shown.problem is not None
    assert shown.problem.startswith(f"not as schema {number} says: ")


# JSON Schema


def test_json_by_confluents_serializer(registry: FakeRegistry) -> None:
    schema = json.dumps({"title": "Order", "type": "object", "properties": {"id": {"type": "number"}}})
    data = JSONSerializer(schema, registry.client())({"id": 7}, value_of())

    shown = show(registry, data)

    assert (shown.format, shown.data, shown.problem) == ("json-schema", {"id": 7}, None)


def test_what_should_be_json_and_is_none_is_shown_as_it_is(registry: FakeRegistry) -> None:
    number = registry.register(f"{TOPIC}-value", "{}", "JSON")

    shown = show(registry, struct.pack(">bI", 0, number) + b"{")

    assert shown.format == "hex"
    assert shown.problem is not None
    assert "not as schema" in shown.problem


# Protobuf


def messages() -> dict[str, Callable[..., Any]]:
    """Classes of `acme.Order` and `acme.Envelope.Inner`, whose file imports another one, and Google's timestamp."""
    field = descriptor_pb2.FieldDescriptorProto
    money = descriptor_pb2.FileDescriptorProto(name="acme/money.proto", package="acme", syntax="proto3")
    cents = money.message_type.add(name="Money")
    cents.field.add(name="cents", number=1, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    orders = descriptor_pb2.FileDescriptorProto(name="acme/orders.proto", package="acme", syntax="proto3")
    orders.dependency.extend(["acme/money.proto", "google/protobuf/timestamp.proto"])
    order = orders.message_type.add(name="Order")
    order.field.add(name="order_id", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    order.field.add(
        name="total", number=2, type=field.TYPE_MESSAGE, type_name=".acme.Money", label=field.LABEL_OPTIONAL
    )
    at = ".google.protobuf.Timestamp"
    order.field.add(name="at", number=3, type=field.TYPE_MESSAGE, type_name=at, label=field.LABEL_OPTIONAL)
    order.field.add(name="raw", number=4, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    envelope = orders.message_type.add(name="Envelope")
    envelope.nested_type.add(name="First")
    inner = envelope.nested_type.add(name="Inner")
    inner.field.add(name="numbers", number=1, type=field.TYPE_INT32, label=field.LABEL_REPEATED)
    pool = DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(money)
    pool.Add(orders)
    names = ("acme.Money", "acme.Order", "acme.Envelope.Inner")
    return {name: GetMessageClass(pool.FindMessageTypeByName(name)) for name in names}


def an_order() -> Any:
    kinds = messages()
    total = kinds["acme.Money"](cents=2**40)
    order = kinds["acme.Order"](order_id="o-1", total=total, raw=b"\x00\xff")
    order.at.seconds = 5
    return order


SHOWN_ORDER: Final = {
    "order_id": "o-1",
    "total": {"cents": str(2**40)},
    "at": "1970-01-01T00:00:05Z",
    "raw": "AP8=",
}


def test_protobuf_by_confluents_serializer(registry: FakeRegistry) -> None:
    order = an_order()
    data = ProtobufSerializer(type(order), registry.client())(order, value_of())

    shown = show(registry, data)

    assert (shown.format, shown.problem) == ("protobuf", None)
    assert shown.data == SHOWN_ORDER
    assert shown.schema is not None
    assert (shown.schema["type"], shown.schema["name"]) == ("PROTOBUF", "acme.Order")


def test_protobuf_of_a_message_within_another(registry: FakeRegistry) -> None:
    inner = messages()["acme.Envelope.Inner"](numbers=[1, 2, 3])
    data = ProtobufSerializer(type(inner), registry.client())(inner, value_of())

    shown = show(registry, data)

    assert shown.data == {"numbers": [1, 2, 3]}
    assert shown.schema is not None
    assert shown.schema["name"] == "acme.Envelope.Inner"


def test_protobuf_whose_schema_is_named_in_a_header(registry: FakeRegistry) -> None:
    order, headers = an_order(), Headers()
    settings = {"schema.id.serializer": header_schema_id_serializer}
    data = ProtobufSerializer(type(order), registry.client(), settings)(order, value_of(headers=headers))

    assert show(registry, data, headers).data == SHOWN_ORDER


def test_fields_without_a_value_are_shown_with_that_of_the_language(registry: FakeRegistry) -> None:
    empty = messages()["acme.Order"]()
    data = ProtobufSerializer(type(empty), registry.client())(empty, value_of())

    assert show(registry, data).data == {"order_id": "", "raw": ""}


def test_fields_that_the_schema_does_not_have_are_told(registry: FakeRegistry) -> None:
    order = an_order()
    data = ProtobufSerializer(type(order), registry.client())(order, value_of())

    shown = show(registry, data + b"\xf8\x07\x01")  # field 127

    assert (shown.data["order_id"], shown.problem) == ("o-1", "1 fields that the schema does not have are left out")


def test_a_message_that_the_schema_does_not_have_is_told(registry: FakeRegistry) -> None:
    order = an_order()
    data = ProtobufSerializer(type(order), registry.client())(order, value_of())

    shown = show(registry, data[:5] + b"\x02\x12" + data[6:])

    assert (shown.format, shown.problem) == ("hex", "the schema has no message [9]")


def test_an_import_that_only_options_need_may_be_missing(registry: FakeRegistry) -> None:
    file = descriptor_pb2.FileDescriptorProto(name="x", package="acme", syntax="proto3")
    file.dependency.append("confluent/meta.proto")
    file.message_type.add(name="Empty")
    number = registry.register(f"{TOPIC}-value", base64.b64encode(file.SerializeToString()).decode(), "PROTOBUF")

    assert show(registry, struct.pack(">bI", 0, number) + b"\x00").problem is None


def test_a_registry_without_descriptors_is_told(registry: FakeRegistry) -> None:
    number = registry.register(f"{TOPIC}-value", 'syntax = "proto3";', "PROTOBUF")

    shown = show(registry, struct.pack(">bI", 0, number) + b"\x00")

    assert shown.problem == "the registry does not give Protobuf schemas as descriptors (format=serialized)"


# Anything


def test_a_type_of_schema_that_nobody_knows_is_told(registry: FakeRegistry) -> None:
    number = registry.register(f"{TOPIC}-value", "?", "THRIFT")

    shown = show(registry, struct.pack(">bI", 0, number) + b"x")

    assert shown.problem == "schemas of type THRIFT are not known to Kordon"


def test_a_schema_that_is_none_is_told(registry: FakeRegistry) -> None:
    number = registry.register(f"{TOPIC}-value", '{"type": "nothing"}')

    shown = show(registry, struct.pack(">bI", 0, number) + b"x")

    assert shown.problem is not None
    assert shown.problem.startswith(f"schema {number} of the registry cannot be used: ")


@given(st.binary(max_size=100), st.sampled_from(range(3)))
def test_any_bytes_are_decoded_to_something(data: bytes, number: int) -> None:
    order = descriptor_pb2.FileDescriptorProto()
    an_order().DESCRIPTOR.file.CopyToProto(order)
    del order.dependency[:]
    del order.message_type[0].field[1:3]
    known = (
        Schema(type="AVRO", text=ORDER),
        Schema(type="JSON", text="{}"),
        Schema(type="PROTOBUF", text=base64.b64encode(order.SerializeToString()).decode()),
    )
    framed_data = struct.pack(">bI", 0, 1) + data
    frame = framed(framed_data)
    assert frame is not None

    shown = Schemas(lambda _: known[number]).show(frame, framed_data)

    assert json.loads(to_json(shown.data)) == shown.data
    assert shown.problem is not None or shown.format in {"avro", "json-schema", "protobuf"}
