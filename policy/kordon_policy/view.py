"""What a tenant sees of one cluster: nothing, then what is included, then what is inferred, less what is excluded."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Final

from kordon_policy.actions import Domain, Kind
from kordon_policy.decision import thing
from kordon_policy.index import PatternIndex
from kordon_policy.memo import Memo, has_short_name
from kordon_policy.model import (
    EVERYTHING,
    INTERNAL,
    KORDONS_OWN,
    OWNABLE,
    Outside,
    Path,
    RuleRef,
    Selector,
    Tenant,
    is_internal,
    is_kordons_own,
)

Thing = tuple[Kind, str]


class Inferred(Mapping[str, frozenset[str]]):
    """Which group reads which topics, as Kordon knows it from the cluster: one picture, never changed.

    A picture is told from the next by its identity. It works out who reads a topic once, for all tenants.
    """

    def __init__(self, topics: Mapping[str, frozenset[str]] = MappingProxyType({})) -> None:
        self._topics = topics

    def __getitem__(self, group: str) -> frozenset[str]:
        return self._topics[group]

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)

    def __len__(self) -> int:
        return len(self._topics)

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """The groups that read each topic."""
        readers: dict[str, list[str]] = {}
        for group, topics in self._topics.items():
            for topic in topics:
                readers.setdefault(topic, []).append(group)
        return {topic: tuple(groups) for topic, groups in readers.items()}


NOTHING_INFERRED: Final = Inferred()


class Sight(Enum):
    """How a name stands to a tenant before anything is inferred."""

    SEEN = "seen"
    UNMENTIONED = "unmentioned"  # inference may bring it in
    BARRED = "barred"  # excluded, internal or Kordon's own: nothing brings it in


class Scope:
    """The explicit view: what the includes and excludes of a tenant say about one cluster (registry, ...)."""

    def __init__(self, tenant: Tenant | None, cluster_names: Collection[str], *, admin: bool) -> None:
        self.tenant = tenant
        self._admin = admin
        names = frozenset(cluster_names)
        includes = _paths_in(names, tenant.includes if tenant else ())
        excludes = _paths_in(names, tenant.excludes if tenant else ())
        self._includes = _by_kind(includes)
        self._excludes = _by_kind(excludes)
        # Only paths that say so reach internal topics, so these have an index of their own.
        self._internal = _by_kind((path, ref) for path, ref in includes if _names_internal(path, tenant))
        self._whole_includes = _covering_whole(includes)
        self._whole_excludes = _covering_whole(excludes)
        self.whole = bool(self._whole_includes) and not self._whole_excludes
        self.sight = Memo(self._look, keeps=has_short_name)

    def _look(self, asked: Thing) -> Sight:
        kind, name = asked
        if is_kordons_own(kind, name) and not self._admin:
            return Sight.BARRED
        if self.excluding(kind, name):
            return Sight.BARRED
        if self.including(kind, name):
            return Sight.SEEN
        return Sight.BARRED if is_internal(kind, name) else Sight.UNMENTIONED

    def including(self, kind: Kind, name: str) -> list[RuleRef]:
        """The includes that cover a name."""
        indexes = self._internal if is_internal(kind, name) else self._includes
        return indexes[kind].matching(name) if kind in indexes else []

    def excluding(self, kind: Kind, name: str) -> list[RuleRef]:
        """The excludes that cover a name."""
        return self._excludes[kind].matching(name) if kind in self._excludes else []

    def includes_of_all(self, kind: Kind | None) -> list[RuleRef]:
        """The includes that each cover everything of this TYPE; `None`: the cluster as a whole."""
        if kind is not None:
            return self._includes[kind].covering("") if kind in self._includes else []
        return self._whole_includes

    def excludes_of_all(self, kind: Kind | None) -> list[RuleRef]:
        """The excludes that take anything of this TYPE away; `None`: the cluster as a whole."""
        if kind is not None:
            return [ref for _, ref in self._excludes.get(kind, ())]
        return self._whole_excludes

    def covers(self, kind: Kind, beginning: str) -> bool:
        """Whether everything is shown, that is there or ever will be, whose name begins like this.

        Where the whole cluster is shown, "everything" has the internal topics in it, although no path names them.
        Kordon's own is covered for an administrator alone. It takes one include that covers all: several that add up to
        it do not.
        """
        if kind in self._excludes and self._excludes[kind].meets(beginning):
            return False
        if kind in OWNABLE and not self._admin and _may_begin(beginning, KORDONS_OWN):
            return False
        if kind is Kind.TOPIC and beginning.startswith(INTERNAL):
            return _has_covering(self._internal, kind, beginning)
        if kind is Kind.TOPIC and INTERNAL.startswith(beginning) and not self.whole:
            return _has_covering(self._internal, kind, INTERNAL) and _has_covering(self._includes, kind, beginning)
        return _has_covering(self._includes, kind, beginning)

    def includes_all(self, kind: Kind) -> bool:
        """Whether the whole cluster is included, and no exclude takes anything of this TYPE away."""
        return self.whole and kind not in self._excludes


class View:
    """What a connection sees of one cluster, under one picture of who reads what."""

    def __init__(self, scope: Scope, inferred: Mapping[str, frozenset[str]]) -> None:
        self.tenant = scope.tenant.name if scope.tenant else None
        self.outside = scope.tenant.outside if scope.tenant else Outside.NOT_FOUND
        self.whole_cluster = scope.whole
        self._scope = scope
        self._inferred = inferred if isinstance(inferred, Inferred) else Inferred(inferred)
        self._seen = Memo(self._look, keeps=has_short_name)

    def sees(self, kind: Kind, name: str) -> bool:
        """Does this name exist for the tenant?"""
        return self._seen[kind, name]

    def sees_explicitly(self, kind: Kind, name: str) -> bool:
        """Do the tenant's own paths show it, with nothing inferred? Bringing a thing into being needs that."""
        return self._scope.sight[kind, name] is Sight.SEEN

    def sees_all(self, kind: Kind) -> bool:
        """Does whatever has this TYPE exist for the tenant, but internal topics and Kordon's own?"""
        return self._scope.includes_all(kind)

    def covers(self, kind: Kind, beginning: str) -> bool:
        """Do the tenant's own paths show everything of this TYPE whose name begins like this, whether it exists or not?

        That is what a pattern has to fulfil that somebody makes a rule for, as Kafka's prefixed ACLs are; "" stands
        for every name.
        """
        return self._scope.covers(kind, beginning)

    def is_open(self, topic: str) -> bool:
        """Would a group that is shown bring this topic in by reading it, where the tenant's own paths say nothing?"""
        return self._scope.sight[Kind.TOPIC, topic] is Sight.UNMENTIONED

    def topic_for_group(self, topic: str, group: str) -> bool:
        """May this group commit, subscribe to or be assigned the topic: shown explicitly, or inferred by this group?"""
        sight = self._scope.sight[Kind.TOPIC, topic]
        return sight is Sight.SEEN or (sight is Sight.UNMENTIONED and self._infers(group, topic))

    def reason(self, kind: Kind | None, name: str | None) -> str:
        """One sentence for people on why this name is in the view, or is not. No `kind`: the cluster as a whole.

        An empty name stands for every broker, and for every principal.
        """
        if kind is None or name is None:
            return self._reason_of_all("the cluster as a whole", self.whole_cluster, None)
        if (kind, name) in EVERYTHING:
            return self._reason_of_all(f"every {kind.words}", self.covers(kind, ""), kind)
        what = thing(kind, name)
        if self.tenant is None:
            return f"{what} is hidden: no tenant"
        if self.sees_explicitly(kind, name):
            return f"{what} is in tenant {self.tenant} by {self._scope.including(kind, name)[0]}"
        if self.sees(kind, name):
            group = self._reading(name)[0]
            return f"{what} is in tenant {self.tenant} because {thing(Kind.GROUP, group)} reads it"
        return f"{what} is not in tenant {self.tenant}: {self._why_hidden(kind, name)}"

    def rules(self, kind: Kind | None, name: str | None) -> tuple[RuleRef, ...]:
        """The includes that bring it in, for an inferred topic those of its groups; or the excludes that keep it out.

        None where it is mentioned nowhere. `kind` and `name` as for `reason`.
        """
        if kind is None or name is None or (kind, name) in EVERYTHING:
            found = self._scope.includes_of_all(kind) if self._holds_all(kind) else self._scope.excludes_of_all(kind)
        elif excluding := self._scope.excluding(kind, name):
            found = excluding
        elif self.sees(kind, name) and not self.sees_explicitly(kind, name):
            found = [ref for group in self._reading(name) for ref in self._scope.including(Kind.GROUP, group)]
        else:
            found = self._scope.including(kind, name) if self.sees(kind, name) else []
        return tuple(dict.fromkeys(found))

    def _holds_all(self, kind: Kind | None) -> bool:
        return self.whole_cluster if kind is None else self.covers(kind, "")

    def _reason_of_all(self, what: str, seen: bool, kind: Kind | None) -> str:
        if self.tenant is None:
            return f"{what} is hidden: no tenant"
        if seen:
            return f"{what} is in tenant {self.tenant} by {self._scope.includes_of_all(kind)[0]}"
        excluding = self._scope.excludes_of_all(kind)
        why = f"excluded by {excluding[0]}" if excluding else "no include covers all of it"
        return f"{what} is not in tenant {self.tenant}: {why}"

    def _reading(self, topic: str) -> list[str]:
        """The visible groups that bring a topic in."""
        return [group for group in self._inferred.readers.get(topic, ()) if self._infers(group, topic)]

    def _why_hidden(self, kind: Kind, name: str) -> str:
        if excluding := self._scope.excluding(kind, name):
            return f"excluded by {excluding[0]}"
        if is_kordons_own(kind, name):
            return "it is Kordon's own"
        return f"no path names it by letters that begin with {INTERNAL}" if is_internal(kind, name) else "not included"

    def _look(self, asked: Thing) -> bool:
        sight = self._scope.sight[asked]
        if sight is not Sight.UNMENTIONED or asked[0] is not Kind.TOPIC:
            return sight is Sight.SEEN
        return any(self._infers(group, asked[1]) for group in self._inferred.readers.get(asked[1], ()))

    def _infers(self, group: str, topic: str) -> bool:
        return topic in self._inferred.get(group, ()) and self.sees_explicitly(Kind.GROUP, group)


@dataclass(slots=True)
class Views:
    """The newest views of one scope. A new picture makes a new view, and old ones must not pile up."""

    scope: Scope
    newest: tuple[tuple[Mapping[str, frozenset[str]], View], ...] = ()

    def under(self, inferred: Mapping[str, frozenset[str]]) -> View:
        """The view under this picture; the same object while the picture is among the newest two."""
        for picture, view in self.newest:
            if picture is inferred:
                return view
        view = View(self.scope, inferred)
        self.newest = ((inferred, view), *self.newest[:1])
        return view


def _paths_in(names: frozenset[str], selectors: Iterable[Selector]) -> list[tuple[Path, RuleRef]]:
    return [(path, one.ref) for one in selectors for path in one.paths if path.is_in(names)]


def _by_kind(paths: Iterable[tuple[Path, RuleRef]]) -> dict[Kind, PatternIndex[RuleRef]]:
    indexes: dict[Kind, PatternIndex[RuleRef]] = {}
    for path, ref in paths:
        for kind in (path.kind,) if path.kind else Kind:
            if path.reaches(kind, kind.domain):
                indexes.setdefault(kind, PatternIndex()).add(path.name, ref)
    return indexes


def _names_internal(path: Path, tenant: Tenant | None) -> bool:
    return (tenant is not None and tenant.internal) or (path.name is not None and path.name.head.startswith(INTERNAL))


def _has_covering(indexes: Mapping[Kind, PatternIndex[RuleRef]], kind: Kind, beginning: str) -> bool:
    return kind in indexes and bool(indexes[kind].covering(beginning))


def _may_begin(beginning: str, reserved: str) -> bool:
    """Whether a name that begins like this may begin like the other too."""
    return beginning.startswith(reserved) or reserved.startswith(beginning)


def _covering_whole(paths: Iterable[tuple[Path, RuleRef]]) -> list[RuleRef]:
    return [ref for path, ref in paths if path.reaches(None, Domain.CLUSTER)]
