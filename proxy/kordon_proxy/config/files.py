"""Whether the files that a configuration names are there, and whether secret ones are kept from others."""

import stat
from collections.abc import Iterator
from pathlib import Path as FilePath

from .document import Document, Path, Plain
from .findings import Finding, Severity
from .mistakes import finding
from .parts import Parts

OPEN: int = stat.S_IRWXG | stat.S_IRWXO


def check_files(parts: Parts, document: Document, *, private: bool = True) -> Iterator[Finding]:
    """Give a finding for each file that is missing, and for users and keys that others may read."""
    for key, path in parts.files.items():
        yield from _missing(document, (key,), path, hint=f"`{key}` names another one, from this file's folder")
    for where, tls in parts.tls.items():
        yield from _missing(document, (*where, "ca"), tls.ca)
        yield from _missing(document, (*where, "cert"), tls.cert)
        if private:
            yield from _missing(document, (*where, "key"), tls.key)
            yield from _readable(parts, document, (*where, "key"), tls.key)
    hooks: Path = ("audit", "webhooks")
    for number, webhook in enumerate(parts.audit.webhooks):
        yield from _missing(
            document, (*hooks, number, "ca") if (*hooks, number) in document.values else (*hooks, "ca"), webhook.ca
        )
    yield from _api_files(parts, document, private=private)
    if private:
        for name, provider in parts.providers.items():
            hint = f"make it: kordon users add NAME --role ROLE --file {provider.file}"
            yield from _missing(document, ("providers", name, "file"), provider.file, hint=hint)
            yield from _readable(parts, document, ("providers", name, "file"), provider.file)
        yield from _secrets(document)


def _api_files(parts: Parts, document: Document, *, private: bool) -> Iterator[Finding]:
    api = parts.admin.api
    if api is None:
        return
    where: Path = ("admin", "api")
    if api.tls is not None:
        yield from _missing(document, (*where, "tls", "cert"), api.tls.cert)
    if private:
        if api.tls is not None:
            yield from _missing(document, (*where, "tls", "key"), api.tls.key)
            yield from _readable(parts, document, (*where, "tls", "key"), api.tls.key or api.tls.cert)
        hint = f"make it: kordon tokens add PRINCIPAL --role ROLE --file {api.tokens}"
        yield from _missing(document, (*where, "tokens"), api.tokens, hint=hint)
        yield from _readable(parts, document, (*where, "tokens"), api.tokens)


def is_open(path: FilePath) -> bool:
    """Whether others than the owner may read or change the file. Raises OSError."""
    return bool(path.stat().st_mode & OPEN)


def _missing(
    document: Document,
    where: Path,
    path: FilePath | None,
    *,
    hint: str = "relative paths start from this file's folder",
) -> Iterator[Finding]:
    if path is not None and not path.is_file():
        yield finding(document, where, f"there is no file {path}", hint)


def _readable(parts: Parts, document: Document, where: Path, path: FilePath | None) -> Iterator[Finding]:
    if path is not None and not parts.allow_open_files and path.is_file() and is_open(path):
        hint = f"chmod 600 {path.name}, or say `allow_open_files: true` where it has to be so"
        yield finding(document, where, f"others may read {path}", hint)


def _secrets(document: Document) -> Iterator[Finding]:
    for where, text in _secret_texts(document.value):
        if "${" not in text:  # else it is a reference, or a wrong one, which is an error already
            hint = "keep it elsewhere: ${env:NAME} or ${file:path}"
            message = f"a {where[-1]} in clear text" if where[-1] != "url" else "whoever reads this URL can write there"
            yield finding(document, where, message, hint, severity=Severity.WARNING)


def _secret_texts(value: Plain, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        secret = _secret_keys(value, path)
        for key, item in value.items():
            if key in secret and isinstance(item, str):
                yield (*path, key), item
            else:
                yield from _secret_texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secret_texts(item, (*path, index))


def _secret_keys(value: dict[str, Plain], path: Path) -> set[str]:
    """The keys of a mapping whose values let somebody in. Of a chat, the URL alone is enough to write into it."""
    if path[:2] != ("audit", "webhooks"):
        return {"password"}
    return {"secret", "url"} if value.get("provider") in ("slack", "teams") else {"secret"}
