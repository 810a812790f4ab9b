"""What the body of a request asks to inspect: its shape for the API's document, and every mistake in it at once."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kordon_policy.findings import Finding
from kordon_proxy.complaints import SOURCE, findings_of

from .asked import AtOffset, Format, Inspection, Start, parse_start
from .bounds import LONGEST_FILTER, MOST_RECORDS
from .errors import Malformed, Unusable

_SENTENCES: Final = {"string_pattern_mismatch": "this is no name of a topic", "enum": "this is no format"}
_HINTS: Final = {"enum": f"one of {', '.join(Format)}"}


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
        errors = error.errors(include_url=False, include_input=False)
        raise Malformed(findings_of(errors, Request.model_fields, sentences=_SENTENCES, hints=_HINTS)) from None
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
