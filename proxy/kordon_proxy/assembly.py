"""Parts of the process that its configuration alone describes."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from kordon_policy.actions import Domain

from .cluster.pool import Reach
from .cluster.watch import Cluster, Settings
from .config import model as config
from .grants import Places
from .identity.upstream import UpstreamLogin
from .policies import Policies
from .standings import Standings, is_group_wanted
from .store.interface import Store
from .store.sqlite import SqliteStore
from .upstream import TlsFiles, Upstream, client_settings


def upstream_of(cluster: config.Cluster, settings: config.Config, policies: Policies) -> Upstream:
    """A cluster, not reached yet. Topics are inferred of those groups that some tenant includes."""
    tls = None if cluster.tls is None else TlsFiles(cluster.tls, cluster.name)
    logins = tuple(partial(UpstreamLogin, login, "kordon") for login in cluster.own_login)
    names = _names(cluster)

    def is_wanted(group: str) -> bool:
        picture = watch.picture
        known = names | ({picture.cluster_id} if picture is not None else set())
        return is_group_wanted(policies.snapshot, known, group)

    watch = Cluster(
        Settings(
            name=cluster.name,
            bootstrap=tuple((one.host, one.port) for one in cluster.bootstrap),
            reach=Reach(tls=tls, logins=logins),
            groups_every=settings.inference.interval,
        ),
        wanted=is_wanted,
    )
    return Upstream(cluster=watch, name=cluster.name, standings=Standings(names), tls=tls, logins=logins)


def places_of(settings: config.Config, upstreams: Mapping[str, Upstream]) -> Places:
    """All names that policies may know the clusters by: their ids too, of those that have been reached."""
    pictures = {name: upstream.cluster.picture for name, upstream in upstreams.items()}
    ids = {name: frozenset({picture.cluster_id}) for name, picture in pictures.items() if picture is not None}
    clusters = [_names(one) | ids.get(one.name, frozenset()) for one in settings.clusters]
    return Places(known={Domain.CLUSTER: clusters}, complete=len(ids) == len(clusters))


def _names(cluster: config.Cluster) -> frozenset[str]:
    """The names by which policies know a cluster."""
    return frozenset(filter(None, (cluster.name, cluster.environment)))


def store_of(settings: config.Config, instance: str) -> Store:
    """The store, not opened yet. instance: names this process in it."""
    store = settings.store
    if store.type == "sqlite":
        return SqliteStore(settings.store_file, instance)
    from .store.kafka import KafkaStore  # only here: aiokafka is large
    from .store.kafka_topic import Place

    cluster = settings.store_cluster
    place = Place(topic=store.topic, cluster=cluster.name, replication=store.replication)
    return KafkaStore(place, partial(client_settings, cluster), instance)


def audit_kafka_of(settings: config.Config) -> dict[str, Any] | None:
    """aiokafka's settings of the cluster that the audit topic is in; None without one."""
    return None if settings.audit.kafka is None else client_settings(settings.audit_cluster)
