"""ACLs, quotas and credentials of a tenant, at a Kafka that has an authorizer: with Kafka's own tools, and at the wire.

Who is meant by them comes to the brokers directly; through Kordon comes who administers them.
"""

import base64
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey, versions
from kordon_proxy.apis.acl_filters import matches
from kordon_proxy.apis.bindings import (
    ANY,
    DENY,
    EVERYBODY,
    GROUP,
    LITERAL,
    MATCH,
    PREFIXED,
    TOPIC,
    TRANSACTIONAL_ID,
    USER,
    Binding,
)
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.access import NOBODYS, access
from tests.kafka.fixtures import Fresh, MakeTopic, RunTool, two_at_a_time
from tests.kafka.requests import errors_of
from tests.kafka.tenants import QUIET, eventually
from tests.kafka.wire import Wire
from tests.proxy.apis.acl_messages import a_filter, binding, create, delete, describe, exact, prefixed
from tests.proxy.apis.messages import a_request
from tests.proxy.apis.user_messages import (
    EXACT,
    SALT,
    SALTED,
    alter_credentials,
    alter_quotas,
    describe_credentials,
    describe_quotas,
)

POLICY: Final = """\
admin_roles: [admin]
policies:
  - resource: [cluster, "*", principal, "User:trade-*"]
    effect: Allow
    actions: [ACL_EDIT, QUOTA_EDIT]
    role: traders
  - resource: [cluster, "*"]
    effect: Allow
    actions: [ACL_EDIT, QUOTA_EDIT]
    role: admin
tenants:
  - name: Trading
    resources:
      - include:
          - [cluster, "*", topic, "tx_*"]
          - [cluster, "*", group, "trade-*"]
          - [cluster, "*", principal, "User:trade-*"]
    roles: [traders, viewers]
  - name: Everything
    resources:
      - include: ["*"]
    roles: [admin]
"""
LISTENERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "trading": {"identity": {"principal": "tina", "roles": ["traders"]}},
    "viewing": {"identity": {"principal": "vera", "roles": ["viewers"]}},
    "admin": {"identity": {"principal": "ada", "roles": ["admin"]}},
    "open": {"cluster": "open", "identity": {"principal": "tina", "roles": ["traders"]}},
}
REFUSED: Final = "ClusterAuthorizationException"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A Kafka with an authorizer and, as `open`, one without; Kordon in front of both."""

    kafka: Kafka
    kordon: Kordon

    def direct(self) -> Wire:
        """A connection to Kafka that may do all."""
        return Wire(self.kafka.bootstrap)

    def through(self, listener: str = "trading") -> Wire:
        return Wire(self.kordon.listener(listener))

    def access(self) -> tuple[Any, ...]:
        """All ACLs, quotas and credentials."""
        with self.direct() as wire:
            return access(wire)

    def settle(self, *requests: Any) -> None:
        """Have it at the broker, and known there."""
        before = self.access()
        with self.direct() as wire:
            for request in requests:
                assert not errors_of(wire.ask(request).message)
        eventually(lambda: self.access() != before)

    def events(self, api: str, name: str) -> list[dict[str, Any]]:
        """What the audit has of this API with that name anywhere in it."""
        events = (event["data"] for event in self.kordon.audit())
        return [event for event in events if event["what"].get("api") == api and name in repr(event)]


@pytest.fixture(scope="module")
def guarded(kafka: Kafka) -> Iterator[Guarded]:
    users = {"kordon": "kordon-secret"}
    with (
        Kafka(users=users, authorizer=True, super_users=("kordon",)) as guarded,
        Kordon(
            clusters={"prod": guarded.bootstrap, "open": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS
        ) as kordon,
    ):
        yield Guarded(guarded, kordon)


Run = Callable[..., str]


@pytest.fixture
def run(guarded: Guarded, kafka_tools: RunTool) -> Run:
    """Runs a tool as a trader, or at another listener, and returns what it printed; it has to succeed."""

    def run(name: str, *arguments: str, at: str = "trading") -> str:
        done = kafka_tools(name, *arguments, at=guarded.kordon.listener(at))
        assert done.code == 0, done.output
        return done.output

    return run


def user(name: str) -> tuple[str, ...]:
    return "--entity-type", "users", "--entity-name", name


# The tools


def produce(guarded: Guarded, topic: str, user: str, password: str) -> KafkaError | None:
    """Write a record as this user, at the broker itself."""
    failed: list[KafkaError | None] = []
    producer = Producer(
        {
            "bootstrap.servers": guarded.kafka.listener("SASL_PLAINTEXT"),
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": user,
            "sasl.password": password,
            "error_cb": lambda error: failed.append(error) if error.code() == KafkaError._AUTHENTICATION else None,
            "message.timeout.ms": 10_000,
            "enable.idempotence": False,
            **QUIET,
        }
    )
    producer.produce(topic, b"x", on_delivery=lambda error, _: failed.append(error))
    deadline = time.monotonic() + 15
    while not failed and time.monotonic() < deadline:
        producer.poll(0.1)
    producer.purge()
    return failed[0]


def test_a_tenant_lets_a_client_of_its_own_come_to_the_brokers_and_takes_that_back(
    guarded: Guarded, run: Run, new_topic: MakeTopic, fresh: Fresh
) -> None:
    topic, name, password = new_topic("tx_story", at=guarded.kafka), fresh("trade-al"), "the-password-of-al"
    rule = ("--allow-principal", f"User:{name}", "--operation", "Write", "--topic", topic)

    told: list[KafkaError | None] = []

    def code() -> int:
        told.append(produce(guarded, topic, name, password))
        return 0 if told[-1] is None else told[-1].code()

    # He has a credential, and no right
    run("kafka-configs", *user(name), "--alter", "--add-config", f"SCRAM-SHA-256=[iterations=4096,password={password}]")
    assert "SCRAM-SHA-256=iterations=4096" in run("kafka-configs", *user(name), "--describe")
    eventually(lambda: code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, instead=told)

    # He has a right
    run("kafka-acls", "--add", *rule)
    eventually(lambda: code() == 0, instead=told)

    # He has none again, and then no credential either
    run("kafka-acls", "--remove", "--force", *rule)
    eventually(lambda: code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, instead=told)
    run("kafka-configs", *user(name), "--alter", "--delete-config", "SCRAM-SHA-256")
    eventually(lambda: code() == KafkaError._AUTHENTICATION, instead=told)

    (added, removed) = (guarded.events(api, name)[0] for api in ("CreateAcls", "DeleteAcls"))
    where = {"resource": "topic", "name": topic, "pattern": "LITERAL", "principal": f"User:{name}", "host": "*"}
    rule_told = where | {"operation": "WRITE", "permission": "ALLOW"}
    assert added["what"]["parameters"] == {"acls": [rule_told]}
    assert removed["what"]["parameters"] == {"filters": [rule_told], "deleted": [rule_told]}
    assert added["what"]["resources"] == [["cluster", "prod", "principal", f"User:{name}"]]
    assert (added["why"]["effect"], added["outcome"]["error_code"]) == ("Allow", 0)


def test_acls_of_the_tenant_are_listed_and_removed_and_those_of_others_are_neither(
    guarded: Guarded, run: Run, fresh: Fresh
) -> None:
    topic, name, other = fresh("tx_list"), fresh("trade-bo"), fresh("pay-bo")
    own = (
        binding(topic, f"User:{name}"),
        binding(topic, f"User:{name}", permission=DENY, host="10.1.1.1"),
        prefixed(f"{topic}.", f"User:{name}"),
        binding(name, f"User:{name}", kind=GROUP),
    )
    foreign = (
        binding(topic, f"User:{other}"),
        binding(topic, EVERYBODY),
        binding("*", f"User:{name}"),
        prefixed("t", f"User:{name}"),
        binding(other, f"User:{name}", kind=GROUP),
    )
    guarded.settle(create(3, *own, *foreign))

    listed = run("kafka-acls", "--list")
    of_topic = run("kafka-acls", "--list", "--topic", topic, "--resource-pattern-type", "match")
    of_other = run("kafka-acls", "--list", "--principal", f"User:{other}")
    run("kafka-acls", "--remove", "--topic", topic, "--force")
    eventually(lambda: not set(own[:2]) & guarded.access()[0])
    left = guarded.access()[0]

    assert {topic, f"{topic}.", name} == set(re.findall(r"name=([^,]+), patternType", listed)) & {
        *(one.resource_name for one in (*own, *foreign)),
        topic,
    }
    assert f"principal=User:{name}" in of_topic
    assert "host=10.1.1.1" in of_topic
    assert not [text for text in (other, EVERYBODY, "name=*", "name=t,") if text in listed + of_topic]
    assert "name=" not in of_other
    assert set(own[2:]) | set(foreign) <= left


def test_what_reaches_beyond_the_tenant_is_refused_in_kafkas_words(
    guarded: Guarded, kafka_tools: RunTool, fresh: Fresh
) -> None:
    name, topic = fresh("trade-cy"), fresh("tx_cy")
    add, his = ("kafka-acls", "--add", "--operation", "Read"), ("--allow-principal", f"User:{name}")
    prefix = ("--resource-pattern-type", "prefixed", "--topic")
    quota = ("--alter", "--add-config", "producer_byte_rate=1")
    commands = [
        (*add, *his, "--topic", "*"),
        (*add, *his, "--topic", "pay_x"),
        (*add, *his, *prefix, "tx"),
        (*add, *his, "--group", "*"),
        (*add[:3], "Alter", *his, "--cluster"),
        (*add, "--allow-principal", "User:pay-cy", "--topic", topic),
        (*add, "--allow-principal", EVERYBODY, "--topic", topic),
        ("kafka-configs", *user("pay-cy"), *quota),
        ("kafka-configs", "--entity-type", "users", "--entity-default", *quota),
        ("kafka-configs", "--entity-type", "clients", "--entity-name", name, *quota),
        (
            "kafka-configs",
            "--entity-type",
            "ips",
            "--entity-default",
            "--alter",
            "--add-config",
            "connection_creation_rate=9",
        ),
        ("kafka-configs", *user("pay-cy"), "--alter", "--add-config", "SCRAM-SHA-256=[iterations=4096,password=x]"),
    ]
    before = guarded.access()

    done = two_at_a_time(kafka_tools, commands, at=guarded.kordon.listener("trading"))
    unprivileged = kafka_tools(*add, *his, "--topic", topic, at=guarded.kordon.listener("viewing"))

    assert [command for command, run in zip(commands, done, strict=True) if REFUSED not in run.output] == []
    assert "each topic that begins with tx is outside the tenant Trading" in done[2].output
    assert REFUSED in unprivileged.output
    assert "ACL_EDIT" in unprivileged.output
    assert guarded.access() == before


def test_quotas_of_the_tenants_users_are_set_shown_and_taken_back(guarded: Guarded, run: Run, fresh: Fresh) -> None:
    name, other = fresh("trade-di"), fresh("pay-di")
    guarded.settle(alter_quotas(1, (("user", other),), *(entity for entity in NOBODYS if entity[0][0] != "ip")))

    run("kafka-configs", *user(name), "--alter", "--add-config", "producer_byte_rate=1048576,request_percentage=200")
    run(
        "kafka-configs",
        *user(name),
        "--entity-type",
        "clients",
        "--entity-name",
        "app",
        "--alter",
        "--add-config",
        "consumer_byte_rate=9",
    )
    eventually(lambda: len([entity for entity in guarded.access()[1] if ("user", name) in entity]) == 2)
    described = run("kafka-configs", *user(name), "--describe")
    all_users = run("kafka-configs", "--entity-type", "users", "--describe")
    defaults = run("kafka-configs", "--entity-type", "users", "--entity-default", "--describe")
    run("kafka-configs", *user(name), "--alter", "--delete-config", "producer_byte_rate,request_percentage")
    eventually(lambda: len([entity for entity in guarded.access()[1] if ("user", name) in entity]) == 1)

    assert "producer_byte_rate=1048576.0" in described
    assert name in all_users
    assert "default" not in all_users + defaults
    assert other not in all_users
    (event, *_) = guarded.events("AlterClientQuotas", name)
    assert event["what"]["parameters"]["quotas"] == [
        {"entity": {"user": name}, "values": {"producer_byte_rate": 1048576.0, "request_percentage": 200.0}}
    ]


def test_an_administrator_of_the_whole_cluster_does_it_for_all(guarded: Guarded, run: Run, fresh: Fresh) -> None:
    name = fresh("anybody")
    rules = ("--allow-principal", f"User:{name}", "--operation", "Describe")
    quota = ("--alter", "--add-config", "producer_byte_rate=1000000000")

    run("kafka-acls", "--add", *rules, "--topic", "*", at="admin")
    run("kafka-acls", "--add", *rules, "--cluster", at="admin")
    run("kafka-configs", "--entity-type", "clients", "--entity-name", name, *quota, at="admin")
    run(
        "kafka-configs",
        *user(name),
        "--alter",
        "--add-config",
        "SCRAM-SHA-512=[iterations=4096,password=p]",
        at="admin",
    )
    eventually(lambda: name in guarded.access()[2])
    listed = run("kafka-acls", "--list", "--principal", f"User:{name}", at="admin")
    clients = run("kafka-configs", "--entity-type", "clients", "--describe", at="admin")
    for resource in (("--topic", "*"), ("--cluster",)):
        run("kafka-acls", "--remove", *rules, *resource, "--force", at="admin")

    assert "name=*" in listed
    assert "kafka-cluster" in listed
    assert name in clients
    eventually(lambda: not [one for one in guarded.access()[0] if one.principal == f"User:{name}"])


def open_filter(name: str | None, principal: str | None) -> AclBindingFilter:
    """Only a name and a principal are said, if that."""
    return AclBindingFilter(
        ResourceType.ANY,
        name,  # type: ignore[arg-type]  # the annotation does not know that it may be open
        ResourcePatternType.ANY,
        principal,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def test_another_client_library_deletes_by_a_filter_that_is_open(guarded: Guarded, fresh: Fresh) -> None:
    topic, name = fresh("tx_open"), fresh("trade-ed")
    own = (binding(topic, f"User:{name}"), binding(topic, f"User:{name}", operation=4))
    foreign = (binding(topic, EVERYBODY), binding(topic, "User:pay-ed"))
    guarded.settle(create(3, *own, *foreign))
    admin = AdminClient({"bootstrap.servers": guarded.kordon.listener("trading"), **QUIET})
    everything, beyond = open_filter(topic, None), open_filter(None, "User:pay-ed")

    found = admin.describe_acls(everything).result(30)
    gone = admin.delete_acls([everything])[everything].result(30)

    assert {acl.principal for acl in found} == {acl.principal for acl in gone} == {f"User:{name}"}
    assert len(found) == len(gone) == len(own)
    assert admin.delete_acls([beyond])[beyond].result(30) == []
    assert set(foreign) <= guarded.access()[0]


# Secrets


def test_no_secret_of_a_credential_is_written_down(guarded: Guarded, fresh: Fresh) -> None:
    name, other = fresh("trade-fy"), fresh("pay-fy")
    with guarded.through() as wire:
        answer = wire.ask(alter_credentials(write=[name, other], delete=[fresh("trade-no")])).message

    assert [int(result.error_code) for result in answer.results] == [91, 0, 31]
    event, denial = sorted(guarded.events("AlterUserScramCredentials", name), key=lambda one: one["why"]["effect"])
    assert event["what"]["parameters"]["set"] == denial["what"]["parameters"]["set"] != []
    written = [path.read_bytes() for path in guarded.kordon.folder.rglob("*") if path.is_file()]
    assert any(name.encode() in content for content in written)
    for secret in (SALT, SALTED):
        forms = (secret, secret.hex().encode(), base64.b64encode(secret))
        assert not [form for form in forms for content in written if form in content]


# At the wire


def replaced(frame: bytes, name: str, by: str) -> bytes:
    return frame.replace(name.encode(), by.encode())


MISSING: Final[dict[str, Callable[[str, str], Any]]] = {
    "ACLs of a principal": lambda name, _: describe(3, principal_filter=f"User:{name}"),
    "ACLs of a topic": lambda _, topic: describe(3, resource_type_filter=TOPIC, resource_name_filter=topic),
    "ACLs that match a topic": lambda _, topic: describe(
        3, resource_type_filter=TOPIC, resource_name_filter=topic, pattern_type_filter=MATCH
    ),
    "deleted ACLs": lambda name, topic: delete(3, exact(binding(topic, f"User:{name}"))),
    "deleted ACLs of a principal": lambda name, _: delete(3, {"principal_filter": f"User:{name}"}),
    "quotas of a user": lambda name, _: describe_quotas(1, ("user", EXACT, name)),
    "a credential": lambda name, _: describe_credentials(name),
    "a credential twice": lambda name, _: describe_credentials(name, name),
    "a deleted credential": lambda name, _: alter_credentials(delete=[name]),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_outside_the_view_is_what_a_broker_does_not_have(guarded: Guarded, what: str) -> None:
    inside, outside = ("trade-non", "tx_non"), ("paper-non", "py_non")
    with guarded.through() as wire:
        of_inside, of_outside = (wire.ask(MISSING[what](*names)) for names in (inside, outside))
    with guarded.direct() as wire:
        of_broker = wire.ask(MISSING[what](*inside))

    in_terms = of_outside.body
    for theirs, ours in zip(outside, inside, strict=True):
        in_terms = replaced(in_terms, theirs, ours)
    assert in_terms == of_inside.body
    if what != "ACLs that match a topic":  # of these the broker has some, which are for all topics
        assert of_inside.body == of_broker.body


@pytest.mark.parametrize("version", range(1, 4))
def test_a_request_that_brokers_would_hang_up_on_is_answered(guarded: Guarded, version: int) -> None:
    with guarded.through() as wire:
        described = wire.ask(describe(version, resource_type_filter=0)).message
        created = wire.ask(create(version, binding("tx_a", "User:trade-a", kind=0))).message
        deleted = wire.ask(delete(version, {"operation": 0})).message
        assert wire.ask(describe(version)).message.error_code is ErrorCode.none

    assert errors_of(described) == errors_of(created) == errors_of(deleted) == [42]


def test_where_there_is_no_authorizer_that_is_said(guarded: Guarded) -> None:
    one = binding("tx_a", "User:trade-a")
    with guarded.through("open") as wire:
        answers = [
            wire.ask(request).message for request in (describe(3), create(3, one), delete(3, exact(one)), delete(3, {}))
        ]

    disabled = ErrorCode.security_disabled
    assert [errors_of(answer) for answer in answers] == [[disabled]] * 4


@pytest.mark.parametrize("version", range(1, 4))
def test_everybodys_own_of_a_user_is_told_apart_from_his_name_alone(guarded: Guarded, version: int) -> None:
    """Types of principals other than `User` are others; so are names that only begin like his."""
    one = "User:trade-gus"
    strange = (one[5:], "Group:trade-gus", "user:trade-gus", "User:Trade-gus", "User: trade-gus", "")
    with guarded.through() as wire:
        created = wire.ask(create(version, *(binding("tx_gus", name) for name in strange))).message

    assert errors_of(created) == [31] * len(strange)


fields = {
    "resource_type_filter": st.sampled_from([ANY, TOPIC, GROUP, TRANSACTIONAL_ID, USER]),
    "resource_name_filter": st.none() | st.sampled_from(["*", "f", "fi", "filter", "filter-a", "x"]),
    "pattern_type_filter": st.sampled_from([ANY, MATCH, LITERAL, PREFIXED]),
    "principal_filter": st.sampled_from([None, "User:filter", EVERYBODY, "User:x"]),
    "host_filter": st.sampled_from([None, "*", "10.0.0.1"]),
    "operation": st.sampled_from([ANY, 2, 3, 4]),
    "permission_type": st.sampled_from([ANY, 2, 3]),
}


@pytest.fixture
def various(guarded: Guarded) -> Iterator[list[Binding]]:
    """ACLs of all kinds, at the broker, and for no longer than they are needed: some let everybody do everything."""
    found = [
        Binding(kind, name, pattern, principal, host, operation, permission)
        for kind, name, pattern in (
            (TOPIC, "*", LITERAL),
            (TOPIC, "filter", LITERAL),
            (TOPIC, "fi", PREFIXED),
            (TOPIC, "filter-a", PREFIXED),
            (GROUP, "filter", LITERAL),
            (GROUP, "f", PREFIXED),
            (TRANSACTIONAL_ID, "filter-a", LITERAL),
        )
        for principal, host, operation, permission in (
            ("User:filter", "*", 3, 3),
            ("User:filter", "10.0.0.1", 4, 2),
            (EVERYBODY, "*", 2, 3),
        )
    ]
    guarded.settle(create(3, *found))
    yield found
    guarded.settle(delete(3, *map(exact, found)))


@given(wanted=st.fixed_dictionaries(fields))
@settings(
    max_examples=150,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
def test_a_filter_matches_what_it_matches_at_the_broker(
    guarded: Guarded, various: list[Binding], wanted: dict[str, Any]
) -> None:
    with guarded.direct() as wire:
        found = set(Binding.described(wire.ask(describe(3, **wanted)).message)) & set(various)

    assert {one for one in various if matches(a_filter(**wanted), one)} == found


# Delegation tokens

TOKENS: Final = (
    ApiKey.CREATE_DELEGATION_TOKEN,
    ApiKey.RENEW_DELEGATION_TOKEN,
    ApiKey.EXPIRE_DELEGATION_TOKEN,
    ApiKey.DESCRIBE_DELEGATION_TOKEN,
)


@pytest.mark.parametrize(
    ("key", "version"), [pytest.param(key, one, id=f"{key.name}-{one}") for key in TOKENS for one in versions(key)]
)
def test_a_delegation_token_is_refused_as_brokers_do_to_who_may_have_none(
    guarded: Guarded, key: ApiKey, version: int
) -> None:
    request = a_request(key, version)
    with guarded.through("admin") as wire:
        refused = wire.ask(request)
    with guarded.direct() as wire:
        of_broker = wire.ask(request)  # of somebody who is not logged in

    assert errors_of(refused.message) == [ErrorCode.delegation_token_request_not_allowed]
    nobody = (b"\0\4User\0\x09ANONYMOUS", b"\0\0\0\0") if version < 2 else (b"\x05User\x0aANONYMOUS", b"\1\1")
    assert refused.body == of_broker.body.replace(*nobody)


def test_the_tool_for_delegation_tokens_is_told_that_there_are_none(
    guarded: Guarded, kafka_tools: RunTool, tmp_path: Path
) -> None:
    config = tmp_path / "client.properties"
    config.write_text("default.api.timeout.ms=5000\nrequest.timeout.ms=4000\n")

    done = kafka_tools(
        "kafka-delegation-tokens",
        *("--describe", "--command-config", str(config)),
        at=guarded.kordon.listener("admin"),
    )

    assert "UnsupportedVersionException" in done.output
    assert not [one for one in guarded.kordon.audit() if "HMAC" in repr(one)]
