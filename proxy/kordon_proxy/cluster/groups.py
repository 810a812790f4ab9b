"""Keep what is inferred up to date: all wanted groups now and then, single ones soon after something was seen."""

import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from .bell import Bell
from .inference import INTERNAL
from .picture import Inferred, Picture
from .survey import Survey

log = structlog.get_logger()

SPACING: Final = 1.0
"""Seconds between two looks that hints have caused."""
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
        self._hinted: set[str] = set()
        self._all_hinted = False

    def hint(self, group: str, topics: Iterable[str]) -> None:
        """A group may consume from other topics now; unless they are all inferred already, look soon."""
        if not self._survey.wanted(group):
            return
        named = frozenset(topics)
        known = self._survey.inferred.get(group, frozenset())
        if named and all(topic in known or topic.startswith(INTERNAL) for topic in named):
            return
        if len(self._hinted) < MOST_HINTS:
            self._hinted.add(group)
            self._bell.ring()
        else:
            self.hint_all()

    def hint_all(self) -> None:
        """Other groups may be wanted now."""
        self._all_hinted = True
        self._bell.ring()

    async def run(self) -> None:
        """Look until cancelled."""
        due = time.monotonic()
        while True:
            hinted, self._hinted = self._hinted, set()
            try:
                if self._all_hinted or time.monotonic() >= due:
                    self._all_hinted = False
                    due = time.monotonic() + self._every
                    await self._look_at_all()
                elif hinted:
                    self._publish(await self._survey.look_at(hinted, self._picture().brokers))
            except Exception:
                # A mistake of ours in reading one answer must not end inference for good.
                log.exception("inference_failed")
            await self._bell.wait(due - time.monotonic())

    async def _look_at_all(self) -> None:
        brokers = self._picture().brokers
        self._publish(await self._survey.look_at_all(brokers))
        self.surveyed = self.surveyed or len(self._survey.silent) < len(brokers)
