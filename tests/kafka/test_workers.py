"""Several workers behind the same ports are one Kordon: to clients, to administrators and in the audit."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kio.schema.errors import ErrorCode

from kordon_proxy.audit.journals import journal_directories
from kordon_proxy.audit.tail import read_events
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.changing import Changing, without
from tests.kafka.fetching import LONG_POLL, Fetching, append, codes_and_records
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.tap import ended, log_lines, metric, readiness
from tests.kafka.tenants import LISTENERS, POLICY, QUIET, MakeTenantTopic, eventually
from tests.kafka.test_audit_crash import Client, at_work, commit, told, verify
from tests.kafka.wire import Gone, Wire

WORKERS: Final = (1, 2)
MAY: Final = [(ErrorCode.none, True)]
MAY_NOT: Final = [(ErrorCode.topic_authorization_failed, False)]
BLIND: Final = POLICY.replace("actions: [TOPIC_INSPECT, TOPIC_PRODUCE", "actions: [TOPIC_PRODUCE", 1)
"""Traders may not read."""
KILLS: Final = 4
CLIENTS: Final = 8
LEAST: Final = 8 * CLIENTS
"""Changes that clients are told of before each kill."""


def a_kordon(kafka: Kafka, policy: str = POLICY, **settings: Any) -> Kordon:
    return Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=policy,
        listeners=LISTENERS,
        settings={"workers": len(WORKERS)} | settings,
        tokens={"ada": ["admin"]},
    )


@pytest.fixture(scope="module")
def changing(kafka: Kafka) -> Iterator[Changing]:
    """With workers, and a policy that tests change."""
    with a_kordon(kafka) as kordon:
        yield Changing(kordon)


@pytest.fixture
def workers(changing: Changing) -> Kordon:
    """The same, with the policy that it began with."""
    changing.write(POLICY)
    reloaded(changing.kordon)
    return changing.kordon


@pytest.fixture
def topic(workers: Kordon, kafka: Kafka, tenant_topic: MakeTenantTopic) -> str:
    topic = tenant_topic("tx_workers", at=workers)
    append(kafka, topic, b"before")
    return topic


def opened(kordon: Kordon, listener: str) -> dict[int, float]:
    """How many connections each worker has had."""
    return {
        worker: metric(kordon, "kordon_connections_opened_total", listener=listener, worker=str(worker))
        for worker in WORKERS
    }


def one_at_each(kordon: Kordon, stack: ExitStack, listener: str = "trading") -> dict[int, Wire]:
    """A connection to each worker. The kernel chooses, so it takes some."""
    found: dict[int, Wire] = {}
    before = opened(kordon, listener)
    while set(found) < set(WORKERS):
        wire = stack.enter_context(Wire(kordon.listener(listener)))
        wire.ask(ask.find_all_topics(12))
        after = opened(kordon, listener)
        (worker,) = (one for one in WORKERS if after[one] > before[one])
        found.setdefault(worker, wire)
        before = after
    return found


def run(kordon: Kordon, *words: str) -> Any:
    """What the command says at this Kordon, as an administrator."""
    ran = kordon.command(*words, "--output", "json", by="ada")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def reloaded(kordon: Kordon) -> list[Mapping[str, Any]]:
    """What each worker has in force after a reload."""
    workers: list[Mapping[str, Any]] = run(kordon, "reload")["workers"]
    return workers


# Clients


def test_connections_are_spread_over_the_workers(workers: Kordon) -> None:
    before = opened(workers, "admin")
    with ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(Wire(workers.listener("admin"))).ask(ask.find_all_topics(12))
        came = {worker: count - before[worker] for worker, count in opened(workers, "admin").items()}

        assert sum(came.values()) == 64
        assert min(came.values()) > 0
        assert run(workers, "status")["kordon"]["connections"]["admin"] >= 64
        assert {one["principal"]: one["connections"] for one in run(workers, "principals")["principals"]}["ada"] >= 64


def test_all_workers_say_the_same_of_the_cluster(workers: Kordon, topic: str) -> None:
    with ExitStack() as stack:
        wires = list(one_at_each(workers, stack).values())
        for wire in wires:  # the one by which it was made knows it at once, the others when they look
            eventually(partial(is_seen, topic, wire))
        answers = [wire.ask(ask.find_all_topics(12)).message for wire in wires]

    brokers = [[(one.node_id, one.host, one.port) for one in answer.brokers] for answer in answers]
    assert brokers[0] == brokers[1]
    assert len({answer.cluster_id for answer in answers}) == 1
    assert all(topic in {one.name for one in answer.topics} for answer in answers)


def test_clients_find_their_brokers_whichever_worker_they_come_to(workers: Kordon, topic: str, fresh: Fresh) -> None:
    address = {"bootstrap.servers": workers.listener("trading"), **QUIET}
    producers = [Producer(address) for _ in range(8)]
    for producer in producers:
        producer.produce(topic, b"one")
    assert [producer.flush(30) for producer in producers] == [0] * len(producers)

    consumer = Consumer({**address, "group.id": fresh("trade_workers"), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        messages = [consumer.poll(30) for _ in range(1 + len(producers))]
    finally:
        consumer.close()

    assert [message.error() for message in messages if message is not None] == [None] * (1 + len(producers))


def test_what_a_group_reads_by_one_worker_is_in_the_view_at_the_others(
    kafka: Kafka, passing_topic: Callable[[str], str], fresh: Fresh
) -> None:
    with a_kordon(kafka, inference={"interval": "1h"}) as kordon, ExitStack() as stack:
        admins, traders = one_at_each(kordon, stack, "admin"), one_at_each(kordon, stack)
        for worker, admin in admins.items():
            group, topic = fresh("trade_inferred"), passing_topic("pay_inferred")
            assert topic not in topics_at(traders[worker])

            admin.ask(commit(group, topic, 0))

            for trader in traders.values():
                eventually(partial(is_seen, topic, trader))


def is_seen(topic: str, wire: Wire) -> bool:
    return topic in topics_at(wire)


def topics_at(wire: Wire) -> set[str]:
    """The topics that there are for whoever is connected."""
    return {topic.name for topic in wire.ask(ask.find_all_topics(12)).message.topics}


# Rights


def test_a_grant_and_its_end_hold_at_open_connections_of_all_workers(
    workers: Kordon, changing: Changing, topic: str
) -> None:
    changing.write(BLIND)
    assert all(one["failure"] is None for one in reloaded(workers))
    with ExitStack() as stack:
        clients = [Fetching(wire, 12, topic) for wire in one_at_each(workers, stack).values()]
        assert [gets(client, MAY_NOT) for client in clients] == [True, True]

        made = run(workers, "grant", "traders", "TOPIC_INSPECT", "--on", f"cluster/prod/topic/{topic}")
        for client in clients:
            eventually(partial(gets, client, MAY))

        run(workers, "revoke", made["temporary_policy"]["id"])
        for client in clients:
            eventually(partial(gets, client, MAY_NOT))


def gets(client: Fetching, wanted: object) -> bool:
    return codes_and_records(client.fetch()) == wanted


def test_when_a_reload_is_answered_it_holds_at_all_workers(workers: Kordon, changing: Changing, topic: str) -> None:
    with ExitStack() as stack:
        clients = [Fetching(wire, 12, topic) for wire in one_at_each(workers, stack).values()]
        assert [codes_and_records(client.fetch()) for client in clients] == [MAY, MAY]

        changing.write(without("TOPIC_INSPECT", "topic", topic))
        told_of = reloaded(workers)

        assert [codes_and_records(client.fetch()) for client in clients] == [MAY_NOT, MAY_NOT]
        assert [(one["worker"], one["failure"]) for one in told_of] == [(1, None), (2, None)]


def test_the_command_tells_of_all_workers(workers: Kordon) -> None:
    status, reload = (workers.command(word, by="ada") for word in ("status", "reload"))

    assert reload.stdout.startswith("the policy file is in force at all 2 workers, as epoch ")
    for worker, pid in pids(workers).items():
        assert f"process of worker {worker}" in status.stdout
        assert str(pid) in status.stdout


def test_a_file_that_is_refused_is_told_of_all_workers_and_changes_nothing(
    workers: Kordon, changing: Changing, topic: str
) -> None:
    with ExitStack() as stack:
        clients = [Fetching(wire, 12, topic) for wire in one_at_each(workers, stack).values()]

        changing.write("policies: [{role: traders}]\n")
        ran = workers.command("reload", "--output", "json", by="ada")

        told_of = json.loads(ran.stdout)["workers"]
        assert ran.returncode == 1
        assert [one["worker"] for one in told_of if one["failure"]] == [1, 2]
        assert [codes_and_records(client.fetch()) for client in clients] == [MAY, MAY]
        assert not readiness(workers)["policy"][0]


@pytest.mark.parametrize("signalled", [True, False])
def test_a_new_file_comes_into_force_at_all_workers_by_itself_and_by_a_signal(
    workers: Kordon, changing: Changing, topic: str, signalled: bool
) -> None:
    with ExitStack() as stack:
        clients = [Fetching(wire, 12, topic) for wire in one_at_each(workers, stack).values()]

        changing.write(without("TOPIC_INSPECT", "topic", topic))
        if signalled:
            workers.signal(signal.SIGHUP)

        for client in clients:
            eventually(partial(gets, client, MAY_NOT))


def test_what_is_scheduled_is_done_once(workers: Kordon, topic: str, fresh: Fresh) -> None:
    group = fresh("trade_once")
    consumer = Consumer({"bootstrap.servers": workers.listener("admin"), "group.id": group, **QUIET})
    consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    consumer.close()

    run(workers, "groups", "skip", group, "--wait")

    def told_of() -> list[str]:
        events = [one["data"]["what"] for one in workers.audit() if ".scheduled_mutation." in one["type"]]
        return [one["action"] for one in events if group in json.dumps(one)]

    eventually(lambda: "SCHEDULED_MUTATION_SUCCEEDED" in told_of())
    assert [told_of().count(f"SCHEDULED_MUTATION_{word}") for word in ("SCHEDULED", "STARTED", "SUCCEEDED")] == [
        1,
        1,
        1,
    ]


# Workers that end


def pids(kordon: Kordon) -> dict[int, int]:
    """The workers' processes by their numbers."""
    return {line["worker"]: line["pid"] for line in log_lines(kordon, "worker_started")}


def is_another(kordon: Kordon, worker: int, pid: int) -> bool:
    """Whether a worker is another process than that."""
    return pids(kordon)[worker] != pid


def test_the_limit_of_connections_is_that_of_all_workers_and_one_that_is_killed_makes_room(kafka: Kafka) -> None:
    with a_kordon(kafka, limits={"connections": 24}) as kordon, ExitStack() as stack:

        def came() -> int:
            """How many of forty more are let in."""
            return sum(is_let_in(stack.enter_context(Wire(kordon.listener("trading")))) for _ in range(40))

        assert came() == 24
        at_first = metric(kordon, "kordon_connections", listener="trading", worker="1")
        assert 0 < at_first < 24

        os.kill(pids(kordon)[1], signal.SIGKILL)
        eventually(partial(metric, kordon, "kordon_worker_restarts_total", worker="1"))

        assert came() == at_first


def test_no_connection_has_the_id_of_one_that_a_worker_had_before_it_was_started_again(kafka: Kafka) -> None:
    with a_kordon(kafka) as kordon:

        def some_that_are_logged() -> None:
            for _ in range(16):
                with Wire(kordon.listener("trading")) as wire:
                    wire.send_bytes(b"\xff" * 16)
                    ended(wire)

        some_that_are_logged()
        for worker, pid in pids(kordon).items():
            os.kill(pid, signal.SIGKILL)
            eventually(partial(is_another, kordon, worker, pid))
        eventually(partial(is_whole, kordon))
        some_that_are_logged()

        eventually(lambda: len(log_lines(kordon, "connection_closed")) == 32)
        assert len({line["connection"] for line in log_lines(kordon, "connection_closed")}) == 32


def test_what_all_workers_keep_in_kafka_is_one_truth_too(kafka: Kafka, new_topic: MakeTopic, fresh: Fresh) -> None:
    names = {
        "audit": {"kafka": {"topic": fresh("__kordon_audit")}},
        "store": {"type": "kafka", "topic": fresh("__kordon_s")},
    }
    with a_kordon(kafka, BLIND, **names) as kordon, ExitStack() as stack:
        topic = new_topic("tx_kept")
        append(kafka, topic, b"before")
        clients = [Fetching(wire, 12, topic) for wire in one_at_each(kordon, stack).values()]
        assert [gets(client, MAY_NOT) for client in clients] == [True, True]

        run(kordon, "grant", "traders", "TOPIC_INSPECT", "--on", f"cluster/prod/topic/{topic}")

        for client in clients:
            eventually(partial(gets, client, MAY))
        kordon.terminate()
        assert len({event["writer"] for event in kordon.audit()}) == len(WORKERS)
        verified = verify(kordon, "--against-topic")
        assert (verified.returncode, verified.stderr) == (0, "")
        assert verified.stdout.count("\nno breaks, and nothing else in the topic ") == len(WORKERS)
        read = kordon.command("audit", "--topic", "-c", str(kordon.config_file), "-o", "json", by="ada")
        assert {json.loads(line)["id"] for line in read.stdout.splitlines()} == {
            event["id"] for event in kordon.audit()
        }


def is_let_in(wire: Wire) -> bool:
    try:
        return bool(wire.ask(ask.find_all_topics(12)).message.brokers)
    except (Gone, OSError):
        return False


def is_whole(kordon: Kordon) -> bool:
    """Whether all workers are there and ready."""
    checks = readiness(kordon)
    return all(checks[f"worker {worker}"][0] for worker in WORKERS) and all(ok for ok, _ in checks.values())


def test_whatever_was_acknowledged_before_a_worker_was_killed_is_in_the_audit(kafka: Kafka, fresh: Fresh) -> None:
    stop = threading.Event()
    with a_kordon(kafka, audit={"rotation": {"size": "64KiB", "keep": "all"}}) as kordon:
        clients = [Client(kordon.listener("admin"), fresh(f"tx_{n}"), stop) for n in range(CLIENTS)]
        with at_work(clients, stop):
            for kills in range(1, KILLS + 1):
                eventually(partial(told, clients, kills * LEAST), within=60)
                time.sleep(random.uniform(0, 0.5))
                worker = WORKERS[kills % len(WORKERS)]
                before = pids(kordon)
                os.kill(before[worker], signal.SIGKILL)
                # The others serve on meanwhile, and Kordon may be sent clients.
                assert kordon.get("/readyz")[0] == 200
                eventually(partial(is_another, kordon, worker, before[worker]), within=60)
                eventually(partial(is_whole, kordon), within=60)
            eventually(partial(told, clients, (KILLS + 1) * LEAST), within=60)
        assert not [failure for client in clients for failure in client.failures]
        events = kordon.audit()
        journals = [list(read_events(journal)) for journal in journal_directories(kordon.folder / "audit")]
        verified = verify(kordon)
        restarts = metric(kordon, "kordon_worker_restarts_total")

    acknowledged = {key: api for client in clients for key, api in client.acknowledged.items()}
    done = {
        (event["data"]["who"].get("peer"), event["data"]["what"].get("correlation_id"))
        for event in events
        if event["type"] == "kordon.audit.decision.v1" and event["data"]["outcome"].get("error_code") == 0
    }
    # Then none of them lacks its event, and no event is there twice
    assert [(key, api) for key, api in acknowledged.items() if key not in done] == []
    assert len({event["id"] for event in events}) == len(events)
    # And both workers had some, and were killed
    assert [len(journal) > LEAST for journal in journals] == [True, True]
    assert restarts == KILLS
    # And the journals are what was written
    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout.count("\nno breaks\n") == len(WORKERS)
    for journal in journals:
        assert [int(event["sequence"]) for event in journal] == list(range(1, len(journal) + 1))


def test_answers_that_are_under_way_at_all_workers_leave_before_the_end(
    kafka: Kafka, tenant_topic: MakeTenantTopic
) -> None:
    with a_kordon(kafka, drain="30s") as kordon, ExitStack() as stack:
        topic = tenant_topic("tx_drained", at=kordon)
        waiting = {worker: Fetching(wire, 12, topic) for worker, wire in one_at_each(kordon, stack).items()}
        for worker, client in waiting.items():
            client.wire.send(client.request(wait=LONG_POLL))
            eventually(partial(metric, kordon, "kordon_requests_total", api="Fetch", worker=str(worker)))

        kordon.signal(signal.SIGTERM)
        eventually(lambda: metric(kordon, "kordon_draining") == len(WORKERS))
        assert readiness(kordon)["serving"] == (False, "worker 1: stopping")
        append(kafka, topic, b"at last")

        for client in waiting.values():
            assert codes_and_records(client.wire.receive().message) == MAY
            assert ended(client.wire)
        assert kordon.terminate() == 0
        assert [line["cut_off"] for line in log_lines(kordon, "stopped") if "cut_off" in line] == [0, 0]


# Others


def test_a_brokers_port_that_workers_have_is_refused_to_another_kordon(workers: Kordon, kafka: Kafka) -> None:
    base = int(workers.bootstrap.rpartition(":")[2]) + 1
    other = Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        listeners={"main": {"ports": {"base": base, "ids": "0-7"}}},
        settings={"workers": 2},
    )
    other.start(wait=False)
    try:
        eventually(lambda: log_lines(other, "port_taken")[1:])
        (check,) = {name: said for name, said in readiness(other).items() if name.startswith("port ")}.values()

        assert not check[0]
        assert "address already in use" in check[1]
        assert other.get("/readyz")[0] == 503
    finally:
        other.stop()
    assert is_whole(workers)
