"""The parent and the other workers, as a worker sees them."""

from collections.abc import Mapping
from typing import Any

from kordon_proxy.config.addresses import Address

from .board import Board, Places
from .channel import Channel
from .job import FIRST


class Supervised:
    """A worker's place among the workers of one Kordon.

    number: which of them it is, counted from 1. instance: what it is called, through all its restarts.
    """

    def __init__(self, channel: Channel, board: Board, *, number: int, instance: str, restarts: int = 0) -> None:
        self._board = board
        self.number = number
        self.instance = instance
        self.process = f"{instance}.{restarts}" if restarts else instance
        """What this process of it is called, and no other: each numbers its connections from 1."""
        self._channel = channel

    @property
    def is_first(self) -> bool:
        """Whether it is the one that does what one of them has to do."""
        return self.number == FIRST

    def places(self, listener: int) -> Places:
        """How many connections the others have at a listener, by its place in the configuration."""
        return self._board.of(self.number, listener)

    def started(self) -> None:
        """Everything is open that opens at the start."""
        self._channel.tell("started")

    async def hold(self, address: Address) -> None:
        """Have the port for the workers of this Kordon. Raises OSError where somebody else has it."""
        refused = await self._channel.ask("hold", host=address.host, port=address.port)
        if refused is not None:
            raise OSError(*refused)

    def files_changed(self) -> None:
        """Have the others look at the files at once."""
        self._channel.tell("files_changed", worker=self.number)

    def seen(self, cluster: str, group: str | None) -> None:
        """Have the others look at a group of a cluster, or, with None, at its topics."""
        self._channel.tell("seen", worker=self.number, cluster=cluster, group=group)

    async def status(self) -> dict[str, Any]:
        """What the whole is and how it is, and each worker by itself. Raises ChannelClosed."""
        status: dict[str, Any] = await self._channel.ask("status")
        return status

    async def connections(self) -> Mapping[str, int]:
        """How many connections each principal has at all workers. Raises ChannelClosed."""
        connections: dict[str, int] = await self._channel.ask("connections")
        return connections

    async def reload(self) -> list[dict[str, Any]]:
        """Have all workers look at the files now, and return what each says of it. Raises ChannelClosed."""
        reloaded: list[dict[str, Any]] = await self._channel.ask("reload")
        return reloaded
