"""The topic that a store is kept in: made so that it loses nothing, and not used where it would."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

log = structlog.get_logger()

SETTINGS: Final[Mapping[str, str]] = {
    "cleanup.policy": "compact",
    # Should somebody set another policy for a while, nothing is to be deleted by it.
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "unclean.leader.election.enable": "false",
    # No broker may choose a compression that takes a library to read.
    "compression.type": "producer",
    # Small files and early compaction: there is little in it, and all of it is read at each start.
    "segment.bytes": str(64 << 20),
    "segment.ms": str(86_400_000),
    "min.cleanable.dirty.ratio": "0.1",
    # Whoever follows the topic is never behind what is compacted, and whoever reads all of it gets all tombstones.
    "min.compaction.lag.ms": str(600_000),
    "delete.retention.ms": str(7 * 86_400_000),
}
"""What the topic is made with, besides min.insync.replicas."""
_AGAIN: Final = 0.1
"""Seconds until somebody is asked again who does not know of a new topic yet."""
_TIMES: Final = 50


class UnfitTopic(Exception):
    """The topic cannot hold a store; the text says why and what to do, after `cannot be used: `."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a store is. replication: for the topic when it is made."""

    topic: str
    cluster: str
    replication: int | Literal["default"] = "default"

    def __str__(self) -> str:
        return f"{self.topic} at {self.cluster}"


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replicas: int


async def prepare(place: Place, settings: Mapping[str, Any], *, make: bool) -> None:
    """Return when there is a topic that loses nothing; `make` one if there is none.

    settings: aiokafka's own. Raises UnfitTopic, and what Kafka or the network raised.
    """
    client, admin = AIOKafkaClient(**settings), AIOKafkaAdminClient(**settings)
    try:
        await client.bootstrap()
        await admin.start()
        found = await _find(client, place.topic)
        if found is None:
            if not make:
                raise UnfitTopic("the topic is not there any more, or Kordon's account may not see it")
            await _make(admin, place)
            found = await _found(client, place.topic)
        await _examine(admin, place, found)
    finally:
        await admin.close()
        await client.close()


async def _find(client: AIOKafkaClient, name: str) -> _Found | None:
    request = MetadataRequest([name], allow_auto_topic_creation=False)
    answer = await client.send(client.get_random_node(), request)
    (topic,) = answer.to_object()["topics"]
    return _Found(len(topic["partitions"]), len(topic["partitions"][0]["replicas"])) if topic["partitions"] else None


async def _found(client: AIOKafkaClient, name: str) -> _Found:
    """Find what was made just now, and is not known everywhere yet."""
    for _ in range(_TIMES):
        if (found := await _find(client, name)) is not None:
            return found
        await asyncio.sleep(_AGAIN)
    raise UnfitTopic("it exists, but Kordon's account may not see it, which takes the right DESCRIBE on it")


async def _make(admin: AIOKafkaAdminClient, place: Place) -> None:
    is_default = place.replication == "default"
    topic = NewTopic(
        place.topic,
        1,
        -1 if is_default else place.replication,
        replica_assignments={} if is_default else None,  # aiokafka takes -1 only beside this
        topic_configs={**SETTINGS, **await _min_insync(admin, place)},
    )
    answer = await admin.create_topics([topic])
    for _, code, *message in answer.topic_errors:
        error = for_code(code)
        if error is TopicAuthorizationFailedError:
            raise UnfitTopic(
                "there is no such topic that Kordon's account may see, and it may not create one; "
                f"give it the right to, or create the topic: {_command(place)}"
            )
        if error is TopicAlreadyExistsError:
            return
        if error is not NoError:
            raise UnfitTopic(f"the topic cannot be created: {' '.join(filter(None, message)) or error.message}")
    log.info("store_topic_created", topic=place.topic, cluster=place.cluster)


async def _min_insync(admin: AIOKafkaAdminClient, place: Place) -> Mapping[str, str]:
    """With three copies, what was acknowledged is on two. With fewer, one that is away must not stop everything."""
    replicas = place.replication
    if replicas == "default":
        (broker, *_) = (await admin.describe_cluster())["brokers"]
        resource = ConfigResource(ConfigResourceType.BROKER, str(broker["node_id"]))
        try:
            replicas = int((await _settings(admin, resource))["default.replication.factor"])
        except UnfitTopic:
            return {}  # whoever has set the one at the brokers has set the other there too
    return {"min.insync.replicas": "2" if replicas > 2 else "1"}


async def _examine(admin: AIOKafkaAdminClient, place: Place, found: _Found) -> None:
    settings = await _settings(admin, ConfigResource(ConfigResourceType.TOPIC, place.topic))
    policy = settings["cleanup.policy"]
    if policy != "compact":
        raise UnfitTopic(
            f"its cleanup.policy is {policy}, so Kafka would delete what is in it; set it to compact, "
            "or name another topic in `store.topic`"
        )
    if found.partitions != 1:
        raise UnfitTopic(
            f"it has {found.partitions} partitions, and the order of changes needs a single one; "
            "delete it if it holds nothing, or name another topic in `store.topic`"
        )
    for setting, hint in _doubts(settings, found):
        log.warning("store_topic_doubtful", topic=place.topic, cluster=place.cluster, setting=setting, hint=hint)


def _doubts(settings: Mapping[str, str], found: _Found) -> list[tuple[str, str]]:
    doubts = []
    if found.replicas > 2 and settings["min.insync.replicas"] == "1":
        doubts.append(("min.insync.replicas=1", "2: or what was acknowledged may be lost with one broker"))
    if settings["unclean.leader.election.enable"] == "true":
        doubts.append(("unclean.leader.election.enable=true", "false: or what was acknowledged may be lost"))
    if int(settings["delete.retention.ms"]) < 3_600_000:
        hint = "an hour or more: or whoever reads slowly may take what was undone for done"
        doubts.append((f"delete.retention.ms={settings['delete.retention.ms']}", hint))
    return doubts


async def _settings(admin: AIOKafkaAdminClient, resource: ConfigResource) -> Mapping[str, str]:
    while True:
        (answer,) = await admin.describe_configs([resource])
        ((code, message, _, _, entries),) = answer.resources
        error = for_code(code)
        if error is NoError:
            return {name: value for name, value, *_ in entries}
        if error is not UnknownTopicOrPartitionError:
            reason = message or error.message
            raise UnfitTopic(f"its settings cannot be read, which takes the right DESCRIBE_CONFIGS on it: {reason}")
        await asyncio.sleep(_AGAIN)  # not known everywhere yet


def _command(place: Place) -> str:
    return f"kafka-topics.sh --create --topic {place.topic} --partitions 1 --config cleanup.policy=compact"
