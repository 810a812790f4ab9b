"""The parts of a configuration that are right by themselves, so that what lies between them is checked in the same run.

Never used to run: only to find more mistakes in a file that has some.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from . import values
from .audit import AuditConfig
from .clusters import Cluster, SchemaRegistry, UpstreamTls
from .document import Document, Path, Plain
from .listeners import Listener, UsersProvider
from .mistakes import UNKNOWN_KEY
from .model import Admin, Config
from .section import Section
from .values import Surroundings

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What could be read, by its place in the file. `faulty` names the fields left out because they are wrong."""

    clusters: Mapping[int, Cluster]
    cluster_names: frozenset[str]
    """Names and environments, also of clusters that are described wrongly: they are known all the same."""
    schema_registries: Mapping[int, SchemaRegistry]
    providers: Mapping[str, UsersProvider]
    listeners: Mapping[int, Listener]
    admin: Admin
    audit: AuditConfig
    files: Mapping[str, FilePath]
    allow_open_files: bool
    faulty: Mapping[Path, frozenset[str]] = field(default_factory=dict)

    @property
    def tls(self) -> Mapping[Path, UpstreamTls]:
        """How Kordon knows servers and shows itself to them, by the places where the file says it."""
        clusters = {("clusters", index): one.tls for index, one in self.clusters.items()}
        registries = {("schema_registries", index): one.tls for index, one in self.schema_registries.items()}
        return {(*where, "tls"): tls for where, tls in (clusters | registries).items() if tls is not None}


def parts_of(config: Config) -> Parts:
    """Return the parts of a configuration of which each is right."""
    files = {"policy": config.policy} | ({"groups_file": config.groups_file} if config.groups_file else {})
    return Parts(
        clusters=dict(enumerate(config.clusters)),
        cluster_names=frozenset(
            filter(None, (name for one in config.clusters for name in (one.name, one.environment)))
        ),
        schema_registries=dict(enumerate(config.schema_registries)),
        providers=config.providers,
        listeners=dict(enumerate(config.listeners)),
        admin=config.admin,
        audit=config.audit,
        files=files,
        allow_open_files=config.allow_open_files,
    )


def sound_parts(document: Document, around: Surroundings) -> Parts:
    """Return what can be read of each part of a file. Unknown keys are overlooked here, and wrong fields left out."""
    value = document.value
    reader = _Reader(around)
    return Parts(
        clusters=reader.items(Cluster, value, "clusters"),
        cluster_names=frozenset(_cluster_names(value)),
        schema_registries=reader.items(SchemaRegistry, value, "schema_registries"),
        providers=reader.entries(UsersProvider, value, "providers"),
        listeners=reader.items(Listener, value, "listeners"),
        admin=reader.read(Admin, value.get("admin", {}), ("admin",)) or Admin(),
        audit=reader.read(AuditConfig, value.get("audit", {}), ("audit",)) or AuditConfig(),
        files=_files(value, around),
        allow_open_files=value.get("allow_open_files") == "true",
        faulty=reader.faulty,
    )


@dataclass(slots=True)
class _Reader:
    around: Surroundings
    faulty: dict[Path, frozenset[str]] = field(default_factory=dict)

    def items(self, model: type[S], value: dict[str, Plain], section: str) -> dict[int, S]:
        items = value.get(section)
        found = enumerate(items if isinstance(items, list) else [])
        parts = {index: self.read(model, item, (section, index)) for index, item in found}
        return {index: part for index, part in parts.items() if part is not None}

    def entries(self, model: type[S], value: dict[str, Plain], section: str) -> dict[str, S]:
        entries = value.get(section)
        found = entries.items() if isinstance(entries, dict) else ()
        parts = {key: self.read(model, item, (section, key)) for key, item in found}
        return {key: part for key, part in parts.items() if part is not None}

    def read(self, model: type[S], value: Plain, where: Path) -> S | None:
        try:
            return model.model_validate(value, context=self.around)
        except ValidationError as error:
            complaints = [(complaint["loc"], complaint["type"]) for complaint in error.errors(include_context=False)]
        unknown = {location for location, kind in complaints if kind in UNKNOWN_KEY}
        wrong = {location[:1] for location, kind in complaints if kind not in UNKNOWN_KEY}
        self.faulty[where] = frozenset(str(location[0]) for location in wrong if location)
        try:
            return model.model_validate(_without(value, unknown | wrong), context=self.around)
        except ValidationError:
            return None


def _cluster_names(value: dict[str, Plain]) -> Iterator[str]:
    clusters = value.get("clusters")
    for cluster in clusters if isinstance(clusters, list) else ():
        names = (cluster.get("name"), cluster.get("environment")) if isinstance(cluster, dict) else ()
        yield from (name for name in names if isinstance(name, str))


def _files(value: dict[str, Plain], around: Surroundings) -> dict[str, FilePath]:
    found = {"policy": "rbac.yaml"} | {key: value[key] for key in ("policy", "groups_file") if key in value}
    read: TypeAdapter[FilePath] = TypeAdapter(values.FilePath)
    names = {key: name for key, name in found.items() if name and isinstance(name, str)}
    return {key: read.validate_python(name, context=around) for key, name in names.items()}


def _without(value: Plain, dropped: set[Path], path: Path = ()) -> Any:
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if (*path, key) not in dropped}
        return {key: _without(item, dropped, (*path, key)) for key, item in kept.items()}
    if isinstance(value, list):
        return [_without(item, dropped, (*path, index)) for index, item in enumerate(value)]
    return value
