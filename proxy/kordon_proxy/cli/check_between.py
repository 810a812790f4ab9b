"""What lies between the files: tenants and roles that one names and the policy has to know."""

from collections.abc import Iterable, Iterator

from kordon_policy import model, tenants
from kordon_policy.model import roles_in
from kordon_proxy.config.document import Document, Path
from kordon_proxy.config.findings import Finding, Severity
from kordon_proxy.config.mistakes import finding
from kordon_proxy.config.parts import Parts
from kordon_proxy.identity.groups import Groups
from kordon_proxy.identity.tokens import LoadedTokens
from kordon_proxy.identity.users import LoadedUsers


def listeners_and_policy(parts: Parts, document: Document, policy: model.Document) -> Iterator[Finding]:
    """Give the tenants and roles of listeners that the policy does not know, and those that do not go together."""
    known = tenants.enforced_tenants(policy.tenants)
    for index, listener in parts.listeners.items():
        where: Path = ("listeners", index)
        tenant = next((one for one in known if one.name == listener.tenant), None)
        if listener.tenant is not None and tenant is None:
            names = ", ".join(one.name for one in known)
            message = f"the policy has no tenant `{listener.tenant}`: nobody could log in here"
            yield finding(document, (*where, "tenant"), message, f"there is {names}")
        if (identity := listener.identity) is None:
            continue
        roles: Path = (*where, "identity", "roles")
        yield from _unknown_roles(document, roles, identity.roles, policy)
        if tenant is not None and not tenant.takes(identity.roles):
            message = f"none of these roles is in the tenant `{listener.tenant}`: nobody could log in here"
            yield finding(document, roles, message)


def users_and_policy(loaded: LoadedUsers, policy: model.Document | None) -> Iterator[Finding]:
    """Give the roles of users that the policy does not know, and default tenants that they may not be in."""
    if loaded.users is None or loaded.document is None or policy is None:
        return
    known = tenants.enforced_tenants(policy.tenants)
    for name, user in loaded.users.by_name.items():
        where: Path = ("users", name)
        yield from _unknown_roles(loaded.document, (*where, "roles"), user.roles, policy)
        yield from _default_tenant(loaded.document, where, user.default_tenant, user.roles, name, known)


def tokens_and_policy(loaded: LoadedTokens, policy: model.Document | None) -> Iterator[Finding]:
    """Give the roles of tokens that the policy does not know, and default tenants that they may not be in."""
    if loaded.tokens is None or loaded.document is None or policy is None:
        return
    known = tenants.enforced_tenants(policy.tenants)
    for token in loaded.tokens.by_id.values():
        where: Path = ("tokens", token.id)
        yield from _unknown_roles(loaded.document, (*where, "roles"), token.roles, policy)
        yield from _default_tenant(
            loaded.document, where, token.default_tenant, token.roles, f"the token of {token.principal}", known
        )


def groups_and_policy(groups: Groups, document: Document, policy: model.Document | None) -> Iterator[Finding]:
    """Give the roles of a groups file that the policy does not know."""
    if policy is None:
        return
    for role in sorted({role for roles in groups.values() for role in roles} - roles_in(policy)):
        yield finding(document, (role,), _gives_nothing(role), severity=Severity.WARNING, key=True)


def _unknown_roles(document: Document, where: Path, roles: Iterable[str], policy: model.Document) -> Iterator[Finding]:
    for role in sorted(set(roles) - roles_in(policy)):
        yield finding(document, where, _gives_nothing(role), severity=Severity.WARNING)


def _gives_nothing(role: str) -> str:
    return f"the policy does not name the role `{role}`: it gives nothing"


def _default_tenant(
    document: Document,
    where: Path,
    default: str | None,
    roles: frozenset[str],
    who: str,
    known: tuple[model.Tenant, ...],
) -> Iterator[Finding]:
    """Roles may come from a groups file too, so this is no error yet."""
    if default is None:
        return
    tenant = next((one for one in known if one.name == default), None)
    if tenant is None:
        message = f"the policy has no tenant `{default}`: {who} cannot log in"
    elif not tenant.takes(roles):
        message = f"none of the roles here is in the tenant `{default}`: without others, {who} cannot log in"
    else:
        return
    yield finding(document, (*where, "default_tenant"), message, severity=Severity.WARNING)
