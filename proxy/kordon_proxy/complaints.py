"""What pydantic complains about in a request, in sentences that say what to do. What was sent is not repeated."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from pydantic_core import ErrorDetails

from kordon_policy.findings import Finding, nearest

SOURCE: Final = "request"
_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "`{last}` is missing",
    "int_type": "this is no whole number",
    "int_parsing": "this is no whole number",
    "string_type": "this is no text",
    "string_unicode": "this is no text",
    "bool_type": "this is neither true nor false",
    "bool_parsing": "this is neither true nor false",
    "list_type": "this is no list",
    "too_long": "this may have at most {max_length} items",
    "string_too_long": "this may have at most {max_length} letters",
    "greater_than_equal": "this must be at least {ge}",
    "less_than_equal": "this must be at most {le}",
    "model_type": "a request is a mapping of keys to values",
    "model_attributes_type": "a request is a mapping of keys to values",
}
_HINTS: Final[Mapping[str, str]] = {"list_type": 'write it in brackets: ["…"]'}
_UNKNOWN_KEY: Final = "extra_forbidden"
_NONE: Final[Mapping[str, str]] = {}


def findings_of(
    errors: Iterable[ErrorDetails],
    known: Collection[str] = (),
    *,
    sentences: Mapping[str, str] = _NONE,
    hints: Mapping[str, str] = _NONE,
) -> list[Finding]:
    """Return one finding for each place: of a union, pydantic tells what is wrong with each of its parts.

    known: all keys that the request may have. sentences, hints: what is said besides, by pydantic's kinds of errors.
    """
    said, ways_out = {**_SENTENCES, **sentences}, {**_HINTS, **hints}
    found: dict[str, Finding] = {}
    for error in errors:
        keys = [str(key) for key in error["loc"]]
        path = keys[0] if keys and keys[0] in known else ".".join(keys)
        found.setdefault(path, _finding(path, error, known, said, ways_out))
    return list(found.values())


def _finding(
    path: str,
    error: ErrorDetails,
    known: Collection[str],
    said: Mapping[str, str],
    ways_out: Mapping[str, str],
) -> Finding:
    kind, context = error["type"], error.get("ctx", {})
    if kind == _UNKNOWN_KEY:
        near = nearest(path, known)
        message = f"unknown key `{path}`"
        hint = f"did you mean `{near}`?" if near else f"known here: {', '.join(sorted(known))}"
    else:
        message = said[kind].format(last=path, **context) if kind in said else error["msg"]
        hint = ways_out.get(kind, "")
    return Finding(message=message, hint=hint, source=SOURCE, path=path)
