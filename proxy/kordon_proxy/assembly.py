"""Parts of the process that its configuration alone describes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from kordon_policy.actions import Domain

from . import grants, schedule, staging
from .asking import Places
from .cluster.pool import Reach
from .cluster.watch import Cluster, Settings
from .config import clusters as config
from .config.model import Config
from .grants import Grants
from .identity.upstream import UpstreamLogin
from .policies import Policies
from .schedule import Schedule
from .staging import Staging
from .standings import Standings, WantedGroups
from .store.interface import Store
from .store.ledger import Ledger
from .store.sqlite import SqliteStore
from .upstream import TlsFiles, Upstream, client_settings


def upstream_of(cluster: config.Cluster, settings: Config, policies: Policies) -> Upstream:
    """A cluster, not reached yet. Topics are inferred of those groups that some tenant includes."""
    tls = None if cluster.tls is None else TlsFiles(cluster.tls, cluster.name)
    logins = tuple(partial(UpstreamLogin, login, "kordon") for login in cluster.own_login)
    names = _names(cluster)

    wanted = WantedGroups()

    def is_wanted(group: str) -> bool:
        picture = watch.picture
        known = names | ({picture.cluster_id} if picture is not None else set())
        return wanted(policies.snapshot, known, group)

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


def places_of(settings: Config, upstreams: Mapping[str, Upstream]) -> Places:
    """All names that policies may know the clusters by: their ids too, of those that have been reached."""
    pictures = {name: upstream.cluster.picture for name, upstream in upstreams.items()}
    ids = {name: frozenset({picture.cluster_id}) for name, picture in pictures.items() if picture is not None}
    clusters = [_names(one) | ids.get(one.name, frozenset()) for one in settings.clusters]
    return Places(known={Domain.CLUSTER: clusters}, complete=len(ids) == len(clusters))


def _names(cluster: config.Cluster) -> frozenset[str]:
    """The names by which policies know a cluster."""
    return frozenset(filter(None, (cluster.name, cluster.environment)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepers:
    """The ledger, and who keeps its books."""

    ledger: Ledger
    grants: Grants
    schedule: Schedule
    staging: Staging


def keepers_of(settings: Config, ledger: Ledger, policies: Policies, upstreams: Mapping[str, Upstream]) -> Keepers:
    """All that is kept in the store, not read yet."""
    places = partial(places_of, settings, upstreams)
    max_duration = settings.temporary_policies.max_duration_ms
    lent = Grants(ledger, policies, grants.Rules(places=places, compat=settings.compat, max_duration=max_duration))
    scheduled = Schedule(ledger, policies, upstreams, schedule.Rules(places=places))
    waits = staging.Rules(waits=settings.staged_mutations.waits_ms)
    staged = Staging(ledger, policies, upstreams, scheduled, waits)
    return Keepers(ledger=ledger, grants=lent, schedule=scheduled, staging=staged)


def store_of(settings: Config, instance: str) -> Store:
    """The store, not opened yet. instance: names this process in it."""
    store = settings.store
    if store.type == "sqlite":
        return SqliteStore(settings.store_file, instance)
    from .store.kafka import KafkaStore  # only here: aiokafka is large
    from .store.kafka_topic import Place

    cluster = settings.store_cluster
    place = Place(topic=store.topic, cluster=cluster.name, replication=store.replication)
    return KafkaStore(place, partial(client_settings, cluster), instance)


def audit_kafka_of(settings: Config) -> dict[str, Any] | None:
    """aiokafka's settings of the cluster that the audit topic is in; None without one."""
    return None if settings.audit.kafka is None else client_settings(settings.audit_cluster)
