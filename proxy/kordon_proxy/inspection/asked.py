"""What somebody wants to see of a topic."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from .bounds import LONGEST_FILTER, MOST_RECORDS
from .errors import Unusable
from .plain import text

LARGEST: Final = 2**63 - 1
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


class Format(StrEnum):
    """How bytes are shown."""

    AUTO = "auto"
    """By what they look like; by a schema where a registry is configured and they name one."""
    TEXT = "text"
    JSON = "json"
    HEX = "hex"
    BASE64 = "base64"
    INT = "int"
    """Four bytes, big-endian and signed, as Kafka's IntegerSerializer writes them."""
    LONG = "long"
    """Eight bytes, as Kafka's LongSerializer writes them."""
    SCHEMA = "schema"
    """By the schema that they name, and a problem is told where they name none."""


@dataclass(frozen=True, slots=True)
class Earliest:
    """The oldest records."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest records."""


@dataclass(frozen=True, slots=True)
class AtOffset:
    """From this offset on. An offset is of one partition."""

    offset: int


@dataclass(frozen=True, slots=True)
class AtTime:
    """From the first record on that is not older than this, in ms since the epoch."""

    milliseconds: int


Start = Earliest | Latest | AtOffset | AtTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Which records of a topic, and how they are shown. Raises Unusable for what cannot be."""

    topic: str
    partition: int | None = None
    """None: all of them, in the order of their timestamps."""
    start: Start = Latest()
    count: int = 20
    """How many records at most."""
    committed: bool = True
    """False: also records of transactions that are open or were aborted."""
    key: Format = Format.AUTO
    value: Format = Format.AUTO
    filter: str | None = None
    """A jq expression; records for which it gives neither false nor null nor nothing are shown."""

    def __post_init__(self) -> None:
        if not self.topic:
            raise Unusable("say which topic")
        if not _TOPIC.fullmatch(self.topic):
            raise Unusable(f"`{text(self.topic[:100])}` is no name of a topic")
        if not 1 <= self.count <= MOST_RECORDS:
            raise Unusable(f"between 1 and {MOST_RECORDS} records can be had at once, not {self.count}")
        if self.partition is not None and not 0 <= self.partition < 2**31:
            raise Unusable(f"{self.partition} is no number of a partition")
        self._check_start()
        if self.filter is not None and len(self.filter) > LONGEST_FILTER:
            raise Unusable(f"a filter has at most {LONGEST_FILTER} letters, this one has {len(self.filter)}")

    def _check_start(self) -> None:
        match self.start:
            case AtOffset(offset):
                if not 0 <= offset <= LARGEST:
                    raise Unusable(f"{offset} is no offset")
                if self.partition is None:
                    raise Unusable(f"offset {offset} of which partition? Name one, or begin at a time")
            case AtTime(milliseconds):
                if not 0 <= milliseconds <= LARGEST:
                    raise Unusable(f"{milliseconds} is no time: it is in milliseconds since 1970")


def parse_start(word: str) -> Start:
    """Return the start for `earliest`, `latest`, an offset, or a time as `2026-11-29T12:30:00Z`. Raises Unusable."""
    if word == "earliest":
        return Earliest()
    if word == "latest":
        return Latest()
    if _NUMBER.fullmatch(word):
        return AtOffset(int(word))
    told = text(word[:100])
    try:
        time = datetime.fromisoformat(word)
    except ValueError:
        hint = "earliest, latest, an offset, or a time as 2026-11-29T12:30:00Z"
        raise Unusable(f"`{told}` is no place to start from: {hint}") from None
    if time.tzinfo is None:
        raise Unusable(f"`{told}` is a time of which zone? Add Z for UTC, or +01:00")
    return AtTime(round(time.timestamp() * 1000))
