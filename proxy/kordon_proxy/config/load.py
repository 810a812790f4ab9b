"""Read `kordon.yaml`: the whole of it is right, or every mistake is told at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from .checks import cross_check
from .document import Document, read
from .files import check_files
from .findings import Finding, Refused, has_errors
from .mistakes import findings_of
from .model import Config
from .parts import Parts, parts_of, sound_parts
from .values import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a file gave: a configuration unless there are errors, and all findings in the order of the file."""

    config: Config | None
    document: Document | None
    parts: Parts | None
    """What is right by itself, where the whole is not; None only for a file that cannot be read as YAML."""
    findings: tuple[Finding, ...]


def load_config(path: Path | str, *, environment: Mapping[str, str] | None = None) -> Config:
    """Return the configuration of a file.

    Raises Refused with every mistake in it, and OSError where the file cannot be read.
    """
    loaded = inspect_config(path, environment=environment)
    if loaded.config is None:
        raise Refused(loaded.findings)
    return loaded.config


def inspect_config(
    path: Path | str, *, environment: Mapping[str, str] | None = None, read_secrets: bool = True
) -> Loaded:
    """Return the configuration of a file with mistakes and warnings. Raises OSError.

    With `read_secrets` false, secrets stay empty and their files are not looked at: for a machine without them.
    """
    path = Path(path)
    content = path.read_bytes()
    around = Surroundings(path.absolute().parent, os.environ if environment is None else environment, read_secrets)
    return parse_config(content, str(path), around)


def parse_config(content: bytes | str, source: str, around: Surroundings) -> Loaded:
    """Return the configuration that a text describes."""
    try:
        document = read(content, source)
    except Refused as refused:
        return Loaded(config=None, document=None, parts=None, findings=refused.findings)
    findings: list[Finding] = []
    config: Config | None = None
    try:
        config = Config.model_validate(document.value, context=around)
        parts = parts_of(config)
    except ValidationError as error:
        findings += findings_of(error, document, Config)
        parts = sound_parts(document, around)
    findings += cross_check(parts, document)
    findings += check_files(parts, document, private=around.read_secrets)
    findings.sort(key=lambda finding: (finding.line, finding.column))
    usable = None if has_errors(findings) else config
    return Loaded(config=usable, document=document, parts=parts, findings=tuple(findings))
