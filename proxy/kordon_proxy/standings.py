"""The standings of one cluster: what each kind of principal may do there, shared by its connections."""

from typing import Final

from kordon_policy.actions import Kind
from kordon_policy.memo import LONGEST_NAME, Memo
from kordon_policy.snapshot import Compiled, Snapshot
from kordon_policy.view import Inferred

from .cluster.picture import Picture
from .identity.values import Identity
from .judging.may import Standing

LIMIT: Final = 10_000


class Standings:
    """Keeps one standing for each (rights, view), and only those of the newest snapshot and inferred topics.

    An old standing lives on for as long as a connection or a fetch session refers to it.
    """

    def __init__(self, cluster_names: frozenset[str]) -> None:
        self._configured = cluster_names
        self._names = cluster_names
        self._snapshot: Snapshot | None = None
        self._pictured: object = None
        self._inferred = Inferred()
        self._standings: dict[tuple[int, int], Standing] = {}

    def get(self, snapshot: Snapshot, picture: Picture, identity: Identity) -> Standing:
        """The standing of an identity, the same object for all that see and may the same."""
        if self._snapshot is not snapshot or self._pictured is not picture.inferred or len(self._standings) >= LIMIT:
            self._renew(snapshot, picture)
        tenant, roles = identity.tenant, identity.roles
        view = snapshot.view(tenant, self._names, self._inferred, admin=snapshot.is_admin(roles))
        rights = snapshot.rights(roles, self._names, identity.principal)
        key = (id(view), id(rights))  # the standing keeps both alive, so that no other object gets these ids
        found = self._standings.get(key)
        if found is None:
            found = self._standings[key] = Standing(snapshot, view, rights)
        return found

    def known(self, picture: Picture) -> tuple[frozenset[str], Inferred]:
        """The names of the cluster, and what is inferred; the same objects while they are the same."""
        if self._pictured is not picture.inferred:
            self._pictured, self._inferred = picture.inferred, Inferred(picture.inferred)
            self._names = self._configured | {picture.cluster_id}
            self._standings.clear()
        return self._names, self._inferred

    def _renew(self, snapshot: Snapshot, picture: Picture) -> None:
        self.known(picture)
        self._snapshot = snapshot
        self._standings.clear()


class WantedGroups:
    """Which groups some tenant includes, so that the topics that they read have to be known.

    Asked for each commit, and there may be thousands of tenants: each group is looked for once in the same file.

    A tenant that includes the whole cluster learns nothing by it: its excludes hold against what is inferred too.
    """

    def __init__(self) -> None:
        self._compiled: Compiled | None = None
        self._names: frozenset[str] = frozenset()
        self._known: Memo[str, bool] = Memo(lambda _: False)

    def __call__(self, snapshot: Snapshot, cluster_names: frozenset[str], group: str) -> bool:
        if snapshot.compiled is not self._compiled or cluster_names != self._names:
            self._compiled, self._names = snapshot.compiled, cluster_names
            views = [snapshot.view(tenant.name, cluster_names) for tenant in snapshot.tenants]
            views = [view for view in views if not view.whole_cluster]
            self._known = Memo(
                lambda group: any(view.sees_explicitly(Kind.GROUP, group) for view in views),
                keeps=lambda group: len(group) <= LONGEST_NAME,
            )
        return self._known[group]
