"""`kordon check`: every mistake of configuration, policy, users, tokens and groups files, and what is between them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kordon_policy.load import load as load_policy
from kordon_policy.model import Compat, Document
from kordon_proxy.config.document import read
from kordon_proxy.config.findings import Finding, Refused
from kordon_proxy.config.load import Loaded, inspect_config
from kordon_proxy.config.parts import Parts
from kordon_proxy.identity.groups import load_groups
from kordon_proxy.identity.tokens import LoadedTokens, load_tokens
from kordon_proxy.identity.users import LoadedUsers, load_users

from .check_between import groups_and_policy, listeners_and_policy, tokens_and_policy, users_and_policy
from .check_certificates import unusable

KEYS: Final = {
    "kordon.yaml": {"clusters", "listeners", "providers"},
    "rbac.yaml": {"admin_roles", "authorized_roles", "policies", "tenants"},
    "users.yaml": {"fake_salt_key", "users"},
    "tokens.yaml": {"tokens"},
}

IF_UNKNOWN: Final = (
    f"those of a policy are {', '.join(sorted(KEYS['rbac.yaml']))}; a groups file is checked with its kordon.yaml"
)


def check(
    paths: Iterable[Path], *, now: int, read_secrets: bool = True, environment: Mapping[str, str] | None = None
) -> list[Finding]:
    """Check these files and those that a configuration among them names, each once. Raises OSError.

    now: ms since the epoch, for what a policy file says of time.
    """
    run = _Run(now, read_secrets, environment)
    kinds = {path: kind_of(path) for path in paths}
    for path in sorted(kinds, key=lambda path: kinds[path] != "kordon.yaml"):
        run.file(path, kinds[path])
    return run.findings


def kind_of(path: Path) -> str | None:
    """Tell by its keys what a file is: `kordon.yaml`, `rbac.yaml`, `users.yaml`. Raises OSError."""
    try:
        keys = set(read(path.read_bytes(), str(path)).value)
    except Refused:
        return None
    found = {kind: len(keys & known) for kind, known in KEYS.items()}
    best = max(found, key=lambda kind: found[kind])
    return best if found[best] else None


@dataclass(slots=True)
class _Run:
    now: int
    read_secrets: bool
    environment: Mapping[str, str] | None
    findings: list[Finding] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)

    def file(self, path: Path, kind: str | None) -> None:
        """Check one file, unless it has been checked with the one that names it."""
        if path.resolve() in self._seen:
            return
        match kind:
            case "kordon.yaml":
                self._seen.add(path.resolve())
                self._config(inspect_config(path, environment=self.environment, read_secrets=self.read_secrets))
            case "rbac.yaml":
                self._policy(path)
            case "users.yaml":
                self._users(path)
            case "tokens.yaml":
                self._tokens(path)
            case _:
                self._unknown(path)

    def _unknown(self, path: Path) -> None:
        try:
            read(path.read_bytes(), str(path))
        except Refused as refused:
            self.findings += refused.findings
        else:
            message = f"no key of this file is one of {', '.join(KEYS)}"
            self.findings.append(Finding(message=message, hint=IF_UNKNOWN, source=str(path)))

    def _config(self, loaded: Loaded) -> None:
        self.findings += loaded.findings
        if (parts := loaded.parts) is None or loaded.document is None:
            return
        self.findings += unusable(parts, loaded.document, private=self.read_secrets)
        policy = None
        compat = loaded.config.compat if loaded.config is not None else Compat()
        if (path := parts.files.get("policy")) is not None and path.is_file():
            policy = self._policy(path, compat, parts.cluster_names)
        if policy is not None:
            self.findings += listeners_and_policy(parts, loaded.document, policy)
        for name, provider in parts.providers.items():
            if self.read_secrets and provider.file.is_file():
                users = self._users(provider.file, _separators(parts, name))
                self.findings += users_and_policy(users, policy)
        if self.read_secrets and parts.admin.api is not None and parts.admin.api.tokens.is_file():
            self.findings += tokens_and_policy(self._tokens(parts.admin.api.tokens), policy)
        if (path := parts.files.get("groups_file")) is not None and path.is_file():
            self._groups(path, policy)

    def _policy(
        self, path: Path, compat: Compat | None = None, clusters: Collection[str] | None = None
    ) -> Document | None:
        self._seen.add(path.resolve())
        text = path.read_bytes()
        loaded = load_policy(text, str(path), compat=compat or Compat(), clusters=clusters or None, now=self.now)
        self.findings += loaded.findings
        return loaded.document

    def _users(self, path: Path, separators: Iterable[str] = ()) -> LoadedUsers:
        self._seen.add(path.resolve())
        loaded = load_users(path, separators=separators)
        self.findings += loaded.findings
        return loaded

    def _tokens(self, path: Path) -> LoadedTokens:
        self._seen.add(path.resolve())
        loaded = load_tokens(path)
        self.findings += loaded.findings
        return loaded

    def _groups(self, path: Path, policy: Document | None) -> None:
        self._seen.add(path.resolve())
        try:
            groups, document = load_groups(path), read(path.read_bytes(), str(path))
        except Refused as refused:
            self.findings += refused.findings
        else:
            self.findings += groups_and_policy(groups, document, policy)


def _separators(parts: Parts, provider: str) -> list[str]:
    listeners = (one for one in parts.listeners.values() if provider in one.sasl.values())
    return [one.tenant_suffix for one in listeners if one.tenant_suffix is not None]
