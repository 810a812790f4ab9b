"""Where a server is, and the broker ids for which a listener keeps ports."""

import ipaddress
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from .findings import Mistake
from .quantities import text_of

MAX_PORT: Final = 65535


class Address(NamedTuple):
    """A host (name, IPv4, or IPv6 without brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of this machine."""
        return self.host in {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not bound)


def parse_address(value: object) -> Address:
    """Return the address for `host:port` or `[ipv6]:port`."""
    if isinstance(value, Address):
        return value
    text = text_of(value)
    if "," in text:
        raise Mistake(f"`{text}` is no address", "several stand in a list, as in [kafka-0:9092, kafka-1:9092]")
    if "://" in text:
        raise Mistake(f"`{text}` is no address", "host:port alone, as in 127.0.0.1:9092")
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise Mistake(f"`{text}` is no address", "an IPv6 address stands in brackets, as in [::1]:9092")
    if not colon or not host or re.search(r"[\s/,\[\]]", host):
        raise Mistake(f"`{text}` is no address", "host:port, as in 127.0.0.1:9092")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= MAX_PORT):
        raise Mistake(f"`{port}` is no port", f"a number from 1 to {MAX_PORT}")
    return Address(host, int(port))


@dataclass(frozen=True, slots=True)
class BrokerIds:
    """The broker ids for which a listener keeps ports, as `0-63` or `0-2,100-102`."""

    ranges: tuple[range, ...]

    @property
    def highest(self) -> int:
        """The last of them."""
        return max(ids[-1] for ids in self.ranges)

    def __contains__(self, broker_id: int) -> bool:
        return any(broker_id in ids for ids in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for ids in self.ranges:
            yield from ids

    def __len__(self) -> int:
        return sum(len(ids) for ids in self.ranges)

    def __str__(self) -> str:
        return ",".join(str(ids[0]) if len(ids) == 1 else f"{ids[0]}-{ids[-1]}" for ids in self.ranges)


def parse_broker_ids(value: object) -> BrokerIds:
    """Return the ids for `0-63`, `7`, or several of these with commas."""
    if isinstance(value, BrokerIds):
        return value
    text = text_of(value)
    if not re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*", text.replace(" ", ""), re.ASCII):
        raise Mistake(f"`{text}` names no broker ids", 'as in "0-63" or "0-2,100-102"')
    ranges = []
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        ranges.append(range(int(first), int(last or first) + 1))
    ranges.sort(key=lambda ids: ids.start)
    if not all(ranges) or any(left.stop > right.start for left, right in itertools.pairwise(ranges)):
        raise Mistake(f"`{text}` has a range that is empty or names an id twice", "write each range once, low-high")
    return BrokerIds(tuple(ranges))
