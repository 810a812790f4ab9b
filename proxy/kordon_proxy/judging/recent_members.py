"""What a connection remembers of the members of groups behind it: their heartbeats say only what has changed."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

MEMBERS: Final = 16
"""Members kept per connection; clients have one. The one that was used longest ago is forgotten first."""

Known = TypeVar("Known")


class RecentMembers(Generic[Known]):
    """By group and member id."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: OrderedDict[tuple[str, str], Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._members)

    def get(self, group: str, member: str) -> Known | None:
        found = self._members.get((group, member))
        if found is not None:
            self._members.move_to_end((group, member))
        return found

    def keep(self, group: str, member: str, known: Known) -> None:
        self._members[group, member] = known
        self._members.move_to_end((group, member))
        if len(self._members) > MEMBERS:
            self._members.popitem(last=False)

    def forget(self, group: str, member: str) -> None:
        self._members.pop((group, member), None)
