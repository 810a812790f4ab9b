"""ACLs for tests: entries of requests and answers, and a broker that has some."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.bindings import ALLOW, ANY, LITERAL, PREFIXED, TOPIC, Binding
from tests.proxy.apis.messages import a_request, a_response, asked, said

READ: Final = 3
OPEN: Final[dict[str, Any]] = {
    "resource_type_filter": ANY,
    "pattern_type_filter": ANY,
    "operation": ANY,
    "permission_type": ANY,
    "resource_name_filter": None,
    "principal_filter": None,
    "host_filter": None,
}


def binding(
    name: str = "acme.a",
    principal: str = "User:acme-al",
    *,
    kind: int = TOPIC,
    pattern: int = LITERAL,
    host: str = "*",
    operation: int = READ,
    permission: int = ALLOW,
) -> Binding:
    return Binding(kind, name, pattern, principal, host, operation, permission)


def create(version: int, *bindings: Binding) -> Any:
    entries = []
    for one in bindings:
        fields = asdict(one)
        fields["resource_pattern_type"] = fields.pop("pattern_type")
        entries.append(asked(ApiKey.CREATE_ACLS, version, "creations", **fields))
    return a_request(ApiKey.CREATE_ACLS, version, creations=tuple(entries))


def describe(version: int, **wanted: Any) -> Any:
    return a_request(ApiKey.DESCRIBE_ACLS, version, **OPEN | wanted)


def a_filter(version: int = 3, **wanted: Any) -> Any:
    """One filter of DeleteAcls; what is not said is left open."""
    return asked(ApiKey.DELETE_ACLS, version, "filters", **OPEN | wanted)


def delete(version: int, *filters: dict[str, Any]) -> Any:
    return a_request(ApiKey.DELETE_ACLS, version, filters=tuple(a_filter(version, **one) for one in filters))


def exact(one: Binding) -> dict[str, Any]:
    """A filter for this binding and no other."""
    return {
        "resource_type_filter": one.resource_type,
        "resource_name_filter": one.resource_name,
        "pattern_type_filter": one.pattern_type,
        "principal_filter": one.principal,
        "host_filter": one.host,
        "operation": one.operation,
        "permission_type": one.permission_type,
    }


class Acls:
    """A broker with these bindings, which it gives in no particular order."""

    def __init__(self, *bindings: Binding) -> None:
        self.bindings = set(bindings)
        self.filters: list[Any] = []
        """What it was asked to delete by."""

    def __call__(self, request: Any) -> Any:
        encode(request)
        return {
            ApiKey.CREATE_ACLS: self._create,
            ApiKey.DESCRIBE_ACLS: self._describe,
            ApiKey.DELETE_ACLS: self._delete,
        }[request.__api_key__](request)

    def _create(self, request: Any) -> Any:
        self.bindings |= {Binding.created(entry) for entry in request.creations}
        results = (said(ApiKey.CREATE_ACLS, request.__version__, "results") for _ in request.creations)
        return a_response(ApiKey.CREATE_ACLS, request.__version__, results=tuple(results))

    def _describe(self, request: Any) -> Any:
        key, version = ApiKey.DESCRIBE_ACLS, request.__version__
        resources: dict[tuple[int, str, int], list[Any]] = {}
        for one in self._found(request):
            fields = asdict(one)
            where = (one.resource_type, one.resource_name, one.pattern_type)
            resources.setdefault(where, []).append(said(key, version, "resources", "acls", **fields))
        entries = (
            said(key, version, "resources", resource_type=kind, resource_name=name, pattern_type=pattern, acls=tuple(a))
            for (kind, name, pattern), a in resources.items()
        )
        return a_response(key, version, resources=tuple(entries))

    def _delete(self, request: Any) -> Any:
        key, version = ApiKey.DELETE_ACLS, request.__version__
        self.filters += request.filters
        gone = [self._found(wanted) for wanted in request.filters]
        self.bindings -= {one for each in gone for one in each}
        results = tuple(
            said(
                key,
                version,
                "filter_results",
                error_message=None,
                matching_acls=tuple(
                    said(key, version, "filter_results", "matching_acls", error_message=None, **asdict(one))
                    for one in each
                ),
            )
            for each in gone
        )
        return a_response(key, version, filter_results=results)

    def _found(self, wanted: Any) -> list[Binding]:
        return sorted((one for one in self.bindings if meant(wanted, one)), key=lambda one: hash(one))


def meant(wanted: Any, one: Binding) -> bool:
    """Whether a filter is for a binding, by what Kafka's documentation says of each of its fields."""
    pattern, name = wanted.pattern_type_filter, wanted.resource_name_filter
    plain = (
        (wanted.resource_type_filter, one.resource_type),
        (wanted.operation, one.operation),
        (wanted.permission_type, one.permission_type),
        (wanted.principal_filter, one.principal),
        (wanted.host_filter, one.host),
    )
    if any(asked not in (ANY, None, there) for asked, there in plain):
        return False
    if pattern == 2 and name is not None:
        applies = {name, "*"} if one.pattern_type == LITERAL else set(beginnings(name))
        return one.resource_name in applies
    return pattern in (ANY, 2, one.pattern_type) and name in (None, one.resource_name)


def beginnings(name: str) -> Iterable[str]:
    return (name[:end] for end in range(len(name) + 1))


def prefixed(name: str, principal: str = "User:acme-al", **fields: Any) -> Binding:
    return binding(name, principal, pattern=PREFIXED, **fields)
