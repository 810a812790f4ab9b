"""Bodies of requests: JSON that is read by our own readers, which tell every mistake at once."""

import json
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem, answer

LARGEST: Final = 256 << 10
"""Bytes of a request's body."""


async def read_body(request: Request) -> Any:
    """The value of the body. Raises Problem."""
    text = await request.body()
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {reason}") from None


async def read_optional_body(request: Request) -> Any:
    """The value of the body; an empty mapping where there is none. Raises Problem."""
    return await read_body(request) if await request.body() else {}


Body = Annotated[Any, Depends(read_body)]
OptionalBody = Annotated[Any, Depends(read_optional_body)]


def documented(shape: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """How an operation's body stands in the OpenAPI document, which does not read it: that is for our own readers."""
    schema = shape.model_json_schema()
    whole = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": whole}}}}


def _inlined(value: Any, parts: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(one, parts) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(parts[value["$ref"].rpartition("/")[2]], parts)
    return {key: _inlined(one, parts) for key, one in value.items()}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"`{key[:100]}` stands in it twice")
        found[key] = value
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


class Bounded:
    """Refuses bodies that are too large, before they are in memory."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._largest:
                raise _TooLarge
            return message

        try:
            await self._app(scope, bounded, send)
        except _TooLarge:
            problem = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {self._largest} bytes")
            await answer(problem)(scope, receive, send)
        except ClientDisconnect:
            pass  # there is nobody to be answered


class _TooLarge(Exception):
    """The body goes on beyond the bound."""
