"""From what pydantic complains about to sentences with a place in the file."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kordon_policy.findings import nearest

from .document import Document, Path, spell
from .findings import Finding, Mistake, Severity

UNKNOWN_KEY: Final = ("extra_forbidden", "unexpected_keyword_argument")
SENTENCES: Final = {
    "missing": "`{last}` is missing",
    "bool_parsing": "this is neither true nor false",
    "int_parsing": "this is no whole number",
    "literal_error": "this must be {expected}",
    "greater_than": "this must be more than {gt}",
    "greater_than_equal": "this must be at least {ge}",
    "less_than_equal": "this must be at most {le}",
    "string_type": "expected text here, found a list or a mapping",
    "string_too_short": "this may not be empty",
    "string_too_long": "this may have at most {max_length} characters",
    "string_pattern_mismatch": "this is not of the expected form",
    "tuple_type": "expected a list here",
    "list_type": "expected a list here",
    "too_short": "expected at least one item here",
    "too_long": "expected at most {max_length} items here",
    "model_type": "expected a mapping of keys here",
    "model_attributes_type": "expected a mapping of keys here",
    "dict_type": "expected a mapping of keys here",
    "dataclass_type": "expected a mapping of keys here",
    "mapping_type": "expected a mapping of keys here",
}


def findings_of(error: ValidationError, document: Document, model: type[BaseModel]) -> Iterator[Finding]:
    """Give one finding for each complaint. Values of the file are not repeated, as they might be secrets."""
    for complaint in _worth_telling(error.errors(include_url=False, include_input=False)):
        path = path_of(complaint["loc"], document)
        kind, context = complaint["type"], complaint.get("ctx", {})
        last = complaint["loc"][-1] if complaint["loc"] else ""
        if kind in UNKNOWN_KEY:
            known = keys_at(model, path[:-1])
            yield finding(document, path, f"unknown key `{last}`", _nearest(str(last), known), key=True)
        elif isinstance(mistake := context.get("error"), ValueError):
            hint = mistake.hint if isinstance(mistake, Mistake) else ""
            yield finding(document, path, str(mistake), hint, key=last == "[key]")
        else:
            sentence = SENTENCES.get(kind, complaint["msg"][:1].lower() + complaint["msg"][1:])
            yield finding(document, path, sentence.format(last=last, **context))


def _worth_telling(complaints: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out that a list is too short where that is only because its items are wrong."""
    for complaint in complaints:
        place = complaint["loc"]
        if complaint["type"] != "too_short" or not any(
            other["loc"][: len(place)] == place and other is not complaint for other in complaints
        ):
            yield complaint


def finding(
    document: Document,
    path: Path,
    message: str,
    hint: str = "",
    *,
    key: bool = False,
    severity: Severity = Severity.ERROR,
) -> Finding:
    """Return a finding about what stands at this path of the document."""
    place = document.place(path, key=key)
    return Finding(
        severity=severity,
        message=message,
        hint=hint,
        source=document.source,
        line=place.line,
        column=place.column,
        path=spell(path),
    )


def path_of(location: tuple[str | int, ...], document: Document) -> Path:
    """Keep the steps of pydantic's location that the file has (it also names unions), and the last of a missing key."""
    path: Path = ()
    for step in location:
        if (*path, step) in document.values:
            path = (*path, step)
    last = location[-1] if location else None
    if isinstance(last, str) and last != "[key]" and path == location[:-1]:
        return (*path, last)
    return path


def keys_at(model: type[BaseModel], path: Path) -> set[str]:
    """Return the keys that may stand in the mapping at this path."""
    models: list[Any] = [model]
    for step in path:
        # Steps into lists and mappings stay at the same models: annotations are searched for models at any depth.
        fields = [fields[step] for fields in map(_fields_of, models) if step in fields]
        if fields:
            models = [found for annotation in fields for found in _models_in(annotation)]
    return {name for candidate in models for name in _fields_of(candidate)}


def _fields_of(model: Any) -> dict[Any, Any]:
    if dataclasses.is_dataclass(model):
        return {field.name: field.type for field in dataclasses.fields(model)}
    return {name: field.annotation for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(annotation) or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _nearest(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = nearest(word.replace("-", "_"), known)
    return f"did you mean `{near}`?" if near else f"known here: {', '.join(known)}"
