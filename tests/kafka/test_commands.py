"""The command at a running Kordon: what an administrator grants by it holds on the wire, and ends there."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kio.schema.errors import ErrorCode

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.administration import things
from tests.kafka.fetching import append
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire
from tests.sessions import sessions

POLICY: Final = """\
admin_roles: [owners]
policies:
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], role: owners}
  - {resource: [cluster, prod, topic, "tx_*"], effect: Allow, actions: [TOPIC_DATA_QUERY], role: devs}
tenants:
  - name: Trading
    resources: [{include: [cluster, prod, group, "trade_*"]}, {include: [cluster, prod, topic, "tx_*"]}]
    roles: [owners, devs]
"""


@pytest.fixture(scope="module")
def kordon(kafka: Kafka) -> Iterator[Kordon]:
    with Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        listeners={"devs": {"identity": {"principal": "dana", "roles": ["devs"]}}},
        tokens={"ann": ["owners"], "dana": ["devs"]},
    ) as kordon:
        yield kordon


def test_what_is_granted_by_the_command_holds_on_open_connections_until_it_is_revoked(
    kordon: Kordon, fresh: Fresh
) -> None:
    group = fresh("trade_b2")
    path = f"cluster/prod/group/{group}"
    with Wire(kordon.listener("devs")) as wire:

        def answered(code: ErrorCode) -> bool:
            answer = wire.ask(ask.delete_offsets(0, replace(things("tx_none"), group=group))).message
            return bool(answer.error_code is code)

        # Given
        assert answered(ErrorCode.group_authorization_failed)

        # When
        told = kordon.command("grant", "devs", "GROUP_EDIT", "--on", path, "--reason", "poison", "-o", "json", by="ann")

        # Then
        assert told.returncode == 0, told.stderr
        policy_id = json.loads(told.stdout)["temporary_policy"]["id"]
        assert not answered(ErrorCode.group_authorization_failed)
        shown = kordon.command("grants", by="dana")
        assert (shown.returncode, policy_id in shown.stdout, "poison" in shown.stdout) == (0, True, True)

        # When
        assert kordon.command("revoke", policy_id, by="dana").returncode == 1
        assert not answered(ErrorCode.group_authorization_failed)
        assert kordon.command("renew", policy_id, "--for", "30m", by="ann").returncode == 0
        assert kordon.command("revoke", policy_id, "--reason", "done", by="ann").returncode == 0

        # Then
        assert answered(ErrorCode.group_authorization_failed)
        eventually(partial(has_told, kordon, policy_id))


def has_told(kordon: Kordon, policy_id: str) -> bool:
    """Whether the audit has who did what."""
    events = [event["data"] for event in kordon.audit() if event["id"].startswith(policy_id)]
    return [(one["who"]["principal"], one["what"]["action"].rpartition("_")[2]) for one in events] == [
        *(("ann", "CREATED"), ("ann", "STARTED"), ("ann", "RENEWED"), ("ann", "REVOKED")),
    ]


def test_each_is_told_who_he_is_and_only_an_administrator_how_kordon_is(kordon: Kordon) -> None:
    ann, dana = (kordon.command("status", by=who) for who in ("ann", "dana"))

    assert (ann.returncode, dana.returncode) == (0, 0)
    assert "ann (owners, administrator)" in ann.stdout
    assert "cluster prod" in ann.stdout
    assert "cluster prod" not in dana.stdout
    assert all("clusters" in told.stdout and "prod" in told.stdout for told in (ann, dana))


def test_a_new_policy_is_read_when_an_administrator_says_so(kordon: Kordon) -> None:
    before = json.loads(kordon.command("status", "-o", "json", by="ann").stdout)["kordon"]["epoch"]
    kordon.policy_file.write_text(POLICY + "# changed\n")

    told = kordon.command("reload", "-o", "json", by="ann")

    assert (told.returncode, json.loads(told.stdout)["epoch"] > before) == (0, True)
    assert kordon.command("reload", by="dana").returncode == 1


def test_a_policy_that_is_refused_is_no_success_and_says_what_tells_more(kordon: Kordon) -> None:
    good = kordon.policy_file.read_text()
    kordon.policy_file.write_text("policies: [{}]\n")

    told, as_json = (kordon.command("reload", "-o", output, by="ann") for output in ("table", "json"))
    kordon.policy_file.write_text(good)

    assert (told.returncode, told.stdout, as_json.returncode) == (1, "", 1)
    assert "stays in force: " in told.stderr
    assert "`kordon check` tells every mistake" in told.stderr
    assert json.loads(as_json.stdout)["failure"]
    assert kordon.command("reload", by="ann").returncode == 0


def test_who_may_query_a_topic_is_shown_its_records_and_the_audit_says_which(
    kordon: Kordon, kafka: Kafka, new_topic: MakeTopic
) -> None:
    topic = new_topic("tx_trade")
    append(kafka, topic, b'{"price": 100}')
    append(kafka, topic, b"\x00\xff not a trade")

    shown = kordon.command("inspect", topic, "--partition", "0", "--offset", "0", "--count", "5", by="dana")
    filtered = kordon.command("inspect", topic, "--filter", ".value.price > 99", "-o", "json", by="dana")
    refused = kordon.command("inspect", topic, by="ann")
    foreign, missing = (kordon.command("inspect", f"{topic[3:]}{more}", by="dana") for more in ("", "x"))

    assert (shown.returncode, '"price": 100' in shown.stdout, "not a trade" in shown.stdout) == (0, True, False)
    assert [one["offset"] for one in json.loads(filtered.stdout)["inspected"]["records"]] == [0]
    assert (refused.returncode, "TOPIC_DATA_QUERY" in refused.stderr) == (1, True)
    assert foreign.returncode == missing.returncode == 1
    assert foreign.stderr.replace(topic[3:], f"{topic[3:]}x") == missing.stderr
    eventually(partial(has_told_of_reading, kordon, topic))


def has_told_of_reading(kordon: Kordon, topic: str) -> bool:
    """Whether the audit has what was read, by whom, and nothing of what it says."""
    path = ["cluster", "prod", "topic", topic]
    found = [event["data"] for event in kordon.audit() if path in event["data"]["what"].get("resources", [])]
    read = [one["what"]["parameters"]["read"] for one in found if one["why"]["effect"] == "Allow"]
    refused = [one["who"]["principal"] for one in found if one["why"]["effect"] == "Deny"]
    assert "100" not in json.dumps(read)
    return refused == ["ann"] and read == [
        {"0": {"first_offset": 0, "next_offset": 2, "records": count}} for count in (2, 1)
    ]


@pytest.mark.parametrize("page", ["temporary-policies.md", "scheduled-mutations.md", "cli.md", "admin-api.md"])
def test_what_the_pages_show_is_what_happens(kordon: Kordon, kafka: Kafka, page: str) -> None:
    settle(kafka)
    for session in sessions(page):
        environment = {"KORDON_URL": kordon.api, "KORDON_TOKEN": kordon.token("ann"), "COLUMNS": "200"}
        ran = subprocess.run(
            ["/bin/sh", "-c", session.command.replace("kordon ", f"{sys.executable} -m kordon_proxy ", 1)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, **environment},
        )
        assert session.is_what_is_printed(ran.stdout), f"{session.command}\n{ran.stdout}\n{ran.stderr}"
        revoke_all(kordon)


def settle(kafka: Kafka) -> None:
    """What the pages are about: a group that is stuck in partition 3 of a topic."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    with suppress(KafkaException):  # another page has been here
        admin.create_topics([NewTopic("tx_trade1", 4)])["tx_trade1"].result(30)
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for number in range(6):
            producer.produce("tx_trade1", str(number), partition=3)
        producer.flush(30)
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "trade_b2"})
    consumer.commit(offsets=[TopicPartition("tx_trade1", 3, 4)], asynchronous=False)
    consumer.close()


def revoke_all(kordon: Kordon) -> None:
    shown = json.loads(kordon.command("grants", "-o", "json", by="ann").stdout)
    for one in shown["temporary_policies"][1:]:
        kordon.command("revoke", one["id"], by="ann")


def test_a_right_that_ends_while_records_are_looked_for_shows_none_of_them(
    kordon: Kordon, kafka: Kafka, new_topic: MakeTopic
) -> None:
    topic = new_topic("tx_trade")
    append(kafka, topic, b"a secret")
    append(kafka, topic, b"one that the filter never gets over")
    endless = "if .offset == 0 then true else last(range(1e18)) end"
    words = ("inspect", topic, "--offset", "earliest", "--filter", endless, "-o", "json")

    with ThreadPoolExecutor(1) as aside:
        shown = aside.submit(kordon.command, *words, by="dana")
        time.sleep(3)  # of the ten that it takes
        path = f"cluster/prod/topic/{topic}"
        denied = kordon.command("grant", "devs", "TOPIC_DATA_QUERY", "--on", path, "--effect", "Deny", by="ann")
        ended = shown.result(60)

    assert denied.returncode == 0, denied.stderr
    assert (ended.returncode, "offset" in ended.stdout, "denied by temporary policy" in ended.stderr) == (
        1,
        False,
        True,
    )
