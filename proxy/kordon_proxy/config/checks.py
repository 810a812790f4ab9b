"""What no single value can know: names that refer to something, ports that overlap, doors that stand open."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from .addresses import MAX_PORT, Address
from .audit import KafkaTopic
from .clusters import Cluster, SchemaRegistry
from .document import Document, Path, Plain
from .findings import Finding, Severity
from .listeners import Listener
from .mistakes import finding
from .model import Store
from .parts import Parts

ONE_OF_LIMIT: Final = 10
AUDIT_TOPIC: Final = KafkaTopic.model_fields["topic"].default
STORE_TOPIC: Final = Store.model_fields["topic"].default


def cross_check(parts: Parts, document: Document) -> Iterator[Finding]:
    """Give what is wrong between the parts of a file."""
    for section in ("clusters", "listeners"):
        if document.value.get(section) == []:
            yield finding(document, (section,), f"no {section}: there would be nothing to do")
        yield from _unique(document, section)
    for index, cluster in parts.clusters.items():
        faulty = parts.faulty.get(("clusters", index), frozenset())
        for needs, check in CLUSTER_CHECKS:
            if not needs & faulty:
                yield from check(document, cluster, ("clusters", index))
    for index, listener in parts.listeners.items():
        faulty = parts.faulty.get(("listeners", index), frozenset())
        for wants, examine in LISTENER_CHECKS:
            if not wants & faulty:
                yield from examine(document, listener, ("listeners", index))
    for index, registry in parts.schema_registries.items():
        faulty = parts.faulty.get(("schema_registries", index), frozenset())
        for relies, inspect in REGISTRY_CHECKS:
            if not relies & faulty:
                yield from inspect(document, registry, ("schema_registries", index))
    yield from _one_registry_each(parts, document)
    yield from _admin_api(parts, document)
    yield from _port_overlaps(parts, document)
    yield from _audit_cluster(document)
    yield from _store(document)


def _unique(document: Document, section: str) -> Iterator[Finding]:
    names = _names_in(document, section)
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            first = document.place((section, names.index(name), "name")).line
            yield finding(document, (section, index, "name"), f"`{name}` is the name of another one, on line {first}")


def _audit_cluster(document: Document) -> Iterator[Finding]:
    audit = document.value.get("audit")
    kafka = audit.get("kafka") if isinstance(audit, dict) else None
    if isinstance(kafka, dict):
        where: Path = ("audit", "kafka")
        yield from _which_cluster(document, kafka.get("cluster"), where, "which of the clusters holds the topic?")


STORE_KEYS: Final = {"sqlite": ("file",), "kafka": ("cluster", "topic", "replication")}
"""What may be said of each type of store."""


def _store(document: Document) -> Iterator[Finding]:
    store = document.value.get("store")
    if not isinstance(store, dict):
        return
    kind = store.get("type", "sqlite")
    for other, keys in STORE_KEYS.items():
        for key in keys if kind in STORE_KEYS and kind != other else ():
            if key in store:
                hint = f"say `type: {other}`, or leave `{key}` out"
                yield finding(document, ("store", key), f"a store of type {kind} has no `{key}`", hint, key=True)
    if kind != "kafka":
        return
    yield from _which_cluster(document, store.get("cluster"), ("store",), "which of the clusters holds the topic?")
    if store.get("topic", STORE_TOPIC) == _audit_topic(document):
        message = "the audit goes to the topic of this name, and a store needs one of its own"
        yield finding(document, ("store",), message, "another `topic` for one of them")


def _audit_topic(document: Document) -> Plain | None:
    audit = document.value.get("audit")
    kafka = audit.get("kafka") if isinstance(audit, dict) else None
    return kafka.get("topic", AUDIT_TOPIC) if isinstance(kafka, dict) else None


def _which_cluster(document: Document, named: Plain | None, where: Path, question: str) -> Iterator[Finding]:
    clusters = _names_in(document, "clusters")
    if named is None and len(clusters) > 1:
        yield finding(document, where, question, f"`cluster`: {_one_of(clusters)}")
    elif isinstance(named, str) and named not in clusters:
        yield finding(document, (*where, "cluster"), f"no cluster is named `{named}`", _one_of(clusters))


def _environment(document: Document, cluster: Cluster, where: Path) -> Iterator[Finding]:
    if cluster.environment in {*_names_in(document, "clusters")} - {cluster.name, None}:
        message = f"the environment `{cluster.environment}` is also the name of another cluster"
        yield finding(document, (*where, "environment"), message, "policies would mean both")


def _upstream_tls(
    document: Document,
    server: Cluster | SchemaRegistry,
    where: Path,
    named: tuple[str, str] = ("the brokers'", "the broker"),
) -> Iterator[Finding]:
    if (tls := server.tls) is None:
        return
    if tls.key is not None and tls.cert is None:
        yield finding(document, (*where, "tls", "key"), "a key without its certificate", "add `cert`")
    if not tls.verify:
        message = f"{named[0]} certificates are not verified: anybody on the way can be {named[1]}"
        hint = "give the authority in `ca`"
        yield finding(document, (*where, "tls", "verify"), message, hint, severity=Severity.WARNING)


def _own_logins(document: Document, cluster: Cluster, where: Path) -> Iterator[Finding]:
    in_the_clear = cluster.tls is None and not all(address.is_loopback for address in cluster.bootstrap)
    for number, login in enumerate(cluster.own_login):
        one = (*where, "own_login")
        path = (*one, number) if (*one, number) in document.values else one
        password = login.password.reveal()
        if "\0" in password or "\0" in login.username:
            yield finding(document, (*path, "password"), "neither user name nor password may hold a NUL character")
        elif login.mechanism != "PLAIN" and not all(
            t.isascii() and t.isprintable() for t in (login.username, password)
        ):
            message = (
                "SCRAM needs user name and password of printable ASCII: the rest is prepared differently by others"
            )
            yield finding(document, (*path, "password"), message)
        if login.mechanism == "PLAIN" and in_the_clear:
            message = "PLAIN sends the password to the brokers in clear text"
            yield finding(document, (*path, "mechanism"), message, "add `tls`, or use SCRAM", severity=Severity.WARNING)


def _cluster_reference(document: Document, listener: Listener, where: Path) -> Iterator[Finding]:
    # Compared with what the file names, even where it describes it wrongly: one mistake is told once.
    clusters = _names_in(document, "clusters")
    if listener.cluster not in clusters:
        yield finding(document, (*where, "cluster"), f"no cluster is named `{listener.cluster}`", _one_of(clusters))


def _provider_references(document: Document, listener: Listener, where: Path) -> Iterator[Finding]:
    described = document.value.get("providers")
    providers = list(described) if isinstance(described, dict) else []
    for mechanism, provider in listener.sasl.items():
        if provider not in providers:
            message = f"no provider is named `{provider}`"
            yield finding(document, (*where, "sasl", mechanism), message, _one_of(providers))


def _one_way_in(document: Document, listener: Listener, where: Path) -> Iterator[Finding]:
    if listener.sasl and listener.identity is not None:
        message = "a listener has either `sasl` or `identity`, not both"
        yield finding(document, (*where, "identity"), message, "make it two listeners", key=True)
    elif not listener.sasl and listener.identity is None:
        hint = "`sasl: {PLAIN: provider}` for a login, `identity: {principal: …, roles: […]}` for none"
        yield finding(document, where, "nothing says who its clients are", hint)
    if listener.tenant_suffix is not None and not listener.sasl:
        message = "a suffix of the user name needs a login"
        yield finding(document, (*where, "tenant_suffix"), message, "add `sasl`, or use `tenant`", key=True)


def _clear_text(document: Document, listener: Listener, where: Path) -> Iterator[Finding]:
    if listener.sasl and not listener.bind.is_loopback and not listener.allow_cleartext:
        message = "passwords would cross the network in clear text"
        hint = "bind to 127.0.0.1, or say `allow_cleartext: true`"
        yield finding(document, (*where, "sasl"), message, hint, key=True)


def _fixed_identity(document: Document, listener: Listener, where: Path) -> Iterator[Finding]:
    if (identity := listener.identity) is None:
        return
    if not listener.bind.is_loopback and not identity.allow_remote:
        message = f"whoever reaches this port would be {identity.principal}"
        hint = "bind to 127.0.0.1, or say `allow_remote: true` in `identity`"
        yield finding(document, (*where, "identity"), message, hint, key=True)


def _port_range(document: Document, listener: Listener, where: Path) -> Iterator[Finding]:
    highest = listener.ports.ids.highest
    if listener.base + highest > MAX_PORT:
        message = f"broker {highest} would need port {listener.base + highest}; the last one is {MAX_PORT}"
        yield finding(document, (*where, "ports"), message, "a lower `base`, or fewer `ids`")
    if listener.bind.is_wildcard and listener.ports.advertise is None:
        message = f"clients cannot be told the address {listener.bind.host}"
        hint = "say in `ports: {advertise: host}` by which name they reach this machine"
        yield finding(document, (*where, "ports"), message, hint)


def _admin_api(parts: Parts, document: Document) -> Iterator[Finding]:
    api = parts.admin.api
    if api is not None and not api.bind.is_loopback and api.tls is None and not api.allow_cleartext:
        message = "bearer tokens would cross the network in clear text"
        hint = "add `tls`, bind to 127.0.0.1, or say `allow_cleartext: true`"
        yield finding(document, ("admin", "api", "bind"), message, hint)


@dataclass(frozen=True, slots=True)
class _PortUse:
    """A run of ports that somebody listens on, and who."""

    host: str
    ports: range
    owner: str

    def meets(self, other: "_PortUse") -> range:
        """Return the ports that both want; empty where they are on different addresses."""
        everywhere = Address(self.host, 1).is_wildcard or Address(other.host, 1).is_wildcard
        if self.host != other.host and not everywhere:
            return range(0)
        return range(max(self.ports.start, other.ports.start), min(self.ports.stop, other.ports.stop))


def _registry_cluster(document: Document, registry: SchemaRegistry, where: Path) -> Iterator[Finding]:
    question = "whose records name the schemas of this registry?"
    yield from _which_cluster(document, registry.cluster, where, question)


def _registry_tls(document: Document, registry: SchemaRegistry, where: Path) -> Iterator[Finding]:
    if registry.tls is not None and not registry.url.startswith("https:"):
        yield finding(document, (*where, "tls"), "an `http` registry has no TLS", "`url: https://…`", key=True)
    yield from _upstream_tls(document, registry, where, ("the registry's", "the registry"))


def _registry_login(document: Document, registry: SchemaRegistry, where: Path) -> Iterator[Finding]:
    if registry.username is not None and registry.password is None:
        yield finding(document, (*where, "username"), "a user name without a password", "add `password`", key=True)
    if registry.password is None:
        return
    if registry.username is None:
        yield finding(document, (*where, "password"), "a password without a user name", "add `username`", key=True)
    host = urlsplit(registry.url).hostname or ""
    if registry.url.startswith("http:") and not Address(host, 1).is_loopback:
        message = "the password is sent to the registry in clear text"
        yield finding(document, (*where, "url"), message, "`url: https://…`", severity=Severity.WARNING)


def _one_registry_each(parts: Parts, document: Document) -> Iterator[Finding]:
    names = _names_in(document, "clusters")
    seen: set[str] = set()
    for index, registry in parts.schema_registries.items():
        cluster = registry.cluster or (names[0] if len(names) == 1 else None)
        if cluster in seen:
            yield finding(document, ("schema_registries", index), f"cluster {cluster} has another registry already")
        if cluster is not None:
            seen.add(cluster)


CLUSTER_CHECKS: Final = (
    ({"environment"}, _environment),
    ({"tls"}, _upstream_tls),
    ({"tls", "own_login"}, _own_logins),
)
REGISTRY_CHECKS: Final = (
    ({"cluster"}, _registry_cluster),
    ({"tls", "url"}, _registry_tls),
    ({"url", "username", "password"}, _registry_login),
)
LISTENER_CHECKS: Final = (
    (set[str](), _cluster_reference),
    ({"sasl"}, _provider_references),
    ({"sasl", "identity", "tenant_suffix"}, _one_way_in),
    ({"sasl", "allow_cleartext"}, _clear_text),
    ({"identity"}, _fixed_identity),
    ({"ports"}, _port_range),
)
"""Each with the optional fields that it needs to have been read."""


def _port_overlaps(parts: Parts, document: Document) -> Iterator[Finding]:
    taken = [_one_port(parts.admin.bind, "the admin port")]
    if parts.admin.api is not None:
        api = _one_port(parts.admin.api.bind, "the admin API")
        if api.meets(taken[0]):
            message = f"port {api.ports.start} is wanted twice: by the admin API and by the admin port"
            yield finding(document, ("admin", "api"), message, "move `bind` of one of them")
        taken.append(api)
    for index, listener in parts.listeners.items():
        if "ports" in parts.faulty.get(("listeners", index), ()):
            continue
        own = tuple(_ports_of(listener))
        for number, use in enumerate(own):
            if clash := next((other for other in (*taken, *own[:number]) if use.meets(other)), None):
                message = f"port {use.meets(clash).start} is wanted twice: by {use.owner} and by {clash.owner}"
                hint = "move `bind` or `ports.base`, or keep ports for fewer `ids`"
                yield finding(document, ("listeners", index), message, hint)
                break
        taken += own


def _one_port(address: Address, owner: str) -> _PortUse:
    return _PortUse(address.host, range(address.port, address.port + 1), owner)


def _ports_of(listener: Listener) -> Iterable[_PortUse]:
    host, port = listener.bind.host, listener.bind.port
    yield _PortUse(host, range(port, port + 1), f"the bootstrap of listener {listener.name}")
    for ids in listener.ports.ids.ranges:
        ports = range(listener.base + ids.start, listener.base + ids.stop)
        yield _PortUse(host, ports, f"the brokers of listener {listener.name}")


def _names_in(document: Document, section: str) -> list[str | None]:
    items = document.value.get(section)
    found = [item.get("name") if isinstance(item, dict) else None for item in items] if isinstance(items, list) else []
    return [name if isinstance(name, str) else None for name in found]


def _one_of(names: Iterable[str | None]) -> str:
    some = sorted({name for name in names if name})[:ONE_OF_LIMIT]
    return f"there is {', '.join(some)}" if some else "there is none"
