"""Why an address cannot be listened on, in words of ours: the event loop's own name neither listener nor key."""

import errno
import os
import socket
from typing import Final

from .config.addresses import Address
from .reasons import reason_of

_WHYS: Final = {errno.EADDRNOTAVAIL: "no interface of this machine has this address"}
_REMEDIES: Final = {
    errno.EADDRINUSE: "free the port, or change {key}",
    errno.EACCES: "take a port from 1024 on in {key}, or let Kordon have lower ones (CAP_NET_BIND_SERVICE)",
}


class CannotServe(Exception):
    """An address cannot be listened on. The message says for what, which one, why, and what to do.

    what: `listener apps`; key: what to change, in the words of `kordon.yaml`.
    """

    def __init__(self, what: str, address: Address, key: str, error: OSError) -> None:
        remedy = _REMEDIES.get(_number(error), "change {key}").format(key=key)
        super().__init__(f"cannot serve {what} on {address}: {_why(error)}; {remedy}")


def _number(error: OSError) -> int:
    """The number of the system's error; 0 where there is none, as for a name that nobody knows."""
    return 0 if isinstance(error, socket.gaierror) else error.errno or 0


def _why(error: OSError) -> str:
    # By number: asyncio puts addresses in its own notation into the text.
    number = _number(error)
    return _WHYS.get(number) or (os.strerror(number).lower() if number else reason_of(error))
