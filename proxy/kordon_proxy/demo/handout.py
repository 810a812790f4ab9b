"""Commands to copy and paste, for whoever wants to try things while the demonstration stays up."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import tools
from .scenes import ORDERS, SKIP
from .teams import DANA, PAUL, Person
from .world import World

TOOLS: Final = (
    "kafka-cluster",
    "kafka-configs",
    "kafka-console-consumer",
    "kafka-console-producer",
    "kafka-consumer-groups",
    "kafka-get-offsets",
    "kafka-topics",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A command, and what it is for. It is meant for a shell in Kordon's folder."""

    purpose: str
    command: str


def write_tools(world: World) -> Path:
    """Write scripts that run Kafka's own tools, for those who have no Kafka at hand, and return where."""
    folder = world.kordon.folder / "bin"
    folder.mkdir(exist_ok=True)
    for name in TOOLS:
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(tools.command(name))} "$@"\n')
        script.chmod(0o755)
    return folder


def hints(world: World) -> Iterator[Hint]:
    """Give the commands, those with kcat only where it is."""
    topics = "kafka-topics --list"
    yield Hint(purpose="what dana sees", command=_kafka(world, DANA, topics))
    yield Hint(purpose="what paul sees", command=_kafka(world, PAUL, topics))
    if kcat := shutil.which("kcat") or shutil.which("kafkacat"):
        yield Hint(purpose="the same by kcat", command=f"{kcat} -b {world.address} {_kcat_login(DANA)} -L")
    consumer = f"kafka-console-consumer --topic {ORDERS} --group trade_mine --from-beginning --max-messages 3"
    yield Hint(purpose="read as a member of a group", command=_kafka(world, DANA, consumer))
    yield Hint(purpose="skip a record: refused", command=_kafka(world, DANA, SKIP))
    yield Hint(purpose="let devs do it: a second later it holds, also on open connections", command=_ALLOW)
    yield Hint(purpose="skip a record: done", command=_kafka(world, DANA, SKIP))
    yield Hint(purpose="the listener without a login, where everybody is svc-market", command=_python(world))
    yield Hint(purpose="the audit events", command="tail -n 3 audit/*.jsonl")
    yield Hint(purpose="the metrics", command=f"curl -s {world.kordon.admin}/metrics | grep ^kordon_")


# With a suffix, as BSD's sed wants one. It finds the rule by its resource, whatever lines are added above.
_ALLOW: Final = (
    """sed -i.before '/^  - resource: .*"trade_\\*"/,/actions:/ s/GROUP_CONSUME/GROUP_CONSUME, GROUP_EDIT/' rbac.yaml"""
)


def _kafka(world: World, person: Person, line: str) -> str:
    name, words = line.split(" ", 1)
    own = next(filter(shutil.which, (f"{name}.sh", name)), f"bin/{name}")
    login = world.login_file(person).name
    return f"{own} --bootstrap-server {world.address} --command-config {login} {words}"


def _kcat_login(person: Person) -> str:
    told = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": person.name,
        "sasl.password": person.password,
    }
    return " ".join(f"-X {name}={value}" for name, value in told.items())


def _python(world: World) -> str:
    return f"""{sys.executable} -c "
import asyncio, aiokafka
async def main():
    told = dict(bootstrap_servers='{world.open_address}', auto_offset_reset='earliest')
    async with aiokafka.AIOKafkaConsumer('md_prices', **told) as client:
        print(sorted(await client.topics()), await client.getone())
asyncio.run(main())\""""
