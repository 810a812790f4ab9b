"""What the policy stages of a request waits, and is in the store before its client is told."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_policy.lifecycle import NotPossible
from kordon_policy.mutation_rights import Demand
from kordon_policy.staged import LARGEST, State
from kordon_protocol.codec import decode_request, encode
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy import staging
from kordon_proxy.asking import NoSuchMutation
from kordon_proxy.calls import read
from kordon_proxy.holds import Hold
from kordon_proxy.staged_requests import Kept
from kordon_proxy.store import book
from kordon_proxy.table import APIS
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.cluster.loops import scenario, until
from tests.proxy.judging.worlds import topic_id
from tests.proxy.sessions import Links, heartbeat, tick
from tests.proxy.stages import OLGA, POLICY, TINA, HeldStore, Stage, a_stage, answered, delete

STAGED = "TOPIC_DELETE is staged by policies[1] (rbac.yaml:5)"


def create(*topics: str, placed: tuple[str, ...] = (), **fields: Any) -> Any:
    """placed: those of which it is said which brokers have them."""
    where = asked(ApiKey.CREATE_TOPICS, 5, "topics", "assignments", partition_index=0, broker_ids=(1,))
    entries = (
        asked(ApiKey.CREATE_TOPICS, 5, "topics", name=name, assignments=(where,) if name in placed else ())
        for name in topics
    )
    return a_request(ApiKey.CREATE_TOPICS, 5, topics=tuple(entries), **fields)


async def texts(stage: Stage, request: Any) -> list[str]:
    """What is said of each entry."""
    client = stage.connect()
    answer = await answered(client, client.sends(request))
    entries = answer.topics if hasattr(answer, "topics") else answer.responses
    return [one.error_message for one in entries]


@scenario
async def test_what_is_staged_waits_and_its_id_is_told(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        client = stage.connect()

        (answer,) = (await answered(client, client.sends(delete("tx_keep")))).responses

        (waiting,) = stage.staged()
        assert answer.error_code is ErrorCode.policy_violation
        assert answer.error_message == f"{STAGED}, and waits for approval as staged mutation {waiting.id}"
        assert (waiting.state, waiting.author.principal, waiting.cluster) == (State.PENDING, "tina", "prod")
        assert (waiting.call.api, waiting.call.version) == ("DeleteTopics", 5)
        assert waiting.call.request == encode(delete("tx_keep"))
        assert waiting.demands == (Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="tx_keep"),)
        assert links.made == []
        (refused,) = stage.world.audit.events
        assert (refused.why.effect, refused.why.reason) == ("Stage", answer.error_message)


@scenario
async def test_what_is_allowed_happens_now_what_is_denied_is_over_and_the_rest_waits(
    links: Links, tmp_path: Path
) -> None:
    async with a_stage(links, tmp_path) as stage:
        client = stage.connect()
        number = client.sends(delete("tx_one", "tx_keep", "tx_never", "pay_one", "tx_keep_2"))
        await until(lambda: links.made)
        client.broker_answers(number, responses=(said(ApiKey.DELETE_TOPICS, 5, "responses", name="tx_one"),))

        answer = await answered(client, number)

        assert [(one.name, one.error_code.name) for one in answer.responses] == [
            ("tx_one", "none"),
            ("tx_keep", "policy_violation"),
            ("tx_never", "topic_authorization_failed"),
            ("pay_one", "unknown_topic_or_partition"),
            ("tx_keep_2", "policy_violation"),
        ]
        assert client.forwarded() == [number]
        assert delete("tx_one") == read_forwarded(client)
        (waiting,) = stage.staged()
        assert read(waiting.call)[1] == delete("tx_keep", "tx_keep_2")
        assert [one.name for one in waiting.demands] == ["tx_keep", "tx_keep_2"]


def read_forwarded(client: Any) -> Any:
    frame = client.link.sent[4:]
    head = peek_request(frame)
    return decode_request(head.api_key, head.api_version, frame, head.body_offset)


@scenario
async def test_nothing_more_is_read_until_it_is_in_the_store(links: Links, tmp_path: Path) -> None:
    store = HeldStore(tmp_path)
    async with a_stage(links, tmp_path, store=store) as stage:
        client = stage.connect()
        numbers = [client.sends(request) for request in (delete("tx_one"), delete("tx_keep"), heartbeat())]
        await until(lambda: links.made)
        client.broker_answers(numbers[0])
        await store.asked.wait()
        assert Hold.STAGING in client.session._holds

        await tick(20)
        assert (list(client.answers()), client.forwarded()) == ([numbers[0]], [numbers[0]])
        assert not client.transport.reading

        store.goes_on.set()
        await until(lambda: client.transport.reading)
        assert client.forwarded() == [numbers[2]]
        client.broker_answers(numbers[2])
        await tick()
        assert list(client.answers()) == numbers[1:]


@scenario
async def test_it_is_staged_when_what_came_before_it_is_answered(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        client = stage.connect()
        first, second = client.sends(heartbeat()), client.sends(delete("tx_keep"))
        await until(lambda: links.made)
        await tick(20)
        assert not stage.staged()

        client.broker_answers(first)
        await until(stage.staged)
        await tick(20)

        assert list(client.answers()) == [first, second]


@scenario
async def test_a_client_that_leaves_meanwhile_has_asked_all_the_same(links: Links, tmp_path: Path) -> None:
    store = HeldStore(tmp_path)
    async with a_stage(links, tmp_path, store=store) as stage:
        client = stage.connect()
        client.sends(delete("tx_keep"))
        await store.asked.wait()

        client.session.connection_lost(None)
        store.goes_on.set()

        await until(stage.staged)
        assert client.transport.written == b""
        assert stage.world.metric("connections_closed", "main", "client-closed") == 1


@scenario
async def test_what_changes_meanwhile_does_not_let_through_what_waits(links: Links, tmp_path: Path) -> None:
    store = HeldStore(tmp_path)
    async with a_stage(links, tmp_path, store=store) as stage:
        client = stage.connect()
        number = client.sends(delete("tx_one", "tx_keep"))
        await store.asked.wait()

        stage.put_in_force(POLICY.replace("effect: Stage", "effect: Allow").replace("tx_never", "tx_one"))
        store.goes_on.set()
        answer = await answered(client, number)

        # What is denied now is not forwarded, what is allowed now waits: it would happen twice.
        assert [one.error_code.name for one in answer.responses] == ["topic_authorization_failed", "policy_violation"]
        assert links.made == []


@scenario
async def test_whoever_asks_again_is_told_the_same_id(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        first = await texts(stage, delete("tx_keep"))
        assert await texts(stage, delete("tx_keep")) == first
        assert len(stage.staged()) == 1

        assert await texts(stage, delete("tx_keep_2")) != first
        (one,) = (waiting for waiting in stage.staged() if waiting.id in first[0])
        await stage.staging.withdraw(one.id, stage.world.sessions[0].session._member.recorder.who)
        assert await texts(stage, delete("tx_keep")) != first
        assert len(stage.staged()) == 3


@scenario
async def test_how_long_a_client_waits_for_its_answer_makes_no_other_request(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        first = await texts(stage, create("tx_keep_new", timeout=timedelta(milliseconds=29_998)))

        assert await texts(stage, create("tx_keep_new", timeout=timedelta(milliseconds=29_983))) == first
        assert len(stage.staged()) == 1
        assert await texts(stage, create("tx_keep_now", timeout=timedelta(milliseconds=29_998))) != first
        assert len(stage.staged()) == 2


@scenario
async def test_only_trying_it_waits_for_nobody(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        (text,) = await texts(stage, create("tx_keep_new", validate_only=True))

        assert text == "TOPIC_CREATE is staged by policies[1] (rbac.yaml:5)"
        assert stage.staged() == []


def test_what_belongs_to_its_moment_cannot_wait() -> None:
    assert {api.name for api in APIS.values() if api.of_its_moment} == {
        "ConsumerGroupHeartbeat",
        "StreamsGroupHeartbeat",
        "TxnOffsetCommit",
    }
    commit = a_request(ApiKey.TXN_OFFSET_COMMIT, 3, generation_id=-1)
    assert not APIS[ApiKey.TXN_OFFSET_COMMIT].may_wait(commit)
    assert APIS[ApiKey.OFFSET_COMMIT].may_wait(a_request(ApiKey.OFFSET_COMMIT, 8, generation_id_or_member_epoch=-1))
    assert not APIS[ApiKey.OFFSET_COMMIT].may_wait(a_request(ApiKey.OFFSET_COMMIT, 8, generation_id_or_member_epoch=3))


@scenario
async def test_what_an_approval_would_not_let_through_is_said_at_once(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        (text,) = await texts(stage, create("tx_keep_new", placed=("tx_keep_new",)))
        assert text == (
            "TOPIC_CREATE is staged by policies[1] (rbac.yaml:5), and an approval would not be enough: "
            "where replicas lie is decided by who has BROKER_EDIT on every broker"
        )
        assert stage.staged() == []

        lost, waits = await texts(stage, create("tx_keep_new", "tx_keep_newer", placed=("tx_keep_new",)))
        assert lost == (
            "TOPIC_CREATE is staged by policies[1] (rbac.yaml:5), "
            "and an approval would not be enough for what it is asked for"
        )
        (waiting,) = stage.staged()
        assert waits.endswith(waiting.id)
        assert [topic.name for topic in read(waiting.call)[1].topics] == ["tx_keep_newer"]


@scenario
async def test_what_cannot_be_kept_is_refused_and_the_rest_is_done(links: Links, tmp_path: Path) -> None:
    store = HeldStore(tmp_path)
    async with a_stage(links, tmp_path, store=store) as stage:
        store.goes_on.set()
        store.away = True
        client = stage.connect()
        number = client.sends(delete("tx_one", "tx_keep"))
        await until(lambda: links.made)
        client.broker_answers(number, responses=(said(ApiKey.DELETE_TOPICS, 5, "responses", name="tx_one"),))

        done, refused = (await answered(client, number)).responses

        why = "Kordon's store cannot be written now; its log says why"
        assert (done.error_code, refused.error_code) == (ErrorCode.none, ErrorCode.policy_violation)
        assert refused.error_message == f"{STAGED}, and could not be kept for an approval: {why}"
        assert stage.staged() == []


@scenario
async def test_nothing_is_staged_that_the_audit_cannot_be_told(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        stage.world.audit.accepts_mutations = False

        (text,) = await texts(stage, delete("tx_keep"))

        assert text == f"{STAGED}, and could not be kept for an approval: the audit log cannot be written"
        assert stage.staged() == []


@scenario
async def test_one_client_cannot_fill_the_store(links: Links, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "MOST_WAITING", 2)
    monkeypatch.setattr(staging, "MOST_OF_ONE", 1_000)
    async with a_stage(links, tmp_path) as stage:
        for number in range(2):
            await texts(stage, create(f"tx_keep_{number}"))

        (text,) = await texts(stage, create("tx_keep_3"))
        assert text.endswith("could not be kept for an approval: 2 others of yours wait already")
        names = tuple(f"tx_keep_{number:0200}" for number in range(LARGEST // 200))
        assert (await texts(stage, create(*names)))[0].endswith(f"more than {LARGEST}")
        assert (await texts(stage, create(*names[:1_001])))[0].endswith("it is about more than 1000 things")
        assert len(stage.staged()) == 2

        for waiting in stage.staged():
            await stage.staging.withdraw(waiting.id, TINA)
        await texts(stage, create(*names[:10]))
        (text,) = await texts(stage, create("tx_keep_3"))
        assert text.endswith("others of yours that wait are too large together")


@scenario
async def test_who_has_several_roles_and_tenants_has_no_more_that_waits(
    links: Links, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MOST_WAITING", 1)
    async with a_stage(links, tmp_path) as stage:
        waiting = await stage.waits(delete("tx_keep"))
        kept = Kept(call=replace(waiting.call, request=b"another"), demands=waiting.demands, told={})
        for author in (
            replace(waiting.author, tenant="Payments"),
            replace(waiting.author, roles=frozenset({"owners"})),
        ):
            with pytest.raises(NotPossible, match="1 others of yours wait already"):
                await stage.staging._wait(kept, "prod", author, TINA, ())
        assert await stage.staging._wait(replace(kept, call=waiting.call), "prod", waiting.author, TINA, ()) == waiting


@scenario
async def test_who_takes_back_what_he_asks_for_again_and_again_fills_no_store(
    links: Links, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "MOST_OVER", 3)
    async with a_stage(links, tmp_path) as stage:
        over = set()
        for _ in range(6):
            waiting = await stage.waits_besides(delete("tx_keep"))
            over.add(waiting.id)
            await stage.staging.withdraw(waiting.id, TINA)
        other = await stage.waits_besides(delete("tx_keep"))

        await stage.ledger.step()

        known = {one.id for one in stage.staged()}
        assert (len(known), len(known & over), other.id in known) == (4, 3, True)
        async with a_stage(links, tmp_path, name="two") as another:
            assert {one.id for one in another.staged()} == known
            with pytest.raises(NoSuchMutation):
                await another.staging.approve(next(iter(over - known)), OLGA)


@scenario
async def test_what_the_cluster_has_to_be_asked_for_is_asked(links: Links, tmp_path: Path) -> None:
    key = ApiKey.ALTER_CONFIGS

    def described(*names: str) -> Any:
        configs = (
            said(ApiKey.DESCRIBE_CONFIGS, 1, "results", "configs", name=name, value="x", config_source=1)
            for name in names
        )
        result = said(ApiKey.DESCRIBE_CONFIGS, 1, "results", resource_type=2, resource_name="tx_keep")
        return a_response(ApiKey.DESCRIBE_CONFIGS, 1, results=(replace(result, configs=tuple(configs)),))

    def altering(value: str) -> Any:
        config = asked(key, 1, "resources", "configs", name="retention.ms", value=value)
        resource = asked(key, 1, "resources", resource_type=2, resource_name="tx_keep", configs=(config,))
        return a_request(key, 1, resources=(resource,))

    async with a_stage(links, tmp_path) as stage:
        stage.world.cluster.answer = described("remote.storage.enable")
        (text,) = await texts(stage, altering("1"))
        assert "and an approval would not be enough: AlterConfigs would put back to its default" in text

        stage.world.cluster.answer = described("retention.ms")
        (text,) = await texts(stage, altering("2"))
        (waiting,) = stage.staged()
        assert text.endswith(waiting.id)


@scenario
async def test_a_topic_by_its_id_waits_as_what_it_is_called(links: Links, tmp_path: Path) -> None:
    async with a_stage(links, tmp_path) as stage:
        topic = asked(ApiKey.DELETE_TOPICS, 6, "topics", name=None, topic_id=topic_id("tx_keep"))
        await texts(stage, a_request(ApiKey.DELETE_TOPICS, 6, topics=(topic,)))

        (waiting,) = stage.staged()
        assert [(one.action, one.name) for one in waiting.demands] == [(Action.TOPIC_DELETE, "tx_keep")]
