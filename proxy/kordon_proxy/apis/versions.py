"""ApiVersions (18): answered by Kordon, before and after a login alike.

Per key: what the table admits, cut to what all brokers of the cluster have. What is refused is not advertised. The answer
does not depend on the tenant, since it is given before a login too.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import response_frame, response_type
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey

from ..cluster.picture import Picture
from .parts import entry_type
from .table import Api

NO_TIME: Final = timedelta(0)
SUPPORTED: Final = range(5)
HIDDEN_FEATURES: Final = frozenset({"share.version", "streams.version"})
"""Features whose APIs are refused: clients decide from the features what to send."""
PRODUCE_FROM: Final = 0
"""Brokers advertise Produce from v0 although they reject v0 to v2, because librdkafka looks for it (KAFKA-18659)."""


def advertised(apis: Mapping[int, Api], picture: Picture) -> dict[int, tuple[int, int]]:
    """Key -> first and last version, of everything that a client may send."""
    found: dict[int, tuple[int, int]] = {}
    for key, api in apis.items():
        theirs = picture.api_versions.get(key)
        if api.judge is None or theirs is None:
            continue
        low, high = max(api.versions.start, theirs[0]), min(api.versions.stop - 1, theirs[1])
        if low <= high:
            found[key] = (low, high)
    if (produce := found.get(ApiKey.PRODUCE)) is not None:
        found[ApiKey.PRODUCE] = (PRODUCE_FROM, produce[1])
    for key, versions in LOCAL.items():
        found[key] = (versions.start, versions.stop - 1)
    return dict(sorted(found.items()))


LOCAL: Final[Mapping[int, range]] = {
    ApiKey.SASL_HANDSHAKE: range(2),
    ApiKey.API_VERSIONS: SUPPORTED,
    ApiKey.SASL_AUTHENTICATE: range(3),
}
"""Keys that Kordon ends itself, whatever the brokers have."""


def answer(head: RequestHead, apis: Mapping[int, Api], picture: Picture) -> bytes:
    """The frame that answers an ApiVersions request.

    A version that is not supported is answered in v0 with the range of ApiVersions alone, so that the client can step down
    (`KafkaApis.handleApiVersionsRequest`, `ApiVersionsRequest.getErrorResponse`).
    """
    if head.api_version not in SUPPORTED:
        own = _entries(0, {ApiKey.API_VERSIONS: (0, SUPPORTED.stop - 1)})
        kind = response_type(ApiKey.API_VERSIONS, 0)
        return response_frame(kind(error_code=ErrorCode.unsupported_version, api_keys=own), head.correlation_id)
    return response_frame(_response(head.api_version, apis, picture), head.correlation_id)


def _entries(version: int, versions: Mapping[int, tuple[int, int]]) -> tuple[Any, ...]:
    kind = entry_type(response_type(ApiKey.API_VERSIONS, version), "api_keys")
    return tuple(kind(api_key=key, min_version=low, max_version=high) for key, (low, high) in versions.items())


def _response(version: int, apis: Mapping[int, Api], picture: Picture) -> Any:
    kind = response_type(ApiKey.API_VERSIONS, version)
    entries = _entries(version, advertised(apis, picture))
    if version == 0:
        return kind(error_code=ErrorCode.none, api_keys=entries)
    response = kind(error_code=ErrorCode.none, api_keys=entries, throttle_time=NO_TIME)
    return _with_features(response, picture) if version >= 3 else response


def _with_features(response: Any, picture: Picture) -> Any:
    supported_kind = entry_type(type(response), "supported_features")
    finalized_kind = entry_type(type(response), "finalized_features")
    # Before v4 a feature whose range begins at 0 makes older clients fail, so brokers leave it out (KAFKA-17492).
    lowest = 0 if response.__version__ >= 4 else 1
    supported = tuple(
        supported_kind(name=name, min_version=low, max_version=high)
        for name, (low, high) in picture.features.supported.items()
        if name not in HIDDEN_FEATURES and low >= lowest
    )
    finalized = tuple(
        finalized_kind(name=name, max_version_level=level, min_version_level=level)
        for name, level in picture.features.finalized.items()
        if name not in HIDDEN_FEATURES
    )
    return replace(
        response,
        supported_features=supported,
        finalized_features=finalized,
        finalized_features_epoch=picture.features.epoch,
    )
