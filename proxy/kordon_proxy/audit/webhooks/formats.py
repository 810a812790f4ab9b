"""The bodies that receivers understand."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from kordon_proxy.audit.tail import Line
from kordon_proxy.clock import wall_ms
from kordon_proxy.config.webhooks import Webhook
from kordon_proxy.secrets import Secret

from . import slack, teams

SIGNATURE: Final = "Kordon-Signature"
_MOST_BYTES: Final = 1_000_000
"""Of one post, unless a single event has more. Receivers commonly take a megabyte."""
_IN_A_MESSAGE: Final = 15
"""Events of which one message tells: more, and nobody reads it."""
_MESSAGE_BYTES: Final = 12_000
"""Slack takes some 16,000 and Teams 28,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One post, which tells of the first `count` lines that it was made of."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    count: int


class Format(Protocol):
    """How a provider wants to be told."""

    most: int
    """Events in one post."""
    spacing: float
    """Seconds between two posts: more of them are not taken."""

    def compose(self, lines: Sequence[Line]) -> Post:
        """Return a post of one line or more."""


def format_of(webhook: Webhook) -> Format:
    """Return how this webhook wants to be told."""
    match webhook.provider:
        case "slack":
            return Chat(slack.message)
        case "teams":
            return Chat(teams.message)
        case "generic":
            return CloudEvents(webhook.batch, webhook.secret)


class Chat:
    """A message for people in a channel. `message`: events -> what the chat takes as JSON."""

    most = _IN_A_MESSAGE
    spacing = 1.0  # Slack takes one a second, Teams a few

    def __init__(self, message: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Any]]) -> None:
        self._message = message

    def compose(self, lines: Sequence[Line]) -> Post:
        """Return a message about as many of the events as one has room for."""
        events = [json.loads(line.text) for line in lines]
        while True:
            body = json.dumps(self._message(events), separators=(",", ":")).encode("ascii")
            if len(body) <= _MESSAGE_BYTES or len(events) == 1:
                return Post(body=body, headers={"content-type": "application/json"}, count=len(events))
            events = events[: (len(events) + 1) // 2]


class CloudEvents:
    """Events as they stand in the journal: in a list (batched mode), or with `most` 1 each by itself (structured mode).

    They are signed where there is a secret.
    """

    spacing = 0.0

    def __init__(self, most: int, secret: Secret | None) -> None:
        self.most = most
        self._secret = secret

    def compose(self, lines: Sequence[Line]) -> Post:
        """Return a post of as many of the lines as are no larger together than a megabyte."""
        texts = [lines[0].text]
        size = len(lines[0].text)
        for line in lines[1:]:
            size += len(line.text) + 1
            if size > _MOST_BYTES:
                break
            texts.append(line.text)
        if self.most == 1:
            body, mode = texts[0], "cloudevents"
        else:
            body, mode = b"[" + b",".join(texts) + b"]", "cloudevents-batch"
        headers = {"content-type": f"application/{mode}+json; charset=UTF-8"}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, body, wall_ms() // 1000)
        return Post(body=body, headers=headers, count=len(texts))


def signature(secret: Secret, body: bytes, seconds: int) -> str:
    """Return the header's value: when it was signed, and HMAC-SHA256 of that time, a dot and the body.

    The time is in it so that who overhears a post cannot send it again another day.
    """
    signed = hmac.new(secret.reveal().encode(), b"%d." % seconds + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"
