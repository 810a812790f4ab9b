"""What somebody may do: every action of the language, where it belongs and what it stands for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Domain(StrEnum):
    """The first element of a path."""

    CLUSTER = "cluster"
    SCHEMA = "schema"
    CONNECT = "connect"
    KSQLDB = "ksqldb"


class Kind(StrEnum):
    """The TYPE of a path. What concerns a whole cluster has no TYPE, which is written `None`."""

    TOPIC = "topic"
    GROUP = "group"
    BROKER = "broker"
    PRINCIPAL = "principal"
    TRANSACTIONAL_ID = "transactional-id"
    SUBJECT = "subject"
    CONNECTOR = "connector"
    KSQLDB_SOURCE = "ksqldb-source"
    KSQLDB_QUERY = "ksqldb-query"

    @property
    def domain(self) -> Domain:
        """The domain that this TYPE belongs to."""
        return _DOMAIN_OF[self]

    @property
    def words(self) -> str:
        """As it is written in a sentence: `transactional id`, not `transactional-id`."""
        return "transactional id" if self is Kind.TRANSACTIONAL_ID else self.value


KINDS: Final[Mapping[Domain, tuple[Kind, ...]]] = {
    Domain.CLUSTER: (Kind.TOPIC, Kind.GROUP, Kind.BROKER, Kind.PRINCIPAL, Kind.TRANSACTIONAL_ID),
    Domain.SCHEMA: (Kind.SUBJECT,),
    Domain.CONNECT: (Kind.CONNECTOR,),
    Domain.KSQLDB: (Kind.KSQLDB_SOURCE, Kind.KSQLDB_QUERY),
}
_DOMAIN_OF: Final = {kind: domain for domain, kinds in KINDS.items() for kind in kinds}


class Action(StrEnum):
    """An action, or an umbrella that stands for several. There is no action for seeing: only tenants hide things."""

    TOPIC_INSPECT = "TOPIC_INSPECT"
    TOPIC_DATA_QUERY = "TOPIC_DATA_QUERY"
    TOPIC_DATA_DOWNLOAD = "TOPIC_DATA_DOWNLOAD"
    TOPIC_PRODUCE = "TOPIC_PRODUCE"
    TOPIC_CREATE = "TOPIC_CREATE"
    TOPIC_CLONE = "TOPIC_CLONE"
    TOPIC_EDIT = "TOPIC_EDIT"
    TOPIC_DELETE = "TOPIC_DELETE"
    TOPIC_TRUNCATE = "TOPIC_TRUNCATE"
    TOPIC_ELECT_LEADER = "TOPIC_ELECT_LEADER"
    TOPIC_ALTER_REASSIGNMENTS = "TOPIC_ALTER_REASSIGNMENTS"
    GROUP_CONSUME = "GROUP_CONSUME"
    GROUP_EDIT = "GROUP_EDIT"
    GROUP_DELETE = "GROUP_DELETE"
    BROKER_EDIT = "BROKER_EDIT"
    BROKER_UNREGISTER = "BROKER_UNREGISTER"
    ACL_EDIT = "ACL_EDIT"
    TRANSACTION_PRODUCE = "TRANSACTION_PRODUCE"
    PRODUCER_EDIT = "PRODUCER_EDIT"
    QUOTA_EDIT = "QUOTA_EDIT"
    ADMIN = "ADMIN"
    BULK_ACTION = "BULK_ACTION"
    SCHEMA_CREATE = "SCHEMA_CREATE"
    SCHEMA_EDIT = "SCHEMA_EDIT"
    SCHEMA_VERSION_EDIT = "SCHEMA_VERSION_EDIT"
    SCHEMA_DELETE = "SCHEMA_DELETE"
    CONNECT_CREATE = "CONNECT_CREATE"
    CONNECT_EDIT = "CONNECT_EDIT"
    CONNECT_ALTER_STATE = "CONNECT_ALTER_STATE"
    CONNECT_EDIT_CONFIG = "CONNECT_EDIT_CONFIG"
    CONNECT_DELETE = "CONNECT_DELETE"
    CONNECT_INSPECT = "CONNECT_INSPECT"
    KSQLDB_QUERY = "KSQLDB_QUERY"
    KSQLDB_EXECUTE = "KSQLDB_EXECUTE"
    KSQLDB_TERMINATE_QUERY = "KSQLDB_TERMINATE_QUERY"
    KSQLDB_INSERT = "KSQLDB_INSERT"

    @property
    def domain(self) -> Domain:
        """The domain that this action belongs to."""
        return _PLACES[self].domain

    @property
    def kinds(self) -> tuple[Kind | None, ...]:
        """The TYPEs that this action is about; `None` is the whole cluster. Asked of any other, it is denied."""
        return _PLACES[self].kinds

    @property
    def parts(self) -> tuple["Action", ...]:
        """What an umbrella stands for; itself for any other action."""
        return UMBRELLAS.get(self, (self,))


UMBRELLAS: Final[Mapping[Action, tuple[Action, ...]]] = {
    Action.TOPIC_INSPECT: (Action.TOPIC_DATA_QUERY, Action.TOPIC_DATA_DOWNLOAD),
    Action.SCHEMA_EDIT: (Action.SCHEMA_VERSION_EDIT, Action.SCHEMA_DELETE),
    Action.CONNECT_EDIT: (
        Action.CONNECT_ALTER_STATE,
        Action.CONNECT_EDIT_CONFIG,
        Action.CONNECT_DELETE,
        Action.CONNECT_INSPECT,
    ),
}

OTHER_NAMES: Final[Mapping[str, Action]] = {
    "KPOW_ADMIN": Action.ADMIN,
    "TOPIC_ALTER_REPLICAS": Action.TOPIC_ALTER_REASSIGNMENTS,
}

# Reads and produces cannot wait for somebody's approval: a Stage on one of them denies it.
NEVER_STAGED: Final = frozenset(
    {
        Action.TOPIC_DATA_QUERY,
        Action.TOPIC_DATA_DOWNLOAD,
        Action.TOPIC_PRODUCE,
        Action.GROUP_CONSUME,
        Action.TRANSACTION_PRODUCE,
        Action.CONNECT_INSPECT,
        Action.KSQLDB_QUERY,
        Action.KSQLDB_INSERT,
    }
)

# What changes nothing, and so may be done to Kordon's own topics by who sees them.
READS: Final = frozenset({Action.TOPIC_INSPECT, Action.TOPIC_DATA_QUERY, Action.TOPIC_DATA_DOWNLOAD})


@dataclass(frozen=True, slots=True)
class _Place:
    domain: Domain
    kinds: tuple[Kind | None, ...]


def _place(action: Action) -> _Place:
    exceptions: dict[Action, tuple[Kind | None, ...]] = {
        Action.ACL_EDIT: (Kind.PRINCIPAL,),
        Action.TRANSACTION_PRODUCE: (Kind.TRANSACTIONAL_ID,),
        Action.PRODUCER_EDIT: (None, Kind.TRANSACTIONAL_ID),
        Action.QUOTA_EDIT: (None, Kind.PRINCIPAL),
        Action.ADMIN: (None,),
        Action.BULK_ACTION: (None,),
    }
    by_prefix: dict[str, tuple[Domain, tuple[Kind | None, ...]]] = {
        "TOPIC": (Domain.CLUSTER, (Kind.TOPIC,)),
        "GROUP": (Domain.CLUSTER, (Kind.GROUP,)),
        "BROKER": (Domain.CLUSTER, (Kind.BROKER,)),
        "SCHEMA": (Domain.SCHEMA, (Kind.SUBJECT,)),
        "CONNECT": (Domain.CONNECT, (Kind.CONNECTOR,)),
        # A statement may create, read and drop at once, so these are asked of the server as a whole too.
        "KSQLDB": (Domain.KSQLDB, (None, Kind.KSQLDB_SOURCE, Kind.KSQLDB_QUERY)),
    }
    if action in exceptions:
        return _Place(Domain.CLUSTER, exceptions[action])
    return _Place(*by_prefix[action.partition("_")[0]])


_PLACES: Final = {action: _place(action) for action in Action}


def parts_of(actions: Iterable[Action]) -> frozenset[Action]:
    """Every umbrella among these actions opened."""
    return frozenset(part for action in actions for part in action.parts)


def joined(actions: Iterable[Action]) -> tuple[Action, ...]:
    """These actions, sorted, with an umbrella in place of its parts where all of them are there."""
    found = set(actions)
    for umbrella, parts in UMBRELLAS.items():
        if found.issuperset(parts):
            found = (found - set(parts)) | {umbrella}
    return tuple(sorted(found))
