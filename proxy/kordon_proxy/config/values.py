"""The small values of which a configuration is made: durations, sizes, addresses, names, roles, secrets, paths.

Each is text in the file and checked once, here. Messages say what was expected; they never repeat a secret.
"""

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple
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

from .findings import Mistake

DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SIZE_UNITS: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)", re.ASCII)
UNLIMITED: Final = "unlimited"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
STORE_TOPIC: Final = re.compile(r"__kordon[A-Za-z0-9._-]{1,241}", re.ASCII)
MAX_PORT: Final = 65535
MAX_COPIES: Final = 32767


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file's values refer to: the folder that relative paths start from, and the environment for `${env:…}`."""

    folder: Path
    environment: Mapping[str, str]
    read_secrets: bool = True


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Mistake("expected text here, found a list or a mapping")
    return value


def parse_duration(value: object) -> float:
    """Return seconds for text such as `30s`, `500ms`, `10min`, `1h`, `7d`; `0` needs no unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = _text(value)
    match = QUANTITY.fullmatch(text)
    if match is None or (match[2] not in DURATION_UNITS and not (match[2] == "" and float(match[1]) == 0)):
        raise Mistake(f"`{text}` is no duration", f"a number and one of {', '.join(DURATION_UNITS)}, as in 30s")
    return float(match[1]) * DURATION_UNITS.get(match[2], 1.0)


def parse_bound(value: object) -> float | None:
    """Return seconds for a duration that is not 0, None for `unlimited`."""
    if value is None or value == UNLIMITED:
        return None
    try:
        seconds = parse_duration(value)
    except Mistake as mistake:
        raise Mistake(str(mistake), f"{mistake.hint}, or `{UNLIMITED}`" if mistake.hint else "") from None
    if seconds <= 0:
        raise Mistake("this must be more than 0", f"`{UNLIMITED}` is no bound at all")
    return seconds


def parse_size(value: object) -> int:
    """Return bytes for text such as `64KiB` or `100MiB`; a bare number is bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = _text(value)
    match = QUANTITY.fullmatch(text)
    if match is None or match[2] not in SIZE_UNITS:
        raise Mistake(f"`{text}` is no size", "a number and one of KiB, MiB, GiB, as in 100MiB")
    return int(float(match[1]) * SIZE_UNITS[match[2]])


class Address(NamedTuple):
    """A host (name, IPv4, or IPv6 without brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of this machine."""
        return self.host in {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not bound)


def parse_address(value: object) -> Address:
    """Return the address for `host:port` or `[ipv6]:port`."""
    if isinstance(value, Address):
        return value
    text = _text(value)
    if "," in text:
        raise Mistake(f"`{text}` is no address", "several stand in a list, as in [kafka-0:9092, kafka-1:9092]")
    if "://" in text:
        raise Mistake(f"`{text}` is no address", "host:port alone, as in 127.0.0.1:9092")
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise Mistake(f"`{text}` is no address", "an IPv6 address stands in brackets, as in [::1]:9092")
    if not colon or not host or re.search(r"[\s/,\[\]]", host):
        raise Mistake(f"`{text}` is no address", "host:port, as in 127.0.0.1:9092")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= MAX_PORT):
        raise Mistake(f"`{port}` is no port", f"a number from 1 to {MAX_PORT}")
    return Address(host, int(port))


@dataclass(frozen=True, slots=True)
class BrokerIds:
    """The broker ids for which a listener keeps ports, as `0-63` or `0-2,100-102`."""

    ranges: tuple[range, ...]

    @property
    def highest(self) -> int:
        """The last of them."""
        return max(ids[-1] for ids in self.ranges)

    def __contains__(self, broker_id: int) -> bool:
        return any(broker_id in ids for ids in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for ids in self.ranges:
            yield from ids

    def __len__(self) -> int:
        return sum(len(ids) for ids in self.ranges)

    def __str__(self) -> str:
        return ",".join(str(ids[0]) if len(ids) == 1 else f"{ids[0]}-{ids[-1]}" for ids in self.ranges)


def parse_broker_ids(value: object) -> BrokerIds:
    """Return the ids for `0-63`, `7`, or several of these with commas."""
    if isinstance(value, BrokerIds):
        return value
    text = _text(value)
    if not re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*", text.replace(" ", ""), re.ASCII):
        raise Mistake(f"`{text}` names no broker ids", 'as in "0-63" or "0-2,100-102"')
    ranges = []
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        ranges.append(range(int(first), int(last or first) + 1))
    ranges.sort(key=lambda ids: ids.start)
    if not all(ranges) or any(left.stop > right.start for left, right in itertools.pairwise(ranges)):
        raise Mistake(f"`{text}` has a range that is empty or names an id twice", "write each range once, low-high")
    return BrokerIds(tuple(ranges))


def check_name(text: str) -> str:
    """Refuse what would not do as a label of metrics and audit events."""
    if not NAME.fullmatch(text):
        raise Mistake(f"`{text}` is no name", "letters, digits, dots, hyphens and underscores, at most 100")
    return text


def parse_replication(value: object) -> int | Literal["default"]:
    """Return a number of copies, or `default`."""
    if value == "default":
        return "default"
    text = str(value) if isinstance(value, int) else _text(value)
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
        raise Mistake(f"this name {fault}")
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
    path = value if isinstance(value, Path) else Path(_text(value))
    if not path.parts or "\0" in str(path):
        raise Mistake("this is no path")
    return _surroundings(info).folder / path


def resolve_secret(value: object, info: ValidationInfo) -> Secret:
    """Return the secret that the text names, or is."""
    if isinstance(value, Secret):
        return value
    text = _text(value)
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


def spell_duration(seconds: float) -> str:
    """Write seconds as a file would: `10min`."""
    for unit in ("d", "h", "min", "s"):
        if seconds >= DURATION_UNITS[unit] and seconds % DURATION_UNITS[unit] == 0:
            return f"{round(seconds / DURATION_UNITS[unit])}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0"


def spell_bound(seconds: float | None) -> str:
    """Write a bound as a file would."""
    return UNLIMITED if seconds is None else spell_duration(seconds)


def spell_size(size: int) -> str:
    """Write bytes as a file would: `64KiB`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size >= SIZE_UNITS[unit] and size % SIZE_UNITS[unit] == 0:
            return f"{size // SIZE_UNITS[unit]}{unit}"
    return str(size)


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
