"""What is about brokers: one of them, all of them, or the cluster as a whole.

A broker is in the view or not, like everything else. That it is there and where it is reached is no secret, whatever
the view says: clients have to find the leaders of their topics. Its settings, its log directories and whether it is
fenced are told of brokers in the view alone.
"""

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_policy.decision import outside

from .may import EVERY_BROKER, Access, May, Refusal


def of_connection(may: May) -> str:
    """The broker that this connection leads to, as policies name it: every one where it may lead to any."""
    broker_id = may.connection.broker_id
    return EVERY_BROKER if broker_id is None else str(broker_id)


def is_seen(may: May, name: str) -> bool:
    """Whether the view holds the broker. Not noted."""
    return may.standing.ruling(None, Kind.BROKER, name).access is Access.ALLOWED


def may_edit(may: May, name: str) -> Refusal | None:
    """Ask whether a broker may be looked into and altered."""
    return may.ask(Action.BROKER_EDIT, Kind.BROKER, name)


def is_editable(may: May, name: str) -> bool:
    """The same question. Not noted: nobody asked for it by name."""
    return may.is_allowed(Action.BROKER_EDIT, Kind.BROKER, name)


def whole_cluster(may: May) -> Refusal | None:
    """Ask whether the cluster as a whole is in the view: what Kafka has one right over the cluster for."""
    if may.whole_cluster(None) is None:
        return None
    text = outside(None, None, may.standing.view.tenant)
    return may.told(Refusal(ErrorCode.cluster_authorization_failed, text))


def may_administer(may: May) -> Refusal | None:
    """Ask for what an administrator of the whole cluster does: `BROKER_EDIT` on every broker of it."""
    return whole_cluster(may) or may_edit(may, EVERY_BROKER)


def administers(may: May) -> bool:
    """The same question. Not noted."""
    return may.standing.view.whole_cluster and is_editable(may, EVERY_BROKER)
