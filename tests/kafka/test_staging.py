"""What a policy stages happens when a second person approves it, once, whoever dies meanwhile, or never."""

import base64
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic

from kordon_policy.staged import LEASE_MS
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh, MakeTopic, RunTool
from tests.kafka.tenants import eventually
from tests.sessions import sessions

POLICY: Final = """\
admin_roles: [owners, clerks, helpers]
policies:
  - resources: [[cluster, prod, topic, "tx_*"], [cluster, prod, topic, "free_*"]]
    effect: Allow
    actions: [TOPIC_CREATE, TOPIC_DELETE, TOPIC_EDIT, TOPIC_TRUNCATE, TOPIC_INSPECT, TOPIC_PRODUCE]
    roles: [owners, devs]
  - resource: [cluster, prod, topic, "tx_*"]
    effect: Stage
    actions: [TOPIC_CREATE, TOPIC_DELETE, TOPIC_EDIT, TOPIC_TRUNCATE]
    role: devs
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT, GROUP_DELETE], roles: [owners, devs, helpers]}
  - {resource: [cluster, prod, group, "trade_*"], effect: Stage, actions: [GROUP_EDIT, GROUP_DELETE], role: devs}
  - {resource: [cluster, prod, principal, "User:app-*"], effect: Allow, actions: [ACL_EDIT], roles: [owners, devs]}
  - {resource: [cluster, prod, principal, "User:app-*"], effect: Stage, actions: [ACL_EDIT], role: devs}
tenants:
  - name: Trading
    resources:
      - include: [[cluster, prod, topic, "tx_*"], [cluster, prod, topic, "free_*"], [cluster, prod, group, "trade_*"]]
      - include: [cluster, prod, principal, "User:app-*"]
    roles: [owners, devs, clerks]
  - {name: Payments, resources: [{include: [cluster, prod, topic, "pay_*"]}], roles: [outsiders]}
  - name: Helpers
    resources: [{include: [[cluster, prod, topic, "tx_*"], [cluster, prod, group, "trade_*"]]}, {exclude: [cluster, prod, topic, "free_*"]}]
    roles: [helpers]
"""  # noqa: E501 -- a policy a line
PASSWORD: Final = "so-secret-4711"
SALT: Final = b"salt-4711-salt-4711"


def a_kordon(kafka: Kafka, **settings: Any) -> Kordon:
    return Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        tokens={
            "ann": ["owners"],
            "clara": ["clerks"],
            "dana": ["devs"],
            "dirk": ["devs"],
            "hank": ["helpers"],
            "oscar": ["outsiders"],
        },
        listeners={"main": {"identity": {"principal": "dana", "roles": ["devs"]}}},
        settings=settings,
    )


@pytest.fixture(scope="module")
def kordon(kafka: Kafka) -> Iterator[Kordon]:
    with a_kordon(kafka) as kordon:
        yield kordon


@dataclass(frozen=True, slots=True)
class Things:
    """A topic with ten records, a group that has read some of them, names of what is not there, and two ways to ask."""

    topic: str
    group: str
    new: str
    user: str
    through: AdminClient
    direct: AdminClient


@pytest.fixture
def things(kafka: Kafka, kordon: Kordon, fresh: Fresh, new_topic: MakeTopic) -> Things:
    topic, group = new_topic("tx_trade"), fresh("trade_b2")
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(10):
        producer.produce(topic, str(number))
    producer.flush(30)
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    consumer.close()
    return Things(topic, group, fresh("tx_new"), fresh("app-x"), an_admin(kordon.bootstrap), an_admin(kafka.bootstrap))


def an_admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap})


def refusal(future: "Future[Any]", code: int = KafkaError.POLICY_VIOLATION) -> KafkaError:
    """Why the client was refused."""
    with pytest.raises(KafkaException) as raised:
        future.result(30)
    error: KafkaError = raised.value.args[0]
    assert error.code() == code, error
    return error


def the(futures: Any) -> Any:
    (future,) = futures.values()
    return future


def told(kordon: Kordon, *words: str, by: str = "ann") -> Any:
    ran = kordon.command(*words, "--output", "json", by=by)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def read(kordon: Kordon, path: str, by: str) -> Any:
    """What the API answers. The command would take a second to start, and tests look often."""
    headers = {"Authorization": f"Bearer {kordon.token(by)}"}
    return httpx.get(f"{kordon.api}/admin/v1/staged-mutations{path}", headers=headers, timeout=30).json()


def waiting(kordon: Kordon) -> str:
    """The id of what has come last."""
    return str(read(kordon, "", "dana")["staged_mutations"][0]["id"])


def shown(kordon: Kordon, mutation_id: str) -> dict[str, Any]:
    found: dict[str, Any] = read(kordon, f"/{mutation_id}", "dana")["staged_mutation"]
    return found


def is_over(kordon: Kordon, mutation_id: str) -> bool:
    return shown(kordon, mutation_id)["ended"] is not None


def events(mutation_id: str, *kordons: Kordon) -> list[dict[str, Any]]:
    """What the audit has of a mutation, in its order, each once: after a crash it may have been told one twice."""
    found = {
        int(event["id"].rpartition("/")[2]): event["data"]
        for one in kordons
        for event in one.audit()
        if event["id"].startswith(f"{mutation_id}/")
    }
    return [found[number] for number in sorted(found)]


def happened(mutation_id: str, *kordons: Kordon) -> list[str]:
    return [one["what"]["action"].removeprefix("STAGED_MUTATION_") for one in events(mutation_id, *kordons)]


# What is asked for, and whether it has happened: asked of Kafka itself.


def exists(things: Things, name: str) -> bool:
    return name in things.direct.list_topics(timeout=30).topics


def offset(things: Things, topic: str | None = None) -> int | None:
    asked = ConsumerGroupTopicPartitions(things.group)
    found = things.direct.list_consumer_group_offsets([asked])[things.group].result(30).topic_partitions
    return next((one.offset for one in found if one.topic == (topic or things.topic)), None)


def beginning(things: Things) -> int:
    consumer = Consumer({"bootstrap.servers": things_address(things), "group.id": "unused"})
    try:
        low, _ = consumer.get_watermark_offsets(TopicPartition(things.topic, 0), 30)
        return int(low)
    finally:
        consumer.close()


def things_address(things: Things) -> str:
    broker = next(iter(things.direct.list_topics(timeout=30).brokers.values()))
    return f"{broker.host}:{broker.port}"


def create(things: Things) -> Any:
    return the(things.through.create_topics([NewTopic(things.new, 2, 1)]))


def delete(things: Things) -> Any:
    return the(things.through.delete_topics([things.topic]))


def grow(things: Things) -> Any:
    return the(things.through.create_partitions([NewPartitions(things.topic, 3)]))


def retain(things: Things) -> Any:
    change = ConfigEntry("retention.ms", "4711000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, things.topic, incremental_configs=[change])
    return the(things.through.incremental_alter_configs([resource]))


def retention(things: Things) -> str:
    resource = ConfigResource(ResourceType.TOPIC, things.topic)
    return str(the(things.direct.describe_configs([resource])).result(30)["retention.ms"].value)


def truncate(things: Things) -> Any:
    return the(things.through.delete_records([TopicPartition(things.topic, 0, 7)]))


def rewind(things: Things) -> Any:
    wanted = ConsumerGroupTopicPartitions(things.group, [TopicPartition(things.topic, 0, 1)])
    return the(things.through.alter_consumer_group_offsets([wanted]))


def drop(things: Things) -> Any:
    return the(things.through.delete_consumer_groups([things.group]))


def groups(things: Things) -> set[str]:
    return {one.group_id for one in things.direct.list_consumer_groups().result(30).valid}


def enrol(things: Things) -> Any:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192)
    wanted = UserScramCredentialUpsertion(things.user, info, PASSWORD.encode(), SALT)
    return the(things.through.alter_user_scram_credentials([wanted]))


def has_password(things: Things) -> bool:
    try:
        described = the(things.direct.describe_user_scram_credentials([things.user])).result(30)
        return bool(described.scram_credential_infos)
    except KafkaException:
        return False


Case = tuple[Callable[[Things], Any], Callable[[Things], bool], str]
CASES: Final[dict[str, Case]] = {
    "CreateTopics": (create, lambda it: exists(it, it.new), "TOPIC_CREATE"),
    "DeleteTopics": (delete, lambda it: not exists(it, it.topic), "TOPIC_DELETE"),
    "CreatePartitions": (
        grow,
        lambda it: len(it.direct.list_topics(it.topic, 30).topics[it.topic].partitions) == 3,
        "TOPIC_EDIT",
    ),
    "IncrementalAlterConfigs": (retain, lambda it: retention(it) == "4711000", "TOPIC_EDIT"),
    "DeleteRecords": (truncate, lambda it: beginning(it) == 7, "TOPIC_TRUNCATE"),
    "OffsetCommit": (rewind, lambda it: offset(it) == 1, "GROUP_EDIT"),
    "DeleteGroups": (drop, lambda it: it.group not in groups(it), "GROUP_DELETE"),
    "AlterUserScramCredentials": (enrol, has_password, "ACL_EDIT"),
}


@pytest.mark.parametrize("api", CASES)
def test_what_is_staged_happens_when_a_second_person_approves_it(kordon: Kordon, things: Things, api: str) -> None:
    ask, has_happened, action = CASES[api]

    assert is_refused(ask(things))
    mutation_id = waiting(kordon)
    one = shown(kordon, mutation_id)
    assert (one["state"], one["api"], one["created_by"]) == ("pending", api, "dana")
    assert action in {demand["action"] for demand in one["demands"]}
    assert not has_happened(things)

    ran = told(kordon, "staged", "approve", mutation_id, "--reason", "OPS-7", "--wait")

    assert ran["staged_mutation"]["state"] == "succeeded"
    eventually(lambda: has_happened(things))
    eventually(lambda: len(happened(mutation_id, kordon)) == 4)
    assert happened(mutation_id, kordon) == ["STAGED", "APPROVED", "STARTED", "SUCCEEDED"]
    asked, approved, _, over = events(mutation_id, kordon)
    assert (asked["who"]["principal"], asked["why"]["effect"]) == ("dana", "Stage")
    assert (approved["who"]["principal"], approved["why"]["reason"]) == ("ann", "OPS-7")
    assert (over["outcome"]["error_name"], over["what"]["api"]) == ("NONE", api)
    assert asked["what"]["parameters"]["request"]


def is_refused(future: Any) -> bool:
    """Whether it is refused: as a whole, or for one partition, as clients tell it of commits."""
    try:
        result = future.result(30)
    except KafkaException as error:
        return bool(error.args[0].code() == KafkaError.POLICY_VIOLATION)
    partitions = result.topic_partitions if isinstance(result, ConsumerGroupTopicPartitions) else []
    return any(one.error is not None and one.error.code() == KafkaError.POLICY_VIOLATION for one in partitions or ())


def test_the_client_reads_what_waits_and_is_told_the_same_when_it_asks_again(kordon: Kordon, things: Things) -> None:
    first, second = refusal(create(things)), refusal(create(things))

    assert first.str() == second.str()
    assert first.str() == (
        "TOPIC_CREATE is staged by policies[1] (rbac.yaml:7), "
        f"and waits for approval as staged mutation {waiting(kordon)}"
    )


def test_kafkas_own_tool_shows_it_too(kordon: Kordon, things: Things, kafka_tools: RunTool) -> None:
    ran = kafka_tools("kafka-topics", "--delete", "--topic", things.topic, at=kordon.bootstrap)

    assert ran.code != 0
    found = re.search(r"staged mutation (\w+)", ran.output)
    assert found is not None, ran.output
    told(kordon, "staged", "approve", found[1], "--wait")
    eventually(lambda: not exists(things, things.topic))


def test_kafkas_own_tool_is_told_the_same_when_it_asks_again(
    kordon: Kordon, things: Things, kafka_tools: RunTool
) -> None:
    found = [
        re.search(r"staged mutation (\w+)", kafka_tools("kafka-topics", *words, at=kordon.bootstrap).output)
        for words in [("--create", "--topic", things.new, "--partitions", "2")] * 2
    ]

    assert [None if one is None else one[1] for one in found] == [waiting(kordon)] * 2


def test_offsets_that_were_reset_by_kafkas_own_tool_are_in_the_audit_with_what_there_was(
    kordon: Kordon, things: Things, kafka_tools: RunTool
) -> None:
    words = ("--reset-offsets", "--to-earliest", "--topic", things.topic, "--group", things.group, "--execute")
    kafka_tools("kafka-consumer-groups", *words, at=kordon.bootstrap)
    assert offset(things) == 4

    mutation_id = waiting(kordon)
    told(kordon, "staged", "approve", mutation_id, "--wait")

    assert offset(things) == 0
    eventually(lambda: len(happened(mutation_id, kordon)) == 4)
    request = events(mutation_id, kordon)[-1]["what"]["parameters"]["request"]
    place = f"{things.topic}-0"
    assert (request["old_offsets"], request["offsets"]) == ({place: 4}, {place: 0})


@pytest.mark.parametrize(
    ("by", "says"),
    [
        ("dana", "dana has asked for it himself: it takes a second person"),
        ("dirk", "there is no staged mutation"),
        ("clara", "clara does not hold TOPIC_CREATE"),
        ("oscar", "there is no staged mutation"),
    ],
)
def test_nobody_else_approves_it(kordon: Kordon, things: Things, by: str, says: str) -> None:
    refusal(create(things))
    mutation_id = waiting(kordon)

    ran = kordon.command("staged", "approve", mutation_id, by=by)

    assert (ran.returncode, says in ran.stderr) == (1, True), ran.stderr
    assert shown(kordon, mutation_id)["state"] == "pending"

    def is_told() -> bool:
        return any(
            event["data"]["what"].get("parameters", {}).get("staged_mutation") == mutation_id
            and (event["data"]["who"]["principal"], event["data"]["why"].get("effect")) == (by, "Deny")
            for event in kordon.audit()
        )

    eventually(is_told)


@pytest.mark.parametrize(
    ("words", "by", "state"),
    [(("deny",), "clara", "denied"), (("withdraw",), "dana", "withdrawn")],
    ids=["denied", "withdrawn"],
)
def test_what_is_stopped_never_happens(
    kordon: Kordon, things: Things, words: tuple[str, ...], by: str, state: str
) -> None:
    refusal(create(things))
    mutation_id = waiting(kordon)

    told(kordon, "staged", *words, mutation_id, "--reason", "no", by=by)

    assert shown(kordon, mutation_id)["state"] == state
    assert kordon.command("staged", "approve", mutation_id, by="ann").returncode == 1
    eventually(lambda: happened(mutation_id, kordon) == ["STAGED", state.upper()])
    assert not exists(things, things.new)


def test_what_nobody_approves_in_time_never_happens(kafka: Kafka, things: Things) -> None:
    with a_kordon(kafka, staged_mutations={"waits": "1s"}) as impatient:
        admin = an_admin(impatient.bootstrap)
        refusal(the(admin.create_topics([NewTopic(things.new, 1, 1)])))
        (one,) = read(impatient, "?ended=true", "dana")["staged_mutations"]

        eventually(partial(is_over, impatient, one["id"]))

        assert shown(impatient, one["id"])["state"] == "expired"
        assert impatient.command("staged", "approve", one["id"], by="ann").returncode == 1
        assert not exists(things, things.new)


RIGHT_GONE: Final = POLICY.replace("effect: Stage", "effect: Deny", 1)
VIEW_GONE: Final = (
    POLICY.replace("roles: [owners, devs, clerks]", "roles: [devs]")
    .replace(
        "  - {name: Payments", '  - {name: All, resources: [{include: ["*"]}], roles: [owners]}\n  - {name: Payments'
    )
    .replace('include: [[cluster, prod, topic, "tx_*"], ', "include: [")
)


@pytest.mark.parametrize(
    ("policy", "says"),
    [(RIGHT_GONE, "dana does not hold TOPIC_CREATE on topic"), (VIEW_GONE, "is outside the tenant Trading")],
    ids=["the right", "the view"],
)
def test_what_its_author_may_not_do_any_more_does_not_happen(
    kafka: Kafka, things: Things, policy: str, says: str
) -> None:
    with a_kordon(kafka) as own:
        admin = an_admin(own.bootstrap)
        refusal(the(admin.create_topics([NewTopic(things.new, 1, 1)])))
        mutation_id = waiting(own)
        own.policy_file.write_text(policy)
        told(own, "reload")

        ran = own.command("staged", "approve", mutation_id, "--wait", "-o", "json", by="ann")

        assert ran.returncode == 1
        one = json.loads(ran.stdout)["staged_mutation"]
        assert (one["state"], says in one["ended"]["reason"]) == ("failed", True), one["ended"]
        assert not exists(things, things.new)


def test_of_a_request_about_several_things_each_has_its_own_fate(kordon: Kordon, things: Things, fresh: Fresh) -> None:
    free, hidden = fresh("free_new"), fresh("pay_new")
    futures = things.through.create_topics([NewTopic(name, 1, 1) for name in (free, things.new, hidden)])

    futures[free].result(30)
    refusal(futures[things.new])
    refusal(futures[hidden], KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert [exists(things, name) for name in (free, things.new, hidden)] == [True, False, False]
    # It is gone when the rest is done, so that it would be seen if it was done again.
    things.direct.delete_topics([free])[free].result(30)

    over = told(kordon, "staged", "approve", waiting(kordon), "--wait")["staged_mutation"]

    assert [demand["name"] for demand in over["demands"]] == [things.new]
    assert [exists(things, name) for name in (free, things.new, hidden)] == [False, True, False]


def test_two_processes_do_it_once(kafka: Kafka, things: Things) -> None:
    with a_kordon(kafka) as one, a_kordon(kafka, store={"file": str(one.folder / "kordon.db")}) as other:
        admin = an_admin(one.bootstrap)
        refusal(the(admin.create_topics([NewTopic(things.new, 1, 1)])))
        mutation_id = waiting(one)
        eventually(lambda: read(other, "", "dana")["staged_mutations"])
        approved = [kordon.command("staged", "approve", mutation_id, by="ann").returncode for kordon in (other, one)]

        eventually(partial(is_over, other, mutation_id))
        eventually(partial(is_over, one, mutation_id))

        assert approved == [0, 1]
        assert shown(other, mutation_id)["state"] == shown(one, mutation_id)["state"] == "succeeded"
        eventually(lambda: len(happened(mutation_id, one, other)) == 4)
        assert happened(mutation_id, one, other) == ["STAGED", "APPROVED", "STARTED", "SUCCEEDED"]


def test_a_process_that_is_killed_while_it_sends_does_not_do_it_twice(kafka: Kafka, things: Things) -> None:
    with a_kordon(kafka) as mortal:
        admin = an_admin(mortal.bootstrap)
        for number in range(20):
            name = f"{things.new}_{number}"
            refusal(the(admin.create_topics([NewTopic(name, 1, 1)])))
            mutation_id = waiting(mortal)
            told(mortal, "staged", "approve", mutation_id)
            if is_caught(mortal, mutation_id):
                break
        else:
            pytest.fail("it was never caught while it was sent")
        # Whether it was done nobody knows: the broker may be at it still. If it was, it is undone, so that it would be
        # seen if it was done again.
        if appears(things, name):
            things.direct.delete_topics([name])[name].result(30)
            eventually(lambda: not exists(things, name))
        mortal.start()
        eventually(partial(is_over, mortal, mutation_id), within=LEASE_MS / 1000 + 60)

        one = shown(mortal, mutation_id)
        assert (one["state"], one["outcome_unknown"]) == ("failed", True)
        assert one["ended"]["reason"].startswith("nobody knows whether it was done")
        assert not exists(things, name)
        eventually(lambda: len(happened(mutation_id, mortal)) == 4)
        assert happened(mutation_id, mortal) == ["STAGED", "APPROVED", "STARTED", "FAILED"]


def appears(things: Things, name: str) -> bool:
    """Whether a topic is there, or is made within some seconds, since it was asked for before."""
    deadline = time.monotonic() + 5
    while not (there := exists(things, name)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return there


def is_caught(kordon: Kordon, mutation_id: str) -> bool:
    """Kill it while this is executed; whether that was soon enough."""
    store = sqlite3.connect(kordon.folder / "kordon.db")

    def state() -> str:
        (text,) = store.execute("SELECT record FROM records WHERE id = ?", (mutation_id,)).fetchone()
        return str(json.loads(text)["state"])

    try:
        deadline = time.monotonic() + 30
        while (now := state()) in ("pending", "approved") and time.monotonic() < deadline:
            pass
        if now == "executing":
            kordon.kill()
        if state() == "executing":
            return True
        if now == "executing":
            kordon.start()
        return False
    finally:
        store.close()


def test_no_secret_of_what_waits_is_told(kordon: Kordon, things: Things) -> None:
    refusal(enrol(things))
    mutation_id = waiting(kordon)
    salted = stored_request(kordon.folder / "kordon.db", mutation_id)
    assert SALT in salted
    told(kordon, "staged", "approve", mutation_id, "--wait")
    eventually(lambda: len(happened(mutation_id, kordon)) == 4)

    assert stored_request(kordon.folder / "kordon.db", mutation_id) == b""
    texts = [
        json.dumps(kordon.audit()),
        kordon.log,
        json.dumps(told(kordon, "staged", "list", "--ended")),
        kordon.command("staged", "show", mutation_id, by="ann").stdout,
    ]
    secrets = [PASSWORD, SALT.decode(), salted[-32:].hex(), base64_of(SALT), base64_of(salted)[40:80]]
    assert things.user in texts[0]
    assert [secret for secret in secrets for text in texts if secret in text] == []


def stored_request(store: Path, mutation_id: str) -> bytes:
    database = sqlite3.connect(store)
    try:
        (text,) = database.execute("SELECT record FROM records WHERE id = ?", (mutation_id,)).fetchone()
    finally:
        database.close()
    return base64.b64decode(json.loads(text)["call"]["request"])


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_offsets_that_are_to_be_scheduled_wait_for_an_approval_too(kordon: Kordon, things: Things) -> None:
    words = ("groups", "skip", things.group, "--topic", things.topic, "--reason", "poison")
    ran = kordon.command(*words, by="dana")
    assert (ran.returncode, "it waits for somebody's approval" in ran.stderr) == (0, True), ran.stderr
    mutation_id = waiting(kordon)
    one = shown(kordon, mutation_id)
    assert (one["api"], one["request"]["group"], one["state"]) == ("ScheduledMutation", things.group, "pending")
    assert kordon.command(*words, "--wait", by="dana").returncode == 1
    assert waiting(kordon) == mutation_id

    told(kordon, "staged", "approve", mutation_id, "--wait")

    eventually(lambda: offset(things) == 5)
    found = told(kordon, "scheduled", "list", "--ended", by="dana")["scheduled_mutations"]
    (made,) = (one for one in found if one["staged_id"] == mutation_id)
    assert (made["created_by"], made["reason"]) == ("dana", "poison")
    eventually(lambda: len(happened(mutation_id, kordon)) == 4)
    over = events(mutation_id, kordon)[-1]
    assert over["what"]["parameters"]["request"]["scheduled_mutation"] == made["id"]


def test_of_a_whole_group_what_its_approver_does_not_see_is_left_alone(
    kafka: Kafka, kordon: Kordon, things: Things, passing_topic: Callable[[str], str]
) -> None:
    hidden = passing_topic("free_hidden")
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": things.group})
    consumer.commit(offsets=[TopicPartition(hidden, 0, 4)], asynchronous=False)
    consumer.close()
    ran = kordon.command("groups", "clear", things.group, "--reason", "anew", by="dana")
    assert (ran.returncode, "it waits for somebody's approval" in ran.stderr) == (0, True), ran.stderr
    mutation_id = waiting(kordon)

    told(kordon, "staged", "approve", mutation_id, "--wait", by="hank")

    eventually(lambda: offset(things) is None)
    found = told(kordon, "scheduled", "list", "--ended", by="dana")["scheduled_mutations"]
    (made,) = (one for one in found if one["staged_id"] == mutation_id)
    assert [one["topic"] for one in made["offsets"]] == [things.topic]
    assert offset(things, hidden) == 4


def test_what_the_page_shows_is_what_happens(kafka: Kafka) -> None:
    direct = an_admin(kafka.bootstrap)
    the(direct.create_topics([NewTopic("tx_old", 1, 1)])).result(30)
    with a_kordon(kafka) as own:
        admin = an_admin(own.bootstrap)
        refusal(the(admin.delete_topics(["tx_old"])))
        environment = {
            "KORDON_URL": own.api,
            "KORDON_TOKEN": own.token("ann"),
            "COLUMNS": "200",
            "ID": waiting(own),
        }
        shown = list(sessions("staged-mutations.md"))
        assert len(shown) == 3
        for session in shown:
            ran = subprocess.run(
                ["/bin/sh", "-c", session.command.replace("kordon ", f"{sys.executable} -m kordon_proxy ", 1)],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
                env={**os.environ, **environment},
            )
            assert session.is_what_is_printed(ran.stdout), f"{session.command}\n{ran.stdout}\n{ran.stderr}"
