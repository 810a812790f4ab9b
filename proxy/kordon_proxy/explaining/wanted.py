"""What is asked of the policy, as it is typed: actions, paths, people, instants. A slip is told with its cure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kordon_policy.access import SEEING
from kordon_policy.actions import KINDS, Action, Domain, Kind
from kordon_policy.decision import listed
from kordon_policy.findings import nearest
from kordon_policy.model import EVERYTHING, roles_in
from kordon_policy.patterns import STAR, Pattern, pattern
from kordon_policy.question import SOMEBODY, Cluster, named_in
from kordon_policy.read_policies import ACTION_NAMES
from kordon_proxy.config.findings import Mistake
from kordon_proxy.times import moment

from .paths import EXAMPLE, split_path
from .source import Someone, Source


class Thing(NamedTuple):
    """Where a path leads. name: `None` for the cluster as a whole; empty for all brokers or principals."""

    domain: Domain
    cluster: str
    kind: Kind | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who is asked about."""

    principal: str
    roles: frozenset[str]
    tenant: str | None = None
    default_tenant: str | None = None


# ---- actions


def action_of(text: str) -> Action | None:
    """The action of this name; `None` for seeing, as the audit calls it. Raises Mistake."""
    if text == SEEING:
        return None
    if text in ACTION_NAMES:
        return ACTION_NAMES[text]
    near = nearest(text, (*ACTION_NAMES, SEEING))
    hint = f"did you mean {near}?" if near else "docs/policies.md has a list; VIEW asks whether it is seen at all"
    raise Mistake(f"`{text}` is no action: {hint}")


# ---- paths


def thing_of(text: str, action: Action | None, source: Source, *, openly: bool = True) -> Thing:
    """The one thing that a path names. Raises Mistake. openly: as for `_one_cluster`."""
    domain, cluster, kind, name = _parts(text)
    if STAR in cluster:
        raise Mistake(f"`{text}`: ask about one {domain}, as in {EXAMPLE}; `kordon who-can` is for patterns")
    if name is not None and STAR in name:
        raise Mistake(f"`{text}`: ask about one name, as in {EXAMPLE}; `kordon who-can` is for patterns")
    _check_action(text, action, domain, kind)
    if kind is not None and name is None:
        if (kind, "") not in EVERYTHING:
            raise Mistake(f"`{text}` names no {kind.words}, as in {EXAMPLE}; `kordon who-can` is for all of them")
        name = ""
    if domain is Domain.CLUSTER:
        cluster = _one_cluster(cluster, source, openly=openly).name
    return Thing(domain, cluster, kind, name)


class Region(NamedTuple):
    """Names that a path with patterns covers, in some clusters."""

    kind: Kind | None
    pattern: Pattern | None
    clusters: tuple[Cluster, ...]


def region_of(text: str, action: Action, source: Source) -> Region:
    """All that a path covers, which may have patterns. Raises Mistake."""
    domain, cluster, kind, name = _parts(text)
    _check_action(text, action, domain, kind)
    return Region(kind, None if name is None else pattern(name), clusters_of(cluster, domain, source))


def clusters_of(text: str, domain: Domain, source: Source, *, openly: bool = True) -> tuple[Cluster, ...]:
    """The clusters (registries, ...) that a name or a star is for. Raises Mistake. openly: as for `_one_cluster`."""
    if text != STAR:
        if STAR in text:
            raise Mistake(f'`{text}`: there are no patterns of {domain} names; name one, or write "*" for all')
        if domain is not Domain.CLUSTER:
            return (Cluster(text, frozenset({text})),)
        return (_one_cluster(text, source, openly=openly),)
    if domain is Domain.CLUSTER and source.world.clusters:
        return source.world.clusters
    return named_in(source.document, domain)


def _parts(text: str) -> tuple[Domain, str, Kind | None, str | None]:
    parts = split_path(text)
    if len(parts) < 2:
        raise Mistake(f"`{text}` is no path: it ends too early; as in {EXAMPLE}, or cluster/prod")
    domain = _one_of(parts[0], list(Domain), f"`{text}`: `{parts[0]}` is no DOMAIN")
    if len(parts) == 2:
        return Domain(domain), parts[1], None, None
    kinds = KINDS[Domain(domain)]
    kind = _one_of(parts[2], kinds, f"`{text}`: `{parts[2]}` is no TYPE of {domain}")
    return Domain(domain), parts[1], Kind(kind), parts[3] if len(parts) > 3 else None


def _one_of(text: str, known: Collection[str], complaint: str) -> str:
    if text in known:
        return text
    near = nearest(text, known)
    raise Mistake(f"{complaint}: {f'did you mean {near}?' if near else f'there is {listed(known)}'}")


def _check_action(text: str, action: Action | None, domain: Domain, kind: Kind | None) -> None:
    if action is None or (action.domain is domain and kind in action.kinds):
        return
    wanted = " or ".join(
        "/".join((action.domain, "NAME", *((one.value, "NAME") if one else ()))) for one in action.kinds
    )
    raise Mistake(f"{action} is no action on `{text}`: it is about {wanted}")


def _one_cluster(name: str, source: Source, *, openly: bool) -> Cluster:
    """The cluster of this name. Raises Mistake.

    openly: to an administrator. Nobody else is told which clusters there are: one that is not known is as one of which
    he sees nothing, and each is called as he calls it.
    """
    known = source.world.clusters
    found = [one for one in known if one.name == name] or [one for one in known if name in one.names]
    if not openly:
        return Cluster(name, found[0].names if len(found) == 1 else frozenset({name}))
    if len(found) > 1:
        raise Mistake(f"{name} is the environment of {listed(one.name for one in found)}: name one of them")
    if found or not known:
        return found[0] if found else Cluster(name, frozenset({name}))
    names = sorted(frozenset().union(*(one.names for one in known)))
    near = nearest(name, names)
    raise Mistake(f"no cluster is known as {name}: {f'did you mean {near}?' if near else f'there is {listed(names)}'}")


# ---- people


def asker_of(
    source: Source,
    *,
    principal: str | None,
    roles: Sequence[str],
    tenant: str | None,
    listener: str | None = None,
) -> Asker:
    """Who is asked about: somebody whom the files know, or the holder of some roles. Raises Mistake."""
    if roles:
        if listener is not None:
            raise Mistake("--listener tells users of several listeners apart: leave it out with --roles")
        held = frozenset(_known_roles(roles, source))
        return Asker(principal=principal or SOMEBODY, roles=held, tenant=_known_tenant(tenant, source))
    if principal is None:
        raise Mistake("who? Say --as NAME, of somebody in the users file, or --roles devs,owners")
    someone, suffix = _someone(principal, listener, source)
    chosen = {one for one in (tenant, suffix, someone.tenant) if one is not None}
    if len(chosen) > 1:
        raise Mistake(f"{someone.principal} cannot be in {' and '.join(sorted(chosen))} at once: name one tenant")
    return Asker(
        principal=someone.principal,
        roles=someone.roles,
        tenant=_known_tenant(next(iter(chosen), None), source),
        default_tenant=someone.default_tenant,
    )


def _someone(text: str, listener: str | None, source: Source) -> tuple[Someone, str | None]:
    """Somebody, and the tenant that his name chooses: `dee`, `dee@Trading`."""
    if not source.people:
        raise Mistake(f"nobody is known here, so not `{text}` either: say which --roles he has, or give a --config")
    listeners = sorted({one.listener for one in source.people})
    if listener is not None and listener not in listeners:
        raise Mistake(f"there is no listener {listener}: {listed(listeners)}")
    names = {one.principal for one in source.people}
    name, tenant = next(((name, rest) for name, rest in _readings(text, source) if name in names), (text, None))
    found = [one for one in source.people if one.principal == name and listener in (None, one.listener)]
    if not found:
        near = nearest(name, sorted(names))
        where = "" if listener is None else f" at listener {listener}"
        hint = f"did you mean {near}?" if near else "--roles asks for somebody who is not in a users file"
        raise Mistake(f"nobody is called {name}{where}: {hint}")
    kinds = {(one.roles, one.tenant, one.default_tenant) for one in found}
    if len(kinds) > 1:
        doors = listed(one.listener for one in found)
        raise Mistake(f"{name} is not the same at each listener: say --listener, of {doors}")
    return found[0], tenant


def _readings(text: str, source: Source) -> Iterable[tuple[str, str | None]]:
    """What a name may mean: all of it, or what stands before a separator, and a tenant behind it."""
    yield text, None
    for suffix in sorted(source.suffixes | {"@"}):
        name, found, tenant = text.rpartition(suffix)
        if found and name and tenant:
            yield name, tenant


def _known_roles(given: Sequence[str], source: Source) -> Iterable[str]:
    known = roles_in(source.document)
    for role in (one.strip() for text in given for one in text.split(",")):
        if role not in known:
            near = nearest(role, sorted(known))
            hint = f"did you mean {near}?" if near else f"there is {listed(sorted(known)) or 'none'}"
            raise Mistake(f"the policy names no role {role or 'without a name'}, so it gives nothing: {hint}")
        yield role


def _known_tenant(name: str | None, source: Source) -> str | None:
    names = [tenant.name for tenant in source.world.compiled.tenants]
    if name is not None and name not in names:
        near = nearest(name, names)
        raise Mistake(f"there is no tenant {name}: {f'did you mean {near}?' if near else listed(names)}")
    return name


# ---- time


def instant_of(text: str, now: int) -> int:
    """An instant, in ms since the epoch: `2027-01-31T12:00:00Z`, or `2h` from now. Raises Mistake."""
    try:
        return round(moment(text, now / 1000) * 1000)
    except (Mistake, OverflowError):
        raise Mistake(f"--at: `{text}` is no time and no date, as in 30m or 2027-01-31T12:00:00Z") from None
