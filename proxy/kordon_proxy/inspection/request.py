"""What the body of a request asks to inspect: its shape for the API's document, and every mistake in it at once."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from kordon_policy.findings import Finding, nearest

from .asked import AtOffset, Format, Inspection, Start, parse_start
from .bounds import LONGEST_FILTER, MOST_RECORDS
from .errors import Malformed, Unusable

SOURCE: Final = "request"
_SENTENCES: Final = {
    "missing": "`{last}` is missing",
    "int_type": "this is no whole number",
    "string_type": "this is no text",
    "bool_type": "this is neither true nor false",
    "string_pattern_mismatch": "this is no name of a topic",
    "string_unicode": "this is no text",
    "string_too_long": "this may have at most {max_length} letters",
    "greater_than_equal": "this must be at least {ge}",
    "less_than_equal": "this must be at most {le}",
    "model_type": "a request is a mapping of keys to values",
    "model_attributes_type": "a request is a mapping of keys to values",
    "enum": "this is no format",
}


class Request(BaseModel):
    """Which records of a topic are wanted, and how they are shown."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
    partition: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """All of them, in the order of their timestamps, if none is given."""
    start: Annotated[int, Field(ge=0, le=2**63 - 1)] | str = "latest"
    """`earliest`, `latest`, an offset (of one partition), or a time as `2026-11-29T12:30:00Z`."""
    count: Annotated[int, Field(ge=1, le=MOST_RECORDS)] = 20
    """How many records at most."""
    committed: bool = True
    """False: also records of transactions that are open or were aborted."""
    key: Annotated[Format, Field(strict=False)] = Format.AUTO
    value: Annotated[Format, Field(strict=False)] = Format.AUTO
    filter: Annotated[str, Field(max_length=LONGEST_FILTER)] | None = None
    """A jq expression; records for which it gives neither false nor null nor nothing are shown."""


def read_request(body: object) -> Inspection:
    """Return what a body asks for, as `json.loads` returns it. Raises Malformed with every mistake."""
    try:
        request = Request.model_validate(body)
    except ValidationError as error:
        raise Malformed(_distinct(error.errors(include_url=False, include_input=False))) from None
    try:
        start = _start(request.start)
        said = {name: getattr(request, name) for name in Request.model_fields if name != "start"}
        return Inspection(start=start, **said)
    except Unusable as mistake:
        # The rest was right by itself: it is the start, or that it does not go with the partition.
        raise Malformed([Finding(message=str(mistake), source=SOURCE, path="start")]) from None


def _start(start: int | str) -> Start:
    if isinstance(start, int):
        return AtOffset(start)
    return parse_start(start)


def _distinct(errors: list[ErrorDetails]) -> list[Finding]:
    """One finding for each place: of a union, pydantic tells what is wrong with each of its parts."""
    found: dict[str, Finding] = {}
    for error in errors:
        path = str(error["loc"][0]) if error["loc"] else ""
        found.setdefault(path, _finding(path, error))
    return list(found.values())


def _finding(path: str, error: ErrorDetails) -> Finding:
    context: dict[str, Any] = error.get("ctx", {})
    hint = ""
    if error["type"] == "extra_forbidden":
        message = f"unknown key `{path}`"
        near = nearest(path, Request.model_fields)
        hint = f"did you mean `{near}`?" if near else f"known here: {', '.join(sorted(Request.model_fields))}"
    else:
        message = _SENTENCES.get(error["type"], error["msg"]).format(last=path, **context)
        if error["type"] == "enum":
            hint = f"one of {', '.join(Format)}"
    return Finding(message=message, hint=hint, source=SOURCE, path=path)
