"""What people and programs are told: sentences, Slack's and Teams' JSON, and signatures."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_policy.actions import Domain
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.temporary import Change, create, expire, renew, revoke
from kordon_policy.temporary_request import read_request
from kordon_proxy.audit.event import KORDON, Event, EventType, Outcome, What, Who, Why, Window
from kordon_proxy.audit.tail import Line
from kordon_proxy.audit.temporary import event_of
from kordon_proxy.audit.webhooks import slack, teams
from kordon_proxy.audit.webhooks.formats import Chat, CloudEvents, signature
from kordon_proxy.audit.webhooks.sentences import circumstances, sentence
from kordon_proxy.audit.webhooks.words import plain
from kordon_proxy.secrets import Secret
from tests.policy.given import a_snapshot
from tests.proxy.audit.events import DEV, GROUP, NOON, TOPIC, a_denial, a_login, a_mutation, as_json

ANN: Final = Who(principal="ann", roles=("owners",), tenant="Trading")
HOUR: Final = 3_600_000
MINUTE_BEFORE: Final = NOON - 60_000
YES: Final = Judgement(granted=True, reason="ann holds it")
NO: Final = Judgement(granted=False, reason="ann does not hold GROUP_EDIT on group trade_b2 herself")
ROLES: Final = '{"admin_roles": ["owners"], "authorized_roles": ["devs"], "policies": []}'


def as_read(event: Event) -> Mapping[str, Any]:
    """The event as it is read from the journal."""
    read: Mapping[str, Any] = as_json(event)
    return read


def text(event: Event) -> str:
    return plain(sentence(as_read(event)))


def a_grant(
    judgement: Judgement = YES, *, duration: int | str = HOUR, effect: str = "Allow", **more: Any
) -> Sequence[Change]:
    """What becomes of asking for the grant of the main story."""
    policy = {"role": "devs", "actions": ["GROUP_EDIT"], "effect": effect, "resource": list(GROUP)}
    read = read_request(
        {"duration_ms": duration, "policy": policy, "reason": "poison message", "ticket": "OPS-123", **more},
        policy_id="7f3a",
        author=Author(principal="ann", roles=frozenset({"owners"}), tenant=None),
        snapshot=a_snapshot(ROLES),
        known={Domain.CLUSTER: (frozenset({"prod"}),)},
        now=NOON,
        max_duration=None,
    )
    assert read.policy is not None, read.findings
    return create(read.policy, judgement, NOON)


def told(change: Change, who: Who = ANN) -> str:
    return text(event_of(change, who=who, epoch=3))


def test_a_grant_is_told_with_who_to_whom_on_what_until_when_and_why() -> None:
    assert told(a_grant()[0]) == (
        "ann granted role devs GROUP_EDIT on group trade_b2 of prod until 01:09:49 UTC (1 h): poison message, OPS-123"
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"effect": "Deny"}, "ann denied role devs GROUP_EDIT on group trade_b2 of prod until 01:09:49 UTC (1 h)"),
        ({"effect": "Stage"}, "ann staged GROUP_EDIT on group trade_b2 of prod for role devs until 01:09:49 UTC (1 h)"),
        ({"principal": "dee"}, "ann granted role devs (only dee) GROUP_EDIT on group trade_b2 of prod until"),
        ({"duration": "unlimited"}, "ann granted role devs GROUP_EDIT on group trade_b2 of prod until it is revoked:"),
        ({"duration": 5_400_000}, "of prod until 01:39:49 UTC (1 h 30 min):"),
        ({"duration": 48 * HOUR}, "of prod until 2026-02-27 00:09:49 UTC (2 d):"),
        ({"starts_ts": NOON + HOUR}, "of prod from 01:09:49 UTC until 02:09:49 UTC (1 h):"),
    ],
)
def test_a_grant_is_told_as_it_is(asked: Mapping[str, Any], said: str) -> None:
    assert said in told(a_grant(**asked)[0])


def test_every_change_of_a_grant_is_told() -> None:
    started = a_grant()[-1]
    live = started.policy

    told_of = [
        told(a_grant(NO)[0]),
        told(started, KORDON),
        told(renew(live, NOON + 2 * HOUR, YES, NOON, by="ann", reason="not done")),
        told(revoke(live, NOON, by="ann", reason="done")),
        told(expire(live, NOON + HOUR), KORDON),
    ]

    what = "Allow GROUP_EDIT on group trade_b2 of prod for role devs"
    assert told_of == [
        f"ann may not put in force: {what}: ann does not hold GROUP_EDIT on group trade_b2 herself, OPS-123",
        f"in force from now on: {what} until 01:09:49 UTC (1 h): OPS-123",
        f"ann renewed: {what} until 02:09:49 UTC (2 h): not done, OPS-123",
        f"ann revoked: {what}: done, OPS-123",
        f"over: {what}: OPS-123",
    ]


@pytest.mark.parametrize(
    ("change", "parts", "said"),
    [
        ("STAGED", {"who": DEV}, "dee asks for approval to delete topic tx_old of prod: staged mutation 7f3a"),
        ("APPROVED", {"who": ANN, "why": Why(reason="OPS-7")}, "ann lets dee delete topic tx_old of prod: OPS-7"),
        ("DENIED", {"who": ANN, "why": Why(reason="no")}, "ann does not let dee delete topic tx_old of prod: no"),
        ("WITHDRAWN", {"who": DEV}, "dee does not want any more to delete topic tx_old of prod"),
        ("EXPIRED", {"why": Why(reason="nobody")}, "too late for dee to delete topic tx_old of prod: nobody"),
        ("STARTED", {}, "begun for dee, by approval: to delete topic tx_old of prod"),
        ("SUCCEEDED", {}, "done for dee, as ann approved: to delete topic tx_old of prod"),
        (
            "FAILED",
            {"why": Why(reason="x")},
            "not done for dee, though ann approved: to delete topic tx_old of prod: x",
        ),
        (
            "FAILED",
            {"outcome": Outcome(unknown=True)},
            "perhaps done for dee, as ann approved: to delete topic tx_old of prod",
        ),
    ],
)
def test_every_change_of_a_staged_mutation_is_told(change: str, parts: dict[str, Any], said: str) -> None:
    what = What(
        action=f"STAGED_MUTATION_{change}",
        api="DeleteTopics",
        cluster="prod",
        resources=(("cluster", "prod", "topic", "tx_old"),),
        parameters={
            "staged_mutation": "7f3a",
            "actions": ["TOPIC_DELETE"],
            "created_by": "dee",
            "approved_by": "ann",
        },
    )

    assert text(an_event(EventType.STAGED_MUTATION, what=what, **parts)) == said


SKIPPED: Final = {"operation": "skip", "topic": "tx_trade1", "partition": 3, "count": 1, "created_by": "dee"}
BOTH_ENDS: Final = {"topic": "tx_trade1", "partition": 3, "old_offset": 4, "new_offset": 5}


@pytest.mark.parametrize(
    ("change", "more", "why", "said"),
    [
        (
            "SCHEDULED",
            {"reason": "poison"},
            None,
            "dee scheduled: skip of tx_trade1-3 in group trade_b2 of prod: poison",
        ),
        ("REFUSED", {}, "no right", "dee may not schedule: skip of tx_trade1-3 in group trade_b2 of prod: no right"),
        ("STARTED", {}, None, "begun for dee: skip of tx_trade1-3 in group trade_b2 of prod"),
        (
            "SUCCEEDED",
            {"offsets": [BOTH_ENDS, BOTH_ENDS | {"partition": 2, "old_offset": 7, "new_offset": 7}]},
            None,
            "done for dee: skip of tx_trade1-3 in group trade_b2 of prod (tx_trade1-3 from 4 to 5)",
        ),
        (
            "SUCCEEDED",
            {"operation": "clear", "partition": None, "offsets": [BOTH_ENDS | {"new_offset": None}]},
            None,
            "done for dee: clear of tx_trade1 in group trade_b2 of prod (tx_trade1-3 from 4 to none)",
        ),
        (
            "EXPIRED",
            {},
            "the group is Stable",
            "not done for dee: skip of tx_trade1-3 in group trade_b2 of prod: the group is Stable",
        ),
        ("CANCELLED", {}, "no more", "dee called off: skip of tx_trade1-3 in group trade_b2 of prod: no more"),
    ],
)
def test_every_change_of_a_scheduled_mutation_is_told(
    change: str, more: dict[str, Any], why: str | None, said: str
) -> None:
    what = What(
        action=f"SCHEDULED_MUTATION_{change}",
        cluster="prod",
        resources=(GROUP, ("cluster", "prod", "topic", "tx_trade1")),
        parameters={**SKIPPED, **more},
    )

    assert text(an_event(EventType.SCHEDULED_MUTATION, who=DEV, what=what, why=Why(effect="Allow", reason=why))) == said


OFFSETS: Final = What(
    action="GROUP_EDIT",
    api="OffsetCommit",
    cluster="prod",
    resources=(GROUP,),
    parameters={"offsets": {f"tx_trade1-{partition}": 40 + partition for partition in range(5)}},
)
POLICY_FILE: Final = What(action="LOAD_POLICY", parameters={"file": "rbac.yaml"})


def an_event(kind: EventType, **parts: Any) -> Event:
    return Event(**{"id": "e1", "type": kind, "time": NOON, "who": KORDON, **parts})


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            a_denial(),
            "dee was not allowed to set offsets of group trade_b2 of prod: "
            "no rule lets devs do GROUP_EDIT on group trade_b2",
        ),
        (
            a_mutation(what=OFFSETS),
            "dee set offsets of group trade_b2 of prod (tx_trade1-0 to 40, tx_trade1-1 to 41, tx_trade1-2 to 42 "
            "and 2 more)",
        ),
        (
            replace(a_mutation(), what=What(action="TOPIC_DELETE", api="DeleteTopics", resources=(TOPIC,) * 5)),
            "dee deleted topic tx_trade1 of prod, topic tx_trade1 of prod, topic tx_trade1 of prod and 2 more",
        ),
        (
            replace(
                a_mutation(what=What(action="TOPIC_DELETE", api="DeleteTopics", resources=(TOPIC,))),
                outcome=Outcome(error_code=73, error_name="TOPIC_DELETION_DISABLED"),
            ),
            "dee tried to delete topic tx_trade1 of prod: Kafka answered TOPIC_DELETION_DISABLED",
        ),
        (
            replace(
                a_mutation(what=What(action="TOPIC_DELETE", api="DeleteTopics", resources=(TOPIC,))),
                outcome=Outcome(unknown=True),
            ),
            "dee may have deleted topic tx_trade1 of prod: the connection broke before Kafka answered",
        ),
        (
            replace(a_denial(), why=Why(effect="Stage", reason="policies[3] stages it")),
            "dee needs approval to set offsets of group trade_b2 of prod: policies[3] stages it",
        ),
        (
            replace(a_denial(), why=Why(effect="Deny", reason="trial", shadow=True)),
            "dee would not be allowed to set offsets of group trade_b2 of prod: trial (a policy that is being tried)",
        ),
        (
            replace(a_denial(), what=What(action="CONNECT_DELETE", resources=(("connect", "etl", "connector", "s3"),))),
            "dee was not allowed to do CONNECT_DELETE on connector s3 of etl: "
            "no rule lets devs do GROUP_EDIT on group trade_b2",
        ),
        (a_login(), "dee logged in at main"),
        (a_login(58, why=Why(effect="Deny", reason="no such user")), "dee could not log in at main: no such user"),
        (
            an_event(
                EventType.AGGREGATE,
                who=DEV,
                what=What(action="TOPIC_INSPECT", cluster="prod", resources=(TOPIC,)),
                why=Why(effect="Allow"),
                outcome=Outcome(bytes=12_345),
                window=Window(count=1_000, first=MINUTE_BEFORE, last=NOON),
            ),
            "dee read topic tx_trade1 of prod 1,000 times since 00:08:49 UTC (12,345 bytes)",
        ),
        (
            replace(
                a_denial(),
                type=EventType.AGGREGATE,
                window=Window(count=1, first=MINUTE_BEFORE, last=NOON, repeats="e0"),
            ),
            "dee was not allowed to set offsets of group trade_b2 of prod 1 more time since 00:08:49 UTC",
        ),
        (
            replace(
                a_login(58),
                type=EventType.AGGREGATE,
                window=Window(count=7, first=MINUTE_BEFORE, last=NOON, repeats="e"),
            ),
            "7 more logins failed since 00:08:49 UTC from 192.0.2.7:51234",
        ),
        (
            an_event(EventType.CONFIGURATION, what=POLICY_FILE, why=Why(effect="Allow", epoch=4)),
            "the policy file rbac.yaml is in force (epoch 4)",
        ),
        (
            an_event(EventType.CONFIGURATION, what=POLICY_FILE, why=Why(effect="Deny", epoch=4, reason="line 3: no")),
            "the policy file rbac.yaml was not taken over: line 3: no",
        ),
        (
            an_event(
                EventType.INTERRUPTION,
                why=Why(reason="no space left on device"),
                window=Window(count=3, first=MINUTE_BEFORE, last=NOON),
            ),
            "the audit log could not be written from 00:08:49 UTC to 00:09:49 UTC and lacks 3 events: "
            "no space left on device",
        ),
        (
            an_event(
                EventType.DELIVERY,
                what=What(action="GIVE_UP_EVENTS", parameters={"sink": "webhook-ops"}),
                why=Why(reason="it answered 400"),
                window=Window(count=1, first=NOON, last=NOON),
            ),
            "an event could not be delivered to webhook-ops: it answered 400",
        ),
    ],
    ids=range(17),
)
def test_what_happened_is_told_in_a_sentence(event: Event, said: str) -> None:
    assert text(event) == said


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"offsets": {"t-0": 42}, "old_offsets": {"t-0": 41}}, " (t-0 from 41 to 42)"),
        ({"offsets": {"t-0": 42, "t-1": 7}, "old_offsets": {"t-0": None, "t-1": 0}}, " (t-0 to 42, t-1 from 0 to 7)"),
        ({"offsets": {"t-0": 42}, "old_offsets": "unknown"}, " (t-0 to 42)"),
        ({"partitions": ["t-0"], "old_offsets": {"t-0": 41}}, " (t-0 from 41)"),
        ({"low_watermarks": {"t-0": 9}, "old_low_watermarks": {"t-0": 1}}, " (t-0 from 1 to 9)"),
        ({"group": "g"}, ""),
    ],
)
def test_offsets_are_told_with_those_that_there_were(parameters: Mapping[str, Any], said: str) -> None:
    event = a_mutation(what=What(action="GROUP_EDIT", resources=(GROUP,), parameters=parameters))

    assert text(event) == f"dee did GROUP_EDIT on group trade_b2 of prod{said}"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("cluster", "prod", "topic", "tx_*"), "topic tx_* of prod"),
        (("cluster", "*", "transactional-id", "t"), "transactional id t everywhere"),
        (("cluster", "prod", "group"), "every group of prod"),
        (("cluster", "prod"), "cluster prod"),
        (("cluster", "*"), "every cluster"),
        (("*",), "everything"),
    ],
)
def test_a_path_is_told_in_words(path: tuple[str, ...], said: str) -> None:
    assert text(a_mutation(what=What(action="ADMIN", resources=(path,)))) == f"dee did ADMIN on {said}"


def test_an_event_of_a_later_kordon_is_told_as_far_as_it_is_known() -> None:
    later = {**as_read(a_mutation()), "type": "kordon.audit.scheduled.v1"}

    assert plain(sentence(later)) == "dee: GROUP_EDIT on group trade_b2 of prod: policies[0] allows it"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["who", "what", "why", "window", "x"]), inner),
    ),
    st.sampled_from([*EventType, "kordon.audit.unknown.v1"]),
)
def test_no_event_is_too_strange_to_be_told(data: Any, kind: str) -> None:
    event = {"type": kind, "id": "e1", "time": "2026-02-25T00:09:49.708Z", "data": data}

    assert plain(sentence(event))
    assert slack.message([event, event])["blocks"]


def test_the_circumstances_are_whose_right_it_was_and_where_to_find_it() -> None:
    told_of = plain(circumstances(as_read(a_mutation(id="e1"))))

    assert told_of == (
        "role devs · tenant Trading · from 192.0.2.7:51234 · temporary policy t1 · 2026-02-25T00:09:49.708Z · event e1"
    )


def test_all_grants_that_decided_are_among_the_circumstances() -> None:
    why = Why(effect="Allow", temporary_policy="t1", temporary_policies=("t1", "t2"))

    assert "temporary policies t1, t2 ·" in plain(circumstances(as_read(replace(a_mutation(), why=why))))


# Formats


def test_slack_is_told_so() -> None:
    event = as_read(a_denial(id="e1"))

    assert slack.message([event]) == {
        "text": "dee was not allowed to set offsets of group trade_b2 of prod: "
        "no rule lets devs do GROUP_EDIT on group trade_b2",
        "mrkdwn": False,
        "blocks": [
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": "`dee` was not allowed to set offsets of group `trade_b2` of `prod`: "
                    "`no rule lets devs do GROUP_EDIT on group trade_b2`",
                    "verbatim": True,
                },
            },
            {
                "type": "context",
                "elements": [
                    {
                        "type": "mrkdwn",
                        "text": "role `devs` · tenant `Trading` · from `192.0.2.7:51234` · "
                        "`2026-02-25T00:09:49.708Z` · event `e1`",
                        "verbatim": True,
                    }
                ],
            },
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_teams_is_told_so() -> None:
    event = as_read(an_event(EventType.CONFIGURATION, what=POLICY_FILE, why=Why(effect="Allow", epoch=4)))
    small = {"size": "Small", "isSubtle": True}

    assert teams.message([event]) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "msteams": {"width": "Full"},
                    "body": [
                        {
                            "type": "RichTextBlock",
                            "separator": True,
                            "inlines": [
                                {"type": "TextRun", "text": "the policy file "},
                                {"type": "TextRun", "text": "rbac.yaml", "fontType": "Monospace"},
                                {"type": "TextRun", "text": " is in force (epoch 4)"},
                            ],
                        },
                        {
                            "type": "RichTextBlock",
                            "separator": False,
                            "inlines": [
                                {
                                    "type": "TextRun",
                                    "text": "2026-02-25T00:09:49.708Z",
                                    "fontType": "Monospace",
                                    **small,
                                },
                                {"type": "TextRun", "text": " · event ", **small},
                                {"type": "TextRun", "text": "e1", "fontType": "Monospace", **small},
                            ],
                        },
                    ],
                },
            }
        ],
    }


def test_several_events_stand_in_one_message_each_with_its_time() -> None:
    events = [as_read(a_login()), as_read(a_login(who=replace(DEV, principal="dan")))]

    message = slack.message(events)

    assert message["text"] == "2 events: dee logged in at main, …"
    assert [block["text"]["text"] for block in message["blocks"]] == [
        "2026-02-25 00:09:49 UTC: `dee` logged in at `main`",
        "2026-02-25 00:09:49 UTC: `dan` logged in at `main`",
    ]


HOSTILE: Final = (
    "<!channel>",
    "<@U0123>",
    "<https://evil.example|Approved>",
    "`*bold* _i_ ~s~ `<!here>",
    "a\nb\r\u2028c",
    "\u202egnp.exe",
    "&lt;!channel&gt;",
    ":white_check_mark:",
    "[x](https://evil.example)",
    "<at>Everybody</at>",
    "x" * 40_000,
    "\ud800",
)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("count", [1, 3])
def test_a_name_is_nothing_but_a_name_in_slack(name: str, count: int) -> None:
    who = replace(DEV, principal=name, roles=(name,), tenant=name)
    what = What(
        action="GROUP_EDIT", resources=(("cluster", name, "group", name),), parameters={"offsets": {name: name}}
    )
    event = as_read(a_mutation(who, what=what))

    message = slack.message([event] * count)

    marked = [part["text"] for block in message["blocks"] for part in (block.get("elements") or [block["text"]])]
    for text_of in (*marked, message["text"]):
        assert not {"<", ">", "\n", "\r", "\u2028", "\u202e", "\ud800"} & {*text_of}
        assert len(text_of) <= 3_000
    # What others chose stands in code spans, which it cannot end.
    for text_of in marked:
        outside = text_of.split("`")[::2]
        assert len(text_of.split("`")) % 2 == 1
        assert not any(mark in part for part in outside for mark in ("*", "~", ":white", "https", "channel", "xxx"))


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_is_nothing_but_a_name_in_teams(name: str) -> None:
    event = as_read(a_denial(replace(DEV, principal=name), why=Why(effect="Deny", reason=name)))

    card = teams.message([event])["attachments"][0]["content"]

    assert "entities" not in card["msteams"]  # without which there is no mention
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert not {"\n", "\r", "\u2028", "\u202e", "\ud800"} & {letter for run in runs for letter in run["text"]}


@pytest.mark.parametrize("chat", [slack, teams], ids=["slack", "teams"])
@pytest.mark.parametrize("letter", ["x", "&", "é", "\u202e", "\U0001f600"])
def test_a_message_is_never_larger_than_a_chat_takes(chat: Any, letter: str) -> None:
    long = letter * 5_000
    who = replace(DEV, principal=long, roles=(long,) * 10, tenant=long)
    what = What(action="GROUP_EDIT", resources=(("cluster", long, "group", long),) * 10, parameters={})
    event = as_json(a_denial(who, what=what, why=Why(effect="Deny", reason=long)))
    lines = [Line(number, json.dumps(event).encode()) for number in range(15)]

    post = Chat(chat.message).compose(lines)

    assert post.count >= 1
    assert len(post.body) <= 24_000


def test_events_go_together_as_long_as_they_are_not_too_large() -> None:
    lines = [Line(number, b'{"id":"%d","x":"%b"}' % (number, b"y" * 400_000)) for number in range(5)]

    post = CloudEvents(100, None).compose(lines)

    assert (post.count, [event["id"] for event in json.loads(post.body)]) == (2, ["0", "1"])


def test_a_signature_is_of_time_and_body() -> None:
    signed = signature(Secret("s3cret"), b"[]", 1_771_978_189)

    expected = hmac.new(b"s3cret", b"1771978189.[]", hashlib.sha256).hexdigest()
    assert signed == f"t=1771978189,v1={expected}"
