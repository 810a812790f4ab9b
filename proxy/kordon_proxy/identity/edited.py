"""Files that commands change: one writer at a time, the whole file or nothing, readable by its owner only."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from kordon_proxy.config.document import Plain, read
from kordon_proxy.config.findings import Finding, Mistake, Refused, has_errors

Content = dict[str, Plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of file: its first lines, what a new one holds, and what finds mistakes in a text (which has a name)."""

    head: str
    new: Callable[[], Content]
    check: Callable[[str | bytes, str], Sequence[Finding]]


@contextlib.contextmanager
def edit(path: Path, kind: Kind, *, create: bool) -> Iterator[Content]:
    """Give the content of a file to be changed in place, and write it when that went well.

    Raises Refused for a file with mistakes, Mistake for a change that would make some, OSError.
    """
    path = path.resolve()  # a symbolic link stays one
    with alone_in(path.parent):
        content = kind.new() if create and not path.exists() else _content(path, kind)
        yield content
        text = kind.head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
        findings = kind.check(text, str(path))
        if has_errors(findings):
            raise Mistake(findings[0].message)
        replace_file(path, text)


def _content(path: Path, kind: Kind) -> Content:
    text = path.read_bytes()
    findings = kind.check(text, str(path))
    if has_errors(findings):
        raise Refused(findings)
    return read(text, str(path)).value


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other writers out. The folder is locked, because the file itself is replaced. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace_file(path: Path, text: str) -> None:
    """Write beside it and rename: whoever reads sees the old file or the new one, also after a crash.

    Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
