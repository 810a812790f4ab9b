"""Requests that are allowed in part are answered as Kafka with an authorizer of its own answers them.

Bob may do at Kafka what a role may do here; the tenant tells denials as Kafka does (`outside_view: denied`). The same
requests go both ways: the same entries get the same errors, and stand in the order in which Kafka has them. (Of what is
refused alike Kafka's order is that of a hash map, so the codes are compared in their order, and the names by name.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import pytest

from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.fixtures import USERS, Fresh
from tests.kafka.requests import GROUP, TOPIC, Things, errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire
from tests.proxy.apis.acl_messages import create, prefixed
from tests.proxy.apis.messages import a_request

BROKER, LOGGER, METRICS = 4, 8, 16
READ, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS = 3, 5, 6, 7, 8, 10, 11
BOB: Final = "User:bob"


def policy(prefix: str) -> str:
    return f"""\
policies:
  - resource: [cluster, prod, topic, "{prefix}*"]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE]
    role: editors
tenants:
  - name: Editors
    resources: [{{include: [cluster, prod, topic, "{prefix}*"]}}]
    roles: [editors]
    outside_view: denied
"""


@dataclass(frozen=True, slots=True)
class Both:
    """The two ways to the same cluster, and what is there: by whose name begins with `prefix` is Bob's."""

    prefix: str
    at_kafka: Wire
    at_kordon: Wire

    def own(self, name: str) -> Things:
        return things(self.prefix + name)

    def foreign(self, name: str) -> Things:
        return things(f"x{self.prefix}{name}")


def things(name: str) -> Things:
    return Things(topic=name, topic_id=UUID(int=0), group=name, transactional_id=name)


@pytest.fixture(scope="module")
def both(kafka_with_acls: Kafka, fresh: Fresh) -> Iterator[Both]:
    prefix = fresh("bobs.")
    (node,) = kafka_with_acls.nodes.values()
    there = [things(f"{kind}{prefix}{name}") for kind in ("", "x") for name in ("a", "b")]
    operations = (READ, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS)
    with Wire(node.address()) as wire:
        assert errors_of(wire.ask(ask.create_topics(7, *there)).message) == []
        acls = create(3, *(prefixed(prefix, BOB, operation=operation) for operation in operations))
        assert errors_of(wire.ask(acls).message) == []
    kordon = Kordon(
        clusters={"prod": kafka_with_acls.bootstrap},
        policy=policy(prefix),
        listeners={"editors": {"identity": {"principal": "bob", "roles": ["editors"]}}},
    )
    with kordon, Wire(node.address("SASL_PLAINTEXT")) as at_kafka, Wire(kordon.listener("editors")) as at_kordon:
        at_kafka.ask(a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"))
        login = a_request(ApiKey.SASL_AUTHENTICATE, 1, auth_bytes=f"\0bob\0{USERS['bob']}".encode())
        assert errors_of(at_kafka.ask(login).message) == []
        found = Both(prefix, at_kafka, at_kordon)
        looked = ask.find_topics(12, *there, creating=False)
        eventually(lambda: len(errors_of(at_kafka.ask(looked).message)) == 2)
        yield found


def codes(message: Any) -> list[int]:
    """All codes in their order."""
    return [int(code) for _, code in body_error_codes(message)]


def by_place(message: Any) -> dict[str, list[int]]:
    """What stands where, by names; a place that is there twice has several."""
    found: dict[str, list[int]] = {}
    for place, code in body_error_codes(message):
        found.setdefault(place, []).append(int(code))
    return found


def created(version: int, both: Both) -> Any:
    own, foreign = both.own, both.foreign
    names = [
        foreign("new"),
        own("new"),
        own("twice"),
        foreign("a"),
        own("a"),
        foreign("twice"),
        own("twice"),
        own("bad name"),
        foreign("twice"),
        own("newer"),
    ]
    return ask.create_topics(version, *names, only_validate=True)


def placed(version: int, both: Both) -> Any:
    """On more brokers than there are. (To say on which ones takes more here than at Kafka.)"""
    topics = [both.own("new"), both.foreign("new")]
    return ask.create_topics(version, *topics, only_validate=True, replication_factor=99)


def grown(version: int, both: Both) -> Any:
    own, foreign = both.own, both.foreign
    # One name twice: Kafka answers those first, then what is refused, then the rest, each in the order of a hash set.
    names = [foreign("a"), own("a"), foreign("none"), own("b"), own("none"), own("b"), foreign("b")]
    return ask.grow_topics(version, *names, count=3, only_validate=True)


def grown_elsewhere(version: int, both: Both) -> Any:
    own, foreign = both.own, both.foreign
    return ask.grow_topics(version, foreign("b"), own("a"), foreign("b"), foreign("a"), count=3, only_validate=True)


def truncated(version: int, both: Both) -> Any:
    return ask.truncate(version, both.foreign("a"), both.own("a"), both.foreign("none"), both.own("none"), offset=0)


def fetched(version: int, both: Both) -> Any:
    own, foreign = both.own, both.foreign
    names = [foreign("a"), own("a"), foreign("none"), foreign("a"), own("b"), foreign("b")]
    return ask.fetch(version, *names, session=(0, 0))


RESOURCES: Final = ("a", "none", "b")


def resources(both: Both) -> list[tuple[int, str]]:
    mixed = [(TOPIC, of(name).topic) for name in RESOURCES for of in (both.foreign, both.own)]
    return [*mixed, (GROUP, "some"), (BROKER, "1"), (BROKER, ""), (METRICS, "some"), (TOPIC, both.foreign("a").topic)]


def described(version: int, both: Both) -> Any:
    return ask.describe_settings(version, *resources(both), (LOGGER, "1"))


def altered(version: int, both: Both) -> Any:
    named = (*resources(both), (3, "x"), (LOGGER, "1"))
    return ask.alter_settings(version, *named, setting=("retention.ms", "99999"), only_validate=True)


def replaced(version: int, both: Both) -> Any:
    """Nothing twice, to which Kafka gives no answer."""
    named = (*resources(both)[:-1], (3, "x"), (LOGGER, "1"))
    return ask.replace_settings(version, *named, setting=("retention.ms", "99999"), only_validate=True)


def elected(version: int, both: Both) -> Any:
    return ask.elect_leaders(version, both.own("a"), both.foreign("a"), both.own("none"))


def elected_everywhere(version: int, both: Both) -> Any:
    return ask.elect_all_leaders(version)


def moved(version: int, both: Both) -> Any:
    return ask.move_replicas(version, both.own("a"), both.foreign("a"), to=(1,))


def moved_between_disks(version: int, both: Both) -> Any:
    return ask.move_between_disks(version, both.own("a"), both.foreign("a"), path="/")


def disks(version: int, both: Both) -> Any:
    return ask.describe_all_disks(version)


def quorum(version: int, both: Both) -> Any:
    return ask.describe_quorum(version)


def features(version: int, both: Both) -> Any:
    return ask.update_feature(version, "group.version", 1)


def unregistered(version: int, both: Both) -> Any:
    return ask.unregister_broker(version, 99)


def voter(version: int, both: Both) -> Any:
    return ask.add_voter(version, 9)


def no_voter(version: int, both: Both) -> Any:
    return ask.remove_voter(version, 9)


def listed(version: int, both: Both) -> Any:
    return ask.list_settings(version, METRICS)


Build = Callable[[int, Both], Any]
IN_ORDER: Final[tuple[tuple[Build, range], ...]] = (
    (created, range(2, 8)),
    (placed, range(2, 8)),
    (grown_elsewhere, range(4)),
    (fetched, range(4, 13)),
    (described, range(1, 5)),
    (altered, range(2)),
    (replaced, range(3)),
    (elected, range(3)),
    (elected_everywhere, range(3)),
    (moved, range(2)),
    (moved_between_disks, range(1, 3)),
    (disks, range(1, 6)),
    (quorum, range(3)),
    (features, range(3)),
    (unregistered, range(1)),
    (voter, range(2)),
    (no_voter, range(1)),
    (listed, range(2)),
)
IN_KINDS: Final[tuple[tuple[Build, range], ...]] = ((grown, range(4)),)
"""Here Kafka gives what is refused before it is tried first, and in either half the order is that of a hash set."""
IN_ANY_ORDER: Final[tuple[tuple[Build, range], ...]] = ((truncated, range(3)),)
"""Kafka gives these in the order of a hash map."""


def each(builds: tuple[tuple[Build, range], ...]) -> list[Any]:
    return [
        pytest.param(build, version, id=f"{build.__name__}-{version}")
        for build, versions in builds
        for version in versions
    ]


@pytest.mark.known_fault(4)
@pytest.mark.parametrize(("build", "version"), each(IN_ORDER))
def test_what_is_refused_has_kafkas_errors_in_kafkas_order(both: Both, build: Build, version: int) -> None:
    request = build(version, both)

    kafkas, ours = both.at_kafka.ask(request).message, both.at_kordon.ask(request).message

    assert by_place(ours) == by_place(kafkas)
    assert codes(ours) == codes(kafkas)
    assert errors_of(kafkas) or not codes(kafkas)


@pytest.mark.known_fault(4)
@pytest.mark.parametrize(("build", "version"), each(IN_KINDS))
def test_what_is_refused_untried_comes_first_as_at_kafka(both: Both, build: Build, version: int) -> None:
    request, untried = build(version, both), [42, 29, 29, 29]

    kafkas, ours = both.at_kafka.ask(request).message, both.at_kordon.ask(request).message

    assert by_place(ours) == by_place(kafkas)
    assert codes(ours)[: len(untried)] == codes(kafkas)[: len(untried)] == untried
    assert sorted(codes(ours)) == sorted(codes(kafkas))


@pytest.mark.known_fault(4)
@pytest.mark.parametrize(("build", "version"), each(IN_ANY_ORDER))
def test_what_is_refused_has_kafkas_errors(both: Both, build: Build, version: int) -> None:
    request = build(version, both)

    kafkas, ours = both.at_kafka.ask(request).message, both.at_kordon.ask(request).message

    assert by_place(ours) == by_place(kafkas)
    assert errors_of(kafkas)
