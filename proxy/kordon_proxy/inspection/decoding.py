"""Decode records by the schemas that they name. For any bytes there is something to show."""

from collections.abc import Callable
from typing import Any, Final

from . import avro, protobuf
from .framing import Framed, Misframed, SchemaRef
from .plain import from_json, plain
from .schemas import Decoded, Decoder, Schema, SchemaFault
from .shown import Shown, detect

Find = Callable[[SchemaRef], Schema]
"""Raises SchemaFault."""

_LONGEST: Final = 500
"""Letters of a name or problem."""


class Schemas:
    """Decodes what names a schema. Schemas are asked for once."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: dict[SchemaRef, tuple[str, Decoder] | SchemaFault] = {}

    def show(self, frame: Framed, data: bytes) -> Shown:
        """Show what the frame was cut from: decoded, or by what it looks like, with a problem that says why."""
        facts: dict[str, Any] = {name: value for name, value in frame.schema._asdict().items() if value is not None}
        try:
            facts["type"], decode = self._decoder(frame.schema)
            decoded = decode(frame)
            if decoded.name is not None:
                facts["name"] = decoded.name[:_LONGEST]
            return Shown(decoded.format, plain(decoded.data), problem=decoded.problem, schema=facts)
        except (SchemaFault, Misframed) as fault:
            problem = str(fault)
        except Exception as error:
            # Decoders are given whatever a tenant has written, and fail in more ways than they document. What they say
            # may repeat the bytes, which is fine: whoever reads this reads the bytes as well.
            problem = f"not as {frame.schema} says: {str(error) or type(error).__name__}"
        return detect(data)._replace(problem=problem[:_LONGEST], schema=facts)

    def _decoder(self, ref: SchemaRef) -> tuple[str, Decoder]:
        if ref not in self._known:
            try:
                schema = self._find(ref)
                self._known[ref] = schema.type, _decoder_of(schema)
            except SchemaFault as fault:
                self._known[ref] = fault
            except Exception as error:
                self._known[ref] = SchemaFault(f"{ref} of the registry cannot be used: {error}"[:_LONGEST])
        known = self._known[ref]
        if isinstance(known, SchemaFault):
            raise known.with_traceback(None)
        return known


def _decoder_of(schema: Schema) -> Decoder:
    match schema.type:
        case "AVRO":
            return avro.decoder(schema)
        case "PROTOBUF":
            return protobuf.decoder(schema)
        case "JSON":
            return _json
        case other:
            raise SchemaFault(f"schemas of type {other} are not known to Kordon")


def _json(frame: Framed) -> Decoded:
    return Decoded("json-schema", from_json(frame.payload))
