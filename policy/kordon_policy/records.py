"""What stores keep of things, read field by field: none is passed over, and none is of another kind than it was."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from kordon_policy.lifecycle import LAST_INSTANT, Ended
from kordon_policy.own_rights import Author

Record = dict[str, Any]
"""What `json.dumps` takes: texts, whole numbers, lists, mappings and null."""

Word = TypeVar("Word", bound=StrEnum)


class UnreadableRecord(ValueError):
    """A stored thing that this Kordon does not understand; the text says why.

    Nobody may go on as if it were not there: a temporary policy could be a Deny.
    """


class Fields:
    """The fields of a record, each of the kind that it is asked for."""

    def __init__(self, record: object, way: str = "") -> None:
        if not isinstance(record, Mapping):
            raise UnreadableRecord(f"`{way}` is no mapping" if way else "it is no mapping")
        self._record = record
        self._way = f"{way}." if way else ""

    def get(self, key: str) -> object:
        if key not in self._record:
            raise UnreadableRecord(f"it has no {self.named(key)}")
        return self._record[key]

    @property
    def keys(self) -> list[str]:
        """The names of all fields, of a mapping that may have any."""
        return list(self._record)

    def named(self, key: str) -> str:
        """A field in a sentence."""
        return f"`{self._way}{key}`"

    def mapping(self, key: str) -> Record:
        """A mapping that may hold anything."""
        value = self.get(key)
        if not isinstance(value, Mapping):
            raise UnreadableRecord(f"{self.named(key)} is no mapping")
        return dict(value)

    def within(self, key: str) -> "Fields":
        return Fields(self.get(key), f"{self._way}{key}")

    def within_or_none(self, key: str) -> "Fields | None":
        return None if self.get(key) is None else self.within(key)

    def each(self, key: str) -> list["Fields"]:
        return [Fields(one, f"{self._way}{key}[{place}]") for place, one in enumerate(self.items(key))]

    def items(self, key: str) -> list[Any]:
        value = self.get(key)
        if not isinstance(value, list):
            raise UnreadableRecord(f"{self.named(key)} is no list")
        return value

    def text(self, key: str) -> str:
        value = self.get(key)
        if not isinstance(value, str):
            raise UnreadableRecord(f"{self.named(key)} is no text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return None if self.get(key) is None else self.text(key)

    def texts(self, key: str) -> list[str]:
        value = self.get(key)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise UnreadableRecord(f"{self.named(key)} is no list of texts")
        return value

    def word(self, key: str, words: type[Word]) -> Word:
        text = self.text(key)
        try:
            return words(text)
        except ValueError:
            raise UnreadableRecord(f"{self.named(key)} is {text!r}, which is none") from None

    def flag(self, key: str) -> bool:
        value = self.get(key)
        if not isinstance(value, bool):
            raise UnreadableRecord(f"{self.named(key)} is neither true nor false")
        return value

    def whole(self, key: str) -> int:
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise UnreadableRecord(f"{self.named(key)} is no whole number")
        if value < 0:
            raise UnreadableRecord(f"{self.named(key)} is negative")
        return value

    def number(self, key: str) -> int:
        value = self.whole(key)
        if value > LAST_INSTANT:
            raise UnreadableRecord(f"{self.named(key)} is after the year 9999")
        return value

    def number_or_none(self, key: str) -> int | None:
        return None if self.get(key) is None else self.number(key)

    # ---- what records of several kinds have alike

    def must_be_known(self, newest: int) -> None:
        """Refuse a record of a schema that is newer than the newest one known here."""
        schema = self.number("schema")
        if schema > newest:
            known = f"known are those up to {newest}"
            raise UnreadableRecord(f"it was written by a newer Kordon (schema {schema}, {known})")
        if schema < 1:
            raise UnreadableRecord(f"there is no schema {schema}")

    def author(self, key: str) -> Author:
        author = self.within(key)
        return Author(
            principal=author.text("principal"),
            roles=frozenset(author.texts("roles")),
            tenant=author.text_or_none("tenant"),
        )

    def ended(self, state: StrEnum, *, final: bool) -> Ended | None:
        """How it ended, which it has if and only if its state is a final one."""
        fields = self.within_or_none("ended")
        if final != (fields is not None):
            raise UnreadableRecord(f"it is {state}, and `ended` says otherwise")
        if fields is None:
            return None
        return Ended(ts=fields.number("ts"), by=fields.text("by"), reason=fields.text("reason"))


def author_record(author: Author) -> Record:
    """What is kept of whoever asked."""
    return {"principal": author.principal, "roles": sorted(author.roles), "tenant": author.tenant}


def ended_record(ended: Ended | None) -> Record | None:
    """What is kept of an end."""
    return None if ended is None else {"ts": ended.ts, "by": ended.by, "reason": ended.reason}
