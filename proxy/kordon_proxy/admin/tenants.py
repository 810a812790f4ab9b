"""What a caller's tenant sees of a cluster, and in which it may see anything."""

from http import HTTPStatus

from kordon_policy.actions import Domain
from kordon_policy.own_rights import known_to
from kordon_policy.view import View
from kordon_proxy.asking import author_of
from kordon_proxy.upstream import Upstream

from .caller import Caller
from .problems import NotThere, Problem
from .process import Process


def seen_by(process: Process, caller: Caller, cluster: str) -> tuple[Upstream, View]:
    """The cluster of that name, and what the caller sees of it. Raises NotThere, Problem."""
    for upstream in process.upstreams.values():
        picture = upstream.cluster.picture
        if picture is None:
            if cluster == upstream.name:
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"cluster {cluster} has not been reached")
            continue
        if cluster in upstream.standings.known(picture)[0]:
            return upstream, upstream.standings.get(caller.snapshot, picture, caller.identity).view
    raise NotThere(f"there is no cluster {cluster}")


def clusters_of(process: Process, caller: Caller) -> list[str]:
    """The names of the clusters that he may be told of."""
    author = author_of(caller.who)

    def is_known(upstream: Upstream) -> bool:
        picture = upstream.cluster.picture
        names = frozenset({upstream.name}) if picture is None else upstream.standings.known(picture)[0]
        return bool(known_to(author, caller.snapshot, {Domain.CLUSTER: [names]})[Domain.CLUSTER])

    return [one.name for one in process.upstreams.values() if is_known(one)]
