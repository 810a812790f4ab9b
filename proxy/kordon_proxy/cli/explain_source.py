"""What the commands that explain the policy are asked of: files, without a running Kordon."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from kordon_policy.actions import Domain
from kordon_policy.load import load as load_policy
from kordon_policy.model import Compat, Document
from kordon_policy.question import Cluster, World, named_in
from kordon_policy.snapshot import Compiled
from kordon_proxy.config.findings import Finding, Refused, Severity
from kordon_proxy.config.load import inspect_config
from kordon_proxy.config.model import Config
from kordon_proxy.explaining.source import Someone, Source, people_of
from kordon_proxy.identity.groups import Groups, load_groups
from kordon_proxy.identity.users import User, load_users
from kordon_proxy.reasons import reason_of

from .client import Failure
from .report import print_findings

FROM_FILES: Final = "asked of files: temporary policies, and what groups read, are not known here"
NO_CONFIG: Final = "without a kordon.yaml, each name of a cluster is taken for a cluster of its own"


def read_source(config: Path, policy: Path | None, *, now: int) -> Source:
    """Read a policy file alone, or all that a kordon.yaml names. now: ms since the epoch. Raises Failure."""
    if policy is not None:
        document = _document(policy, Compat())
        world = World(compiled=Compiled(document), now=now)
        return Source(policy=policy, document=document, world=world, notes=(FROM_FILES, NO_CONFIG))
    configured = _configuration(config)
    document = _document(configured.policy, configured.compat)
    clusters = tuple(
        Cluster(one.name, frozenset(filter(None, (one.name, one.environment)))) for one in configured.clusters
    )
    return Source(
        policy=configured.policy,
        document=document,
        world=World(compiled=Compiled(document), now=now, clusters=clusters),
        people=tuple(_people(configured, document)),
        suffixes=frozenset(filter(None, (one.tenant_suffix for one in configured.listeners))),
        journal=configured.audit.directory,
        notes=(FROM_FILES, *_strange_clusters(document, clusters)),
    )


def _strange_clusters(document: Document, clusters: Iterable[Cluster]) -> Iterator[str]:
    """A cluster has a third name, its id, which its brokers alone know."""
    named = {cluster.name for cluster in named_in(document, Domain.CLUSTER) if cluster.names}
    strange = named.difference(*(cluster.names for cluster in clusters))
    if strange:
        names = ", ".join(sorted(strange))
        yield f"the policy names {names}, which kordon.yaml does not: if brokers report that as their id, it counts too"


def _configuration(path: Path) -> Config:
    try:
        loaded = inspect_config(path, read_secrets=False)
    except OSError as error:
        hint = "--config names another file, --policy a policy file alone"
        raise Failure(f"cannot read {path}: {reason_of(error)}; {hint}") from None
    if loaded.config is None:
        raise _mistaken(path, loaded.findings)
    return loaded.config


def _document(path: Path, compat: Compat) -> Document:
    try:
        loaded = load_policy(path.read_bytes(), str(path), compat=compat)
    except OSError as error:
        raise Failure(f"cannot read {path}: {reason_of(error)}") from None
    if loaded.document is None:
        raise _mistaken(path, loaded.findings)
    if warnings := sum(one.severity is Severity.WARNING for one in loaded.findings):
        what = "a warning" if warnings == 1 else f"{warnings} warnings"
        sys.stderr.write(f"{path} has {what}, of what does less than it seems to: kordon check {path}\n")
    return loaded.document


def _mistaken(path: Path, findings: Sequence[Finding]) -> Failure:
    print_findings([one for one in findings if one.severity is Severity.ERROR], sys.stderr)
    return Failure(f"{path} cannot be asked: mend it first")


# ---- who is known


def _people(config: Config, document: Document) -> Iterator[Someone]:
    """Everybody in the files. Each is read once."""
    groups = {} if config.groups_file is None else _groups(config.groups_file)
    users = {name: _users(provider.file) for name, provider in config.providers.items()}
    return people_of(config.listeners, users, groups, document)


def _users(path: Path) -> list[User]:
    try:
        loaded = load_users(path)
    except OSError as error:
        raise Failure(f"cannot read {path}: {reason_of(error)}; --policy asks a policy file alone") from None
    if loaded.users is None:
        raise _mistaken(path, loaded.findings)
    return list(loaded.users.by_name.values())


def _groups(path: Path) -> Groups:
    try:
        return load_groups(path)
    except OSError as error:
        raise Failure(f"cannot read {path}: {reason_of(error)}; --policy asks a policy file alone") from None
    except Refused as refused:
        raise _mistaken(path, refused.findings) from None
