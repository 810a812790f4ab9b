"""Decode Avro by the schema that it was written with."""

import io
import json
from typing import Any

from .framing import Framed
from .schemas import Decoded, Decoder, Schema, SchemaFault

try:
    import fastavro
except ImportError:
    fastavro = None  # type: ignore[assignment]


def decoder(schema: Schema) -> Decoder:
    """Return what decodes by this schema. Raises what the library does for one that is none."""
    if fastavro is None:
        raise SchemaFault("Kordon is installed without Avro: pip install 'kordon[schemas]'")
    named: dict[str, Any] = {}
    for reference in schema.references:
        fastavro.parse_schema(json.loads(reference.text), named)
    given = json.loads(schema.text)
    parsed = fastavro.parse_schema(given, named)
    name = parsed.get("name") if isinstance(parsed, dict) else None

    def decode(frame: Framed) -> Decoded:
        source = io.BytesIO(frame.payload)
        data = fastavro.schemaless_reader(source, parsed, None)
        left = len(frame.payload) - source.tell()
        problem = f"{left} bytes are left over behind what the schema says" if left else None
        return Decoded("avro", data, name, problem)

    def take(frame: Framed) -> Decoded:
        return Decoded("avro", frame.payload)

    # Confluent's serializers write bytes of their own schema as they are, without the length that Avro has.
    return take if given in ("bytes", {"type": "bytes"}) else decode
