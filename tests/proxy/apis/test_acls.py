"""ACLs of the cluster in a tenant: what is shown, created, and deleted, and nothing of anybody else's."""

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_policy.model import KORDONS_OWN
from kordon_protocol.codec import decode_response, encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.acl_filters import matches, widest
from kordon_proxy.apis.acls import APIS, MOST_UNCLEAR
from kordon_proxy.apis.bindings import (
    ANY,
    CLUSTER,
    DENY,
    EVERYBODY,
    GROUP,
    LITERAL,
    MATCH,
    PREFIXED,
    TOKEN,
    TOPIC,
    TRANSACTIONAL_ID,
    USER,
    Binding,
    told,
)
from kordon_proxy.judging.may import May
from kordon_proxy.judging.verdict import Answer, Ask, Mended, Rewrite
from tests.proxy.apis.acl_messages import (
    OPEN,
    Acls,
    a_filter,
    binding,
    create,
    delete,
    describe,
    exact,
    meant,
    prefixed,
)
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_response, said
from tests.proxy.apis.verdicts import refused
from tests.proxy.judging.worlds import make_may

DESCRIBE, CREATE, DELETE = (row(APIS, key) for key in (ApiKey.DESCRIBE_ACLS, ApiKey.CREATE_ACLS, ApiKey.DELETE_ACLS))
VERSIONS: Final = range(1, 4)
POLICY: Final = """
admin_roles: [owners]
policies:
  - {resource: [cluster, "*", principal, "User:acme-*"], effect: Allow, actions: [ACL_EDIT], role: devs}
  - {resource: [cluster, "*", principal, "User:acme-root"], effect: Deny, actions: [ACL_EDIT], role: devs}
  - {resource: [cluster, "*", principal, "User:acme-ask"], effect: Stage, actions: [ACL_EDIT], role: devs}
  - {resource: [cluster, "*"], effect: Allow, actions: [ACL_EDIT], roles: [owners, admins]}
tenants:
  - name: acme
    resources: &acme
      - include:
          - [cluster, "*", topic, "acme.*"]
          - [cluster, "*", group, "acme-*"]
          - [cluster, "*", transactional-id, "acme-*"]
          - [cluster, "*", principal, "User:acme-*"]
      - exclude: [cluster, "*", topic, "acme.vault.*"]
    roles: [devs, readers]
  - name: strict
    resources: *acme
    roles: [devs]
    outside_view: denied
  - name: platform
    resources: [{include: [cluster, "*"]}, {include: [cluster, "*", topic, "__*"]}]
    roles: [owners, admins]
"""
CAF: Final = ErrorCode.cluster_authorization_failed
NONE: Final = ErrorCode.none

OWN: Final = (
    binding(),
    binding(host="10.0.0.1", permission=DENY),
    binding("acme.b", "User:acme-bo"),
    prefixed("acme.p"),
    prefixed("acme-", kind=GROUP),
    binding("acme-t", kind=TRANSACTIONAL_ID),
    binding("User:acme-bo", kind=USER, operation=13),
)
FOREIGN: Final = (
    binding("globex.a"),
    binding("acme.a", "User:globex-al"),
    binding("globex.a", "User:globex-al"),
    binding("acme.vault.a"),
    prefixed("acme."),
    prefixed("acme.v"),
    prefixed("a"),
    prefixed("globex."),
    binding("*"),
    binding("*", kind=GROUP),
    binding("acme.a", EVERYBODY),
    binding("acme-g", "User:*", kind=GROUP),
    binding("acme-g", kind=TOPIC),
    binding("acme.a", kind=GROUP),
    binding("kafka-cluster", kind=CLUSTER, operation=7),
    binding("acme-token", kind=TOKEN, operation=8),
    binding("User:globex-al", kind=USER, operation=13),
    binding("acme.a", "Group:acme-al"),
    binding("__consumer_offsets"),
)


def of(*roles: str, tenant: str = "acme", **values: Any) -> May:
    return make_may(POLICY, roles or ("devs",), tenant, **values)


def owner() -> May:
    return of("owners", tenant="platform")


def described(answer: Any) -> list[Binding]:
    return Binding.described(answer)


# DescribeAcls


@pytest.mark.parametrize("version", VERSIONS)
def test_of_all_acls_those_are_shown_that_are_wholly_the_tenants_own(version: int) -> None:
    passage = pass_through(DESCRIBE, describe(version), of(), Acls(*OWN, *FOREIGN))

    assert passage.heard == describe(version)
    assert described(passage.got) == sorted(OWN)
    assert passage.got.error_code is NONE


@pytest.mark.parametrize("version", VERSIONS)
def test_seeing_acls_needs_no_action(version: int) -> None:
    assert described(pass_through(DESCRIBE, describe(version), of("readers"), Acls(*OWN, *FOREIGN)).got) == sorted(OWN)


def test_an_administrator_of_the_whole_cluster_sees_all_acls() -> None:
    everything = (*OWN, *FOREIGN, binding(f"{KORDONS_OWN}_audit_log"), binding("*", EVERYBODY, kind=CLUSTER))

    assert described(pass_through(DESCRIBE, describe(3), owner(), Acls(*everything)).got) == sorted(everything)


def test_patterns_that_reach_kordons_own_are_shown_to_administrators_alone() -> None:
    found = pass_through(DESCRIBE, describe(3), of("admins", tenant="platform"), Acls(*OWN, *FOREIGN)).got

    assert {*OWN, *FOREIGN} - set(described(found)) == {binding("*"), binding("*", kind=GROUP)}


def test_acls_of_a_topic_that_is_only_inferred_are_its_owners_affair() -> None:
    may = of(topics=("globex.a",), inferred={"acme-g": ["globex.a"]})

    assert described(pass_through(DESCRIBE, describe(3), may, Acls(*OWN, *FOREIGN)).got) == sorted(OWN)


def test_the_order_of_what_is_shown_tells_nothing_of_what_else_there_is() -> None:
    alone = pass_through(DESCRIBE, describe(3), of(), Acls(*OWN)).got

    def in_another_order(request: Any) -> Any:
        answer = Acls(*OWN, *FOREIGN)(request)
        backwards = (replace(one, acls=one.acls[::-1]) for one in reversed(answer.resources))
        return replace(answer, resources=tuple(backwards))

    assert pass_through(DESCRIBE, describe(3), of(), in_another_order).got == alone


NAMED_OUTSIDE: Final[list[dict[str, Any]]] = [
    {"resource_name_filter": "{}.a"},
    {"resource_name_filter": "{}.a", "pattern_type_filter": MATCH},
    {"resource_name_filter": "{}.a", "resource_type_filter": TOPIC, "pattern_type_filter": LITERAL},
    {"resource_name_filter": "{}", "resource_type_filter": TOPIC, "pattern_type_filter": PREFIXED},
    {"resource_name_filter": "User:{}", "resource_type_filter": USER},
    {"principal_filter": "User:{}-al"},
    {"principal_filter": "User:{}-al", "resource_name_filter": "acme.a"},
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("wanted", NAMED_OUTSIDE)
def test_of_what_is_outside_the_view_there_are_no_acls_and_nobody_is_asked(
    version: int, wanted: dict[str, Any]
) -> None:
    may = of()
    filled = {name: value.format("globex") if isinstance(value, str) else value for name, value in wanted.items()}

    got = pass_through(DESCRIBE, describe(version, **filled), may, never).got

    assert got == pass_through(DESCRIBE, describe(version, principal_filter="User:acme-no"), of(), Acls()).got
    assert [how for how, _ in refused(may)] == ["hidden"]


@pytest.mark.parametrize("wanted", NAMED_OUTSIDE)
def test_a_tenant_that_wants_to_be_told_is_denied_what_is_outside(wanted: dict[str, Any]) -> None:
    filled = {name: value.format("globex") if isinstance(value, str) else value for name, value in wanted.items()}

    got = pass_through(DESCRIBE, describe(3, **filled), of(tenant="strict"), never).got

    assert (got.error_code, got.resources) == (CAF, ())
    assert got.error_message == "Cluster authorization failed."


@pytest.mark.parametrize(
    "wanted",
    [
        {"resource_type_filter": 0},
        {"resource_type_filter": 8},
        {"pattern_type_filter": 0},
        {"pattern_type_filter": 5},
        {"operation": 0},
        {"permission_type": 0},
        {"permission_type": 4},
        {"operation": -1},
        {"operation": 16},
    ],
)
def test_a_filter_for_which_brokers_would_hang_up_is_answered(wanted: dict[str, Any]) -> None:
    assert pass_through(DESCRIBE, describe(3, **wanted), of(), never).got.error_code is ErrorCode.invalid_request
    (result,) = pass_through(DELETE, delete(3, wanted), of(), never).got.filter_results
    assert result.error_code is ErrorCode.invalid_request


def test_the_brokers_text_is_not_passed_on() -> None:
    def broker(_: Any) -> Any:
        return a_response(DESCRIBE.key, 3, error_code=CAF, error_message="principal User:kordon at 10.1.1.1")

    got = pass_through(DESCRIBE, describe(3), of(), broker).got
    assert (got.error_code, got.error_message) == (CAF, "Cluster authorization failed.")


# CreateAcls


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_the_tenants_own_is_created_and_what_is_not_is_refused_in_its_place(version: int) -> None:
    broker, may = Acls(), of()
    mixed = [one for pair in zip(OWN, FOREIGN, strict=False) for one in pair]

    passage = pass_through(CREATE, create(version, *mixed), may, broker)

    assert passage.heard == create(version, *OWN)
    assert broker.bindings == set(OWN)
    assert [result.error_code for result in passage.got.results] == [NONE, CAF] * len(OWN)
    assert all(text.endswith("is outside the tenant acme") for text in texts(passage.got)[1::2])


def texts(answer: Any) -> list[str]:
    return [result.error_message for result in answer.results]


@pytest.mark.parametrize("one", FOREIGN)
@pytest.mark.parametrize("tenant", ["acme", "strict"])
def test_nothing_is_created_outside_the_view_and_the_text_says_where_it_is(one: Binding, tenant: str) -> None:
    may = of(tenant=tenant)

    (result,) = pass_through(CREATE, create(3, one), may, never).got.results

    assert result.error_code is CAF
    assert result.error_message.endswith(f" is outside the tenant {tenant}")
    assert [how for how, _ in refused(may)] == ["hidden"]


@pytest.mark.parametrize(
    ("who", "principal", "code", "how"),
    [
        ("devs", "User:acme-root", CAF, "denied"),
        ("devs", "User:acme-ask", ErrorCode.policy_violation, "staged"),
        ("readers", "User:acme-al", CAF, "denied"),
    ],
)
def test_creating_takes_acl_edit_on_the_principal(who: str, principal: str, code: ErrorCode, how: str) -> None:
    may = of(who)

    (result,) = pass_through(CREATE, create(3, binding(principal=principal)), may, never).got.results

    assert result.error_code is code
    assert "ACL_EDIT" in result.error_message
    assert refused(may) == [(how, principal)]


def test_an_administrator_of_the_whole_cluster_creates_any_but_for_kordons_own() -> None:
    everything = (*OWN, *FOREIGN, binding("*", EVERYBODY), binding("kafka-cluster", EVERYBODY, kind=CLUSTER))
    own = (binding(f"{KORDONS_OWN}_audit_log"), prefixed(f"{KORDONS_OWN}_"), prefixed(KORDONS_OWN, kind=GROUP))
    broker = Acls()

    got = pass_through(CREATE, create(3, *everything, *own), owner(), broker).got

    assert broker.bindings == set(everything)
    assert [result.error_code for result in got.results] == [NONE] * len(everything) + [CAF] * len(own)
    assert {text.partition(" is ")[2] for text in texts(got)[len(everything) :]} == {"Kordon's own"}


def test_everybodys_acls_take_the_right_on_every_principal() -> None:
    policy = POLICY.replace('resource: [cluster, "*"], effect', 'resource: [cluster, "*", principal, "User:*"], effect')
    may = make_may(policy, ("owners",), "platform")

    (some, everybodys) = pass_through(
        CREATE, create(3, binding(), binding("acme.a", EVERYBODY)), may, Acls()
    ).got.results

    assert (some.error_code, everybodys.error_code) == (NONE, CAF)


@pytest.mark.parametrize("effect", ["Deny", "Stage"])
def test_everybodys_acls_are_not_for_whom_one_principal_is_kept_from(effect: str) -> None:
    """They would reach that principal too."""
    kept = f"""
  - {{resource: [cluster, "*", principal, "User:hr-*"], effect: {effect}, actions: [ACL_EDIT], role: owners}}
tenants:"""
    may = make_may(POLICY.replace("\ntenants:", kept), ("owners",), "platform")
    mine, others, everybodys = binding(), binding("acme.a", "User:hr-ann"), binding("acme.a", EVERYBODY)
    code = CAF if effect == "Deny" else ErrorCode.policy_violation

    created = pass_through(CREATE, create(3, mine, others, everybodys), may, Acls()).got.results
    broker = Acls(mine, others, everybodys)
    (_, all_of_everybodys) = pass_delete(delete(3, {}, exact(everybodys)), may, broker).filter_results

    assert [result.error_code for result in created] == [NONE, code, code]
    assert all_of_everybodys.error_code is code
    assert broker.bindings == {others, everybodys}


@pytest.mark.parametrize("principals", ['[cluster, "*", principal, "User:*"]', '[cluster, "*", principal]'])
@pytest.mark.parametrize("exclude", ["", ', {exclude: [cluster, "*", principal, "Group:hr"]}'])
def test_everybody_is_in_a_view_that_shows_all_principals_of_whatever_type(principals: str, exclude: str) -> None:
    included = f'{{include: [[cluster, "*", topic, "acme.*"], {principals}]}}'
    policy = f"""
policies: [{{resource: [cluster, "*"], effect: Allow, actions: [ACL_EDIT], role: devs}}]
tenants: [{{name: acme, roles: [devs], resources: [{included}{exclude}]}}]
"""
    everybodys, shows_all = binding("acme.a", EVERYBODY), principals.endswith("principal]") and not exclude

    may = make_may(policy)
    (result,) = pass_through(CREATE, create(3, everybodys), may, Acls() if shows_all else never).got.results
    found = described(pass_through(DESCRIBE, describe(3), may, Acls(everybodys)).got)

    assert (result.error_code is NONE, found == [everybodys]) == (shows_all, shows_all)


@pytest.mark.parametrize(
    "wrong",
    [
        {"resource_type": 0},
        {"resource_type": ANY},
        {"resource_type": 8},
        {"pattern_type": 0},
        {"pattern_type": ANY},
        {"pattern_type": MATCH},
        {"operation": 0},
        {"operation": ANY},
        {"operation": 16},
        {"permission_type": 0},
        {"permission_type": ANY},
    ],
)
def test_what_would_fail_its_neighbours_at_the_broker_is_refused_alone(wrong: dict[str, Any]) -> None:
    passage = pass_through(CREATE, create(3, OWN[0], replace(OWN[0], **wrong), OWN[1]), of(), Acls())

    assert passage.heard == create(3, OWN[0], OWN[1])
    codes = [result.error_code for result in passage.got.results]
    assert codes == [NONE, ErrorCode.invalid_request, NONE]


def test_no_binding_at_all_is_created_as_the_broker_says() -> None:
    assert pass_through(CREATE, create(3), of(), Acls()).got.results == ()


# DeleteAcls


def pass_delete(request: Any, may: May, broker: Acls, *, now: May | None = None) -> Any:
    """Delete with the cluster's answer to what is asked first, if anything is."""
    assert DELETE.judge is not None
    verdict = DELETE.judge(request, may)
    if isinstance(verdict, Ask):
        verdict = verdict.decide(broker(verdict.question), now or may)
    if isinstance(verdict, Answer):
        return verdict.response
    assert isinstance(verdict, Rewrite)
    assert isinstance(verdict.plan, Mended)
    answer = verdict.plan.mend(broker(verdict.request), now or may)
    assert decode_response(answer.__api_key__, answer.__version__, encode(answer)) == answer
    return answer


def deleted(result: Any) -> list[Binding]:
    return [Binding.deleted(one) for one in result.matching_acls if one.error_code is NONE]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tenant", ["acme", "strict"])
@pytest.mark.parametrize("wanted", [{}, {"resource_type_filter": TOPIC}, {"resource_name_filter": "acme.a"}])
def test_whatever_the_filter_only_the_tenants_own_are_deleted_one_by_one(
    version: int, tenant: str, wanted: dict[str, Any]
) -> None:
    broker = Acls(*OWN, *FOREIGN)
    meant_here = sorted(one for one in OWN if meant(a_filter(**wanted), one))

    (result,) = pass_delete(delete(version, wanted), of(tenant=tenant), broker).filter_results

    assert meant_here
    assert result.error_code is NONE
    assert deleted(result) == meant_here
    assert broker.bindings == {*OWN, *FOREIGN} - set(meant_here)
    assert broker.filters == [a_filter(version, **exact(one)) for one in meant_here]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "wanted",
    [
        exact(OWN[0]),
        {**exact(OWN[0]), "host_filter": None, "operation": ANY, "permission_type": ANY},
        exact(OWN[3]),
        exact(OWN[4]),
        exact(OWN[6]),
    ],
)
def test_a_filter_that_can_match_nothing_else_is_passed_on_and_nobody_is_asked(
    version: int, wanted: dict[str, Any]
) -> None:
    request = delete(version, wanted)
    broker = Acls(*OWN, *FOREIGN)

    got = pass_through(DELETE, request, of(), broker)

    assert got.heard == request
    assert deleted(got.got.filter_results[0]) == sorted(one for one in OWN if meant(a_filter(**wanted), one)) != []


@pytest.mark.parametrize(
    "wanted",
    [
        {"principal_filter": None},
        {"resource_type_filter": ANY},
        {"resource_name_filter": None},
        {"pattern_type_filter": MATCH},
        {"pattern_type_filter": ANY, "resource_name_filter": "acme.v"},  # a prefix of what is excluded
    ],
)
def test_a_filter_that_could_match_more_is_never_passed_on(wanted: dict[str, Any]) -> None:
    assert DELETE.judge is not None
    verdict = DELETE.judge(delete(3, exact(OWN[0]) | wanted), of())

    assert isinstance(verdict, Ask)
    assert verdict.question == describe(3, **exact(OWN[0]) | wanted)


@pytest.mark.parametrize("wanted", NAMED_OUTSIDE)
def test_by_what_is_outside_nothing_is_deleted_and_nobody_is_asked(wanted: dict[str, Any]) -> None:
    filled = {name: value.format("globex") if isinstance(value, str) else value for name, value in wanted.items()}

    (result,) = pass_through(DELETE, delete(3, filled), of(), never).got.filter_results
    (denied,) = pass_through(DELETE, delete(3, filled), of(tenant="strict"), never).got.filter_results

    assert (result.error_code, result.error_message, result.matching_acls) == (NONE, None, ())
    assert (denied.error_code, denied.matching_acls) == (CAF, ())


def test_each_filter_has_its_own_result_in_its_place() -> None:
    broker = Acls(*OWN, *FOREIGN)
    filters: list[dict[str, Any]] = [
        exact(OWN[0]),
        {"principal_filter": "User:globex-al"},
        {"resource_type_filter": GROUP},
        exact(OWN[2]),
        {"operation": 0},
        {"resource_type_filter": USER},
    ]

    results = pass_delete(delete(3, *filters), of(), broker).filter_results

    assert [deleted(result) for result in results] == [[OWN[0]], [], [OWN[4]], [OWN[2]], [], [OWN[6]]]
    assert [result.error_code for result in results] == [NONE] * 4 + [ErrorCode.invalid_request, NONE]


def test_what_is_found_and_may_not_be_deleted_stays_and_is_said_in_its_entry() -> None:
    root = binding("acme.a", "User:acme-root")
    broker, may = Acls(*OWN, *FOREIGN, root), of()

    (result,) = pass_delete(delete(3, {"resource_name_filter": "acme.a"}), may, broker).filter_results

    assert root in broker.bindings
    assert deleted(result) == [OWN[0], OWN[1]]
    (kept,) = (one for one in result.matching_acls if one.error_code)
    assert (Binding.deleted(kept), kept.error_code) == (root, CAF)
    assert "ACL_EDIT" in kept.error_message
    assert ("denied", "User:acme-root") in refused(may)


@pytest.mark.parametrize("wanted", [{}, {"principal_filter": "User:acme-al"}, exact(OWN[0])])
def test_who_may_edit_no_acls_is_not_told_what_there_is_to_delete(wanted: dict[str, Any]) -> None:
    may = of("readers")

    (result,) = pass_through(DELETE, delete(3, wanted), may, never).got.filter_results

    assert (result.error_code, result.matching_acls) == (CAF, ())
    assert "ACL_EDIT" in result.error_message
    assert [how for how, _ in refused(may)] == ["denied"]


OF_KORDONS: Final = binding(f"{KORDONS_OWN}_audit_log")


def test_an_administrator_deletes_all_but_for_kordons_own() -> None:
    broker = Acls(*OWN, *FOREIGN, OF_KORDONS)

    (result,) = pass_delete(delete(3, {}), owner(), broker).filter_results

    assert broker.bindings == {OF_KORDONS}
    assert set(deleted(result)) == {*OWN, *FOREIGN}
    assert [Binding.deleted(one) for one in result.matching_acls if one.error_code is CAF] == [OF_KORDONS]


@pytest.mark.parametrize("wanted", [exact(OF_KORDONS), exact(OF_KORDONS) | {"host_filter": None}])
def test_not_even_by_a_filter_for_nothing_else_is_kordons_own_deleted(wanted: dict[str, Any]) -> None:
    broker = Acls(*OWN, OF_KORDONS)

    (result,) = pass_delete(delete(3, wanted), owner(), broker).filter_results

    assert OF_KORDONS in broker.bindings
    assert [one.error_code for one in result.matching_acls] == [CAF]


def test_a_right_that_is_gone_when_the_cluster_has_answered_deletes_nothing() -> None:
    broker = Acls(*OWN, *FOREIGN)

    (result,) = pass_delete(delete(3, {}), of(), broker, now=of("readers")).filter_results

    assert result.error_code is CAF
    assert broker.bindings == {*OWN, *FOREIGN}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, ErrorCode.request_timed_out),
        (a_response(ApiKey.DESCRIBE_ACLS, 3, error_code=ErrorCode.security_disabled), ErrorCode.security_disabled),
        (a_response(ApiKey.DESCRIBE_ACLS, 3, error_code=CAF, error_message="by User:kordon"), CAF),
    ],
)
def test_when_the_cluster_does_not_say_what_there_is_only_what_is_clear_is_deleted(
    answer: Any, code: ErrorCode
) -> None:
    assert DELETE.judge is not None
    verdict = DELETE.judge(delete(3, {}, exact(OWN[0])), of())
    assert isinstance(verdict, Ask)

    decided = verdict.decide(answer, of())

    assert isinstance(decided, Rewrite)
    assert decided.request == delete(3, exact(OWN[0]))
    assert isinstance(decided.plan, Mended)
    unclear, clear = decided.plan.mend(Acls(*OWN)(decided.request), of()).filter_results
    assert (unclear.error_code, unclear.matching_acls) == (code, ())
    assert "kordon" not in unclear.error_message
    assert deleted(clear) == [OWN[0]]


def test_only_so_many_filters_of_a_request_are_looked_up() -> None:
    broker = Acls(*OWN, *FOREIGN)
    request = delete(3, *[{"resource_type_filter": USER}] * (MOST_UNCLEAR + 1), exact(OWN[0]))

    *found, beyond, clear = pass_delete(request, of(), broker).filter_results

    assert [deleted(result) for result in found] == [[OWN[6]]] * MOST_UNCLEAR
    assert (beyond.error_code, beyond.matching_acls) == (ErrorCode.invalid_request, ())
    assert deleted(clear) == [OWN[0]]


def test_the_brokers_errors_are_told_without_its_words() -> None:
    def broker(request: Any) -> Any:
        result = said(DELETE.key, 3, "filter_results", error_code=CAF, error_message="principal User:kordon")
        return a_response(DELETE.key, 3, filter_results=(result,) * len(request.filters))

    (result,) = pass_through(DELETE, delete(3, exact(OWN[0])), of(), broker).got.filter_results
    assert (result.error_code, result.error_message) == (CAF, "Cluster authorization failed.")


# Filters

names = st.sampled_from(["*", "a", "ab", "abc", "b", "acme.a", ""])
bindings = st.builds(
    Binding,
    st.sampled_from([TOPIC, GROUP]),
    names.filter(bool),
    st.sampled_from([LITERAL, PREFIXED]),
    st.sampled_from(["User:a", "User:b", EVERYBODY]),
    st.sampled_from(["*", "10.0.0.1"]),
    st.sampled_from([2, 3]),
    st.sampled_from([2, 3]),
)
filters = st.fixed_dictionaries(
    {
        "resource_type_filter": st.sampled_from([ANY, TOPIC, GROUP]),
        "resource_name_filter": st.none() | names,
        "pattern_type_filter": st.sampled_from([ANY, MATCH, LITERAL, PREFIXED]),
        "principal_filter": st.sampled_from([None, "User:a", EVERYBODY]),
        "host_filter": st.sampled_from([None, "*"]),
        "operation": st.sampled_from([ANY, 2, 3]),
        "permission_type": st.sampled_from([ANY, 2, 3]),
    }
)


@given(wanted=filters, there=st.lists(bindings, max_size=20))
@settings(max_examples=100)
def test_a_filter_matches_what_it_is_for(wanted: dict[str, Any], there: list[Binding]) -> None:
    one = a_filter(**wanted)
    assert [matches(one, each) for each in there] == [meant(one, each) for each in there]


@given(several=st.lists(filters, min_size=1, max_size=4), there=st.lists(bindings, max_size=20))
@settings(max_examples=100)
def test_the_widest_of_filters_matches_what_each_of_them_does(
    several: list[dict[str, Any]], there: list[Binding]
) -> None:
    wide = a_filter(**widest(a_filter(**wanted) for wanted in several))
    assert all(meant(wide, each) for each in there for wanted in several if meant(a_filter(**wanted), each))


def test_what_filters_have_in_common_is_asked_for() -> None:
    first, second = exact(OWN[0]), exact(OWN[1])
    shared = {"resource_type_filter", "resource_name_filter", "pattern_type_filter", "principal_filter", "operation"}
    assert widest([a_filter(**first), a_filter(**second)]) == OPEN | {name: first[name] for name in shared}


everything = st.sampled_from((*OWN, *FOREIGN)) | bindings


@given(several=st.lists(filters, min_size=1, max_size=3), there=st.sets(everything, max_size=25))
@settings(max_examples=100)
def test_nothing_of_others_is_ever_deleted_or_told_of(several: list[dict[str, Any]], there: set[Binding]) -> None:
    broker, may = Acls(*there), of()
    own = set(described(pass_through(DESCRIBE, describe(3), of(), Acls(*there)).got))

    results = pass_delete(delete(3, *several), may, broker).filter_results

    assert there - own <= broker.bindings
    assert {Binding.deleted(one) for result in results for one in result.matching_acls} <= own
    for wanted, result in zip(several, results, strict=True):
        assert deleted(result) == sorted(one for one in own if meant(a_filter(**wanted), one))


# The audit


def test_the_audit_tells_what_is_created_in_words() -> None:
    assert CREATE.parameters is not None
    assert CREATE.parameters(create(3, prefixed("acme.p", permission=DENY)), None) == {
        "acls": [
            {
                "resource": "topic",
                "name": "acme.p",
                "pattern": "PREFIXED",
                "principal": "User:acme-al",
                "host": "*",
                "operation": "READ",
                "permission": "DENY",
            }
        ]
    }


def test_the_audit_tells_what_was_asked_for_and_what_is_gone() -> None:
    request = delete(3, {"principal_filter": "User:acme-al", "resource_type_filter": TOPIC}, {"operation": 99})
    assert DELETE.parameters is not None

    asked = DELETE.parameters(request, None)
    done = DELETE.parameters(request, Acls(*OWN)(delete(3, exact(OWN[0]), exact(OWN[0]))))

    assert asked == {"filters": [{"resource": "topic", "principal": "User:acme-al"}, {"operation": "99"}]}
    assert done == asked | {"deleted": [told(OWN[0])]}
