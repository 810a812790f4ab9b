"""The policy at one instant: immutable, numbered, and asked by every request."""

from array import array
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeAlias

from kordon_policy.memo import Memo
from kordon_policy.model import EVERYBODY, Document, Effect, TemporaryRule, Tenant, named_roles, roles_in
from kordon_policy.packed import PackedRules
from kordon_policy.rights import STAND_INS, Rights, RoleIndex, Staging
from kordon_policy.tenants import Choice, NoTenant, Refused, enforced_tenants
from kordon_policy.view import NOTHING_INFERRED, Scope, View, Views

ViewKey: TypeAlias = tuple[str | None, Collection[str], bool]
"""A tenant, the names of a cluster, and whether for an administrator."""

_MOST_VIEWS: Final = 4_096
_NOBODY: Final[frozenset[str]] = frozenset({EVERYBODY})


class Compiled:
    """What is worked out from a file alone, and so outlives the snapshots that temporary policies make of it.

    Indexes are made when somebody first asks. It can be pickled, to be made where nobody waits for it.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.tenants = enforced_tenants(document.tenants)
        self.authorized = _authorized(document)
        self.roles = roles_in(document)
        self.choice = Choice(self.tenants)
        self._rules: dict[str, array[int]] = {}
        for at, rule in enumerate(document.policies):
            for role in rule.roles:
                self._rules.setdefault(role, array("L")).append(at)
        self._indexes: dict[str, RoleIndex] = {}
        self.views = Memo(self._views, bound=_MOST_VIEWS)

    def index(self, role: str) -> RoleIndex | None:
        """The policies of a role, if it has any.

        Each role is indexed when somebody first comes with it: a rule for a thousand roles on a thousand paths would
        be a million entries, most of them never asked for.
        """
        if role not in self._rules:
            return None
        if role not in self._indexes:
            self._indexes[role] = RoleIndex(self.document.policies, self._rules[role])
        return self._indexes[role]

    @property
    def counts(self) -> dict[str, int]:
        """How many policies each role has."""
        return {role: len(rules) for role, rules in self._rules.items()}

    def prepare(self, asked: "Asked") -> None:
        """Make the indexes now that somebody will ask for: those of another file, say, that this one is to replace.

        With thousands of policies that takes a second, which somebody would have to wait for.
        """
        for role in asked.roles:
            self.index(role)
        for key in asked.views:
            self.views[key]

    def packed(self) -> "Compiled":
        """The same in little memory, with the indexes that there are."""
        other = copy(self)
        other.document = replace(self.document, policies=PackedRules(self.document.policies))
        other._indexes = {role: index.over(other.document.policies) for role, index in self._indexes.items()}
        return other

    @property
    def asked(self) -> "Asked":
        """What it has been asked for until now."""
        return Asked(tuple(self._indexes), tuple(self.views))

    def _views(self, key: ViewKey) -> Views:
        tenant_name, cluster_names, admin = key
        tenant = None if tenant_name is None else self.choice.named(tenant_name)
        return Views(Scope(tenant, cluster_names, admin=admin))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "views"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, views=Memo(self._views, bound=_MOST_VIEWS))


class Asked(NamedTuple):
    """Of which roles the policies have been asked for, and which views."""

    roles: tuple[str, ...] = ()
    views: tuple[ViewKey, ...] = ()


class Snapshot:
    """One state of file and temporary policies. Questions are look-ups; the same arguments give the same object."""

    def __init__(
        self,
        compiled: Compiled,
        *,
        epoch: int,
        temporary: tuple[TemporaryRule, ...] = (),
        valid_until: int | None = None,
    ) -> None:
        self.epoch = epoch
        self.valid_until = valid_until
        self.compiled = compiled
        self.document = compiled.document
        self.tenants = compiled.tenants
        self.temporary = temporary
        self._principals = frozenset(one.principal for one in temporary if one.principal is not None)
        self._lent: dict[str, list[TemporaryRule]] = {}
        for one in temporary:
            for role in one.rule.roles:
                self._lent.setdefault(role, []).append(one)
        self._rights = Memo(self._make_rights, bound=4_096)

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles that mean something now. Whatever else an identity brings can be dropped."""
        return self.compiled.roles.union(*(one.rule.roles for one in self.temporary)) - _NOBODY

    def admits(self, roles: Collection[str]) -> bool:
        """May somebody with these roles log in?"""
        authorized = self.compiled.authorized
        return EVERYBODY in authorized or not authorized.isdisjoint(_held(roles)) or self.is_admin(roles)

    def is_admin(self, roles: Collection[str]) -> bool:
        """Is one of these roles an administrator's? That gives no right to any resource."""
        return not self.document.admin_roles.isdisjoint(_held(roles))

    def has_tenant(self, name: str) -> bool:
        """Is there a tenant of this name?"""
        return self.compiled.choice.named(name) is not None

    def choose_tenant(
        self, roles: Collection[str], chosen: str | None = None, default: str | None = None
    ) -> Tenant | NoTenant | Refused:
        """Find a connection's tenant: the one that was chosen, else the identity's default, else the first held."""
        return self.compiled.choice.choose(_held(roles), chosen, default)

    def view(
        self,
        tenant_name: str | None,
        cluster_names: Collection[str],
        inferred: Mapping[str, frozenset[str]] = NOTHING_INFERRED,
        *,
        admin: bool = False,
    ) -> View:
        """What a tenant sees of a cluster that is known by these names (a frozenset or a tuple).

        `None` and a tenant that is no more see nothing. `inferred` is told from others by its identity; give the same
        object while the picture is the same, best an `Inferred`.
        """
        return self.compiled.views[tenant_name, cluster_names, admin].under(inferred or NOTHING_INFERRED)

    def rights(
        self,
        roles: frozenset[str],
        cluster_names: Collection[str],
        principal: str = "",
        *,
        staging: Staging = Staging.WAITS,
    ) -> Rights:
        """What the holders of these roles may do in a cluster that is known by these names (a frozenset or a tuple)."""
        # Principals matter only where a temporary policy names them, and there are many.
        return self._rights[roles, cluster_names, principal if principal in self._principals else None, staging]

    def unlent(self) -> "Snapshot":
        """This policy without the Allows that are lent. What is denied or staged for a time stays so."""
        kept = tuple(one for one in self.temporary if one.rule.effect is not Effect.ALLOW)
        return Snapshot(self.compiled, epoch=self.epoch, temporary=kept)

    def _make_rights(self, key: tuple[frozenset[str], Collection[str], str | None, Staging]) -> Rights:
        roles, cluster_names, principal, staging = key
        held = _held(roles) | _NOBODY
        theirs = (one for role in held for one in self._lent.get(role, ()) if one.principal in (None, principal))
        lent = list(dict.fromkeys(one.rule for one in theirs))
        layers = [self.compiled.index(role) for role in sorted(held)]
        return Rights(
            [*(layer for layer in layers if layer is not None), RoleIndex(lent)],
            roles=_held(roles),
            cluster_names=cluster_names,
            epoch=self.epoch,
            stand_ins=STAND_INS if self.document.compat.members_by_inspect else {},
            staging=staging,
        )


def compile_snapshot(
    document: Document | Compiled, *, epoch: int, temporary: Iterable[TemporaryRule] = (), now: int = 0
) -> Snapshot:
    """Make the snapshot that holds at `now` (ms since the epoch) and until `valid_until`.

    `document` may be one that has been compiled already, for the snapshot before, say. `temporary` are all temporary
    policies, live or not: the next start or expiry ends the snapshot.
    """
    compiled = document if isinstance(document, Compiled) else Compiled(document)
    known = tuple(temporary)
    instants = [ts for one in known for ts in (one.starts_ts, one.expires_ts) if ts is not None and ts > now]
    live = tuple(one for one in known if one.is_live(now))
    return Snapshot(compiled, epoch=epoch, temporary=live, valid_until=min(instants, default=None))


def _held(roles: Collection[str]) -> frozenset[str]:
    # No identity brings "*": it would hold what is meant for everybody as if it were a role of its own.
    return frozenset(roles) - _NOBODY


def _authorized(document: Document) -> frozenset[str]:
    if document.authorized_roles is not None:
        return document.authorized_roles
    return named_roles(document) - _NOBODY
