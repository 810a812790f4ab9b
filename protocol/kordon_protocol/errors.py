"""What can be wrong with bytes from the other side. Nothing else comes out of this package, whatever the input.

All of it is the peer's fault; a mistake of our own (a message that cannot be encoded) is a plain `TypeError` or
`ValueError` and is not caught here.
"""


class ProtocolError(Exception):
    """The bytes of the peer break the Kafka protocol."""


class FrameTooLarge(ProtocolError):
    """A length prefix over the limit. It is raised before the body arrives, so a hostile length costs no memory."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"frame of {size} bytes, limit {limit}")
        self.size = size
        self.limit = limit


class FrameTooSmall(ProtocolError):
    """A length prefix that leaves no room for a header."""

    def __init__(self, size: int, least: int) -> None:
        super().__init__(f"frame of {size} bytes, a header takes at least {least}")
        self.size = size
        self.least = least


class MalformedHeader(ProtocolError):
    """A frame whose header cannot be read."""


class UnknownApi(ProtocolError):
    """A well-formed header with an API key for which there is no schema."""

    def __init__(self, api_key: int, api_version: int = -1, correlation_id: int = -1) -> None:
        super().__init__(f"unknown api key {api_key}, version {api_version}")
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id


class UnsupportedVersion(ProtocolError):
    """A known API key in a version for which there is no schema."""

    def __init__(self, api_key: int, api_version: int, correlation_id: int = -1) -> None:
        super().__init__(f"unsupported version {api_version} of api key {api_key}")
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id


class MalformedBody(ProtocolError):
    """A body that does not follow the schema of its API key and version."""
