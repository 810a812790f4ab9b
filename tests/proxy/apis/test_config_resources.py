"""ListConfigResources."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.config_resources import APIS
from kordon_proxy.apis.configs import BROKER, CLIENT_METRICS, GROUP, LOGGER, TOPIC
from kordon_proxy.judging.may import May
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, said
from tests.proxy.apis.verdicts import refused
from tests.proxy.judging.worlds import make_may

LIST = row(APIS, ApiKey.LIST_CONFIG_RESOURCES)
POLICY = """
policies:
  - {resource: [cluster, "*"], effect: Allow, actions: [BROKER_EDIT], role: owners}
  - {resource: [cluster, "*", broker, "2"], effect: Allow, actions: [BROKER_EDIT], role: one-broker}
tenants:
  - name: acme
    resources: [{include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]}]
    roles: [devs, owners]
  - {name: platform, resources: [{include: [cluster, "*"]}], roles: [owners, one-broker]}
  - name: kpow
    resources: [{include: ["*"]}, {exclude: [cluster, "*", broker, "*"]}]
    roles: [owners]
"""
CAF = ErrorCode.cluster_authorization_failed
EVERYTHING = (
    (GROUP, "acme-g"),
    (GROUP, "globex-g"),
    (CLIENT_METRICS, "m"),
    (LOGGER, "1"),
    (LOGGER, "2"),
    (BROKER, "1"),
    (BROKER, "2"),
    (TOPIC, "acme.a"),
    (TOPIC, "globex.pay"),
    (64, "of a type that nobody knows"),
)
OWN = [(GROUP, "acme-g"), (TOPIC, "acme.a")]


def of(role: str, tenant: str) -> May:
    return make_may(POLICY, (role,), tenant, topics=("acme.a", "globex.pay"))


def lister(request: Any) -> Any:
    version = request.__version__
    types = getattr(request, "resource_types", (CLIENT_METRICS,))
    named = [one for one in EVERYTHING if not types or one[0] in types]
    entries = (
        said(LIST.key, version, "config_resources", resource_type=kind, resource_name=name) for kind, name in named
    )
    return a_response(LIST.key, version, config_resources=tuple(entries))


def listing(*types: int) -> Any:
    return a_request(LIST.key, 1, resource_types=types)


def listed(response: Any) -> list[tuple[int, str]]:
    return [(one.resource_type, one.resource_name) for one in response.config_resources]


@pytest.mark.parametrize("role", ["devs", "owners"])
def test_everything_is_everything_in_the_view(role: str) -> None:
    request = listing()

    passage = pass_through(LIST, request, of(role, "acme"), lister)

    assert passage.heard is request
    assert listed(passage.got) == OWN


def test_who_may_edit_every_broker_finds_all_that_he_sees() -> None:
    assert listed(pass_through(LIST, listing(), of("owners", "platform"), lister).got) == list(EVERYTHING[:-1])


def test_who_may_edit_one_broker_finds_that_one() -> None:
    got = pass_through(LIST, listing(BROKER, LOGGER, CLIENT_METRICS), of("one-broker", "platform"), lister).got

    assert listed(got) == [(LOGGER, "2"), (BROKER, "2")]


def test_brokers_that_are_excluded_are_not_listed() -> None:
    got = pass_through(LIST, listing(), of("owners", "kpow"), lister).got

    assert {kind for kind, _ in listed(got)} == {GROUP, TOPIC}


@pytest.mark.parametrize(("role", "tenant"), [("devs", "acme"), ("owners", "acme"), ("owners", "kpow")])
@pytest.mark.parametrize("types", [(BROKER,), (LOGGER, BROKER), (CLIENT_METRICS,), (BROKER, LOGGER, CLIENT_METRICS)])
def test_who_asks_only_for_what_he_may_not_see_is_refused_as_by_kafka(
    role: str, tenant: str, types: tuple[int, ...]
) -> None:
    may = of(role, tenant)

    got = pass_through(LIST, listing(*types), may, never).got

    assert (got.error_code, got.config_resources) == (CAF, ())
    assert len(refused(may)) == 1


def test_client_metrics_are_for_who_may_edit_every_broker() -> None:
    assert pass_through(LIST, listing(CLIENT_METRICS), of("one-broker", "platform"), never).got.error_code is CAF


@pytest.mark.parametrize("types", [(TOPIC, BROKER), (BROKER, 99), (99,), (0,)])
def test_what_else_is_asked_for_is_for_the_broker_to_answer(types: tuple[int, ...]) -> None:
    request = listing(*types)

    assert pass_through(LIST, request, of("devs", "acme"), lister).heard is request


def test_the_first_version_lists_client_metrics_alone() -> None:
    request = a_request(LIST.key, 0)

    refusal = pass_through(LIST, request, of("devs", "acme"), never).got
    passage = pass_through(LIST, request, of("owners", "platform"), lister)

    assert (refusal.error_code, refusal.config_resources) == (CAF, ())
    assert [one.resource_name for one in passage.got.config_resources] == ["m"]


@pytest.mark.parametrize("version", LIST.versions)
def test_what_may_no_longer_be_seen_when_the_answer_leaves_is_cut(version: int) -> None:
    request = a_request(LIST.key, version, resource_types=())

    got = pass_through(LIST, request, of("owners", "platform"), lister, leaving=of("devs", "acme")).got

    assert [one.resource_name for one in got.config_resources] == ([] if version == 0 else ["acme-g", "acme.a"])
