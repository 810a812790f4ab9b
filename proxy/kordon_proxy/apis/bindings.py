"""ACL bindings (KIP-11, KIP-290): what one is about, and whether that lies in a tenant.

A binding is in the view if its principal and its resource are. What stands for many, the wildcard and a prefix, is in
it only if nothing that it can match is outside. It is the explicit view that counts: an inferred topic is somebody
else's, and so are the rules for it. Host, operation and permission belong to the binding.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

from kordon_policy.actions import Kind
from kordon_policy.model import is_kordons_own
from kordon_policy.view import View

ANY: Final = 1
"""In filters, for types of resources and patterns, operations and permissions alike: no matter which."""
MATCH, LITERAL, PREFIXED = 2, 3, 4
DENY, ALLOW = 2, 3
TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, TOKEN, USER = range(2, 8)
KINDS: Final[dict[int, Kind | None]] = {
    TOPIC: Kind.TOPIC,
    GROUP: Kind.GROUP,
    CLUSTER: None,
    TRANSACTIONAL_ID: Kind.TRANSACTIONAL_ID,
    TOKEN: None,
    USER: Kind.PRINCIPAL,
}
"""`ResourceType` of Kafka's client library, and what policies call it; None: it belongs to the whole cluster."""
PATTERNS: Final = {ANY: "ANY", MATCH: "MATCH", LITERAL: "LITERAL", PREFIXED: "PREFIXED"}
"""`PatternType` there."""
PERMISSIONS: Final = {ANY: "ANY", DENY: "DENY", ALLOW: "ALLOW"}
"""`AclPermissionType` there."""
OPERATIONS: Final = (
    "UNKNOWN",
    "ANY",
    "ALL",
    "READ",
    "WRITE",
    "CREATE",
    "DELETE",
    "ALTER",
    "DESCRIBE",
    "CLUSTER_ACTION",
    "DESCRIBE_CONFIGS",
    "ALTER_CONFIGS",
    "IDEMPOTENT_WRITE",
    "CREATE_TOKENS",
    "DESCRIBE_TOKENS",
    "TWO_PHASE_COMMIT",
)
"""`AclOperation` there, by its code."""
RESOURCES: Final = {
    ANY: "any",
    TOPIC: "topic",
    GROUP: "group",
    CLUSTER: "cluster",
    TRANSACTIONAL_ID: "transactional id",
    TOKEN: "delegation token",
    USER: "user",
}
EVERY_NAME: Final = "*"
"""As a literal name of a resource: all of that type."""
EVERYBODY: Final = "User:*"
"""As a principal: everybody, of whatever type (`StandardAuthorizerData`)."""


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """One ACL: the fields have the codes and texts that they have in Kafka's messages."""

    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission_type: int

    @classmethod
    def created(cls, entry: Any) -> Self:
        """That of an entry of CreateAcls."""
        return cls(
            entry.resource_type,
            entry.resource_name,
            entry.resource_pattern_type,
            entry.principal,
            entry.host,
            entry.operation,
            entry.permission_type,
        )

    @classmethod
    def described(cls, response: Any) -> list[Self]:
        """Those of an answer to DescribeAcls, in an order that tells nothing of what else there is."""
        return sorted(
            cls(
                resource.resource_type,
                resource.resource_name,
                resource.pattern_type,
                acl.principal,
                acl.host,
                acl.operation,
                acl.permission_type,
            )
            for resource in response.resources
            for acl in resource.acls
        )

    @classmethod
    def deleted(cls, entry: Any) -> Self:
        """That of a match in an answer to DeleteAcls."""
        return cls(
            entry.resource_type,
            entry.resource_name,
            entry.pattern_type,
            entry.principal,
            entry.host,
            entry.operation,
            entry.permission_type,
        )

    @property
    def kind(self) -> Kind | None:
        """What policies call the type of its resource; None where it belongs to the whole cluster."""
        return KINDS[self.resource_type]

    @property
    def is_kordons_own(self) -> bool:
        """Whether it is about what Kordon keeps for itself, by its name or by a prefix."""
        return is_kordons_own(self.kind, self.resource_name)

    @property
    def resource(self) -> str:
        """Its resource in a sentence."""
        what = RESOURCES[self.resource_type]
        if self.pattern_type == PREFIXED:
            return f"each {what} that begins with {self.resource_name}"
        if self.resource_name == EVERY_NAME:
            return f"every {what}"
        return f"the {what}" if self.resource_type == CLUSTER else f"{what} {self.resource_name}"

    def is_in(self, view: View) -> bool:
        """Whether all that it is about is in the view. An unknown type of resource is in none."""
        return has_principal(view, self.principal) and has_resource(
            view, self.resource_type, self.resource_name, self.pattern_type
        )


def has_principal(view: View, principal: str) -> bool:
    """Whether the view has a principal, or, where it stands for everybody, all of them."""
    if principal == EVERYBODY:
        return view.covers(Kind.PRINCIPAL, "")
    return view.sees_explicitly(Kind.PRINCIPAL, principal)


def has_resource(view: View, resource_type: int, name: str, pattern_type: int) -> bool:
    """Whether the view has all that a literal or prefixed pattern matches."""
    if resource_type not in KINDS:
        return False
    kind = KINDS[resource_type]
    if kind is None:
        return view.whole_cluster
    if pattern_type == PREFIXED:
        return view.covers(kind, name)
    return view.covers(kind, "") if name == EVERY_NAME else view.sees_explicitly(kind, name)


def told(binding: Binding) -> dict[str, object]:
    """A binding in words, for the audit."""
    return {
        "resource": RESOURCES.get(binding.resource_type, str(binding.resource_type)),
        "name": binding.resource_name,
        "pattern": PATTERNS.get(binding.pattern_type, str(binding.pattern_type)),
        "principal": binding.principal,
        "host": binding.host,
        "operation": operation_name(binding.operation),
        "permission": PERMISSIONS.get(binding.permission_type, str(binding.permission_type)),
    }


def operation_name(code: int) -> str:
    return OPERATIONS[code] if 0 <= code < len(OPERATIONS) else str(code)
