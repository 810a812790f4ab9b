"""Requests and answers of any version, and the entries in them, with Kafka's defaults where nothing is said.

What a version has no field for is left out.
"""

from typing import Any

from kordon_protocol.codec import request_type, response_type
from kordon_proxy.judging.entries import make, struct_type


def a_request(key: int, version: int, /, **values: Any) -> Any:
    return make(request_type(key, version), **values)


def a_response(key: int, version: int, /, **values: Any) -> Any:
    return make(response_type(key, version), **values)


def asked(key: int, version: int, /, *path: str, **values: Any) -> Any:
    """An entry of a request: of the field `path[0]`, of its field `path[1]`, ..."""
    return make(struct_type(request_type(key, version), *path), **values)


def said(key: int, version: int, /, *path: str, **values: Any) -> Any:
    """An entry of an answer."""
    return make(struct_type(response_type(key, version), *path), **values)
