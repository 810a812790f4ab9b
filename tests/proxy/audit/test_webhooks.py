"""Webhooks against a real receiver: one that is slow, down, broken, or does not want what it gets."""

import asyncio
import io
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from kordon_proxy.audit.cursor import load_cursor
from kordon_proxy.audit.forward import Forwarder, NeverTaken, NotNow, Queue
from kordon_proxy.audit.given_up import GivenUp
from kordon_proxy.audit.journal import Callback
from kordon_proxy.audit.log import AuditLog
from kordon_proxy.audit.segments import list_segments
from kordon_proxy.audit.tail import Line, read_events
from kordon_proxy.audit.webhooks.formats import signature
from kordon_proxy.audit.webhooks.post import NotPosted, Rejected
from kordon_proxy.audit.webhooks.post import Receiver as Address
from kordon_proxy.audit.webhooks.sink import TRIES, WebhookSink
from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.config.webhooks import Webhook
from kordon_proxy.demo.certificates import issue, make_authority
from kordon_proxy.logs import configure_logging
from kordon_proxy.metrics import Metrics
from kordon_proxy.secrets import Secret
from tests.proxy.audit.events import SOURCE, a_config, a_denial, a_journal, a_login, a_mutation, durable
from tests.proxy.audit.receiver import Posted, Says, a_receiver, free_port
from tests.proxy.cluster.loops import on_both_loops, scenario, until

CANARY = "canary-of-the-path"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries come after milliseconds."""
    monkeypatch.setattr("kordon_proxy.audit.forward.Backoff", lambda most: Backoff(first=0.002, most=0.02))


def a_webhook(url: str, **changes: Any) -> dict[str, Any]:
    return {"name": "ops", "provider": "generic", "url": url, **changes}


@asynccontextmanager
async def an_audit(
    directory: Path, *webhooks: dict[str, Any], metrics: Metrics | None = None, **changes: Any
) -> AsyncIterator[AuditLog]:
    config = a_config(directory, webhooks=list(webhooks), **changes)
    audit = AuditLog(config, source=SOURCE, metrics=metrics or Metrics())
    await audit.start()
    try:
        yield audit
    finally:
        await audit.close(5)


def value(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"kordon_audit_{name}", {"sink": "webhook-ops"})


async def forwarded(audit: AuditLog, count: int) -> None:
    """Wait until so many events are on disk, and the webhook is done with all there are."""
    await until(lambda: audit._journal.durable >= count and not audit.backlog["webhook-ops"])


def ids(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def told(directory: Path) -> list[dict[str, Any]]:
    """What the audit says of events that were given up."""
    return [event["data"] for event in read_events(directory) if ".delivery." in event["type"]]


@on_both_loops
@scenario
async def test_an_event_is_posted_as_it_stands_in_the_journal(tmp_path: Path, loop: str) -> None:
    with a_receiver() as receiver:
        async with an_audit(tmp_path, a_webhook(receiver.url)) as audit:
            audit.decision(a_mutation())
            await until(lambda: receiver.got)

    (posted,) = receiver.got
    assert posted.json == list(read_events(tmp_path))
    assert posted.headers["content-type"] == "application/cloudevents-batch+json; charset=UTF-8"
    assert "kordon-signature" not in posted.headers


@pytest.fixture(scope="module")
def is_from_kordon() -> Callable[[str, bytes, bytes], bool]:
    """The check that the documentation tells receivers to make."""
    page = (Path(__file__).parents[3] / "docs/audit.md").read_text()
    (recipe,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "is_from_kordon" in block)
    made: dict[str, Any] = {}
    exec(recipe, made)
    return cast("Callable[[str, bytes, bytes], bool]", made["is_from_kordon"])


@scenario
async def test_a_post_is_signed_as_the_documentation_says(
    tmp_path: Path, is_from_kordon: Callable[[str, bytes, bytes], bool]
) -> None:
    with a_receiver() as receiver:
        async with an_audit(tmp_path, a_webhook(receiver.url, secret="s3cret")) as audit:
            audit.decision(a_mutation())
            await until(lambda: receiver.got)

    (posted,) = receiver.got
    header = posted.headers["kordon-signature"]
    assert is_from_kordon(header, posted.body, b"s3cret")
    assert not is_from_kordon(header, posted.body.replace(b"Allow", b"Deny"), b"s3cret")
    assert not is_from_kordon(header, posted.body, b"another")
    assert not is_from_kordon(header.replace("t=1", "t=2"), posted.body, b"s3cret")
    long_ago = signature(Secret("s3cret"), posted.body, int(time.time()) - 3600)
    assert not is_from_kordon(long_ago, posted.body, b"s3cret")


@scenario
async def test_with_a_batch_of_one_each_event_is_posted_by_itself(tmp_path: Path) -> None:
    with a_receiver() as receiver:
        async with an_audit(tmp_path, a_webhook(receiver.url, batch=1)) as audit:
            events = [a_mutation(), a_mutation()]
            for event in events:
                audit.decision(event)
            await until(lambda: len(receiver.got) == 2)

    assert [posted.json["id"] for posted in receiver.got] == [event.id for event in events]
    assert receiver.got[0].headers["content-type"] == "application/cloudevents+json; charset=UTF-8"


@scenario
async def test_only_what_is_wanted_is_posted(tmp_path: Path) -> None:
    with a_receiver() as receiver:
        async with an_audit(tmp_path, a_webhook(receiver.url)) as audit:
            audit.login(a_login())
            audit.decision(a_mutation(id="wanted"))
            audit.login(a_login())
            await forwarded(audit, 3)

    assert ids(receiver.events) == ["wanted"]


@scenario
async def test_what_waits_is_posted_together_and_in_order(tmp_path: Path) -> None:
    with a_receiver() as receiver:
        receiver.says.append(Says(status=503))
        async with an_audit(tmp_path, a_webhook(receiver.url, batch=10)) as audit:
            events = [a_mutation() for _ in range(25)]
            for event in events:
                audit.decision(event)
            await forwarded(audit, 25)

    taken = [event for posted in receiver.got[1:] for event in posted.json]
    assert ids(taken) == [event.id for event in events]
    assert max(len(posted.json) for posted in receiver.got) <= 10


@pytest.mark.parametrize("status", [500, 502, 503, 408, 425, 429])
@scenario
async def test_a_receiver_in_trouble_gets_it_again(tmp_path: Path, status: int) -> None:
    with a_receiver() as receiver:
        receiver.says.extend([Says(status=status)] * 7)
        async with an_audit(tmp_path, a_webhook(receiver.url)) as audit:
            audit.decision(a_mutation(id="e"))
            await forwarded(audit, 1)

    assert ids(receiver.events) == ["e"] * 8
    assert told(tmp_path) == []


@scenario
async def test_a_receiver_that_is_down_gets_everything_when_it_is_up(tmp_path: Path) -> None:
    port, metrics = free_port(), Metrics()
    url = f"http://127.0.0.1:{port}/{CANARY}"
    async with an_audit(tmp_path, a_webhook(url), metrics=metrics) as audit:
        events = [a_mutation() for _ in range(3)]
        for event in events:
            audit.decision(event)
        await until(lambda: audit.failing and audit.backlog["webhook-ops"] == 3)
        assert audit.failing == {"webhook-ops": "it cannot be reached: connection refused"}
        assert (value(metrics, "sink_up"), value(metrics, "backlog")) == (0, 3)

        with a_receiver(port=port) as receiver:
            await until(lambda: not audit.backlog["webhook-ops"])
        assert audit.failing == {}
        assert (value(metrics, "sink_up"), value(metrics, "forwarded_total")) == (1, 3)

    assert ids(receiver.events) == [event.id for event in events]


@scenario
async def test_a_receiver_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with a_receiver() as receiver:
        receiver.says.append(Says(silent=True))
        async with an_audit(tmp_path, a_webhook(receiver.url, timeout=0.2)) as audit:
            with capture_logs() as logs:
                audit.decision(a_mutation(id="e"))
                await forwarded(audit, 1)

    assert len(receiver.events) > 1
    assert [line["reason"] for line in logs if line["event"] == "audit_sink_failing"] == ["no answer in 0.2 s"]


@scenario
async def test_what_a_receiver_goes_on_to_say_is_not_listened_to() -> None:
    with a_receiver() as receiver:
        receiver.says.append(Says(endless=True))
        address = Address(Webhook.model_validate(a_webhook(receiver.url)))

        await address.post(b"[]", {})

        await address.close()


class Busy:
    """A sink that asks once to be left alone."""

    name = "busy"

    def __init__(self, seconds: float) -> None:
        self.at: list[float] = []
        self._seconds = seconds

    async def deliver(self, lines: Sequence[Line]) -> None:
        self.at.append(time.monotonic())
        if len(self.at) == 1:
            raise NotNow("busy", self._seconds)

    async def close(self) -> None: ...


@scenario
async def test_who_asks_to_be_left_alone_is(tmp_path: Path) -> None:
    journal, sink = a_journal(tmp_path), Busy(0.3)
    await durable(journal, a_mutation())
    forwarder = Forwarder(journal, sink, Metrics(), backlog_warning=10)
    task = asyncio.create_task(forwarder.run())

    await until(lambda: len(sink.at) == 2)

    assert sink.at[1] - sink.at[0] >= 0.3
    task.cancel()
    await forwarder.close()
    journal.close(5)


@pytest.mark.parametrize(
    ("says", "error", "text"),
    [
        (Says(status=429, headers={"retry-after": "17"}), NotNow, "it answered 429"),
        (Says(status=503, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), NotNow, "it answered 503"),
        (Says(status=429, headers={"retry-after": "soon"}), NotPosted, "it answered 429"),
        (Says(status=500), NotPosted, "it answered 500"),
        (Says(status=400, body=b"invalid_payload\n"), Rejected, "it answered 400 invalid_payload"),
        (Says(status=404, body=b"<b>see http://x/?token=1</b>"), Rejected, "it answered 404"),
        (Says(status=302, headers={"location": "/elsewhere"}), Rejected, "it answered 302"),
    ],
)
@scenario
async def test_what_a_receiver_answers_says_whether_to_try_again(says: Says, error: type[Exception], text: str) -> None:
    with a_receiver() as receiver:
        receiver.says.append(says)
        address = Address(Webhook.model_validate(a_webhook(receiver.url)))

        with pytest.raises(error) as raised:
            await address.post(b"[]", {})

        await address.close()

    assert str(raised.value) == text
    assert len(receiver.got) == 1
    if isinstance(raised.value, NotNow):
        assert raised.value.seconds == (17 if "17" in says.headers.values() else 0)


# What is rejected


@scenario
async def test_an_event_that_is_rejected_again_and_again_is_given_up_and_told(tmp_path: Path) -> None:
    metrics = Metrics()
    with a_receiver() as receiver:
        receiver.otherwise = lambda posted: Says(status=400 if b'"bad"' in posted.body else 200)
        async with an_audit(tmp_path, a_webhook(receiver.url), metrics=metrics) as audit:
            with capture_logs() as logs:
                audit.decision(a_mutation(id="bad"))
                await forwarded(audit, 2)
            audit.decision(a_mutation(id="good"))
            await until(lambda: "good" in ids(receiver.events))

    assert ids(receiver.events)[:TRIES] == ["bad"] * TRIES
    (report,) = told(tmp_path)
    assert report["what"]["parameters"] == {"sink": "webhook-ops", "first_sequence": 1, "last_sequence": 1}
    assert (report["why"]["reason"], report["window"]["count"]) == ("it answered 400", 1)
    assert value(metrics, "given_up_total") == 1
    assert [line for line in logs if line["event"] == "audit_events_given_up"] == [
        {
            "event": "audit_events_given_up",
            "log_level": "error",
            "sink": "webhook-ops",
            "count": 1,
            "reason": "it answered 400",
        }
    ]


@scenario
async def test_one_event_that_is_rejected_does_not_take_others_with_it(tmp_path: Path) -> None:
    taken: list[str] = []

    def judge(posted: Posted) -> Says:
        if b'"bad"' in posted.body:
            return Says(status=413)
        taken.extend(ids(posted.json))
        return Says()

    with a_receiver() as receiver:
        receiver.says.append(Says(status=503))
        receiver.otherwise = judge
        async with an_audit(tmp_path, a_webhook(receiver.url)) as audit:
            for name in ("a", "b", "bad", "c", "d"):
                audit.decision(a_mutation(id=name))
            await forwarded(audit, 6)

    assert taken[:4] == ["a", "b", "c", "d"]
    assert [report["window"]["count"] for report in told(tmp_path)] == [1]


@scenario
async def test_a_receiver_that_rejects_everything_is_told_of_no_more_than_there_was(tmp_path: Path) -> None:
    with a_receiver() as receiver:
        receiver.otherwise = lambda _: Says(status=404)
        async with an_audit(tmp_path, a_webhook(receiver.url, batch=1)) as audit:
            audit.decision(a_mutation())
            audit.decision(a_mutation())
            await forwarded(audit, 4)

    assert len(told(tmp_path)) == 2
    assert len(receiver.got) == 4 * TRIES  # two events, and two that tell of them


# What waits


@scenario
async def test_it_goes_on_after_a_restart_where_it_was(tmp_path: Path) -> None:
    with a_receiver() as receiver:
        async with an_audit(tmp_path, a_webhook(receiver.url)) as audit:
            audit.decision(a_mutation(id="before"))
            await forwarded(audit, 1)
        receiver.otherwise = lambda _: Says(status=500)
        async with an_audit(tmp_path, a_webhook(receiver.url)) as audit:
            for name in ("a", "b", "c"):
                audit.decision(a_mutation(id=name))
            await until(lambda: audit.failing)
        refused = len(receiver.got)
        receiver.otherwise = lambda _: Says()

        async with an_audit(tmp_path, a_webhook(receiver.url)) as audit:
            await until(lambda: not audit.backlog["webhook-ops"])

    assert ids([event for posted in receiver.got[refused:] for event in posted.json]) == ["a", "b", "c"]


@scenario
async def test_a_new_webhook_gets_what_is_new(tmp_path: Path) -> None:
    async with an_audit(tmp_path) as audit:
        audit.decision(a_mutation(id="old"))
    with a_receiver() as receiver:
        async with an_audit(tmp_path, a_webhook(receiver.url)) as audit:
            audit.decision(a_mutation(id="new"))
            await until(lambda: receiver.got)

    assert ids(receiver.events) == ["new"]


@scenario
async def test_a_webhook_that_was_new_before_a_crash_is_not_new_after_it(tmp_path: Path) -> None:
    journal, told_of = a_journal(tmp_path), Reports()
    await durable(journal, a_mutation())
    Forwarder(journal, Away(), Metrics(), backlog_warning=10, queue=told_of.queue())
    await durable(journal, a_mutation())

    again = Forwarder(journal, Away(), Metrics(), backlog_warning=10, queue=told_of.queue())

    assert again.backlog == 1
    journal.close(5)


@pytest.mark.parametrize("torn", ["", "{", "{}", "[]", '{"writer": "w1", "sequence": []}', None])
@scenario
async def test_one_whose_cursor_cannot_be_read_is_not_new_and_gets_everything_again(
    tmp_path: Path, torn: str | None
) -> None:
    journal, told_of = a_journal(tmp_path), Reports()
    await durable(journal, a_mutation(), a_mutation())
    cursor = tmp_path / "cursor.away.json"
    if torn is None:
        cursor.mkdir()  # root, whom nothing else is forbidden, cannot read it either
    else:
        cursor.write_text(torn.replace("w1", journal.writer))

    with capture_logs() as logged:
        forwarder = Forwarder(journal, Away(), Metrics(), backlog_warning=10, queue=told_of.queue())

    assert forwarder.backlog == 2
    (told,) = [line for line in logged if line["event"] == "audit_cursor_unreadable"]
    assert (told["sink"], bool(told["reason"])) == ("away", True)
    journal.close(5)


@scenario
async def test_one_that_is_new_deletes_nothing_that_the_next_has_not_got(tmp_path: Path) -> None:
    journal, told_of = a_journal(tmp_path, rotation={"size": 4096, "keep": 0}), Reports()
    journal.forwarded("known", 0)
    for _ in range(30):
        await durable(journal, a_mutation())
    journal.close(5)

    again = a_journal(tmp_path, rotation={"size": 4096, "keep": 0})
    Forwarder(again, Away(), Metrics(), backlog_warning=100, queue=told_of.queue())

    assert list_segments(tmp_path)[0].first == 1
    again.close(5)


@scenario
async def test_one_that_is_away_for_ever_keeps_no_more_of_the_journal_than_its_queue(tmp_path: Path) -> None:
    metrics = Metrics()
    hook = a_webhook(f"http://127.0.0.1:{free_port()}/", queue=100)
    with capture_logs() as logs:
        async with an_audit(tmp_path, hook, metrics=metrics, rotation={"size": 4096, "keep": 0}) as audit:
            for _ in range(301):
                on_disk = asyncio.Event()  # what is written at once is in one file, whatever its size
                audit.decision(a_mutation(), on_disk.set)
                await on_disk.wait()
            await until(lambda: audit.backlog["webhook-ops"] <= 100 and list_segments(tmp_path)[0].first > 200)
            given_up = value(metrics, "given_up_total")

    (*_, last) = told(tmp_path)
    assert given_up == sum(line["count"] for line in logs if line["event"] == "audit_events_given_up")
    assert given_up == last["what"]["parameters"]["last_sequence"]
    assert last["why"]["reason"] == "more than 100 events waited for it: it cannot be reached: connection refused"


@scenario
async def test_what_was_given_up_is_told_to_who_missed_it(tmp_path: Path) -> None:
    port = free_port()
    async with an_audit(tmp_path, a_webhook(f"http://127.0.0.1:{port}/", queue=100)) as audit:
        for number in range(101):
            audit.decision(a_mutation(id=f"e{number}"))
        await until(lambda: told(tmp_path))
        with a_receiver(port=port) as receiver:
            await until(lambda: not audit.backlog["webhook-ops"])

    assert ids(receiver.events)[:90] == [f"e{number}" for number in range(11, 101)]
    assert [event["data"]["window"]["count"] for event in receiver.events[90:]] == [11]


class Away:
    """A sink that is away, or never wants anything."""

    name = "away"

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error or ConnectionError("away")

    async def deliver(self, lines: Sequence[Line]) -> None:
        raise self._error

    async def close(self) -> None: ...


class Reports:
    """Keeps what is told, and when it is on disk."""

    def __init__(self) -> None:
        self.told: list[GivenUp] = []
        self.durable: list[Callback] = []

    def queue(self, wants: Callable[[Line], bool] = lambda _: True) -> Queue:
        return Queue(wants=wants, most=10, tell=self._tell)

    def _tell(self, given_up: GivenUp, on_durable: Callback) -> None:
        self.told.append(given_up)
        self.durable.append(on_durable)


@scenario
async def test_how_far_it_got_is_noted_when_it_is_on_disk_what_it_missed(tmp_path: Path) -> None:
    journal, reports = a_journal(tmp_path), Reports()
    sink = Away(NeverTaken("no"))
    forwarder = Forwarder(journal, sink, Metrics(), backlog_warning=10, queue=reports.queue())
    task = asyncio.create_task(forwarder.run())
    await durable(journal, a_mutation())
    await until(lambda: reports.told and not forwarder.backlog)
    before = load_cursor(tmp_path, "away", journal.writer)

    reports.durable[0]()
    await until(lambda: load_cursor(tmp_path, "away", journal.writer) == 1)

    assert before == 0
    task.cancel()
    await forwarder.close()
    journal.close(5)


@scenario
async def test_a_crash_before_that_lets_it_be_told_again(tmp_path: Path) -> None:
    journal, reports = a_journal(tmp_path), Reports()
    sink = Away(NeverTaken("no"))
    forwarder = Forwarder(journal, sink, Metrics(), backlog_warning=10, queue=reports.queue())
    task = asyncio.create_task(forwarder.run())
    await durable(journal, a_mutation())
    await until(lambda: reports.told)
    task.cancel()
    await forwarder.close()

    again = Forwarder(journal, sink, Metrics(), backlog_warning=10, queue=reports.queue())

    assert again.backlog == 1
    journal.close(5)


class Willing:
    """A sink that takes everything."""

    name = "willing"

    def __init__(self) -> None:
        self.got: list[int] = []

    async def deliver(self, lines: Sequence[Line]) -> None:
        self.got += [line.sequence for line in lines]

    async def close(self) -> None: ...


@pytest.mark.parametrize(("count", "first"), [(100, 1), (150, 61)])
@scenario
async def test_who_takes_events_is_given_more_time_and_not_all_the_time(tmp_path: Path, count: int, first: int) -> None:
    journal, sink, reports = a_journal(tmp_path), Willing(), Reports()
    forwarder = Forwarder(journal, sink, Metrics(), backlog_warning=1000, queue=reports.queue())
    await durable(journal, *(a_mutation() for _ in range(count)))

    task = asyncio.create_task(forwarder.run())
    await forwarder.catch_up()

    assert sink.got == [*range(first, count + 1)]
    assert [given_up.last.sequence for given_up in reports.told] == ([] if first == 1 else [first - 1])
    task.cancel()
    await forwarder.close()
    journal.close(5)


@scenario
async def test_what_nobody_wanted_is_not_given_up(tmp_path: Path) -> None:
    journal, reports = a_journal(tmp_path), Reports()
    await durable(journal, a_mutation())
    queue = reports.queue(wants=lambda line: json.loads(line.text)["data"]["why"]["effect"] == "Deny")
    forwarder = Forwarder(journal, Away(), Metrics(), backlog_warning=1000, queue=queue)
    await durable(journal, a_denial(), *(a_mutation() for _ in range(50)))

    task = asyncio.create_task(forwarder.run())
    await until(lambda: reports.told)
    reports.durable[0]()
    await until(lambda: not forwarder.backlog)

    (given_up,) = reports.told
    assert (given_up.count, given_up.first.sequence, given_up.last.sequence) == (1, 2, 2)
    task.cancel()
    await forwarder.close()
    journal.close(5)


@scenario
async def test_a_stop_does_not_wait_for_one_that_is_away(tmp_path: Path) -> None:
    audit = AuditLog(
        a_config(tmp_path, webhooks=[a_webhook(f"http://127.0.0.1:{free_port()}/")]), source=SOURCE, metrics=Metrics()
    )
    await audit.start()
    audit.decision(a_mutation())
    await until(lambda: audit.failing)

    left = await audit.close(within=10_000)

    assert left.unforwarded == {"webhook-ops": 1}


@scenario
async def test_two_webhooks_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with a_receiver() as receiver:
        away = a_webhook(f"http://127.0.0.1:{free_port()}/", name="away")
        async with an_audit(tmp_path, away, a_webhook(receiver.url)) as audit:
            for _ in range(3):
                audit.decision(a_mutation())
            await forwarded(audit, 3)
            await until(lambda: set(audit.failing) == {"webhook-away"})


# What is kept secret, and from whom


@pytest.mark.usefixtures("logging_as_before")
@scenario
async def test_the_address_is_nowhere_to_be_read(tmp_path: Path) -> None:
    log, metrics = io.StringIO(), Metrics()
    configure_logging(level="debug", format="json", stream=log)
    with a_receiver() as receiver:
        url = receiver.url.encode()
        receiver.says.extend([Says(status=500, body=url), Says(silent=True)])
        receiver.otherwise = lambda posted: Says(body=url, status=200 if b"GIVE_UP_EVENTS" in posted.body else 400)
        hook = a_webhook(receiver.url, timeout=0.2, secret="canary-of-the-secret")
        away = a_webhook(f"http://127.0.0.1:{free_port()}/{CANARY}", name="away")
        async with an_audit(tmp_path, hook, away, metrics=metrics) as audit:
            audit.decision(a_mutation())
            await forwarded(audit, 2)
            await until(lambda: "webhook-away" in audit.failing)
            shown = [repr(audit.failing), repr(audit.__dict__["_config"])]

    shown += [log.getvalue(), generate_latest(metrics.registry).decode()]
    shown += [path.read_text() for path in tmp_path.iterdir()]  # noqa: ASYNC240 (nobody waits for this loop)
    assert [text for text in shown if "canary" in text] == []
    assert log.getvalue().count("audit_sink_failing") == 2


@scenario
async def test_a_certificate_of_nobody_is_not_trusted_and_one_of_an_authority_is(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    authority = make_authority(tmp_path / "keys")
    server = issue(authority, tmp_path / "keys", "receiver")
    with a_receiver(tls=server.both) as receiver:
        strange = Address(Webhook.model_validate(a_webhook(receiver.url)))
        with pytest.raises(NotPosted) as refused:
            await strange.post(b"[]", {})

        known = Address(Webhook.model_validate(a_webhook(receiver.url, ca=authority.certificate)))
        await known.post(b"[]", {})

        await strange.close()
        await known.close()

    assert str(refused.value) == ("its certificate is not to be trusted (unable to get local issuer certificate)")
    assert len(receiver.got) == 1


@scenario
async def test_a_certificate_of_another_host_is_not_trusted(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    server = issue(authority, tmp_path, "receiver", names=["elsewhere.example"])
    with a_receiver(tls=server.both) as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        address = Address(Webhook.model_validate(a_webhook(url, ca=authority.certificate)))

        with pytest.raises(NotPosted) as refused:
            await address.post(b"[]", {})

        await address.close()

    assert str(refused.value) == "its certificate is not to be trusted (hostname mismatch)"


@scenario
async def test_what_variables_say_of_proxies_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with a_receiver() as receiver:
        address = Address(Webhook.model_validate(a_webhook(receiver.url)))

        await address.post(b"[]", {})

        await address.close()


# For people


@pytest.mark.parametrize("provider", ["slack", "teams"])
@scenario
async def test_a_chat_gets_one_message_for_one_event_and_one_for_many(tmp_path: Path, provider: str) -> None:
    def lines(count: int) -> list[Line]:
        directory = tmp_path / str(count)
        directory.mkdir()
        return [Line(number, one) for number, one in enumerate(_written(directory, count), start=1)]

    with a_receiver() as receiver:
        sink = WebhookSink(Webhook.model_validate(a_webhook(receiver.url, provider=provider)), spacing=0)
        one = await sink.deliver(lines(1))
        many = await sink.deliver(lines(100))
        await sink.close()

    def parts(posted: Posted) -> list[Any]:
        if provider == "slack":
            return list(posted.json["blocks"])
        return list(posted.json["attachments"][0]["content"]["body"])

    assert (one, many) == (1, 15)
    assert [len(parts(posted)) for posted in receiver.got] == [2, 15]
    assert all(posted.headers["content-type"] == "application/json" for posted in receiver.got)


@scenario
async def test_messages_keep_the_distance_that_a_chat_asks_for() -> None:
    with a_receiver() as receiver:
        sink = WebhookSink(Webhook.model_validate(a_webhook(receiver.url, provider="slack")))
        line = [Line(1, b'{"type": "x"}')]
        await sink.deliver(line)
        first = time.monotonic()
        await sink.deliver(line)
        await sink.close()

    assert time.monotonic() - first >= 0.9


def _written(directory: Path, count: int) -> list[bytes]:
    return [
        json.dumps(
            {
                "specversion": "1.0",
                "id": f"e{number}",
                "source": SOURCE,
                "type": "kordon.audit.decision.v1",
                "time": "2026-02-25T00:09:49.708Z",
                "data": {
                    "who": {"principal": "dee"},
                    "what": {"action": "TOPIC_DELETE", "resources": [["cluster", "prod", "topic", f"tx_{number}"]]},
                    "why": {"effect": "Allow"},
                    "outcome": {},
                },
            }
        ).encode()
        for number in range(count)
    ]
