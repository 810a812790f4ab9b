"""What bytes look like: pure, and for any bytes there is something to show."""

import base64
import re
from typing import Any, Final, NamedTuple

from .asked import Format
from .plain import from_json

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What does not occur in text: control characters other than tabulator, line feed and carriage return."""
_INTEGERS: Final = {4: Format.INT, 8: Format.LONG}
_SIZES: Final = {kind: size for size, kind in _INTEGERS.items()}


class Shown(NamedTuple):
    """How bytes are shown, and `data`, a plain JSON value."""

    format: str
    data: Any
    hints: dict[str, Any] | None = None
    """What else they could be: `{"long": 42}`."""
    problem: str | None = None
    """Why they are not shown as was wished, or what is odd about them."""
    schema: dict[str, Any] | None = None
    """The schema by which they were decoded: its id or guid, its type, the name of the record or message."""


def detect(data: bytes) -> Shown:
    """Show bytes by what they look like: JSON objects and lists, text without control characters, else hex."""
    text = _text(data)
    if text is None or _CONTROL.search(text):
        return Shown(Format.HEX, data.hex(), _hints(data))
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return Shown(Format.JSON, from_json(text))
        except ValueError:  # it only begins like JSON
            pass
    return Shown(Format.TEXT, text)


def show(data: bytes, wanted: Format) -> Shown:
    """Show bytes as wished, or else by what they look like, with a problem that says why."""
    match wanted:
        case Format.AUTO | Format.SCHEMA:
            return detect(data)
        case Format.TEXT:
            text = _text(data)
            return Shown(Format.TEXT, text) if text is not None else _instead(data, "not text in UTF-8")
        case Format.JSON:
            try:
                return Shown(Format.JSON, from_json(data.decode("utf-8")))
            except ValueError as error:
                return _instead(data, f"no JSON: {error}")
        case Format.HEX:
            return Shown(Format.HEX, data.hex())
        case Format.BASE64:
            return Shown(Format.BASE64, base64.b64encode(data).decode("ascii"))
        case Format.INT | Format.LONG:
            if len(data) != _SIZES[wanted]:
                return _instead(data, f"no {wanted}: {len(data)} bytes, and not {_SIZES[wanted]}")
            return Shown(wanted, _integer(data))


def _instead(data: bytes, problem: str) -> Shown:
    return detect(data)._replace(problem=problem)


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _hints(data: bytes) -> dict[str, Any] | None:
    kind = _INTEGERS.get(len(data))
    return None if kind is None else {str(kind): _integer(data)}


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)
