"""Commands to copy and paste, for whoever wants to try things while the demonstration stays up."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import tools
from .hour import ON, SKIP
from .scenes import ORDERS
from .teams import ADA, DANA, PAUL, Person
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
    """Write scripts that run Kafka's own tools, for those who have no Kafka at hand, and the command. Return where."""
    folder = world.kordon.folder / "bin"
    folder.mkdir(exist_ok=True)
    for name in TOOLS:
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(tools.command(name))} "$@"\n')
        script.chmod(0o755)
    own = folder / "kordon"
    command = f'KORDON_URL={world.kordon.api} exec {shlex.quote(sys.executable)} -m kordon_proxy "$@"'
    own.write_text(f"#!/bin/sh\n{command}\n")
    own.chmod(0o755)
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
    grant = f"grant devs GROUP_EDIT --on {ON} --for 5m --reason 'to try it'"
    told = "let devs do it for five minutes: it holds at once, also on open connections"
    yield Hint(purpose=told, command=_own(ADA, grant))
    yield Hint(purpose="skip a record: done", command=_kafka(world, DANA, SKIP))
    yield Hint(purpose="what is granted", command=_own(DANA, "grants"))
    yield Hint(purpose="look at a record", command=_own(DANA, "inspect tx_trade1 --partition 3 --offset 4 --count 1"))
    yield Hint(purpose="the listener without a login, where everybody is svc-market", command=_python(world))
    yield Hint(purpose="who did what to the group", command=_own(ADA, "audit --what trade_b2"))
    yield Hint(purpose="the audit events", command="tail -n 3 audit/*.jsonl")
    yield Hint(purpose="the metrics", command=f"curl -s {world.kordon.admin}/metrics | grep ^kordon_")


def _kafka(world: World, person: Person, line: str) -> str:
    name, words = line.split(" ", 1)
    own = next(filter(shutil.which, (f"{name}.sh", name)), f"bin/{name}")
    login = world.login_file(person).name
    return f"{own} --bootstrap-server {world.address} --command-config {login} {words}"


def _own(person: Person, line: str) -> str:
    """The `kordon` command as a person."""
    return f"KORDON_TOKEN_FILE={person.name}.token bin/kordon {line}"


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
