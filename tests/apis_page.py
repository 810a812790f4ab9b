"""The page of all APIs, `docs/apis.md`, made from the table, from the lists of fields and from the proofs themselves.

`python -m tests.apis_page` writes it anew.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.refused import WITHOUT_SCHEMA
from kordon_proxy.apis.telemetry import RELAYED
from kordon_proxy.apis.versions import LOCAL
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.table import APIS
from tests.kafka.drawing import EVERY_REQUEST
from tests.kafka.equivalence_cases import CASES
from tests.kafka.hostile import ADMITTED as DAMAGED
from tests.kafka.probes import PROBES
from tests.kafka.test_conformance import HIDDEN
from tests.kafka.test_isolation import DENIED
from tests.kafka.test_missing import MISSING_GROUPS, MISSING_TOPICS
from tests.kafka.test_non_interference import LISTS, PROBED
from tests.pages import said, table
from tests.proxy.fields import ADMITTED, Kind, read
from tests.proxy.test_fields import JUDGED, REQUESTS
from tests.proxy.test_texts_and_addresses import TELLING

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "apis.md"
OWN: Final[Mapping[int, tuple[str, str]]] = {
    ApiKey.SASL_HANDSHAKE: ("SaslHandshake", "mechanisms, which are the listener's"),
    ApiKey.API_VERSIONS: (
        "ApiVersions",
        "what the brokers can do, which is cut to what this table admits; how long the controllers' log is, which is "
        "left out",
    ),
    ApiKey.SASL_AUTHENTICATE: ("SaslAuthenticate", "nothing: the login ends here"),
}
"""What Kordon answers without a broker: key -> name, and what a broker's answer would tell."""
HEAD: Final = """\
# All APIs

<!-- Made by `python -m tests.apis_page`; a test holds it to the code. -->

Every API key that Kafka knows, and what becomes of it. What is *refused*, and a key or a version that is not here, is
not offered to clients: Java's say then that the node does not support it. Who sends it all the same is refused, or
loses the connection where the protocol has no answer.

* **judged by** tells which names and ids of a request are looked up in the view and held against the policies, one by
  one: what is allowed goes on, and the rest is answered as Kafka answers it. *As a whole* means that a request names
  nothing of the kind. Seeing needs no action, and what is outside the view does not exist.
* **what its answer would tell** is what brokers say of others than the tenant, or of the cluster itself, and what
  becomes of it.
* **actions** are those that a request of it can need ([policies](policies.md)).
* **audit** is what is kept of it when all is allowed: an event, or counts. Refusals are always kept
  ([the audit log](audit.md)).

## The proofs

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A suite of tests that covers some APIs, and what it shows of them."""

    name: str
    file: str
    shows: str
    keys: frozenset[int]


def keys_of(cases: Iterable[Any]) -> frozenset[int]:
    """The keys of parametrized cases, which begin with one."""
    return frozenset(int(getattr(case, "values", case)[0]) for case in cases)


def keys_in_decorators(file: str) -> frozenset[int]:
    """The keys by whose versions tests of a file are repeated: `APIS[ApiKey.FETCH].versions`."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    decorators = (one for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for one in node.decorator_list)
    return frozenset(
        int(ApiKey[node.attr])
        for decorator in decorators
        for node in ast.walk(decorator)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ApiKey"
    )


def by_versions(name: str, file: str, shows: str) -> Proof:
    return Proof(name=name, file=file, shows=shows, keys=keys_in_decorators(file))


PROOFS: Final = (
    Proof(
        name="fields",
        file="tests/proxy/test_fields.py",
        shows="each name, id, address, text and run of bytes in its messages, of each version, has been looked at",
        keys=frozenset(ADMITTED),
    ),
    Proof(
        name="texts",
        file="tests/proxy/test_texts_and_addresses.py",
        shows="whatever the broker puts into its texts, addresses and cluster ids, no client gets it",
        keys=keys_of(TELLING),
    ),
    Proof(
        name="actions",
        file="tests/proxy/test_needs.py",
        shows="the actions in this table are those that it is judged by",
        keys=frozenset(ADMITTED),
    ),
    Proof(
        name="isolation",
        file="tests/kafka/test_isolation.py",
        shows="what another tenant has gets the same answer as what nobody has, byte for byte, in each version, and "
        "the broker hears the same of both",
        keys=frozenset(int(key) for key, probes in PROBES.items() if probes),
    ),
    Proof(
        name="denied",
        file="tests/kafka/test_isolation.py",
        shows="with `outside_view: denied` it is Kafka's authorization error, for both",
        keys=frozenset(map(int, DENIED)),
    ),
    by_versions("lists", "tests/kafka/test_isolated_lists.py", "its lists are cut to the view, in each version"),
    by_versions(
        "parts",
        "tests/kafka/test_isolated_parts.py",
        "of a request that names its own and others', the allowed part happens and the rest is answered in its place",
    ),
    Proof(
        name="random",
        file="tests/kafka/test_random_requests.py",
        shows="whatever a request has in it, nothing of others is told, touched or even asked for",
        keys=keys_of(EVERY_REQUEST),
    ),
    Proof(
        name="hostile",
        file="tests/kafka/test_hostile_clients.py",
        shows="damaged, doubled, and out of its order, it neither breaks anything nor finds anything of others",
        keys=keys_of(DAMAGED),
    ),
    Proof(
        name="alone",
        file="tests/kafka/test_non_interference.py",
        shows="the answers are those of a cluster where nobody else is, byte for byte, while others are at work, and "
        "what others have stays as it is",
        keys=frozenset(map(int, (*PROBED, *LISTS))),
    ),
    Proof(
        name="equivalence",
        file="tests/kafka/test_equivalence.py",
        shows="by the same rights it gives the answers of Kafka's own authorizer, and does the same, but for "
        "[a list of differences](compatibility.md)",
        keys=frozenset(map(int, CASES)),
    ),
    Proof(
        name="missing",
        file="tests/kafka/test_missing.py",
        shows="what Kordon says of what is hidden is what a broker says of what is missing",
        keys=keys_of((*MISSING_GROUPS, *MISSING_TOPICS)),
    ),
    Proof(
        name="tap",
        file="tests/test_overheard.py",
        shows="no test's client has got the address of a real broker: all of them run through a tap",
        keys=frozenset({*ADMITTED, *LOCAL}),
    ),
    Proof(
        name="refused",
        file="tests/kafka/test_conformance.py",
        shows="it is refused in a form that the client can read, the broker hears nothing, and the connection goes on",
        keys=keys_of(HIDDEN),
    ),
    Proof(
        name="offer",
        file="tests/kafka/test_conformance.py",
        shows="it tells clients of what is admitted here and of nothing else, in a version that they can read",
        keys=frozenset({ApiKey.API_VERSIONS}),
    ),
    Proof(
        name="logins",
        file="tests/kafka/test_clients_logins.py",
        shows="clients log in at Kordon as at Kafka itself",
        keys=frozenset({ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE}),
    ),
    Proof(
        name="telemetry",
        file="tests/kafka/test_telemetry.py",
        shows="it is relayed to a broker that collects, or refused, as the listener says",
        keys=frozenset(RELAYED),
    ),
)


def page() -> str:
    """The text of the page."""
    suites = table(("proof", "shows that"), ((f"[{p.name}](../{p.file})", p.shows) for p in PROOFS))
    rows = (_row(key) for key in sorted({*APIS, *LOCAL, *WITHOUT_SCHEMA}))
    head = ("key", "name", "versions", "judged by", "what its answer would tell", "actions", "audit", "proofs")
    return f"{HEAD}{suites}\n## The APIs\n\n{table(head, rows)}"


def _row(key: int) -> tuple[str, ...]:
    if key in WITHOUT_SCHEMA:
        name, why = WITHOUT_SCHEMA[key]
        return (str(key), name, "", f"*not known: {why}*", "", "", "", "")
    proofs = ", ".join(proof.name for proof in PROOFS if key in proof.keys)
    if key in OWN:
        name, tells = OWN[key]
        return (str(key), name, said(LOCAL[key]), "*answered by Kordon itself*", tells, "", "", proofs)
    api = ADMITTED.get(key, APIS[key])
    return (str(key), api.name, said(api.versions), _judged(api), *_judgement(api), proofs)


def _judged(api: Api) -> str:
    if api.judge is None:
        return f"*refused: {api.why}*"
    if api.key in RELAYED:
        return "passed on where the listener has `client_telemetry: relay`, or else *refused*"
    return ", ".join(_names(api.name)) or "as a whole"


def _names(api: str) -> Iterator[str]:
    """What kinds of names and ids a request of it is judged by."""
    judged = {path for name, path in read(JUDGED) if name == api}
    kinds = {place.kind for place in REQUESTS if place.api == api and place.path in judged}
    yield from (kind.value for kind in Kind if kind in kinds)


def _judgement(api: Api) -> tuple[str, str, str]:
    """What its answer would tell, which actions it needs, and what the audit keeps."""
    if api.judge is None:
        return "", "", ""
    needs = " ".join(f"`{action}`" for action in api.needs or ())
    kept = {Record.NOTHING: "", Record.COUNTED: "counted", Record.EVENT: "event"}[api.record]
    return api.gives_away, needs, "by request" if api.record_of is not None else kept


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
