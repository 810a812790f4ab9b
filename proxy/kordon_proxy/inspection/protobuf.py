"""Decode Protobuf by the descriptors that the registry gives."""

import base64
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from .framing import Framed, message_indexes
from .schemas import Decoded, Decoder, Schema, SchemaFault

try:
    from google.protobuf import descriptor_pb2
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message_factory import GetMessageClass
    from google.protobuf.unknown_fields import UnknownFieldSet
except ImportError:
    DescriptorPool = None


def _well_known() -> dict[str, bytes]:
    """Files that every compiler brings along, so that no registry has them, by name; each behind what it uses."""
    modules = "any source_context type api descriptor duration empty field_mask struct timestamp wrappers"
    files = (import_module(f"google.protobuf.{name}_pb2").DESCRIPTOR for name in modules.split())
    return {file.name: file.serialized_pb for file in files}


_WELL_KNOWN: Final = {} if DescriptorPool is None else _well_known()

_MAIN: Final = "(schema)"
"""The name of the file that the schema itself is: no other has it."""


def decoder(schema: Schema) -> Decoder:
    """Return what decodes by this schema. Raises SchemaFault, or what the library does for one that is none."""
    if DescriptorPool is None:
        raise SchemaFault("Kordon is installed without Protobuf: pip install 'kordon[schemas]'")
    files = [_file(reference.name, reference.text) for reference in schema.references]
    main = _file(_MAIN, schema.text)
    pool = DescriptorPool()
    for content in _WELL_KNOWN.values():
        pool.AddSerializedFile(content)
    known = set(_WELL_KNOWN)
    for file in (*files, main):
        if file.name not in known:
            _drop_unknown_imports(file, known)
            pool.Add(file)
            known.add(file.name)
    root = pool.FindFileByName(_MAIN)
    messages = {message.name: message for message in root.message_types_by_name.values()}
    in_order = [messages[message.name] for message in main.message_type]

    def decode(frame: Framed) -> Decoded:
        indexes, payload = message_indexes(frame)
        descriptor = _find(in_order, indexes)
        message = GetMessageClass(descriptor)()
        message.ParseFromString(payload)
        data = MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, descriptor_pool=pool
        )
        unknown = len(UnknownFieldSet(message))
        problem = f"{unknown} fields that the schema does not have are left out" if unknown else None
        return Decoded("protobuf", data, descriptor.full_name, problem)

    return decode


def _file(name: str, text: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto()
    try:
        file.ParseFromString(base64.b64decode(text, validate=True))
    except Exception:
        raise SchemaFault("the registry does not give Protobuf schemas as descriptors (format=serialized)") from None
    file.name = name
    return file


def _drop_unknown_imports(file: Any, known: set[str]) -> None:
    """Drop imports that the registry does not have: of most of them only options are used, which say nothing of bytes.

    Confluent's clients have `confluent/meta.proto` built in, for one. Where a type of theirs is used, the library says
    which one is missing.
    """
    kept = [name for name in file.dependency if name in known]
    if len(kept) == len(file.dependency):
        return
    del file.dependency[:], file.public_dependency[:], file.weak_dependency[:]
    file.dependency.extend(kept)


def _find(messages: Sequence[Any], indexes: Sequence[int]) -> Any:
    found: Any = None
    for index in indexes:
        if not 0 <= index < len(messages):
            raise SchemaFault(f"the schema has no message {list(indexes)}")
        found = messages[index]
        messages = found.nested_types
    return found
