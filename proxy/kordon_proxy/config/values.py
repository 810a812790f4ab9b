"""The small values of which a configuration is made: durations, sizes, addresses, names, roles, secrets, paths.

Each is text in the file and checked once, here. Messages say what was expected; they never repeat a secret.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import core_schema

from kordon_policy.model import EVERYBODY
from kordon_proxy.principals import fault_of
from kordon_proxy.secrets import Secret, SecretMissing, is_reference, resolve

from .addresses import Address, BrokerIds, parse_address, parse_broker_ids
from .findings import Mistake
from .quantities import (
    UNLIMITED,
    parse_bound,
    parse_duration,
    parse_size,
    spell_bound,
    spell_duration,
    spell_size,
    text_of,
)

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
STORE_TOPIC: Final = re.compile(r"__kordon[A-Za-z0-9._-]{1,241}", re.ASCII)
MAX_COPIES: Final = 32767


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file's values refer to: the folder that relative paths start from, and the environment for `${env:…}`."""

    folder: Path
    environment: Mapping[str, str]
    read_secrets: bool = True


def check_name(text: str) -> str:
    """Refuse what would not do as a label of metrics and audit events."""
    if not NAME.fullmatch(text):
        raise Mistake(f"`{text}` is no name", "letters, digits, dots, hyphens and underscores, at most 100")
    return text


def parse_replication(value: object) -> int | Literal["default"]:
    """Return a number of copies, or `default`."""
    if value == "default":
        return "default"
    text = str(value) if isinstance(value, int) else text_of(value)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_COPIES):
        raise Mistake(f"`{text}` is no number of copies", "as in 3, or `default` for what the brokers are set to")
    return int(text)


def check_store_topic(text: str) -> str:
    """Refuse what tenants could see and write to: whoever can write to the store can grant."""
    if not STORE_TOPIC.fullmatch(text):
        raise Mistake(
            f"`{text}` is no topic for a store",
            "letters, digits, dots, hyphens and underscores after `__kordon`: names that clients never see",
        )
    return text


def check_principal(name: str) -> str:
    """Refuse what nobody can be called."""
    if fault := fault_of(name):
        raise Mistake(f"this name {fault}", "take another one")
    return name


def check_role(role: str) -> str:
    """Refuse what is empty, and the word that stands for every role."""
    if not role:
        raise Mistake("a role has no name")
    if role == EVERYBODY:
        raise Mistake(f'`"{EVERYBODY}"` is no role that somebody can have')
    return role


def check_url(url: str) -> str:
    """Refuse what is no address of an HTTP server, and one that holds a password."""
    parts = urlsplit(url)
    hint = "as https://registry.acme.example:8081"
    try:
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f]", url):
        raise Mistake("this is no address of an HTTP server", hint)
    if "@" in parts.netloc:
        raise Mistake("an address that holds a password is shown in logs", "use `username` and `password`")
    return url


def resolve_path(value: object, info: ValidationInfo) -> Path:
    """Return the path, taken from the folder of the file that names it."""
    path = value if isinstance(value, Path) else Path(text_of(value))
    if not path.parts or "\0" in str(path):
        raise Mistake("this is no path")
    return _surroundings(info).folder / path


def resolve_secret(value: object, info: ValidationInfo) -> Secret:
    """Return the secret that the text names, or is."""
    if isinstance(value, Secret):
        return value
    text = text_of(value)
    around = _surroundings(info)
    if not around.read_secrets and is_reference(text):
        return Secret("")
    try:
        return resolve(text, around.folder, around.environment)
    except SecretMissing as error:
        hint = "${env:NAME} takes an environment variable, ${file:path} the contents of a file"
        raise Mistake(str(error), hint) from None


def reads_secrets(info: ValidationInfo) -> bool:
    """Whether a secret that is empty is one, and not only left unread."""
    return _surroundings(info).read_secrets


def _surroundings(info: ValidationInfo) -> Surroundings:
    return info.context if isinstance(info.context, Surroundings) else Surroundings(Path(), {})


class OneOrMore:
    """Put on a tuple: one thing is taken for a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(_in_a_list, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def _in_a_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


_TEXT: Final = {"type": "string"}
_REPLICATION: Final = {"anyOf": [{"minimum": 1, "type": "integer"}, {"const": "default", "type": "string"}]}
_QUANTITY: Final = {"anyOf": [_TEXT | {"pattern": r"^[0-9]+(\.[0-9]+)? ?[A-Za-z]*$"}, {"type": "integer"}]}
_BOUND: Final = {"anyOf": [_TEXT | {"const": UNLIMITED}, *_QUANTITY["anyOf"]]}
_ADDRESS: Final = _TEXT | {"pattern": "^.+:[0-9]{1,5}$"}
_IDS: Final = {"anyOf": [_TEXT | {"pattern": "^[0-9][0-9, -]*$"}, {"type": "integer"}]}


def _in_json(spell: Callable[[Any], str]) -> PlainSerializer:
    return PlainSerializer(spell, return_type=str, when_used="json")


Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_QUANTITY), _in_json(spell_duration)]
"""Seconds."""
Bound = Annotated[float | None, PlainValidator(parse_bound), WithJsonSchema(_BOUND), _in_json(spell_bound)]
"""Seconds, or None: unlimited."""
Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema(_QUANTITY), _in_json(spell_size)]
"""Bytes."""
HostPort = Annotated[Address, PlainValidator(parse_address), WithJsonSchema(_ADDRESS), _in_json(str)]
Ids = Annotated[BrokerIds, PlainValidator(parse_broker_ids), WithJsonSchema(_IDS), _in_json(str)]
Name = Annotated[str, AfterValidator(check_name)]
Replication = Annotated[
    int | Literal["default"], PlainValidator(parse_replication), WithJsonSchema(_REPLICATION), _in_json(str)
]
StoreTopic = Annotated[str, AfterValidator(check_store_topic)]
Principal = Annotated[str, Field(min_length=1), AfterValidator(check_principal)]
Role = Annotated[str, AfterValidator(check_role)]
FilePath = Annotated[Path, PlainValidator(resolve_path), WithJsonSchema(_TEXT), _in_json(str)]
SecretText = Annotated[Secret, PlainValidator(resolve_secret), WithJsonSchema(_TEXT), _in_json(str)]
