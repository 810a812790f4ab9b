"""Kafka's own console tools, run side by side for several people, and ended when the one who asked is."""

import asyncio
import re
from typing import Final

from kordon_proxy.demo import tools
from kordon_proxy.demo.teams import Person
from kordon_proxy.demo.tools import Finished
from kordon_proxy.demo.world import World

_MOST_SECONDS: Final = 60
_NOISE: Final = re.compile(r"^\s+at |^\d\d:\d\d:\d\d\.\d+ |^WARNING: |^Caused by: |^java\.|^\s*$")
_CLOCK: Final = re.compile(r"\d\d:\d\d:\d\d\.\d{3}")


async def run(world: World, person: Person, line: str) -> Finished:
    """Run a tool as a person, at Kordon's address; `line` is what one would type: `kafka-topics --list`.

    Raises TimeoutError.
    """
    name, *words = line.split()
    where = ("--bootstrap-server", world.address, "--command-config", world.login_file(person))
    return await _run(tools.command(name, *words, *where))


async def side_by_side(world: World, *commands: tuple[Person, str]) -> list[Finished]:
    """Run several tools at the same time, each as a person. Raises TimeoutError."""
    # Unlike `gather`, a group waits until every tool has been ended when it is cancelled.
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(world, person, line)) for person, line in commands]
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]


def gist(finished: Finished) -> str:
    """Return what a tool told a person, without stack traces and log lines."""
    lines = [line for line in finished.output.splitlines() if not _NOISE.search(line)]
    return "\n".join(line.rstrip() for line in lines)


def alike(one: Finished, another: Finished, names: tuple[str, str]) -> bool:
    """Whether two tools said the same, to the last line of a stack trace, but for these two names."""
    first, second = (_CLOCK.sub("", finished.output) for finished in (one, another))
    return first.replace(names[0], names[1]) == second and one.code == another.code


async def _run(command: list[str]) -> Finished:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in a terminal is for Python, which ends the tool
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _MOST_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()  # to the end, or its pipes outlive the loop
    return Finished(code=process.returncode or 0, stdout=out.decode(), stderr=err.decode())
