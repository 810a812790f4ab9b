"""Events, and the text they become."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.audit.event import (
    MOST_RULES,
    Event,
    EventType,
    Outcome,
    What,
    Who,
    Why,
    Window,
    encode,
    new_id,
    parts,
    rfc3339,
)
from kordon_proxy.audit.line import BEGINNING, link, place_of, seal
from kordon_proxy.redaction import MASK
from tests.proxy.audit.events import DEV, GROUP, NOON, SOURCE, TOPIC, a_denial, a_login, a_mutation

CANARIES = {
    "sasl.jaas.config": "canary-jaas",
    "ssl.keystore.password": "canary-password",
    "salted_password": "canary-salted",
    "salt": "canary-salt",
    "client_secret": "canary-secret",
    "delegation_token": "canary-token",
    "hmac": "canary-hmac",
}

some_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
some_text = st.none() | st.text(st.characters(codec=None, categories=None))
some_who = st.builds(Who, principal=st.text(min_size=1), client_id=some_text, tenant=some_text, peer=some_text)
some_event = st.builds(
    Event,
    id=st.just("e1"),
    type=st.sampled_from(EventType),
    time=st.integers(0, 4_102_444_800_000),
    who=some_who,
    what=st.builds(
        What,
        action=some_text,
        resources=st.lists(st.tuples(st.just("cluster"), st.text(min_size=1)), max_size=3).map(tuple),
        parameters=st.dictionaries(st.text(), some_json, max_size=3),
    ),
    why=st.builds(Why, effect=some_text, reason=some_text),
    outcome=st.builds(Outcome, error_code=st.none() | st.integers(-1, 200)),
    window=st.none() | st.builds(Window, count=st.integers(1), first=st.just(NOON), last=st.just(NOON)),
)


def text_of(event: Event) -> bytes:
    return seal(encode(event, SOURCE), "w1", 42)[0]


def shown(event: Event) -> dict[str, dict[str, object]]:
    data: dict[str, dict[str, object]] = json.loads(text_of(event))["data"]
    return data


@pytest.mark.parametrize("event", [a_denial(), a_mutation(), a_login(58)], ids=lambda event: str(event.type))
def test_an_event_is_a_cloud_event_by_the_official_library(event: Event) -> None:
    read = JSONFormat().read(CloudEvent, text_of(event))

    assert read.get_type() == event.type
    assert read.get_source() == SOURCE
    assert read.get_id() == event.id
    assert read.get_extension("sequence") == "00000000000000000042"
    assert read.get_extension("writer") == "w1"
    assert len(read.get_extension("chain")) == 64
    assert read.get_extension("previous") == "0" * 64
    assert read.get_time() == datetime.fromtimestamp(NOON / 1000, UTC)


@given(some_event)
def test_whatever_a_client_sends_an_event_is_one_ascii_line_of_valid_cloud_events_json(event: Event) -> None:
    line = text_of(event)

    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert all(byte >= 0x20 for byte in line[:-1])
    JSONFormat().read(CloudEvent, line)
    place = place_of(line)
    assert place is not None
    assert (place.writer, place.sequence) == ("w1", 42)
    assert place.chain == link(BEGINNING, line[: place.linked])


@pytest.mark.parametrize("part", [Who, What, Why, Outcome], ids=lambda part: part.__name__)
def test_every_fact_has_a_field_in_the_text(part: type) -> None:
    # Given an event in which everything is known
    event = Event(
        id=new_id(),
        type=EventType.DECISION,
        time=NOON,
        who=DEV,
        what=What(
            action="TOPIC_EDIT",
            cluster="prod",
            api="IncrementalAlterConfigs",
            api_version=1,
            resources=(TOPIC,),
            parameters={"configs": ["retention.ms"]},
            correlation_id=1,
        ),
        why=Why(
            effect="Allow",
            rules=("policies[2]",),
            rules_total=30,
            temporary_policy="t",
            temporary_policies=("t", "u"),
            epoch=1,
            reason="r",
            shadow=True,
        ),
        outcome=Outcome(
            error_code=0,
            error_name="NONE",
            items_allowed=1,
            items_denied=2,
            items_failed=1,
            failed={"topics[a]": "INVALID_TOPIC_EXCEPTION"},
            bytes=3,
            duration_ms=4.5,
            unknown=True,
        ),
    )

    # Then
    names = {field.name for field in fields(part)} - {"key"}
    assert set(shown(event)[part.__name__.lower()]) == names


def test_of_very_many_rules_the_first_are_named_and_how_many_they_are() -> None:
    rules = tuple(f"policies[{number}]" for number in range(60_000))
    lent = tuple(f"t{number}" for number in range(30))
    event = a_denial(why=Why(effect="Allow", rules=rules, temporary_policies=lent))

    tried = replace(event, why=replace(event.why, shadow=True))

    for one in (event, tried):
        why = shown(one)["why"]
        assert (why["rules"], why["rules_total"]) == (list(rules[:MOST_RULES]), 60_000)
        assert why["temporary_policies"] == list(lent[:MOST_RULES])


def test_rules_that_are_all_named_are_not_counted() -> None:
    rules = tuple(f"policies[{number}]" for number in range(MOST_RULES))

    why = shown(a_denial(why=Why(effect="Allow", rules=rules)))["why"]

    assert why["rules"] == list(rules)
    assert "rules_total" not in why


def test_what_is_not_known_is_left_out() -> None:
    event = a_login()

    assert shown(event)["outcome"] == {"unknown": False}
    assert "cluster" not in shown(event)["what"]


def test_an_event_that_stands_for_many_says_for_how_many_and_when() -> None:
    event = a_denial(window=Window(count=9, first=NOON, last=NOON + 1500, repeats="e0"))

    window = shown(event)["window"]

    first, last = "2026-02-25T00:09:49.708Z", "2026-02-25T00:09:51.208Z"
    assert window == {"count": 9, "first": first, "last": last, "repeats": "e0"}


@pytest.mark.parametrize(
    ("event", "subject"),
    [(a_denial(), "cluster/prod/group/trade_b2"), (a_login(), "dee")],
)
def test_the_subject_is_the_resource_or_else_the_principal(event: Event, subject: str) -> None:
    assert json.loads(text_of(event))["subject"] == subject


def test_offsets_are_kept_even_of_a_topic_that_is_called_like_a_secret() -> None:
    offsets = {"payments-token": {"0": {"old": 5, "new": 6}}}

    event = a_mutation(what=What(parameters={"offsets": offsets}))

    assert shown(event)["what"]["parameters"] == {"offsets": offsets}


def test_no_canary_comes_through() -> None:
    nested = {"broker": {"1": [dict(CANARIES)]}}
    event = a_mutation(what=What(parameters={**CANARIES, "deep": nested, "record": b"canary-record"}))

    text = text_of(event).decode()

    assert "canary" not in text
    assert text.count(MASK) == 2 * len(CANARIES)
    assert "13 bytes" in text


def test_an_event_about_many_resources_is_cut_into_several_that_fit_into_a_record() -> None:
    # Given a request that names 100,000 topics
    resources = tuple(("cluster", "prod", "topic", f"topic-{number:06}") for number in range(100_000))
    event = a_denial(what=replace(a_denial().what, resources=resources))

    # When
    cut = list(parts(event))

    # Then
    assert tuple(path for part in cut for path in part.what.resources) == resources
    assert all(len(text_of(part)) < 1_000_000 for part in cut)
    assert [part.id for part in cut] == [f"{event.id}/{number}" for number in range(1, len(cut) + 1)]


def test_what_is_said_of_very_many_resources_is_written_once() -> None:
    # Given a request that says something of each of 20,000 topics
    names = [f"topic-{number:06}" for number in range(20_000)]
    resources = tuple(("cluster", "prod", "topic", name) for name in names)
    event = a_denial(what=What(resources=resources, parameters={"offsets": dict.fromkeys(names, 5)}))

    # When
    cut = list(parts(event))

    # Then
    assert len(cut) > 2
    assert [part.what.parameters for part in cut] == [event.what.parameters, *[{}] * (len(cut) - 1)]
    assert tuple(path for part in cut for path in part.what.resources) == resources


def test_an_ordinary_event_stays_whole() -> None:
    event = a_denial()

    assert list(parts(event)) == [event]


def test_the_longest_name_there_is_fits_into_a_record() -> None:
    path = ("cluster", "prod", "group", "\u202e" * 10_922)  # 32,766 bytes of UTF-8, six characters each in JSON

    cut = parts(a_denial(what=What(resources=(path, path, GROUP))))

    assert all(len(text_of(part)) < 1_000_000 for part in cut)


def test_connections_of_one_principal_are_counted_under_one_key() -> None:
    other = replace(DEV, connection_id="c2", peer="192.0.2.8:1", client_id="other", software_version=None)

    assert other.key == DEV.key
    assert other.without_connection() == DEV.without_connection()
    assert other.without_connection().key == DEV.key


@pytest.mark.parametrize(
    "changes", [{"principal": "x"}, {"roles": ()}, {"tenant": None}, {"listener": "x"}, {"mechanism": None}]
)
def test_what_a_policy_looks_at_is_in_the_key(changes: dict[str, object]) -> None:
    assert replace(DEV, **changes).key != DEV.key  # type: ignore[arg-type]


@given(st.integers(0, 253_402_300_799_999))
def test_times_sort_as_texts(milliseconds: int) -> None:
    assert rfc3339(milliseconds) <= rfc3339(milliseconds + 1) or milliseconds == 253_402_300_799_999
