"""The scenes of the demonstration, in their order. Each shows something with real clients, and claims what it shows."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from rich.text import Text

from . import clients, console, hour, journal
from .console import gist, side_by_side
from .show import Show
from .teams import DANA, PARTITIONS, PAUL, PEOPLE, RECORDS, STUCK_GROUP, TEAMS, Person
from .world import World

LOOKS: Final = (
    "kafka-topics --list",
    "kafka-consumer-groups --list",
    "kafka-cluster cluster-id",
    "kafka-cluster list-endpoints",
)
ORDERS: Final = "tx_orders"
BLOTTER: Final = "trade_blotter"
"""A group that dana's consumer makes."""
METRICS: Final = "^kordon_(logins|decisions|audit_events)_total|^kordon_requests_total.*OffsetCommit"


async def one_cluster(world: World, show: Show) -> None:
    """What there is, without Kordon."""
    show.scene(
        "One Kafka, three teams",
        f"Apache Kafka listens at {world.kafka.bootstrap}. Nobody but Kordon needs to know. It holds:",
    )
    rows = [
        (
            team.name,
            "\n".join(team.topics),
            "\n".join(f"{group} reads {', '.join(topics)}" for group, topics in team.groups.items()),
        )
        for team in TEAMS
    ]
    show.table(("team", f"topics ({PARTITIONS * RECORDS} records each)", "groups"), rows)
    show.say(
        f"Kordon listens at {world.address}. By its policy, {world.kordon.policy_file}, dana is a developer of "
        "Trading, paul is of Payments, and ada owns the cluster. They use Kafka's own tools, and change nothing but "
        "the address."
    )


async def what_each_sees(world: World, show: Show) -> None:
    """The same commands as two principals of two tenants and as an admin."""
    show.scene("The same commands, side by side")
    topics, groups, ids, brokers = [await _seen_by_each(world, show, line) for line in LOOKS]
    shown: tuple[Sequence[str | Text], ...] = (
        [_marked(person, listed) for person, listed in zip(PEOPLE, topics, strict=True)],
        ["\n".join(sorted(listed.split())) for listed in groups],
        [text.removeprefix("Cluster ID: ") for text in ids],
        ["\n".join(_brokers(text)) for text in brokers],
    )
    rows = [(line, *cells) for line, cells in zip(LOOKS, shown, strict=True)]
    show.table(("", *(f"{person.name} ({person.role})\ntenant {person.tenant}" for person in PEOPLE)), rows)
    for person, listed_topics, listed_groups in zip(PEOPLE, topics, groups, strict=True):
        expected = (person.topics, person.groups)
        got = (set(listed_topics.split()), set(listed_groups.split()))
        show.claim(_sight(person), got == expected, got)
    real = world.kafka.cluster_id
    show.claim("each tenant is a cluster with an id of its own, and none is Kafka's", _differ(real, ids), (real, ids))
    here = {broker for text in brokers for broker in _brokers(text)}
    own = {f"1 at {_next(world.address)}"}
    show.claim("the only broker's address that anybody gets is Kordon's", here == own, here)


async def _seen_by_each(world: World, show: Show, line: str) -> list[str]:
    with show.waiting(f"{line}, three times"):
        return [gist(finished) for finished in await side_by_side(world, *((person, line) for person in PEOPLE))]


async def at_work(world: World, show: Show) -> None:
    """One produce and one consume through the tenant."""
    show.scene(
        "Work goes on as before", f"dana produces to {ORDERS} and consumes it as the group {BLOTTER}, through Kordon."
    )
    orders = [f'{{"buy": {number}}}'.encode() for number in (100, 250, 75)]
    places = await clients.produce(world, DANA, ORDERS, orders)
    read = await clients.consume(world, DANA, ORDERS, BLOTTER, places)
    kept = await clients.read_directly(world, ORDERS, places)
    rows = [(f"{ORDERS}-{p}", str(at), value.decode()) for (p, at), value in sorted(read.items())]
    show.table(("partition", "offset", "record"), rows)
    show.claim("what dana produced, dana's group has read", sorted(read.values()) == sorted(orders), read)
    show.claim(
        "asked directly, Kafka has the same under the same name and offsets: nothing is renamed", kept == read, kept
    )


async def a_foreign_name(world: World, show: Show) -> None:
    """Naming a topic or a group of another tenant is naming a missing one."""
    show.scene(
        "What is outside the tenant does not exist", "paul asks for things of Trading, and for things that nobody has."
    )
    rows, same = [], True
    for line, names in (
        ("kafka-topics --describe --topic", ("tx_trade1", "tx_nothing")),
        ("kafka-consumer-groups --describe --group", (STUCK_GROUP, "trade_zz")),
    ):
        with show.waiting(line):
            foreign, missing = await side_by_side(world, *((PAUL, f"{line} {name}") for name in names))
        rows.append((line, f"{names[0]}\n[dim]{gist(foreign)}", f"{names[1]}\n[dim]{gist(missing)}"))
        same = same and console.alike(foreign, missing, names)
    show.table(("paul", "is there, for others", "is not there"), rows)
    show.claim("nothing in the answers, to the last line of the stack traces, tells one from the other", same, rows)


async def audited(world: World, show: Show) -> None:
    """The events that all this made."""
    show.scene(
        "Who did what",
        "Reads and produces are counted; changes and refusals are on disk before the client has its answer.",
    )
    for action in ("TOPIC_INSPECT", "TOPIC_PRODUCE"):
        await journal.find(world, partial(journal.is_count, person=DANA, action=action, topic=ORDERS))
    events = journal.read(world)
    show.table(journal.COLUMNS, journal.rows(events))
    logins = sum(map(journal.is_login, events))
    show.say(
        f"There are {logins} logins too. The journal is JSON lines, each a CloudEvent, in {world.kordon.folder}/audit"
    )
    both = any(map(journal.is_refused_skip, events)) and any(map(journal.is_done_skip, events))
    show.claim("the refused try and the skip are both there, each with its reason and its outcome", both, events)


async def counted(world: World, show: Show) -> None:
    """The metrics page's first lines."""
    show.scene("Numbers for Prometheus")
    status, page = world.kordon.get("/metrics")
    lines = [line for line in page.splitlines() if re.search(METRICS, line)]
    show.command("operator", f"curl -s {world.kordon.admin}/metrics | grep -E '{METRICS}'", "\n".join(lines))
    answered = 'kordon_requests_total{api="OffsetCommit",tenant="Trading",verdict="answered"} 2.0'
    show.claim("dana's refused commits are counted", status == 200 and answered in lines, lines)


SCENES: Final = (one_cluster, what_each_sees, at_work, a_foreign_name, *hour.SCENES, audited, counted)


# ---- small texts


def _sight(person: Person) -> str:
    match person.tenant:
        case "Trading":
            return f"dana sees what is Trading's and not internal, and md_prices, because {STUCK_GROUP} reads it"
        case "Payments":
            return "paul sees what is Payments'"
        case _:
            return "ada sees what all of them have"


def _marked(person: Person, listed: str) -> Text:
    """The topics, those that are there because a group reads them marked as such."""
    text = Text()
    for topic in listed.split():
        text.append(f"{topic}\n" if topic not in person.inferred else f"{topic} (inferred)\n")
    text.rstrip()
    return text


def _brokers(endpoints: str) -> list[str]:
    """`1 at 127.0.0.1:19094` for each line of `kafka-cluster list-endpoints`."""
    found = re.findall(r"^(\d+) +(\S+) +(\d+) .* broker\b", endpoints, re.MULTILINE)
    return [f"{broker_id} at {host}:{port}" for broker_id, host, port in found]


def _next(address: str) -> str:
    """Where broker 1 is: the port of broker 0 is the one after the listener's own."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + 2}"


def _differ(real: str, told: list[str]) -> bool:
    return len({real, *(text.removeprefix("Cluster ID: ") for text in told)}) == 1 + len(told)
