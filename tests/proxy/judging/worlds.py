"""A tenant of a small cluster, built by hand: a policy as text, a picture of the cluster, no sockets."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import NAMESPACE_DNS, UUID, uuid5

from kordon_policy.load import load
from kordon_policy.model import TemporaryRule
from kordon_policy.snapshot import compile_snapshot
from kordon_policy.view import Inferred
from kordon_proxy.cluster.picture import NO_FEATURES, Broker, Picture, Topic
from kordon_proxy.judging.connection import Connection
from kordon_proxy.judging.may import May, Standing
from kordon_proxy.judging.synthetic import SyntheticCluster

CLUSTER: Final = ("prod",)


def topic_id(name: str) -> UUID:
    """The id of a topic of that name, whether it exists or not."""
    return uuid5(NAMESPACE_DNS, name)


def a_picture(
    topics: Iterable[str] = (),
    *,
    brokers: Iterable[int] = (1, 2, 3),
    inferred: Mapping[str, Iterable[str]] | None = None,
    version: int = 1,
) -> Picture:
    names = tuple(sorted(topics))
    return Picture(
        version=version,
        taken_at=0.0,
        cluster_id="real-cluster",
        controller_id=1,
        brokers={one: Broker(id=one, host=f"real-{one}.internal", port=9092, rack=None) for one in brokers},
        topics={
            name: Topic(name=name, id=topic_id(name), partitions=3, internal=name.startswith("__")) for name in names
        },
        names=names,
        ids={topic_id(name): name for name in names},
        api_versions={},
        features=NO_FEATURES,
        inferred=Inferred({group: frozenset(read) for group, read in (inferred or {}).items()}),
    )


def make_may(
    policy: str,
    roles: Iterable[str] = ("devs",),
    tenant: str | None = "acme",
    *,
    topics: Iterable[str] = (),
    inferred: Mapping[str, Iterable[str]] | None = None,
    brokers: Iterable[int] = (1, 2, 3),
    picture: Picture | None = None,
    connection: Connection | None = None,
    temporary: Iterable[TemporaryRule] = (),
) -> May:
    """The rights of somebody with these roles in a tenant, in a cluster with these topics."""
    document = load(policy, "rbac.yaml").document
    assert document is not None
    seen = picture or a_picture(topics, brokers=brokers, inferred=inferred)
    held = frozenset(roles)
    snapshot = compile_snapshot(document, epoch=1, temporary=temporary)
    view = snapshot.view(tenant, CLUSTER, seen.inferred, admin=snapshot.is_admin(held))
    standing = Standing(snapshot, view, snapshot.rights(held, CLUSTER, "User:somebody"))
    cluster = SyntheticCluster("synthetic-acme", lambda broker: ("kordon.example", 9100 + broker))
    return May(standing, seen, cluster, connection or Connection())
