"""What the audit learns of a request: who was told what, by which rule, and how it ended."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_policy.model import RuleRef, TemporaryRule
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey
from kordon_proxy.audit.event import Event, Who
from kordon_proxy.exchange import Exchange
from kordon_proxy.judging import brokers
from kordon_proxy.recorder import LONGEST_NAME, MOST_FAILED, Recorder
from kordon_proxy.table import APIS
from tests.policy.given import a_document, a_policy
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import make_may
from tests.proxy.sessions import FakeAudit

POLICY: Final = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_EDIT, TOPIC_CREATE], role: devs}
  - {resource: [cluster, "*", topic, "a-ask"], effect: Stage, actions: [TOPIC_EDIT], role: devs}
  - {resource: [cluster, "*", topic, "a-no"], effect: Deny, actions: [TOPIC_EDIT], role: devs}
  - resource: [cluster, "*", topic, "a-try*"]
    effect: Stage
    actions: [TOPIC_EDIT]
    role: devs
    mode: shadow
    shadow_until: 2036-01-01
tenants:
  - name: acme
    resources: [{include: [[cluster, "*", topic, "a*"], [cluster, "*", transactional-id, "*"]]}]
    roles: [devs]
"""
GROW: Final = ApiKey.CREATE_PARTITIONS


def a_recorder() -> Recorder:
    who = Who(principal="dee", roles=("devs",), tenant="acme", connection_id="c1")
    return Recorder(FakeAudit(), "prod", who)  # type: ignore[arg-type]


def judged(request: Any, temporary: Iterable[TemporaryRule] = ()) -> Exchange:
    """An exchange whose request has been judged."""
    api = APIS[request.__api_key__]
    assert api.judge is not None
    rights = make_may(POLICY, topics=("a1",), temporary=temporary)
    head = RequestHead(
        api_key=api.key, api_version=request.__version__, correlation_id=7, client_id="test", body_offset=0
    )
    exchange = Exchange(head, api, rights, request, received=0.0, request_size=100)
    exchange.record = api.record_for(request)
    api.judge(request, rights)
    return exchange


def growing(*names: str) -> Any:
    return a_request(GROW, 3, topics=tuple(asked(GROW, 3, "topics", name=name, count=5) for name in names))


def denials(request: Any, temporary: Iterable[TemporaryRule] = ()) -> list[Event]:
    exchange = judged(request, temporary)
    return a_recorder().denials(exchange, exchange.may)


def test_a_denial_names_its_rule_and_what_the_client_is_told() -> None:
    (event,) = denials(growing("a1", "a-no"))

    assert (event.what.action, event.what.resources) == ("TOPIC_EDIT", (("cluster", "prod", "topic", "a-no"),))
    assert (event.why.effect, event.why.rules) == ("Deny", ("policies[2] (rbac.yaml:5)",))
    assert event.outcome.error_name == "TOPIC_AUTHORIZATION_FAILED"


def lent_denial(policy_id: str, name: str) -> TemporaryRule:
    deny = a_policy("Deny", ["TOPIC_EDIT"], ["cluster", "*", "topic", name])
    rule = replace(a_document(deny).policies[0], ref=RuleRef(place=f"temporary policy {policy_id}"))
    return TemporaryRule(id=policy_id, rule=rule, starts_ts=0, expires_ts=None)


def test_a_temporary_policy_that_decides_is_named() -> None:
    lent = lent_denial("7f3a", "a1")

    (by_file,), (by_lent,) = (denials(growing(name), [lent]) for name in ("a-no", "a1"))

    assert (by_file.why.rules, by_file.why.temporary_policy) == (("policies[2] (rbac.yaml:5)",), None)
    assert by_file.why.temporary_policies is None
    assert (by_lent.why.rules, by_lent.why.temporary_policy) == (("temporary policy 7f3a",), "7f3a")
    assert by_lent.why.temporary_policies == ("7f3a",)


def test_an_event_of_several_things_names_all_that_decided_on_any_of_them() -> None:
    lent = [lent_denial(*one) for one in (("7f3a", "a1"), ("0c11", "a2"), ("ffff", "a-other"))]

    (event,) = denials(growing("a-no", "a1", "a2"), lent)

    assert event.why.rules == ("policies[2] (rbac.yaml:5)", "temporary policy 7f3a", "temporary policy 0c11")
    assert event.why.temporary_policies == ("7f3a", "0c11")
    assert event.why.temporary_policy == "7f3a"
    assert event.why.reason == "TOPIC_EDIT is denied by policies[2] (rbac.yaml:5)"


def test_an_event_on_which_very_many_policies_decided_names_the_first_and_how_many_they_are() -> None:
    names = tuple(f"a{number}" for number in range(30))

    (event,) = denials(growing("a-no", *names), [lent_denial(name, name) for name in names])

    assert event.why.rules[:2] == ("policies[2] (rbac.yaml:5)", "temporary policy a0")
    assert (len(event.why.rules), event.why.rules_total) == (20, 31)
    assert event.why.temporary_policies == names[:20]


@pytest.mark.parametrize("name", ["a-no", "a-ask"])
def test_audit_and_client_are_told_the_same_sentence(name: str) -> None:
    exchange = judged(growing(name))
    assert exchange.may is not None

    (event,) = a_recorder().denials(exchange, exchange.may)

    (note,) = exchange.may.notes
    assert note.refusal is not None
    assert event.why.reason == note.refusal.text


def test_why_the_cluster_as_a_whole_is_hidden_is_told_to_the_audit_and_that_it_is_to_the_client() -> None:
    exchange = judged(growing())
    may = exchange.may
    assert may is not None

    refusal = brokers.whole_cluster(may)

    (event,) = a_recorder().denials(exchange, may)
    assert refusal is not None
    assert refusal.text == "the cluster as a whole is outside the tenant acme"
    assert event.why.reason == "the cluster as a whole is not in tenant acme: no include covers all of it"


def test_what_is_hidden_and_what_is_staged_are_events_of_their_own() -> None:
    hidden, staged = denials(growing("foreign", "a-ask", "other"))

    assert (hidden.why.effect, hidden.outcome.items_denied) == ("Deny", 2)
    assert hidden.why.reason == "topic foreign is not in tenant acme: not included"
    assert (staged.why.effect, staged.outcome.error_name) == ("Stage", "POLICY_VIOLATION")


@pytest.mark.parametrize(
    "request_",
    [
        a_request(ApiKey.FIND_COORDINATOR, 6, key_type=2, coordinator_keys=("g:id:0",)),
        a_request(ApiKey.INIT_PRODUCER_ID, 5, transactional_id=None),
    ],
    ids=["share key", "nowhere to produce"],
)
def test_a_refusal_that_names_no_resource_is_a_denial_with_its_reason(request_: Any) -> None:
    (event,) = denials(request_)

    assert event.why.effect == "Deny"
    assert event.why.reason


def test_of_a_refused_mutation_the_audit_learns_what_was_wanted_and_of_other_requests_does_not() -> None:
    commit = a_request(ApiKey.OFFSET_COMMIT, 8, group_id="g", member_id="m", generation_id_or_member_epoch=1)

    (mutation,), (other,) = denials(growing("a-no")), denials(commit)

    assert mutation.what.parameters == {"topics": [{"name": "a-no", "partitions": 5}], "validate_only": False}
    assert other.what.parameters == {}


def test_of_a_very_long_name_its_beginning_is_kept_and_what_tells_it_from_others() -> None:
    beginning = "z" * LONGEST_NAME
    names = (beginning, beginning + "a" * 30_000, beginning + "b" * 30_000)

    (event,) = denials(growing(*names))

    first, *others = [path[3] for path in event.what.resources]
    assert first == beginning
    assert len(set(others)) == 2
    assert all(name.startswith(beginning) and "30300 letters" in name and len(name) < 500 for name in others)


def test_a_shadow_policy_is_told_as_if_it_were_in_force() -> None:
    (event,) = a_recorder().shadows(judged(growing("a-try")))

    assert (event.why.shadow, event.why.effect) == (True, "Stage")
    assert event.why.rules == ("policies[3] (rbac.yaml:6)",)
    assert event.outcome.error_code is None


def test_a_mutation_ends_with_the_first_error_of_its_answer() -> None:
    results = (
        said(GROW, 3, "results", name="a1"),
        said(GROW, 3, "results", name="a2", error_code=ErrorCode.invalid_partitions),
    )

    event = a_recorder().mutation(judged(growing("a1", "a2")), a_response(GROW, 3, results=results))

    assert (event.outcome.error_code, event.outcome.error_name) == (37, "INVALID_PARTITIONS")
    assert (event.why.effect, event.outcome.items_allowed, event.outcome.unknown) == ("Allow", 2, False)


def test_a_code_that_nobody_knows_does_not_cost_the_event() -> None:
    key = ApiKey.CREATE_TOPICS
    request = a_request(key, 7, topics=(asked(key, 7, "topics", name="a-new"),))
    topic = said(key, 7, "topics", name="a-new", topic_config_error_code=9_999)

    event = a_recorder().mutation(judged(request), a_response(key, 7, topics=(topic,)))

    assert (event.outcome.error_code, event.outcome.error_name) == (9_999, "error 9999")


def test_a_mutation_without_an_answer_has_an_unknown_outcome() -> None:
    event = a_recorder().mutation(judged(growing("a1")), None)

    assert (event.outcome.unknown, event.outcome.error_code, event.outcome.error_name) == (True, None, None)


def test_of_reads_the_records_that_came_are_counted_and_of_the_rest_what_was_sent() -> None:
    topics = tuple(
        said(ApiKey.FETCH, 4, "responses", topic=name, partitions=partitions)
        for name, partitions in (
            ("a1", (said(ApiKey.FETCH, 4, "responses", "partitions", records=b"records"),)),
            ("a2", (said(ApiKey.FETCH, 4, "responses", "partitions", records=b""),)),
        )
    )
    wanted = tuple(asked(ApiKey.FETCH, 4, "topics", topic=name) for name in ("a1", "a2"))
    read = judged(a_request(ApiKey.FETCH, 4, topics=wanted))
    read.now = read.may
    looked = judged(a_request(GROW, 3, topics=(asked(GROW, 3, "topics", name="a1"),), validate_only=True))
    recorder = a_recorder()

    recorder.count(read, a_response(ApiKey.FETCH, 4, responses=topics))
    recorder.count(looked)

    audit: Any = recorder._audit
    assert [(action, path[-1], verdict, size) for _, action, path, verdict, size in audit.tallies] == [
        ("TOPIC_INSPECT", "a1", "Allow", len(b"records")),
        ("TOPIC_EDIT", "a1", "Allow", looked.request_size),
    ]


def test_events_that_are_durable_are_reported_once_and_together() -> None:
    recorder = a_recorder()
    durable: list[str] = []
    audit: Any = recorder._audit
    waiting: list[Any] = []
    audit.decision = lambda event, then: waiting.append(then)
    (event,) = denials(growing("a-no"))

    recorder.write([event, replace(event, id="other")], lambda: durable.append("both"))
    waiting.pop()()
    assert durable == []
    waiting.pop()()

    assert durable == ["both"]


def grown(*results: tuple[str, ErrorCode]) -> Any:
    return a_response(
        GROW, 3, results=tuple(said(GROW, 3, "results", name=name, error_code=code) for name, code in results)
    )


def test_which_parts_of_a_change_failed_is_told_and_with_which_error() -> None:
    exchange = judged(growing("a1", "a2", "a3"))
    invalid, none = ErrorCode.invalid_partitions, ErrorCode.none

    outcome = a_recorder().mutation(exchange, grown(("a1", none), ("a2", invalid), ("a3", none))).outcome

    assert (outcome.error_name, outcome.items_failed) == ("INVALID_PARTITIONS", 1)
    assert outcome.failed == {"results[a2]": "INVALID_PARTITIONS"}


def test_a_change_that_succeeded_has_no_parts_that_failed() -> None:
    outcome = a_recorder().mutation(judged(growing("a1")), grown(("a1", ErrorCode.none))).outcome

    assert (outcome.error_code, outcome.items_failed, outcome.failed) == (0, None, None)


def test_a_change_that_failed_as_a_whole_has_no_parts_that_failed() -> None:
    key = ApiKey.OFFSET_DELETE
    exchange = judged(a_request(key, 0, group_id="a1"))

    outcome = a_recorder().mutation(exchange, a_response(key, 0, error_code=ErrorCode.group_id_not_found)).outcome

    assert (outcome.error_name, outcome.failed) == ("GROUP_ID_NOT_FOUND", None)


def test_of_very_many_parts_that_failed_it_is_told_how_many_they_are() -> None:
    names = [f"a{number}" for number in range(MOST_FAILED + 50)]
    response = grown(*((name, ErrorCode.invalid_partitions) for name in names))

    outcome = a_recorder().mutation(judged(growing(*names)), response).outcome

    assert outcome.failed is not None
    assert (outcome.items_failed, len(outcome.failed)) == (MOST_FAILED + 50, MOST_FAILED)
