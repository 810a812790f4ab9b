"""`kordon demo`: a real Kafka, a real Kordon, and what they do together.

It shows a few scenes and stays for whoever wants to try things, until Ctrl-C. However it ends, nothing is left behind.
"""

import asyncio
import signal
import sys
import time
from types import FrameType
from typing import Final, NoReturn

from aiokafka.errors import KafkaError

from . import handout, journal
from .kordon import KordonFailed
from .node import KafkaFailed
from .prepare import prepare
from .prerequisites import MissingPrerequisite
from .scenes import SCENES
from .show import NotShown, Show
from .world import World, a_world

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at the audit log."""
INTERRUPTED: Final = 130
"""The exit code of what was ended by Ctrl-C before it was done."""


def main(*, once: bool = False) -> NoReturn:
    """Give the demonstration, and exit."""
    sys.exit(give(once=once))


def give(*, once: bool) -> int:
    """Give the demonstration, and stay until Ctrl-C unless it is to be given `once`.

    Returns the exit code: 0, 1 when something is not as it claims, 130 when it was interrupted before the end.
    """
    _listen_to_signals()
    show = Show()
    given = False
    try:
        with show.doing("Java and Apache Kafka are made ready"):
            prepare()
        with a_world(show.doing) as world:
            _play(world, show)
            given = True
            if not once:
                asyncio.run(stay(world, show))
    except KeyboardInterrupt:
        return 0 if given else INTERRUPTED
    except (NotShown, KafkaFailed, KordonFailed, KafkaError, MissingPrerequisite, TimeoutError, OSError) as why:
        show.failure(str(why) or "a client got no answer in time")
        return 1
    return 0


def _play(world: World, show: Show) -> None:
    start = time.monotonic()
    try:
        asyncio.run(_scenes(world, show))
    except Exception:
        show.aside("the last lines of Kordon's log", *world.kordon.log.splitlines()[-20:])
        raise
    show.console.print(f"\n  [dim]shown in {time.monotonic() - start:.0f} s")


async def _scenes(world: World, show: Show) -> None:
    for scene in SCENES:
        await scene(world, show)


async def stay(world: World, show: Show) -> None:
    """Hand commands out, and tell what they make happen, until cancelled.

    Raises KafkaFailed or KordonFailed when one of them ends by itself.
    """
    handout.write_tools(world)
    show.scene("Now you", f"Everything stays up until Ctrl-C. In another terminal: cd {world.kordon.folder}")
    for hint in handout.hints(world):
        show.hint(hint.purpose, hint.command)
    show.scene("What the audit log says meanwhile", "All but logins. Try something.")
    tail = journal.from_now_on(world)
    while True:
        for event in journal.new_events(tail):
            if not journal.is_login(event):
                show.event(journal.line(event))
        await asyncio.sleep(LOOK_EVERY)
        _check(world)


def _check(world: World) -> None:
    if any(node.pid is None for node in world.kafka.nodes.values()):
        raise KafkaFailed("Kafka has ended by itself")
    try:
        world.kordon.get("/livez")
    except OSError:
        raise KordonFailed(f"Kordon has ended by itself:\n{world.kordon.log}") from None


def _listen_to_signals() -> None:
    # A shell script that starts us in the background has Ctrl-C ignored; ending us has to work there too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a signal handler's signature)
    signal.raise_signal(signal.SIGINT)
