"""Policies in little memory: a hundred thousand of them, of which a process looks at a few.

As values each is a dozen objects. All of them together are slow to bring from one process to another, to be walked
through by the garbage collector, and to be taken apart when the next file is in force; all of that holds up whoever
waits for an answer meanwhile.
"""

import pickle
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, overload

from kordon_policy.memo import Memo
from kordon_policy.model import Rule

_TOGETHER: Final = 8
"""Policies that are packed and unpacked together: one alone would have as much packing as contents."""
_KEPT: Final = 32
"""Packs that stay unpacked."""


class PackedRules(Sequence[Rule]):
    """Policies that are made anew when somebody looks at them, and so are compared by their `ref`."""

    __slots__ = ("_count", "_packs", "_unpacked")

    def __init__(self, rules: Sequence[Rule]) -> None:
        rest = iter(rules)
        packs = iter(lambda: tuple(islice(rest, _TOGETHER)), ())
        self._set((len(rules), tuple(pickle.dumps(pack, pickle.HIGHEST_PROTOCOL) for pack in packs)))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Rule: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Rule, ...]: ...
    def __getitem__(self, at: int | slice) -> Rule | tuple[Rule, ...]:
        if isinstance(at, slice):
            return tuple(self[one] for one in range(*at.indices(self._count)))
        pack, place = divmod(range(self._count)[at], _TOGETHER)
        return self._unpacked[pack][place]

    def __iter__(self) -> Iterator[Rule]:
        for pack in self._packs:
            yield from _unpack(pack)

    def __getstate__(self) -> tuple[int, tuple[bytes, ...]]:
        return self._count, self._packs

    def __setstate__(self, state: tuple[int, tuple[bytes, ...]]) -> None:
        self._set(state)

    def _set(self, state: tuple[int, tuple[bytes, ...]]) -> None:
        self._count, packs = state
        self._packs = packs
        self._unpacked: Memo[int, tuple[Rule, ...]] = Memo(lambda at: _unpack(packs[at]), bound=_KEPT)


def _unpack(pack: bytes) -> tuple[Rule, ...]:
    rules: tuple[Rule, ...] = pickle.loads(pack)  # noqa: S301 -- packed above, out of values of our own
    return rules
