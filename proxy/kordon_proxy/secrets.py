"""Secrets: text that never shows itself, and where the configuration says that it is kept."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Never

from kordon_proxy.reasons import reason_of

_REFERENCE: Final = re.compile(r"\$\{(env|file):([^}]+)\}")
_MAX_FILE: Final = 64 * 1024


class SecretMissing(ValueError):
    """What a secret refers to is not there, or cannot be read. The message never holds the secret."""


class Secret:
    """A password or key. Only `reveal` gives it; it shows as `***`, equals only itself and cannot be pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Called where it goes onto the wire or into a hash, and nowhere else."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> Never:
        raise TypeError("a secret cannot be pickled")

    def __deepcopy__(self, memo: object) -> "Secret":
        # Pydantic copies models deeply on request; a shared immutable secret is as good as a copy.
        return self


def is_reference(text: str) -> bool:
    """Whether the text says where the secret is, rather than being it."""
    return _REFERENCE.fullmatch(text) is not None


def resolve(text: str, folder: Path, environment: Mapping[str, str] | None = None) -> Secret:
    """Return the secret that `${env:NAME}` or `${file:path}` names (paths from `folder`), or else the text itself.

    One line feed at the end of a file is not part of the secret, as editors and `echo` add one.
    Raises SecretMissing.
    """
    if (match := _REFERENCE.fullmatch(text)) is None:
        if "${" in text:
            raise SecretMissing("a secret is either ${env:NAME} or ${file:path}, and nothing around it")
        return Secret(text)
    kind, name = match.groups()
    found = _from_environment(name, environment) if kind == "env" else _from_file(folder / name)
    if not found:
        raise SecretMissing(f"{kind} {name} holds an empty secret")
    return Secret(found)


def _from_environment(name: str, environment: Mapping[str, str] | None) -> str:
    values = os.environ if environment is None else environment
    if name not in values:
        raise SecretMissing(f"the environment variable {name} is not set")
    return values[name]


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise SecretMissing(f"cannot read {path}: {reason_of(error)}") from None
    if len(content) > _MAX_FILE:
        raise SecretMissing(f"{path} is larger than {_MAX_FILE} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretMissing(f"{path} is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")
