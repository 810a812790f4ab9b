"""What two answers to a request say differently: codes, where they stand, which entries are there, in what order.

What no two clusters have in common (ids, addresses, instants) is put into words or left out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import error_name
from kordon_protocol.shapes import IDENTIFYING, Entity, Field, shape_of

VARYING: Final = frozenset(
    {
        "aborted_transactions",  # null or empty, as the broker likes
        "assignment_epoch",
        "client_host",
        "cluster_id",
        "controller_id",
        "error_message",
        "first_offset",
        "group_epoch",
        "host",
        "last_offset",
        "log_dir",
        "member_epoch",
        "node_endpoints",
        "port",
        "producer_epoch",
        "producer_id",
        "throttle_time",
    }
)
"""Fields that say something else in each cluster, or are for people."""
RANDOM: Final = (
    (re.compile(r".+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "a member id"),
    (re.compile(r".+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-\*{12}"), "a masked member id"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "a member id"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-\*{12}"), "a masked member id"),
)
"""What the brokers make up, and how Kordon shows it to those who may not know it."""
UNNAMED: Final = frozenset({"member_id", *VARYING})
"""Fields by which no entry is called."""
ID: Final = re.compile(r"(?<=:)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=:)")
"""An id in a name."""
BESIDES: Final = frozenset({"operation"})
"""By these they are called, too."""
ABSENT: Final = "nothing"
AFTERWARDS: Final = "what happened"
ORDER: Final = "the order of entries"
THERE: Final = "an entry"

Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Observed:
    """One place at which the two answers differ."""

    place: str
    kafka: str
    kordon: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Found:
    """One difference, and what was asked."""

    key: ApiKey
    version: int
    case: str
    place: str
    kafka: str
    kordon: str


@dataclass(frozen=True, slots=True)
class Flat:
    """A message as a list of places with what stands there."""

    entries: dict[str, None]
    """The places of entries, in their order."""
    codes: dict[str, str]
    """Error codes by the place of the entry that they stand in."""
    values: dict[str, str]
    """All else, by place and name of the field."""


def flatten(message: Any, labels: Mapping[object, str]) -> Flat:
    """`labels` says what ids stand for."""
    flat = Flat({}, {}, {})
    _flatten(message, "", flat, labels)
    return flat


def _flatten(struct: Any, place: str, flat: Flat, labels: Mapping[object, str]) -> None:
    entity: Entity = type(struct)
    shape = shape_of(entity)
    for field in (*shape.fields, *shape.tagged):
        if field.name in VARYING:
            continue
        value = getattr(struct, field.name)
        at = f"{place}.{field.name}" if place else field.name
        if field.wire == "error_code" or (field.wire == "int16" and field.name.endswith("error_code")):
            flat.codes[place if field.wire == "error_code" else at] = error_name(value)
        elif field.struct is not None and value is not None:
            for entry, where in _places(value if field.array else (value,), field, at, flat, labels):
                flat.entries[where] = None
                _flatten(entry, where, flat, labels)
        else:
            flat.values[at] = "a session" if field.name == "session_id" and value else said(value, labels)


def _places(entries: Any, field: Field, at: str, flat: Flat, labels: Mapping[object, str]) -> Iterator[tuple[Any, str]]:
    for entry in entries:
        where = f"{at}[{_label(entry, labels)}]" if field.array else at
        while where in flat.entries:
            where += "'"
        yield entry, where


def _label(entry: Any, labels: Mapping[object, str]) -> str:
    """What an entry is about."""
    entity: Entity = type(entry)
    fields = (field for field in shape_of(entity).fields if not field.array)
    named = [field.name for field in fields if field.name in IDENTIFYING or field.name in BESIDES]
    found = [value for name in named if name not in UNNAMED and (value := getattr(entry, name)) is not None]
    if any(isinstance(value, str) for value in found):
        found = [value for value in found if not isinstance(value, UUID)]
    return " ".join(said(value, labels) for value in found)


def said(value: Any, labels: Mapping[object, str]) -> str:
    """A value in words that mean the same in both clusters."""
    if isinstance(value, tuple):
        return f"[{', '.join(said(one, labels) for one in value)}]"
    if isinstance(value, UUID | str) and value in labels:
        return labels[value]
    if isinstance(value, str):
        for found in ID.findall(value):
            value = value.replace(found, labels.get(found, found))
        return next((word for pattern, word in RANDOM if pattern.fullmatch(value)), value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, UUID):
        return "an id"
    if isinstance(value, datetime):
        return "an instant"
    if isinstance(value, timedelta):
        return str(int(value.total_seconds() * 1000))
    return repr(value)


def differences(kafka: Flat, kordon: Flat) -> Iterator[Observed]:
    """Where the two differ; of what differs as a whole, only that."""
    told: set[str] = set()

    def differing(ours: Mapping[str, str], theirs: Mapping[str, str], places: Iterable[str]) -> Iterator[Observed]:
        for place in sorted(places, key=lambda place: (len(place), place)):
            said = ours.get(place, ABSENT), theirs.get(place, ABSENT)
            if said[0] != said[1] and not _is_told(place, told):
                yield Observed(place=place, kafka=said[0], kordon=said[1])
                told.add(place)

    yield from differing(kafka.codes, kordon.codes, kafka.codes.keys() & kordon.codes.keys())
    entries = (dict.fromkeys(kafka.entries, THERE), dict.fromkeys(kordon.entries, THERE))
    yield from differing(*entries, entries[0].keys() | entries[1].keys())
    yield from differing(kafka.codes, kordon.codes, kafka.codes.keys() | kordon.codes.keys())
    yield from differing(kafka.values, kordon.values, kafka.values.keys() | kordon.values.keys())
    if "" not in told:
        yield from _ordering(kafka.entries, kordon.entries)


def _ordering(kafka: Mapping[str, None], kordon: Mapping[str, None]) -> Iterator[Observed]:
    orders = [[place for place in one if place in other] for one, other in ((kafka, kordon), (kordon, kafka))]
    if orders[0] != orders[1]:
        yield Observed(place=ORDER, kafka=", ".join(orders[0]), kordon=", ".join(orders[1]))


def _is_told(place: str, told: set[str]) -> bool:
    """Whether a difference of the entry, or of one that it is in, has been told."""
    return any(place == one or one == "" or place.startswith((f"{one}.", f"{one}[")) for one in told)
