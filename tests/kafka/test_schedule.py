"""Offsets that are scheduled are moved when the group is Empty, once, whoever dies meanwhile, and as Kafka has them."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import httpx
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.schedule import MOST_OF_ONE
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.tenants import eventually

POLICY: Final = """\
admin_roles: [owners]
policies:
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], roles: [owners, devs]}
tenants:
  - name: Trading
    resources: [{include: [cluster, prod, group, "trade_*"]}, {include: [cluster, prod, topic, "tx_*"]}]
    roles: [owners, devs, readers]
  - {name: Payments, resources: [{include: [cluster, prod, group, "pay_*"]}], roles: [outsiders]}
  - name: Watching
    resources: [{include: [cluster, prod, group, "trade_*"]}, {exclude: [cluster, prod, topic, "tx_*"]}]
    roles: [watchers]
"""


def a_kordon(kafka: Kafka, **settings: Any) -> Kordon:
    return Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        tokens={"ann": ["owners"], "dana": ["devs"], "rita": ["readers"], "oscar": ["outsiders"], "walt": ["watchers"]},
        listeners={"main": {"identity": {"principal": "dana", "roles": ["devs"]}}},
        settings=settings,
    )


@pytest.fixture(scope="module")
def kordon(kafka: Kafka) -> Iterator[Kordon]:
    with a_kordon(kafka) as kordon:
        yield kordon


@pytest.fixture(scope="module")
def other(kafka: Kafka, kordon: Kordon) -> Iterator[Kordon]:
    """Another process with the same store."""
    with a_kordon(kafka, store={"file": str(kordon.folder / "kordon.db")}) as other:
        yield other


class Group:
    """A group that has read some of a topic of two partitions, with ten records in each."""

    def __init__(self, kafka: Kafka, topic: str, group: str) -> None:
        self.kafka, self.topic, self.name = kafka, topic, group
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for partition in (0, 1):
            for number in range(10):
                producer.produce(topic, str(number), partition=partition)
        producer.flush(30)
        self.commit(3, 5)

    def commit(self, *offsets: int) -> None:
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": self.name})
        wanted = [TopicPartition(self.topic, number, offset) for number, offset in enumerate(offsets)]
        consumer.commit(offsets=wanted, asynchronous=False)
        consumer.close()

    def member(self) -> Consumer:
        """One that has joined."""
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.bootstrap, "group.id": self.name, "enable.auto.commit": False}
        )
        consumer.subscribe([self.topic])
        eventually(lambda: consumer.poll(0.2) is not None)
        return consumer

    @property
    def offsets(self) -> list[int | None]:
        """What is committed, as Kafka has it; None where nothing is."""
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        asked = ConsumerGroupTopicPartitions(self.name)
        found = admin.list_consumer_group_offsets([asked])[self.name].result(30).topic_partitions
        known = {one.partition: one.offset for one in found if one.topic == self.topic}
        return [known.get(number) for number in (0, 1)]


@pytest.fixture
def group(kafka: Kafka, fresh: Fresh, new_topic: MakeTopic) -> Group:
    return Group(kafka, new_topic("tx_trade", partitions=2), fresh("trade_b2"))


def told(kordon: Kordon, *words: str, by: str = "dana") -> Any:
    ran = kordon.command(*words, "--output", "json", by=by)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def skipping(kordon: Kordon, group: Group, partition: int) -> str:
    """The id of one that skips a record as soon as it may."""
    words = ("groups", "skip", group.name, "--topic", group.topic, "--partition", str(partition))
    return str(told(kordon, *words)["scheduled_mutation"]["id"])


def state(kordon: Kordon, mutation_id: str) -> dict[str, Any]:
    found: dict[str, Any] = told(kordon, "scheduled", "show", mutation_id)["scheduled_mutation"]
    return found


def is_over(kordon: Kordon, mutation_id: str) -> bool:
    return state(kordon, mutation_id)["state"] not in ("scheduled", "executing")


def events(mutation_id: str, *kordons: Kordon) -> list[dict[str, Any]]:
    """What the audit has of a mutation, in its order."""
    found = [event for one in kordons for event in one.audit() if event["id"].startswith(f"{mutation_id}/")]
    return [event["data"] for event in sorted(found, key=lambda one: int(one["id"].rpartition("/")[2]))]


def is_told(mutation_id: str, *kordons: Kordon) -> bool:
    return len(events(mutation_id, *kordons)) == 3


@pytest.mark.parametrize(
    ("words", "after"),
    [
        (["skip"], [4, 6]),
        (["skip", "--partition", "1"], [3, 6]),
        (["skip", "--partition", "1", "--count", "4"], [3, 9]),
        (["reset", "--to", "earliest"], [0, 0]),
        (["reset", "--to", "latest", "--partition", "0"], [10, 5]),
        (["reset", "--to", "7", "--partition", "1"], [3, 7]),
        (["reset", "--to", "99", "--partition", "1"], [3, 10]),
        (["reset", "--to", "2020-01-01T00:00:00Z", "--partition", "0"], [0, 5]),
        (["clear", "--partition", "0"], [None, 5]),
    ],
    ids=str,
)
def test_each_operation_moves_what_it_says_and_the_audit_has_both_offsets(
    kordon: Kordon, other: Kordon, group: Group, words: list[str], after: list[int | None]
) -> None:
    operation, *more = words
    ran = told(kordon, "groups", operation, group.name, "--topic", group.topic, *more, "--wait", "--reason", "poison")

    assert ran["scheduled_mutation"]["state"] == "succeeded"
    assert group.offsets == after
    mutation_id = ran["scheduled_mutation"]["id"]
    eventually(partial(is_told, mutation_id, kordon, other))
    happened = events(mutation_id, kordon, other)
    assert [one["what"]["action"] for one in happened] == [
        *(f"SCHEDULED_MUTATION_{name}" for name in ("SCHEDULED", "STARTED", "SUCCEEDED")),
    ]
    moved = {
        one["partition"]: (one["old_offset"], one["new_offset"])
        for one in happened[-1]["what"]["parameters"]["offsets"]
    }
    before = [3, 5]
    assert moved == {
        number: (before[number], after[number])
        for number in (0, 1)
        if number in moved or before[number] != after[number]
    }
    assert happened[0]["who"]["principal"] == "dana"


def test_it_waits_until_the_group_is_empty(kordon: Kordon, group: Group) -> None:
    member = group.member()
    try:
        mutation_id = skipping(kordon, group, 0)
        eventually(lambda: "has to be Empty" in state(kordon, mutation_id)["waits_for"])
        assert group.offsets == [3, 5]
    finally:
        member.close()

    eventually(partial(is_over, kordon, mutation_id))
    assert (state(kordon, mutation_id)["state"], group.offsets) == ("succeeded", [4, 5])


def test_what_is_called_off_is_not_done(kordon: Kordon, group: Group) -> None:
    member = group.member()
    try:
        mutation_id = told(kordon, "groups", "skip", group.name)["scheduled_mutation"]["id"]
        assert kordon.command("scheduled", "cancel", mutation_id, by="rita").returncode == 1
        told(kordon, "scheduled", "cancel", mutation_id, "--reason", "not needed")
    finally:
        member.close()

    assert state(kordon, mutation_id)["state"] == "cancelled"
    assert kordon.command("scheduled", "cancel", mutation_id, by="dana").returncode == 1
    assert group.offsets == [3, 5]


def test_it_is_given_up_when_the_group_does_not_become_empty_in_time(kordon: Kordon, group: Group) -> None:
    member = group.member()
    try:
        ran = kordon.command("groups", "skip", group.name, "--for", "2s", "--wait", "-o", "json", by="dana")
    finally:
        member.close()

    assert ran.returncode == 1
    one = json.loads(ran.stdout)["scheduled_mutation"]
    assert (one["state"], "has to be Empty" in one["ended"]["reason"], group.offsets) == ("expired", True, [3, 5])


def test_who_may_not_edit_the_group_schedules_nothing(kordon: Kordon, group: Group) -> None:
    refused = kordon.command("groups", "skip", group.name, by="rita")
    outside = kordon.command("groups", "skip", group.name, by="oscar")

    assert (refused.returncode, "no policy allows GROUP_EDIT" in refused.stderr) == (1, True)
    assert (outside.returncode, f"group {group.name} is outside the tenant Payments" in outside.stderr) == (1, True)
    assert group.offsets == [3, 5]


@pytest.mark.parametrize(
    ("group_name", "words", "says"),
    [
        ("{group}", ["skip", "--topic", "tx_nowhere"], "there is no topic tx_nowhere"),
        ("{group}", ["skip", "--topic", "{topic}", "--partition", "7"], "has no partition 7: it has partitions 0 to 1"),
        ("{group}", ["reset", "--to", "latest", "--topic", "tx_nowhere"], "there is no topic tx_nowhere"),
        ("trade_nobody", ["skip", "--topic", "{topic}"], "there is no group trade_nobody"),
        ("trade_nobody", ["clear"], "there is no group trade_nobody"),
    ],
)
def test_what_could_only_fail_is_refused_at_once(
    kordon: Kordon, group: Group, group_name: str, words: list[str], says: str
) -> None:
    operation, *options = [word.format(topic=group.topic) for word in words]

    refused = kordon.command("groups", operation, group_name.format(group=group.name), *options, by="dana")

    assert (refused.returncode, says in refused.stderr) == (1, True), refused.stderr


def test_a_partition_that_was_never_read_has_no_record_to_skip_unless_something_comes_first(
    kordon: Kordon, group: Group
) -> None:
    told(kordon, "groups", "clear", group.name, "--topic", group.topic, "--partition", "0", "--wait")
    skipped = ("groups", "skip", group.name, "--topic", group.topic, "--partition", "0")

    refused = kordon.command(*skipped, by="dana")

    says = f"group {group.name} has no offset of {group.topic}-0 to skip from"
    assert (refused.returncode, says in refused.stderr) == (1, True), refused.stderr
    member = group.member()
    try:
        told(kordon, "groups", "reset", group.name, "--to", "earliest", "--topic", group.topic)
        last = str(told(kordon, *skipped)["scheduled_mutation"]["id"])
    finally:
        member.close()
    eventually(partial(is_over, kordon, last), within=60)
    assert (state(kordon, last)["state"], group.offsets) == ("succeeded", [1, 0])


def test_of_two_processes_one_executes_it(kordon: Kordon, other: Kordon, group: Group) -> None:
    member = group.member()
    try:
        made = [
            told(one, "groups", "skip", group.name, "--topic", group.topic, "--partition", "0")["scheduled_mutation"][
                "id"
            ]
            for one in (kordon, other)
        ]
    finally:
        member.close()

    for one in made:
        eventually(partial(is_over, kordon, one))
    assert group.offsets == [5, 5]
    for one in made:
        eventually(partial(is_told, one, kordon, other))


def test_groups_are_shown_with_what_is_left_to_read(kordon: Kordon, group: Group) -> None:
    listed = {one["group"]: one for one in told(kordon, "groups", "list")["groups"]}
    shown = told(kordon, "groups", "show", group.name)

    assert listed[group.name]["state"] == "Empty"
    assert all(name.startswith("trade_") for name in listed)
    assert [(one["partition"], one["offset"], one["lag"]) for one in shown["offsets"]] == [(0, 3, 7), (1, 5, 5)]
    hidden = kordon.command("groups", "show", group.name, by="oscar")
    missing = kordon.command("groups", "show", f"{group.name}x", by="oscar")
    assert hidden.returncode == missing.returncode == 1
    assert hidden.stderr.replace(group.name, f"{group.name}x") == missing.stderr


def test_another_tenant_that_has_the_group_is_not_told_of_topics_that_it_does_not_have(
    kordon: Kordon, group: Group
) -> None:
    of_topic = told(kordon, "groups", "skip", group.name, "--topic", group.topic, "--wait")["scheduled_mutation"]["id"]
    group.commit(10, 10)
    of_all = kordon.command("groups", "skip", group.name, "--wait", "-o", "json", by="dana")
    failed = json.loads(of_all.stdout)["scheduled_mutation"]

    assert group.topic in failed["ended"]["reason"]
    shown = told(kordon, "scheduled", "list", "--ended", by="walt")
    assert group.topic not in json.dumps(shown)
    mine = {one["id"]: one for one in shown["scheduled_mutations"] if one["group"] == group.name}
    assert (list(mine), mine[failed["id"]]["offsets"]) == ([failed["id"]], [])
    hidden = kordon.command("scheduled", "show", of_topic, by="walt")
    missing = kordon.command("scheduled", "show", "0" * 32, by="walt")
    assert hidden.stderr.replace(of_topic, "0" * 32) == missing.stderr
    cancelling = kordon.command("scheduled", "cancel", of_topic, by="walt")
    assert "there is no scheduled mutation" in cancelling.stderr


def test_a_process_that_is_killed_loses_nothing_and_does_nothing_twice(kafka: Kafka, group: Group) -> None:
    with a_kordon(kafka) as mortal:
        member = group.member()
        made = [
            told(mortal, "groups", "skip", group.name, "--topic", group.topic, "--partition", "1")[
                "scheduled_mutation"
            ]["id"]
            for _ in range(3)
        ]
        mortal.kill()
        member.close()
        mortal.start()
        # Killed again and again, also while one of them is executed.
        for _ in range(3):
            eventually(lambda: group.offsets[1] != 5 or any(is_over(mortal, one) for one in made))
            mortal.kill()
            mortal.start()
        for one in made:
            eventually(partial(is_over, mortal, one), within=90)

        assert [state(mortal, one)["state"] for one in made] == ["succeeded"] * 3
        assert group.offsets == [3, 8]


def test_nobody_has_more_waiting_than_brokers_can_be_asked_for(kordon: Kordon, group: Group) -> None:
    asked = {"cluster": "prod", "group": group.name, "operation": "skip", "topic": group.topic, "partition": 0}
    headers = {"Authorization": f"Bearer {kordon.token('dana')}"}
    member = group.member()
    with httpx.Client(base_url=f"{kordon.api}/admin/v1", headers=headers, trust_env=False, timeout=30) as api:
        try:
            answers = [api.post("/scheduled-mutations", json=asked) for _ in range(MOST_OF_ONE + 1)]
        finally:
            for one in api.get("/scheduled-mutations").json()["scheduled_mutations"]:
                api.delete(f"/scheduled-mutations/{one['id']}")
            member.close()

    assert [one.status_code for one in answers] == [201] * MOST_OF_ONE + [409]
    assert "cancel some" in answers[-1].json()["detail"]
    assert group.offsets == [3, 5]
