from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey, versions
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import judge_each, list_each, mend_each, name_or_id, refuse
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Relay, Rewrite
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import make_may

DENIED = Refusal(ErrorCode.topic_authorization_failed, "because")
MISSING = Refusal(ErrorCode.unknown_topic_or_partition)
KEY = ApiKey.CREATE_PARTITIONS
NOBODY: May = make_may("policies: []")


def growing(names: Iterable[str]) -> Any:
    topics = tuple(asked(KEY, 3, "topics", name=name, count=5) for name in names)
    return a_request(KEY, 3, topics=topics, timeout=timedelta(seconds=1))


def grown(names: Iterable[str], code: ErrorCode = ErrorCode.none) -> Any:
    return a_response(KEY, 3, results=tuple(said(KEY, 3, "results", name=name, error_code=code) for name in names))


def judged(request: Any, refusals: dict[str, Refusal], **how: Any) -> Any:
    return judge_each(request, lambda topic: refusals.get(topic.name), items="topics", answers="results", **how)


def results(response: Any) -> list[tuple[str, ErrorCode, str | None]]:
    return [(result.name, result.error_code, result.error_message) for result in response.results]


def test_the_client_s_own_bytes_are_forwarded_when_nothing_is_refused() -> None:
    plan = Mended(lambda response, _: response)

    assert judged(growing("ab"), {}, plan=plan) == Forward(plan)


def test_a_request_that_names_nothing_is_forwarded() -> None:
    assert judged(growing(""), {}) == Forward(Relay())


def test_only_what_is_allowed_is_forwarded_and_the_rest_of_the_request_stays() -> None:
    request = growing("abc")

    verdict = judged(request, {"b": DENIED})

    assert isinstance(verdict, Rewrite)
    assert verdict.request == replace(request, topics=(request.topics[0], request.topics[2]))


def test_nothing_is_forwarded_when_everything_is_refused() -> None:
    verdict = judged(growing("ab"), {"a": DENIED, "b": MISSING})

    assert isinstance(verdict, Answer)
    assert results(verdict.response) == [("a", DENIED.code, "because"), ("b", MISSING.code, None)]


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.sets(st.sampled_from("abcdefgh")), st.randoms())
def test_every_entry_is_answered_once_in_the_order_of_the_request(
    names: list[str], denied: set[str], mixed: Any
) -> None:
    verdict = judged(growing(names), dict.fromkeys(sorted(denied), DENIED))

    expected = [(name, DENIED.code if name in denied else ErrorCode.none) for name in names]
    if isinstance(verdict, Forward):
        assert not denied.intersection(names)
    else:
        if isinstance(verdict, Answer):
            response = verdict.response
        else:
            heard = [topic.name for topic in verdict.request.topics]
            assert not denied.intersection(heard)
            mixed.shuffle(heard)  # the controller answers in any order
            response = verdict.plan.mend(grown(heard), NOBODY)
        assert [(name, code) for name, code, _ in results(response)] == expected


def test_an_answer_may_stand_in_another_order_than_the_request() -> None:
    request = growing("abcde")
    order = {None: 1, DENIED: 2, MISSING: 0}

    verdict = judged(request, {"a": DENIED, "b": MISSING, "d": DENIED}, order=order.__getitem__)

    assert isinstance(verdict, Rewrite)
    assert [topic.name for topic in verdict.request.topics] == ["c", "e"]
    assert isinstance(verdict.plan, Mended)
    answer = verdict.plan.mend(grown("ec"), NOBODY)
    assert [name for name, *_ in results(answer)] == ["b", "c", "e", "a", "d"]


def test_nothing_is_put_in_order_where_nothing_is_refused() -> None:
    assert judged(growing("ba"), {}, order=lambda _: 0) == Forward(Relay())


def test_what_the_broker_answers_without_having_been_asked_is_left_out() -> None:
    verdict = judged(growing("ab"), {"b": DENIED})

    assert [name for name, *_ in results(verdict.plan.mend(grown(["a", "foreign"]), NOBODY))] == ["a", "b"]


def test_the_plan_mends_the_broker_s_part_before_the_refused_entries_are_put_back() -> None:
    plan = Mended(lambda response, _: mend_each(response, "results", lambda one: replace(one, error_message="mended")))

    verdict = judged(growing("ab"), {"b": DENIED}, plan=plan)

    assert [text for *_, text in results(verdict.plan.mend(grown("a"), NOBODY))] == ["mended", "because"]


def test_an_answer_that_must_be_judged_again_is_also_judged_when_something_is_put_back() -> None:
    plan = Relay(
        stale=lambda response, _: mend_each(response, "results", lambda one: replace(one, error_message="late"))
    )

    verdict = judged(growing("ab"), {"b": DENIED}, plan=plan)

    assert [text for *_, text in results(verdict.plan.mend(grown("a"), NOBODY))] == ["late", "because"]


def test_an_answer_made_here_is_finished_with_its_entry_at_hand() -> None:
    finish = lambda topic, answer: replace(answer, error_message=f"{topic.count} for {answer.name}")  # noqa: E731

    verdict = judged(growing("ab"), {"a": DENIED, "b": DENIED}, finish=finish)

    assert [text for *_, text in results(verdict.response)] == ["5 for a", "5 for b"]


def test_refusals_go_into_the_entries_even_where_the_answer_has_room_at_its_top() -> None:
    key = ApiKey.ALTER_PARTITION_REASSIGNMENTS
    topics = tuple(
        asked(key, 0, "topics", name=name, partitions=(asked(key, 0, "topics", "partitions", partition_index=1),))
        for name in "ab"
    )

    verdict = judge_each(a_request(key, 0, topics=topics), lambda _: DENIED, items="topics", answers="responses")

    assert isinstance(verdict, Answer)
    assert verdict.response.error_code is ErrorCode.none
    assert [part.error_code for topic in verdict.response.responses for part in topic.partitions] == [DENIED.code] * 2


@pytest.mark.parametrize("version", versions(KEY))
def test_a_whole_request_is_refused_in_every_version(version: int) -> None:
    request = a_request(KEY, version, topics=(asked(KEY, version, "topics", name="a"),))

    assert results(refuse(request, DENIED).response) == [("a", DENIED.code, "because")]


def test_a_topic_goes_by_its_id_where_there_is_one() -> None:
    by_id = asked(ApiKey.DELETE_TOPICS, 6, "topics", name="a", topic_id="the id")

    assert name_or_id(by_id) == "the id"
    assert name_or_id(asked(ApiKey.OFFSET_FOR_LEADER_EPOCH, 4, "topics", topic="b")) == "b"
    assert name_or_id("c") == "c"


def test_an_answer_in_which_nothing_changes_is_the_very_same() -> None:
    response = grown("ab")

    assert mend_each(response, "results", lambda result: result) is response


@given(names=st.permutations(["globex.1", "acme.3", "acme.1", "acme.2"]))
def test_a_list_is_in_an_order_of_its_own_whatever_else_is_there(names: list[str]) -> None:
    listed = list_each(grown(names), "results", lambda one: one.name.startswith("acme"), attrgetter("name"))

    assert [one.name for one in listed.results] == ["acme.1", "acme.2", "acme.3"]
    assert list_each(listed, "results", lambda _: True, attrgetter("name")) is listed
