"""The files that a running Kordon looks at again and again, the policy and who there is, and what is told of them."""

from typing import Final

import structlog

from kordon_policy.model import Effect

from .audit.event import KORDON, Event, EventType, What, Why, new_id
from .audit.log import AuditLog
from .clock import wall_ms
from .identity.directory import DirectoryFiles
from .metrics import Metrics
from .policies import Policies

log = structlog.get_logger()

EVERY: Final = 1.0
"""Seconds between two looks."""


class Reloading:
    """Takes over what has changed and is good, and tells audit, metrics and log of it and of what is not."""

    def __init__(self, policies: Policies, directory: DirectoryFiles, audit: AuditLog, metrics: Metrics) -> None:
        self._policies = policies
        self._directory = directory
        self._audit = audit
        self._metrics = metrics
        self._failures_shown = 0

    async def look(self) -> bool:
        """Look at the files now; whether they say something new."""
        is_new = await self._policies.reload()
        if is_new:
            self.record(None)
        if self._policies.failures > self._failures_shown:
            self.record(self._policies.last_failure)
        self._metrics.policy_reload_failures.inc(self._policies.failures - self._failures_shown)
        self._failures_shown = self._policies.failures
        return await self._look_at_people() or is_new

    def record(self, failure: str | None) -> None:
        """Write down which policy is in force from now on, or why a newer file is not."""
        self._audit.record(
            Event(
                id=new_id(),
                type=EventType.CONFIGURATION,
                time=wall_ms(),
                who=KORDON,
                what=What(action="LOAD_POLICY", parameters={"file": self._policies.path.name}),
                why=Why(
                    effect=Effect.ALLOW if failure is None else Effect.DENY,
                    epoch=self._policies.snapshot.epoch,
                    reason=failure or "the policy file is in force",
                ),
            )
        )

    async def _look_at_people(self) -> bool:
        """Look at the users, groups and tokens files now; whether they say something new."""
        revision, problems = self._directory.current.revision, self._directory.problems
        if not await self._directory.poll():
            return False
        for problem in self._directory.problems:
            if problem not in problems:
                self._metrics.users_reload_failures.inc()
                log.error("users_reload_failed", reason=problem)
        if self._directory.current.revision > revision:
            log.info("users_reloaded", revision=self._directory.current.revision)
            return True
        if len(self._directory.problems) < len(problems):
            log.info("users_restored", revision=revision)
        return False
