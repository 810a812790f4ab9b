"""Logins whose outcome a test chooses, and brokers that want one."""

from typing import Final

from kordon_protocol.codec import request_frame, request_type
from kordon_protocol.frames import with_prefix
from kordon_protocol.keys import ApiKey
from kordon_proxy.identity.upstream import LoggedIn, LoginFailed
from tests.proxy.cluster.brokers import Broker, speaks

TOKEN: Final = request_frame(request_type(ApiKey.SASL_AUTHENTICATE, 2)(auth_bytes=b"token"), 7, "kordon")
CHALLENGE: Final = (7).to_bytes(4, "big") + b"challenge"


class Login:
    """Sends a token and takes the given steps, one for each challenge."""

    def __init__(self, *steps: bytes | LoggedIn | LoginFailed) -> None:
        self._steps = list(steps)

    def start(self) -> bytes:
        return TOKEN

    def feed(self, frame: bytes) -> bytes | LoggedIn | LoginFailed:
        assert frame == CHALLENGE
        return self._steps.pop(0)


def a_guarded_broker() -> Broker:
    return Broker({ApiKey.API_VERSIONS: speaks(), ApiKey.SASL_AUTHENTICATE: lambda _: with_prefix(CHALLENGE)})
