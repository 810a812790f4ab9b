"""Which tenant a connection is in, the tenants that there are without any in the file, and their cluster ids."""

import base64
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from kordon_policy.decision import printable
from kordon_policy.model import EVERYBODY, KORDONS_OWN, OWNABLE, Path, RuleRef, Selector, Tenant
from kordon_policy.patterns import pattern

_BUILT_IN: Final = RuleRef(place="built in")
_ALL: Final = Selector(ref=_BUILT_IN, paths=(Path(domain=None),))
# What Kpow keeps for itself in a cluster that it watches.
_KPOWS_OWN: Final = ("oprtr*", "__oprtr*")

GLOBAL: Final = Tenant(
    ref=_BUILT_IN,
    name="Global",
    roles=frozenset({EVERYBODY}),
    includes=(_ALL,),
    internal=True,
    description="everything",
)
KORDON_HIDDEN: Final = Tenant(
    ref=_BUILT_IN,
    name="Kordon Hidden",
    description="everything but internal topics and what Kordon and Kpow keep for themselves",
    roles=frozenset({EVERYBODY}),
    includes=(_ALL,),
    excludes=(
        Selector(
            ref=_BUILT_IN,
            paths=tuple(
                Path(domain=kind.domain, kind=kind, name=pattern(text))
                for kind in OWNABLE
                for text in (*_KPOWS_OWN, f"{KORDONS_OWN}*")
            ),
        ),
    ),
)
BUILT_IN: Final = (GLOBAL, KORDON_HIDDEN)


@dataclass(frozen=True, slots=True)
class NoTenant:
    """None of the roles is in a tenant: an empty cluster."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The login fails, and why."""

    reason: str


def enforced_tenants(tenants: Iterable[Tenant]) -> tuple[Tenant, ...]:
    """The tenants that somebody can be in: those of the file, or the built-in ones where it has none."""
    return tuple(tenant for tenant in tenants if not tenant.shadow) or BUILT_IN


class Choice:
    """The tenants that somebody can be in, found by name and by role, however many there are."""

    def __init__(self, tenants: tuple[Tenant, ...]) -> None:
        self.tenants = tenants
        self._none_written = tenants is BUILT_IN
        self._by_name = {tenant.name: tenant for tenant in tenants}
        self._first: dict[str, int] = {}
        for place, tenant in enumerate(tenants):
            for role in tenant.roles:
                self._first.setdefault(role, place)

    def named(self, name: str) -> Tenant | None:
        """The tenant of this name."""
        return self._by_name.get(name)

    def choose(self, roles: Collection[str], chosen: str | None, default: str | None) -> Tenant | NoTenant | Refused:
        """Find the tenant of a connection. A choice that the roles do not have is refused, and never falls through."""
        if chosen is not None:
            return self._held(roles, chosen) or Refused(f"no tenant {printable(chosen)} for these roles")
        if default is not None:
            return self._held(roles, default) or Refused(f"default tenant {printable(default)} is not for these roles")
        if self._none_written:
            return self._by_name[KORDON_HIDDEN.name]
        places = [self._first[role] for role in (*roles, EVERYBODY) if role in self._first]
        return self.tenants[min(places)] if places else NoTenant()

    def _held(self, roles: Collection[str], name: str) -> Tenant | None:
        tenant = self.named(name)
        return tenant if tenant is not None and tenant.takes(roles) else None


def tenant_cluster_id(real_cluster_id: str, tenant_name: str) -> str:
    """Derive the cluster id that a tenant is told: 22 letters, like Kafka's, the same on every replica and for ever."""
    seed = f"{len(real_cluster_id)}:{real_cluster_id}{tenant_name}".encode("utf-8", "surrogatepass")
    while True:
        digest = hashlib.sha256(b"kordon cluster id " + seed).digest()
        text = base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
        # Kafka's own ids never begin with a dash either: command-line tools would take them for an option.
        if not text.startswith("-"):
            return text
        seed = digest
