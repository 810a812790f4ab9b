"""Where clients find each broker: one port of Kordon's per broker id. Broker ids stay Kafka's own.

A bijection by arithmetic, not by allocation: every worker and every replica with the same configuration gives the same
port to the same broker, with no state to share, and a broker that joins has its port before anybody saw it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HIGHEST_PORT: Final = 65_535

Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class NoPortLeft:
    """A broker to which no port belongs: clients cannot reach it until the range of ids is widened."""

    broker_id: int
    ids: range

    def __str__(self) -> str:
        return (
            f"broker {self.broker_id} has no port: this listener has ports for the ids {_span(self.ids)}; "
            f"widen the range of ids in its ports"
        )


@dataclass(frozen=True, slots=True)
class AddressMap:
    """The ports of one listener: `bootstrap` for whoever asks for any broker, `base` + id for each broker.

    Raises ValueError for ports that do not exist, and for a bootstrap port that is also a broker's.
    """

    host: str
    """What clients are told; not necessarily what is bound."""
    bootstrap: int
    base: int
    ids: range

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("the advertised host is empty, so no client could connect")
        if not self.ids or self.ids.step != 1 or self.ids.start < 0:
            raise ValueError(f"broker ids are a range of consecutive numbers from 0 up, not {_span(self.ids)}")
        if not 1 <= self.bootstrap <= HIGHEST_PORT:
            raise ValueError(f"port {self.bootstrap} does not exist: ports are 1 to {HIGHEST_PORT}")
        ports = self.broker_ports
        if not (ports.start >= 1 and ports[-1] <= HIGHEST_PORT):
            raise ValueError(
                f"the ids {_span(self.ids)} on the base {self.base} need the ports {_span(ports)}: "
                f"ports are 1 to {HIGHEST_PORT}"
            )
        if self.bootstrap in ports:
            raise ValueError(
                f"port {self.bootstrap} is for bootstrapping and also the port of broker {self.bootstrap - self.base}: "
                f"move the base or narrow the ids"
            )

    @property
    def broker_ports(self) -> range:
        """All ports that brokers of the range have or would have."""
        return range(self.base + self.ids.start, self.base + self.ids.stop)

    def address(self, broker_id: int) -> Address | NoPortLeft:
        """Where clients find this broker."""
        if broker_id in self.ids:
            return self.host, self.base + broker_id
        return NoPortLeft(broker_id, self.ids)

    def broker_at(self, port: int) -> int | None:
        """The broker whom this port stands for; None for every other port, the bootstrap port included."""
        broker_id = port - self.base
        return broker_id if broker_id in self.ids else None

    def ports(self, brokers: Iterable[int]) -> dict[int, int]:
        """Port to broker id, for those that have a port, by rising port."""
        return {self.base + broker_id: broker_id for broker_id in sorted(brokers) if broker_id in self.ids}

    def left_out(self, brokers: Iterable[int]) -> tuple[NoPortLeft, ...]:
        """The brokers without a port, by id: an error that readiness and the log have to show."""
        return tuple(NoPortLeft(broker_id, self.ids) for broker_id in sorted(brokers) if broker_id not in self.ids)


def overlaps(listeners: Sequence[tuple[str, AddressMap]]) -> tuple[str, ...]:
    """Say what two named listeners of one process would both have to bind, a sentence for each pair of them."""
    return tuple(
        f"listeners {name} and {other_name} both need port {min(shared)}"
        for place, (name, listener) in enumerate(listeners)
        for other_name, other in listeners[place + 1 :]
        if (shared := _all_ports(listener) & _all_ports(other))
    )


def _all_ports(listener: AddressMap) -> set[int]:
    return {listener.bootstrap, *listener.broker_ports}


def _span(numbers: range) -> str:
    return f"{numbers.start}-{numbers.stop - 1}"
