"""The hour: a record stops a group, somebody on call is given the right to skip it, and the right ends by itself."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Final

from . import clients, console, journal
from .console import gist
from .service import Service, a_service
from .show import NotShown, Show
from .teams import ADA, DANA, RECORDS, STUCK, STUCK_AT, STUCK_GROUP, Person
from .world import World

SECONDS: Final = 20
"""What is an hour elsewhere."""
SKIP: Final = (
    f"kafka-consumer-groups --group {STUCK_GROUP} --topic {STUCK.topic}:{STUCK.partition}"
    " --reset-offsets --shift-by 1 --execute"
)
ON: Final = f"cluster/prod/group/{STUCK_GROUP}"
_PATIENCE: Final = 30.0


async def stuck(world: World, show: Show) -> None:
    """A real consumer is really stuck, and who is on call looks at what stops it."""
    show.scene(
        "A poison message",
        f"dana's service reads {STUCK.topic} as the group {STUCK_GROUP}. It stops at a record that is no trade, is "
        "started again, and stops again.",
    )
    async with a_service(world, DANA, STUCK.topic, STUCK_GROUP) as service:
        with show.waiting("the service runs"):
            await _until(lambda: len(service.failures) >= 2, "the service is not stuck")
    places = {(place, offset) for place, offset, _ in service.failures}
    show.table(
        ("the service's log", ""),
        [(f"{place.topic}-{place.partition} at {offset}", told) for place, offset, told in service.failures[:2]],
    )
    show.claim("it has failed twice at the same record, and read nothing behind it", _is_stuck(service), places)
    inspect = f"kordon inspect {STUCK.topic} --partition {STUCK.partition} --offset {STUCK_AT} --count 1"
    looked = await _kordon(world, show, DANA, inspect)
    show.claim("Kordon shows dana the record, and joins no group for it", "not a trade" not in looked, looked)


async def refused(world: World, show: Show) -> None:
    """Nothing lets devs move offsets, and the reason is said."""
    show.scene(
        "Refused, for a reason",
        "dana scales the service down and wants to skip the record with Kafka's own tool. No policy lets devs move "
        "offsets.",
    )
    output = await _skip(world, show, good=False)
    at = await clients.committed(world, STUCK_GROUP, STUCK)
    denied = "GroupAuthorizationException" in output
    show.claim(f"dana is told GROUP_AUTHORIZATION_FAILED, and {STUCK_GROUP} stays at {at}", denied, output)
    denial = await journal.find(world, journal.is_refused_skip)
    show.gap()
    show.say("The reason is in the audit log, with all it takes to understand it a year later:")
    show.table(("", "the event of dana's refusal"), journal.details(denial))
    reason = denial["data"]["why"]["reason"]
    show.claim("the audit event names the action that was missing", "GROUP_EDIT" in reason, reason)


async def granted(world: World, show: Show) -> None:
    """An owner grants the right for a time; the team is told; the tool works; the service goes on."""
    show.scene(
        "The right, for an hour",
        f"ada owns the cluster. She may move offsets herself, so she may let devs do it for a time: an hour, which is "
        f"{SECONDS} s here. No connection is dropped, and nothing restarts.",
    )
    grant = f"kordon grant devs GROUP_EDIT --on {ON} --for {SECONDS}s --reason 'a poison message' --ticket OPS-123"
    since = time.monotonic()
    await _kordon(world, show, ADA, grant)
    with show.waiting("the channel is told"):
        await _until(lambda: _notices(world) != [], "the channel is not told")
    show.command("#trading", "a message of Kordon's webhook", _notices(world)[0])
    output = await _skip(world, show, good=True)
    took = time.monotonic() - since
    at = await clients.committed(world, STUCK_GROUP, STUCK)
    show.claim(f"now the same command works: {STUCK_GROUP} has moved to {at}", at == STUCK_AT + 1, (output, took))
    async with a_service(world, DANA, STUCK.topic, STUCK_GROUP) as service:
        with show.waiting("the service runs"):
            await _until(lambda: len(service.processed) >= RECORDS - STUCK_AT - 1, "the service does not go on")
    read = [f"{place.topic}-{place.partition} at {offset}" for place, offset in service.processed]
    show.claim(f"and the service goes on behind it: it has read {', '.join(read)}", not service.failures, service)


async def over(world: World, show: Show) -> None:
    """The right ends by itself."""
    show.scene("The hour ends", "Nobody has to remember.")
    with show.waiting("time goes by"):
        await journal.find(world, journal.is_expiry, patience=SECONDS + _PATIENCE)
    output = await _skip(world, show, good=False)
    denied = "GroupAuthorizationException" in output
    at = await clients.committed(world, STUCK_GROUP, STUCK)
    show.claim(f"dana is refused again, and {STUCK_GROUP} stays at {at}", denied and at == RECORDS, output)
    trail = f"kordon audit --config {world.kordon.config_file} --what {STUCK_GROUP} --output json"
    events = [json.loads(line) for line in (await _run(world, ADA, trail)).splitlines()]
    show.say("What an auditor reads of it:")
    show.table(journal.COLUMNS, journal.rows(event for event in events if journal.is_of_the_hour(event)))
    told = [journal.what_of_the_hour(event) for event in events if journal.is_of_the_hour(event)]
    show.claim(
        "the refused try, the grant, the skip with its old and new offset, and the expiry are all there",
        told == ["refused", "CREATED", "STARTED", f"{STUCK_AT} to {STUCK_AT + 1}", "EXPIRED", "refused"],
        told,
    )
    verified = await _kordon(world, show, ADA, f"kordon audit verify --config {world.kordon.config_file}")
    show.claim("and nobody has changed or deleted any of it since", bool(verified))


async def _skip(world: World, show: Show, *, good: bool) -> str:
    with show.waiting("dana runs kafka-consumer-groups"):
        finished = await console.run(world, DANA, SKIP)
    show.command(DANA.name, SKIP, gist(finished), good=good)
    return finished.output


async def _kordon(world: World, show: Show, person: Person, line: str) -> str:
    """Run the command as a person, and show what it says. Raises NotShown when it does not do it."""
    with show.waiting(f"{person.name} runs kordon"):
        said = await _run(world, person, line)
    show.command(person.name, line.replace(f" --config {world.kordon.config_file}", ""), said.strip())
    return said


async def _run(world: World, person: Person, line: str) -> str:
    words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", line)][1:]
    ran = await asyncio.to_thread(world.kordon.command, *words, by=person.name, columns=116)
    if ran.returncode:
        raise NotShown(f"`{line}` ends with {ran.returncode}: {ran.stdout}{ran.stderr}")
    return str(ran.stdout)


def _notices(world: World) -> list[str]:
    """What the channel was told of the grant. Refusals, which name the action too, may come before it or after it."""
    return [text for text in world.channel.texts if "granted" in text and "GROUP_EDIT" in text]


def _is_stuck(service: Service) -> bool:
    at_poison = all((place, offset) == (STUCK, STUCK_AT) for place, offset, _ in service.failures)
    return at_poison and not any(place == STUCK and offset > STUCK_AT for place, offset in service.processed)


async def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise NotShown(otherwise)
        await asyncio.sleep(0.05)


SCENES: Final = (stuck, refused, granted, over)
