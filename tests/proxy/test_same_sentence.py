"""What `kordon explain` gives as the reason is the very sentence that the audit and the client are told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from kordon_policy.access import Access
from kordon_policy.actions import Action, Kind
from kordon_policy.explain import Explanation, explain
from kordon_policy.model import RuleRef, TemporaryRule
from kordon_policy.question import Cluster, Question, World
from kordon_policy.snapshot import Compiled
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey
from kordon_proxy.audit.event import Event, Who
from kordon_proxy.exchange import Exchange
from kordon_proxy.identity.directory import Directory
from kordon_proxy.identity.identify import identify
from kordon_proxy.identity.values import Facts, Peer, Refused
from kordon_proxy.judging import brokers
from kordon_proxy.judging.may import May
from kordon_proxy.recorder import Recorder
from kordon_proxy.table import APIS
from tests.policy.given import a_document
from tests.proxy.judging.worlds import CLUSTER, make_may
from tests.proxy.sessions import FakeAudit

POLICY: Final = """
admin_roles: [owners]
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_EDIT, TOPIC_INSPECT], role: devs}
  - {resource: [cluster, "*", topic, "a-no"], effect: Deny, actions: [TOPIC_EDIT], role: devs, note: kept}
  - {resource: [cluster, "*", topic, "a-ask"], effect: Stage, actions: [TOPIC_EDIT], role: devs}
  - {resource: [cluster, "*", broker], effect: Allow, actions: [BROKER_EDIT], role: devs}
  - {resource: [cluster, "*", broker, "7"], effect: Deny, actions: [BROKER_EDIT], role: devs}
tenants:
  - name: acme
    resources:
      - include: [[cluster, "*", topic, "a*"], [cluster, "*", group, "g*"], [cluster, "*", broker]]
      - exclude: [cluster, "*", topic, "*-internal"]
    roles: [devs]
"""
INFERRED: Final = {"g1": frozenset({"ext"})}
(RULE,) = a_document(
    'policies: [{resource: [cluster, "*", group, g-lent], effect: Deny, actions: [GROUP_EDIT], role: devs}]'
).policies
LENT: Final = TemporaryRule(
    id="7f3a", rule=replace(RULE, ref=RuleRef(place="temporary policy 7f3a")), starts_ts=0, expires_ts=None
)


def a_may() -> May:
    return make_may(POLICY, topics=("a1", "ext"), inferred=INFERRED, temporary=[LENT])


def explained(action: Action | None, kind: Kind | None, name: str | None, *, openly: bool = True) -> Explanation:
    world = World(
        compiled=Compiled(a_document(POLICY)),
        temporary=(LENT,),
        inferred=INFERRED,
        clusters=(Cluster("prod", frozenset(CLUSTER)),),
    )
    question = Question(
        principal="dee", roles=frozenset({"devs"}), tenant="acme", action=action, cluster="prod", kind=kind, name=name
    )
    return explain(question, world, openly=openly)


def audited(may: May) -> Event:
    """The event of what has been refused."""
    api = APIS[ApiKey.CREATE_PARTITIONS]
    head = RequestHead(api_key=api.key, api_version=3, correlation_id=1, client_id="t", body_offset=0)
    exchange = Exchange(head, api, may, None, received=0.0, request_size=1)
    recorder = Recorder(FakeAudit(), "prod", Who(principal="dee", roles=("devs",), tenant="acme"))  # type: ignore[arg-type]
    (event,) = recorder.denials(exchange, may)
    return event


REFUSED: Final[list[tuple[Callable[[May], object], Action | None, Kind | None, str | None]]] = [
    (lambda may: may.topic(Action.TOPIC_EDIT, "a-no"), Action.TOPIC_EDIT, Kind.TOPIC, "a-no"),
    (lambda may: may.topic(Action.TOPIC_EDIT, "a-ask"), Action.TOPIC_EDIT, Kind.TOPIC, "a-ask"),
    (lambda may: may.topic(Action.TOPIC_DELETE, "a1"), Action.TOPIC_DELETE, Kind.TOPIC, "a1"),
    (lambda may: may.topic(Action.TOPIC_INSPECT, "ext"), Action.TOPIC_INSPECT, Kind.TOPIC, "ext"),
    (lambda may: may.topic(Action.TOPIC_INSPECT, "hr"), Action.TOPIC_INSPECT, Kind.TOPIC, "hr"),
    (lambda may: may.topic(None, "a-internal"), None, Kind.TOPIC, "a-internal"),
    (lambda may: may.topic(None, "__x"), None, Kind.TOPIC, "__x"),
    (lambda may: may.create_topic("hr"), Action.TOPIC_CREATE, Kind.TOPIC, "hr"),
    (lambda may: may.create_topic("ext"), Action.TOPIC_CREATE, Kind.TOPIC, "ext"),
    (lambda may: may.create_topic("a2"), Action.TOPIC_CREATE, Kind.TOPIC, "a2"),
    (lambda may: may.group(Action.GROUP_EDIT, "g-lent"), Action.GROUP_EDIT, Kind.GROUP, "g-lent"),
    (lambda may: may.edit_group("g1"), Action.GROUP_EDIT, Kind.GROUP, "g1"),
    (lambda may: may.edit_group("other"), Action.GROUP_EDIT, Kind.GROUP, "other"),
    (lambda may: may.join("other"), Action.GROUP_CONSUME, Kind.GROUP, "other"),
    (lambda may: may.transact("tx"), Action.TRANSACTION_PRODUCE, Kind.TRANSACTIONAL_ID, "tx"),
    (lambda may: may.principal(Action.ACL_EDIT, "User:x"), Action.ACL_EDIT, Kind.PRINCIPAL, "User:x"),
    (lambda may: brokers.may_edit(may, "7"), Action.BROKER_EDIT, Kind.BROKER, "7"),
    (lambda may: brokers.may_edit(may, ""), Action.BROKER_EDIT, Kind.BROKER, ""),
    (lambda may: may.whole_cluster(Action.QUOTA_EDIT), Action.QUOTA_EDIT, None, None),
    (brokers.whole_cluster, None, None, None),
]


@pytest.mark.parametrize(("refuse", "action", "kind", "name"), REFUSED)
def test_explain_and_audit_say_the_same(
    refuse: Callable[[May], object], action: Action | None, kind: Kind | None, name: str | None
) -> None:
    may = a_may()
    assert refuse(may) is not None

    event, told = audited(may), explained(action, kind, name)

    assert told.reason == event.why.reason
    assert told.access == may.notes[-1].access


@pytest.mark.parametrize(("refuse", "action", "kind", "name"), REFUSED)
def test_the_client_is_told_what_explain_says_to_who_is_no_administrator(
    refuse: Callable[[May], object], action: Action | None, kind: Kind | None, name: str | None
) -> None:
    may = a_may()
    refuse(may)
    (note,) = may.notes
    assert note.refusal is not None

    told = explained(action, kind, name, openly=False)

    # Where the client is told nothing, a name outside the view has the answer of a missing one.
    assert note.refusal.text == told.reason or (note.refusal.text is None and told.access is Access.HIDDEN)


def test_a_login_that_fails_gives_the_same_reason() -> None:
    document = a_document(POLICY + "authorized_roles: [others]\n")
    question = Question(
        principal="dee", roles=frozenset({"devs"}), action=None, cluster="prod", kind=Kind.TOPIC, name="a1"
    )
    world = World(compiled=Compiled(document))
    peer = Peer(address="127.0.0.1", port=1, listener="apps")
    directory = Directory(groups={"dee": frozenset({"devs"})})

    refused = identify(Facts(mechanism="NONE", name="dee"), peer, world.snapshot(), directory)

    assert isinstance(refused, Refused)
    assert explain(question, world).reason == refused.reason
