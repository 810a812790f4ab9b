"""A webhook as a sink of the audit.

Whatever a receiver says that may pass (nothing, 5xx, 408, 425, 429) is waited out. What it rejects (3xx, and all other
4xx) is tried again a few times, as people mend addresses and proxies answer for others; then that event is given up, so
that one event that a receiver cannot read does not keep it from all others. A post of several that is rejected is sent
in posts of one, to find out which it is.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from kordon_proxy.audit.forward import NeverTaken
from kordon_proxy.audit.tail import Line
from kordon_proxy.config.webhooks import Webhook

from .formats import format_of
from .post import Receiver, Rejected
from .wanted import wanted

TRIES: Final = 5
"""Rejections of one event after which it is given up."""


class WebhookSink:
    """Posts events to one address. `spacing`: seconds between two posts, where the provider's own are too many."""

    def __init__(self, webhook: Webhook, *, spacing: float | None = None) -> None:
        self.name = f"webhook-{webhook.name}"
        self.wants = wanted(webhook)
        self._format = format_of(webhook)
        self._receiver = Receiver(webhook)
        self._spacing = self._format.spacing if spacing is None else spacing
        self._next = 0.0
        self._most = self._format.most
        self._rejected = 0
        """Number of the event that was rejected last."""
        self._rejections = 0

    async def deliver(self, lines: Sequence[Line]) -> int:
        """Post some of the lines; return of how many the receiver knows now.

        Raises NeverTaken, NotNow, NotPosted, Rejected.
        """
        await asyncio.sleep(self._next - time.monotonic())
        post = await asyncio.to_thread(self._format.compose, lines[: self._most])  # an event may be large
        try:
            await self._receiver.post(post.body, post.headers)
        except Rejected as rejection:
            self._note_rejection(lines[0].sequence, alone=post.count == 1)
            if self._rejections < TRIES:
                raise
            raise NeverTaken(str(rejection)) from None
        finally:
            self._next = time.monotonic() + self._spacing
        self._most = min(self._format.most, 2 * self._most)
        return post.count

    async def close(self) -> None:
        """End the connections."""
        await self._receiver.close()

    def _note_rejection(self, number: int, *, alone: bool) -> None:
        self._most = 1
        if number != self._rejected or not alone:
            self._rejected, self._rejections = number, 0
        self._rejections += alone
