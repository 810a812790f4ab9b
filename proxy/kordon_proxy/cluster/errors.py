"""Why a broker gave no answer to one of Kordon's own questions. Messages say which broker and what to look at.

They are for the log. Where brokers really are, and as whom Kordon logs in there, is nothing that tenants are told.
"""

from typing import Final


class UpstreamError(Exception):
    """No usable answer came from a broker."""


class UpstreamUnavailable(UpstreamError):
    """Nobody is there: not resolved, refused, lost, or closed by us."""


class UpstreamTimeout(UpstreamUnavailable):
    """Nobody answered in time. Kafka's own clients take that for a lost connection too."""


class UpstreamLoginRefused(UpstreamError):
    """The broker does not take Kordon's own credentials."""


class UpstreamTooOld(UpstreamError):
    """The broker and Kordon have no version of an API in common."""


class UpstreamGarbled(UpstreamError):
    """The broker's bytes are no answer to what it was asked."""


class UpstreamRefused(UpstreamError):
    """The broker understood the question and answered the whole of it with an error code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


_TOLD: Final = (
    (UpstreamRefused, "a broker has refused what Kordon asked it for"),
    (UpstreamTimeout, "a broker has not answered in time"),
    (UpstreamUnavailable, "a broker cannot be reached"),
    (UpstreamLoginRefused, "a broker does not take Kordon's own login"),
    (UpstreamError, "a broker and Kordon do not understand each other"),
)


def told(error: UpstreamError) -> str:
    """Say it to whoever has asked, who may be of any tenant: a sentence without its end."""
    sentence = next(sentence for kind, sentence in _TOLD if isinstance(error, kind))
    return f"{sentence}; Kordon's log says which and why"
