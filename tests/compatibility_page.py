"""The page of what differs from Kafka's ACLs, `docs/compatibility.md`, made from the table that the proof uses.

`python -m tests.compatibility_page` writes it anew.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.bindings import GROUP, TOPIC, TRANSACTIONAL_ID
from kordon_proxy.table import APIS
from tests.kafka import equivalence_worlds as worlds
from tests.kafka.equivalence_table import DIFFERENCES, Difference, Where
from tests.pages import said, table

PAGE: Final = Path(__file__).parents[1] / "docs" / "compatibility.md"
HEAD: Final = """\
# Compared with Kafka's ACLs

<!-- Made by `python -m tests.compatibility_page`; a test holds it to the code. -->

For those who come from Kafka's own authorizer (`StandardAuthorizer`): what becomes of the rights that are given by
ACLs, and what clients notice of the change.

[A test](../tests/kafka/test_equivalence.py) asks two clusters the same: one with ACLs, and one without, behind Kordon
with the policies that mean the same, in a tenant with `outside_view: denied`. Every API in every version is asked about
what is allowed, what is denied, both in one request, and about all there is. The answers have the same error codes in
the same places and the same content, and the same happens to topics, records, offsets, groups, transactions and
settings, **except for what is on this page**. Whatever else differs makes the test fail, and so does an entry of this
page that is true no more.

## What becomes of the rights

What is in a tenant's view can be described; what is excluded from it has no ACL. The rest is in the policies. These are
the rights that the test gives, on names that begin with a prefix:

"""
OF_CLUSTERS: Final = " ".join(f"`{one}`" for one in worlds.ACTIONS_OF_ALL if one not in worlds.ACTIONS["allowed"])
REST: Final = (
    (
        "ALTER, ALTER_CONFIGS, CLUSTER_ACTION on the cluster",
        f"{OF_CLUSTERS} on `[cluster, NAME]`, in a tenant that includes the whole cluster",
    ),
    (
        "DESCRIBE, DESCRIBE_CONFIGS on the cluster",
        "the same tenant; settings of brokers and the quorum take `BROKER_EDIT`, too",
    ),
    ("CREATE on the cluster", '`TOPIC_CREATE` on `[cluster, NAME, topic, "*"]`'),
    ("IDEMPOTENT_WRITE on the cluster", "nothing: who may produce to some topic has it"),
    ("CREATE_TOKENS, DESCRIBE_TOKENS", "nothing: delegation tokens are for nobody"),
    ("a PREFIXED resource; the resource `*`", '`"prefix*"`; `"*"`'),
    ("`User:*`", '`role: "*"`'),
    (
        "`--deny-principal`",
        "`effect: Deny`, which comes before each Allow here, too; to hide a thing, `exclude` it from the tenant",
    ),
    ("a host", "nothing: policies know no addresses. Give those clients a listener of their own"),
    (
        "`super.users`",
        'a role with policies for all actions on this page, in a tenant that includes `["*"]`. '
        "`admin_roles` gives no right to topics",
    ),
    ("`allow.everyone.if.no.acl.found`", "nothing: what no policy allows is denied"),
)
"""What else ACLs can say, and what becomes of it."""
ELSE: Final = """
And the rest of what ACLs can say:

"""
DIFFER: Final = """
## What differs

"""
TAIL: Final = """
Not compared are texts, which Kordon replaces, and what no two clusters have in common: ids, addresses, instants,
epochs. [All APIs](apis.md) tells what Kordon refuses altogether.
"""
OPERATIONS: Final = {
    worlds.ALL: "ALL",
    worlds.READ: "READ",
    worlds.WRITE: "WRITE",
    worlds.CREATE: "CREATE",
    worlds.DELETE: "DELETE",
    worlds.ALTER: "ALTER",
    worlds.DESCRIBE: "DESCRIBE",
    worlds.DESCRIBE_CONFIGS: "DESCRIBE_CONFIGS",
    worlds.ALTER_CONFIGS: "ALTER_CONFIGS",
}
KINDS: Final = {TOPIC: "topic", GROUP: "group", TRANSACTIONAL_ID: "transactional id"}


def page() -> str:
    """The text of the page."""
    rights = table((*KINDS.values(), "Kordon's actions"), _rights())
    rows = ((f"**{one.title}**", one.kafka, one.kordon, one.why, _places(one)) for one in DIFFERENCES)
    rest = table(("in Kafka", "with Kordon"), REST)
    return HEAD + rights + ELSE + rest + DIFFER + table(("what", "Kafka", "Kordon", "why", "where"), rows) + TAIL


def _rights() -> Iterator[tuple[str, ...]]:
    for standing, actions in worlds.ACTIONS.items():
        granted = worlds.GRANTED[standing]
        acls = (", ".join(OPERATIONS[one] for one in granted.get(kind, ())) for kind in KINDS)
        yield (*acls, " ".join(f"`{action}`" for action in actions) or "*none: in the view*")
    yield (*["*none*"] * len(KINDS), "*outside the view*")


def _places(difference: Difference) -> str:
    return ", ".join(_place(where, key) for where in difference.where for key in where.apis)


def _place(where: Where, key: ApiKey) -> str:
    api, versions = APIS[key], where.versions(key)
    return api.name if versions == api.versions else f"{api.name} {said(versions)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
