"""The language once more, as plainly as it can be written: every rule is looked at for every question.

It works on the file's own words (what `json.loads` makes of it), so it shares nothing with the real evaluator.
"""

from collections.abc import Collection, Mapping
from typing import Any

TYPES = {
    "cluster": ["topic", "group", "broker", "principal", "transactional-id"],
    "schema": ["subject"],
    "connect": ["connector"],
    "ksqldb": ["ksqldb-source", "ksqldb-query"],
}
UMBRELLAS = {
    "TOPIC_INSPECT": ["TOPIC_DATA_QUERY", "TOPIC_DATA_DOWNLOAD"],
    "SCHEMA_EDIT": ["SCHEMA_VERSION_EDIT", "SCHEMA_DELETE"],
    "CONNECT_EDIT": ["CONNECT_ALTER_STATE", "CONNECT_EDIT_CONFIG", "CONNECT_DELETE", "CONNECT_INSPECT"],
}
NEVER_STAGED = [
    "TOPIC_DATA_QUERY",
    "TOPIC_DATA_DOWNLOAD",
    "TOPIC_PRODUCE",
    "GROUP_CONSUME",
    "TRANSACTION_PRODUCE",
    "CONNECT_INSPECT",
    "KSQLDB_QUERY",
    "KSQLDB_INSERT",
]
READS = ["TOPIC_INSPECT", "TOPIC_DATA_QUERY", "TOPIC_DATA_DOWNLOAD"]
OWNABLE = ["topic", "group", "transactional-id"]

Json = Any


def matches(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(matches(pattern[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and pattern[0] == name[0] and matches(pattern[1:], name[1:])


def domain_of(action: str) -> str:
    first = action.split("_")[0].lower()
    return first if first in TYPES else "cluster"


def types_of(action: str) -> list[str | None]:
    if action in ("ADMIN", "BULK_ACTION"):
        return [None]
    if action == "QUOTA_EDIT":
        return [None, "principal"]
    if action == "PRODUCER_EDIT":
        return [None, "transactional-id"]
    if action == "TRANSACTION_PRODUCE":
        return ["transactional-id"]
    if action == "ACL_EDIT":
        return ["principal"]
    if domain_of(action) == "cluster":
        return [action.split("_")[0].lower()]
    whole: list[str | None] = [None] if action.startswith("KSQLDB") else []
    return whole + TYPES[domain_of(action)]


def path_covers(path: list[str], names: Collection[str], domain: str, kind: str | None, name: str) -> bool:
    if path == ["*"]:
        return True
    if path[0] != domain or (len(path) > 1 and path[1] != "*" and path[1] not in names):
        return False
    if len(path) < 3:
        return True
    return path[2] == kind and (len(path) < 4 or matches(path[3], name))


def parts(action: str) -> list[str]:
    return UMBRELLAS.get(action, [action])


def effect_of(rule: Json, part: str) -> str | None:
    """What a rule does to an action, or nothing if it does not name it."""
    effect = rule["effect"].lower()
    for written in rule["actions"]:
        stageable = [one for one in parts(written) if one not in NEVER_STAGED]
        meant = stageable if effect == "stage" and stageable else parts(written)
        if part in meant:
            return "deny" if effect == "stage" and part in NEVER_STAGED else effect
    return None


def decide(
    file: Json, roles: Collection[str], names: Collection[str], action: str, kind: str | None, name: str
) -> tuple[str, set[int]]:
    """The verdict and the places of the deciding policies."""
    if kind not in types_of(action):
        return "denied", set()
    if kind in OWNABLE and name.startswith("__kordon") and action not in READS:
        return "denied", set()
    verdicts = []
    for part in parts(action):
        effects: dict[str, set[int]] = {"deny": set(), "stage": set(), "allow": set()}
        for at, rule in enumerate(file["policies"]):
            effect = effect_of(rule, part)
            for_me = "*" in rule["roles"] or any(role in roles for role in rule["roles"])
            covers = any(path_covers(path, names, domain_of(action), kind, name) for path in rule["resources"])
            if effect and for_me and covers and rule.get("mode") != "shadow":
                effects[effect].add(at)
        verdicts.append(next(((effect, by) for effect, by in effects.items() if by), ("nothing", set())))
    for effect, verdict in (("deny", "denied"), ("nothing", "denied"), ("stage", "staged"), ("allow", "allowed")):
        if any(one == effect for one, _ in verdicts):
            return verdict, set().union(*(by for one, by in verdicts if one == effect))
    raise AssertionError


def domain_of_type(kind: str) -> str:
    return next(domain for domain, kinds in TYPES.items() if kind in kinds)


def paths_of(tenant: Json, key: str) -> list[list[str]]:
    return [path for item in tenant["resources"] for path in item.get(key, [])]


def sees_explicitly(tenant: Json, names: Collection[str], kind: str, name: str, admin: bool) -> bool:
    if kind in OWNABLE and name.startswith("__kordon") and not admin:
        return False

    def covered(path: list[str]) -> bool:
        return path_covers(path, names, domain_of_type(kind), kind, name)

    if any(covered(path) for path in paths_of(tenant, "exclude")):
        return False
    internal = kind == "topic" and name.startswith("__")
    for path in paths_of(tenant, "include"):
        names_it = len(path) == 4 and path[3].split("*")[0].startswith("__")
        if covered(path) and (names_it or not internal):
            return True
    return False


def sees(
    tenant: Json,
    names: Collection[str],
    kind: str,
    name: str,
    admin: bool,
    inferred: Mapping[str, Collection[str]],
) -> bool:
    if sees_explicitly(tenant, names, kind, name, admin):
        return True
    if kind != "topic" or name.startswith("__"):
        return False
    if any(path_covers(path, names, "cluster", kind, name) for path in paths_of(tenant, "exclude")):
        return False
    return any(
        name in topics and sees_explicitly(tenant, names, "group", group, admin) for group, topics in inferred.items()
    )


def whole(tenant: Json, names: Collection[str]) -> bool:
    """Is the cluster as a whole in the view?"""

    def covers(path: list[str]) -> bool:
        return path_covers(path, names, "cluster", None, "") and len(path) < 3

    return any(map(covers, paths_of(tenant, "include"))) and not any(map(covers, paths_of(tenant, "exclude")))
