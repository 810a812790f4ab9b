"""Keep what is inferred up to date: all wanted groups now and then, single ones soon after something was seen."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from .bell import Bell
from .inference import INTERNAL
from .picture import Inferred, Picture
from .survey import Survey

log = structlog.get_logger()

SPACING: Final = 1.0
"""Seconds between two looks that hints have caused."""
TRIES: Final = 5
"""How often a group is asked about of which nobody can tell now, or less is told than before. Then it has to wait for
the next look at all groups."""
MOST_HINTS: Final = 1_000
"""Groups that may wait to be looked at one by one. Clients choose names, so beyond it all groups are looked at."""


class GroupWatch:
    """Runs a survey every `every` seconds and on hints, and hands what it knows to `publish`.

    picture: gives the newest picture, which names the brokers to ask.
    """

    def __init__(
        self,
        survey: Survey,
        *,
        every: float,
        picture: Callable[[], Picture],
        publish: Callable[[Inferred], None],
    ) -> None:
        self.surveyed = False
        """Whether all groups were looked at and at least one broker told something."""
        self._survey = survey
        self._every = every
        self._picture = picture
        self._publish = publish
        self._bell = Bell(SPACING)
        self._hinted: dict[str, int] = {}
        """Groups to look at, and how many tries are left."""
        self._all_hinted = False

    def hint(self, group: str, topics: Iterable[str]) -> bool:
        """A group may consume from other topics now; unless they are all inferred already, look soon. Says whether it
        is going to."""
        if not self._survey.wanted(group):
            return False
        named = frozenset(topics)
        known = self._survey.inferred.get(group, frozenset())
        if named and all(topic in known or topic.startswith(INTERNAL) for topic in named):
            return False
        if len(self._hinted) < MOST_HINTS:
            self._hinted[group] = TRIES
            self._bell.ring()
        else:
            self.hint_all()
        return True

    def hint_all(self) -> None:
        """Other groups may be wanted now."""
        self._all_hinted = True
        self._bell.ring()

    async def run(self) -> None:
        """Look until cancelled."""
        due = time.monotonic()
        while True:
            hinted, self._hinted = self._hinted, {}
            try:
                if self._all_hinted or time.monotonic() >= due:
                    self._all_hinted = False
                    due = time.monotonic() + self._every
                    await self._look_at_all()
                elif hinted:
                    await self._look_at(hinted)
            except Exception:
                # A mistake of ours in reading one answer must not end inference for good.
                log.exception("inference_failed")
            await self._bell.wait(due - time.monotonic())

    async def _look_at_all(self) -> None:
        brokers = self._picture().brokers
        self._ask_again(dict.fromkeys(await self._survey.look_at_all(brokers), TRIES))
        self.surveyed = self.surveyed or len(self._survey.silent) < len(brokers)
        self._publish(self._survey.inferred)

    async def _look_at(self, hinted: Mapping[str, int]) -> None:
        again = await self._survey.look_at(hinted, self._picture().brokers)
        self._ask_again({group: hinted.get(group, TRIES) - 1 for group in again})
        self._publish(self._survey.inferred)

    def _ask_again(self, groups: Mapping[str, int]) -> None:
        left = {group: tries for group, tries in groups.items() if tries > 0}
        if left:
            self._hinted = left | self._hinted  # a newer hint counts
            self._bell.ring()
