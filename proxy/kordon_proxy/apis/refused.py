"""API keys that no client may use through Kordon, each with its reason. They are not advertised."""

from collections.abc import Mapping
from typing import Final

from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey, versions
from kordon_proxy.judging.table import Api

BROKERS_ONLY: Final = "for brokers and controllers only"
REMOVED: Final = "removed from Kafka with 4.0"
NEWER: Final = "newer than the messages that this release can read"
TOKENS: Final = "a delegation token made here would be a credential of Kordon itself, valid at the brokers"

CLUSTER = ErrorCode.cluster_authorization_failed
TOKEN = ErrorCode.delegation_token_request_not_allowed

REASONS: Final[dict[ApiKey, tuple[str, ErrorCode]]] = {
    **dict.fromkeys(
        (
            ApiKey.CREATE_DELEGATION_TOKEN,
            ApiKey.RENEW_DELEGATION_TOKEN,
            ApiKey.EXPIRE_DELEGATION_TOKEN,
            ApiKey.DESCRIBE_DELEGATION_TOKEN,
        ),
        (TOKENS, TOKEN),
    ),
    **dict.fromkeys(
        (
            ApiKey.VOTE,
            ApiKey.BEGIN_QUORUM_EPOCH,
            ApiKey.END_QUORUM_EPOCH,
            ApiKey.ALTER_PARTITION,
            ApiKey.ENVELOPE,
            ApiKey.FETCH_SNAPSHOT,
            ApiKey.BROKER_REGISTRATION,
            ApiKey.BROKER_HEARTBEAT,
            ApiKey.ALLOCATE_PRODUCER_IDS,
            ApiKey.CONTROLLER_REGISTRATION,
            ApiKey.ASSIGN_REPLICAS_TO_DIRS,
            ApiKey.UPDATE_RAFT_VOTER,
            ApiKey.INITIALIZE_SHARE_GROUP_STATE,
            ApiKey.READ_SHARE_GROUP_STATE,
            ApiKey.WRITE_SHARE_GROUP_STATE,
            ApiKey.DELETE_SHARE_GROUP_STATE,
            ApiKey.READ_SHARE_GROUP_STATE_SUMMARY,
        ),
        (BROKERS_ONLY, CLUSTER),
    ),
}

WITHOUT_SCHEMA: Final[Mapping[int, tuple[str, str]]] = {
    4: ("LeaderAndIsr", REMOVED),
    5: ("StopReplica", REMOVED),
    6: ("UpdateMetadata", REMOVED),
    7: ("ControlledShutdown", REMOVED),
    93: ("StreamsGroupTopologyDescriptionUpdate", NEWER),
    94: ("UnregisterController", NEWER),
}
"""Keys that Kafka knows or knew and kio does not: name, and why. A request of these ends the connection."""


def _name(key: ApiKey) -> str:
    """As Kafka writes it: DescribeAcls."""
    return "".join(map(str.capitalize, key.name.split("_")))


APIS = tuple(
    Api(key=key, name=_name(key), versions=versions(key), code=code, why=why) for key, (why, code) in REASONS.items()
)
