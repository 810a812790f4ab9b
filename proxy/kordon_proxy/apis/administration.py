"""What is about the cluster as a whole, and about its controllers: DescribeQuorum, UpdateFeatures, UnregisterBroker,
AddRaftVoter, RemoveRaftVoter.

Kafka asks for one right over the cluster. Kordon asks that the view holds the whole cluster, and for `BROKER_EDIT` on
every broker, or to unregister one for `BROKER_UNREGISTER` on that. Where controllers are reached is told to nobody.
"""

from dataclasses import replace
from functools import partial
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.brokers import administers, may_administer, whole_cluster
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import refuse, refused_response
from kordon_proxy.judging.table import Api, Record, event_unless_tried
from kordon_proxy.judging.texts import constant_texts, spoken, without_free_texts
from kordon_proxy.judging.verdict import Forward, Mended, Rewrite, Verdict

ANOTHER_CLUSTER: Final = spoken(Refusal(ErrorCode.inconsistent_cluster_id))


CONSTANT_TEXT: Final = constant_texts()


# DescribeQuorum


def judge_quorum(request: Any, may: May) -> Verdict:
    refusal = may_administer(may)
    return Forward(Mended(partial(_quorum, request))) if refusal is None else refuse(request, spoken(refusal))


def _quorum(request: Any, response: Any, may: May) -> Any:
    """Clients have nothing to look for at a controller (KIP-853 tells where they listen from v2 on)."""
    refusal = None if administers(may) else may_administer(may)
    if refusal is not None:
        return refused_response(request, spoken(refusal))
    response = without_free_texts(response, "topics", "partitions")
    if not getattr(response, "nodes", ()):
        return response
    return replace(response, nodes=tuple(replace(node, listeners=()) for node in response.nodes))


# UpdateFeatures


def judge_features(request: Any, may: May) -> Verdict:
    """`validate_only` needs the same rights."""
    refusal = may_administer(may)
    return Forward(constant_texts("results")) if refusal is None else refuse(request, spoken(refusal))


UPGRADE_TYPES: Final = {1: "upgrade", 2: "safe_downgrade", 3: "unsafe_downgrade"}
"""`FeatureUpdate.UpgradeType` of Kafka's client library. An unsafe one may lose metadata."""


def _features(request: Any, _: Any) -> dict[str, object]:
    """To which level each feature goes, and whether it may be lowered; 0 switches it off."""
    updates = request.feature_updates
    return {
        "features": {update.feature: update.max_version_level for update in updates},
        "upgrade_types": {update.feature: _upgrade_type(update) for update in updates},
        "validate_only": getattr(request, "validate_only", False),
    }


def _upgrade_type(update: Any) -> str:
    """v0 knows no unsafe one: brokers take what it allows for a safe one."""
    if update.__version__ == 0:
        return UPGRADE_TYPES[2 if update.allow_downgrade else 1]
    return UPGRADE_TYPES.get(update.upgrade_type, str(update.upgrade_type))


# UnregisterBroker


def judge_unregister(request: Any, may: May) -> Verdict:
    refusal = whole_cluster(may) or may.ask(Action.BROKER_UNREGISTER, Kind.BROKER, str(request.broker_id))
    return Forward(CONSTANT_TEXT) if refusal is None else refuse(request, spoken(refusal))


def _unregistered(request: Any, _: Any) -> dict[str, object]:
    return {"broker": request.broker_id}


# AddRaftVoter, RemoveRaftVoter


def judge_voter(request: Any, may: May) -> Verdict:
    """Clients know the cluster by the id that their tenant shows, and by no other."""
    refusal = may_administer(may)
    if refusal is not None:
        return refuse(request, spoken(refusal))
    if request.cluster_id is None:
        return Forward(CONSTANT_TEXT)
    if request.cluster_id != may.cluster.cluster_id:
        return refuse(request, ANOTHER_CLUSTER)
    return Rewrite(replace(request, cluster_id=may.picture.cluster_id), CONSTANT_TEXT)


def _voter(request: Any, _: Any) -> dict[str, object]:
    told: dict[str, object] = {"voter": request.voter_id, "directory": str(request.voter_directory_id)}
    if not hasattr(request, "listeners"):
        return told
    return told | {"listeners": [f"{one.name}://{one.host}:{one.port}" for one in request.listeners]}


APIS = (
    Api(
        key=ApiKey.DESCRIBE_QUORUM,
        name="DescribeQuorum",
        versions=range(3),
        judge=judge_quorum,
        record=Record.COUNTED,
        gives_away="addresses of controllers, which are left out; who votes and how far each is",
        needs=(Action.BROKER_EDIT,),
    ),
    Api(
        key=ApiKey.UPDATE_FEATURES,
        name="UpdateFeatures",
        versions=range(3),
        judge=judge_features,
        record=Record.EVENT,
        record_of=event_unless_tried,
        gives_away="texts, which become constant",
        needs=(Action.BROKER_EDIT,),
        parameters=_features,
    ),
    Api(
        key=ApiKey.UNREGISTER_BROKER,
        name="UnregisterBroker",
        versions=range(1),
        judge=judge_unregister,
        record=Record.EVENT,
        gives_away="texts, which become constant",
        needs=(Action.BROKER_UNREGISTER,),
        parameters=_unregistered,
    ),
    Api(
        key=ApiKey.ADD_RAFT_VOTER,
        name="AddRaftVoter",
        versions=range(2),
        judge=judge_voter,
        record=Record.EVENT,
        gives_away="the real cluster id in a text, which becomes constant",
        needs=(Action.BROKER_EDIT,),
        parameters=_voter,
    ),
    Api(
        key=ApiKey.REMOVE_RAFT_VOTER,
        name="RemoveRaftVoter",
        versions=range(1),
        judge=judge_voter,
        record=Record.EVENT,
        gives_away="the real cluster id in a text, which becomes constant",
        needs=(Action.BROKER_EDIT,),
        parameters=_voter,
    ),
)
