"""Why a broker gave no answer to one of Kordon's own questions. Messages say which broker and what to look at."""


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
