"""ApiVersions (18): answered by Kordon, before and after a login alike.

Per key: what the table admits, cut to what all brokers of the cluster have. What is refused is not advertised. The
answer does not depend on the tenant, since it is given before a login too.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import response_frame, response_type
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey
from kordon_protocol.shapes import Entity
from kordon_proxy.cluster.picture import NO_FEATURES, Features, Picture
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.table import Api

NO_TIME: Final = timedelta(0)
SUPPORTED: Final = range(5)
WITH_FEATURES: Final = 3
ZERO_FEATURES: Final = 4
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

    A version that is not supported is answered in v0 with the range of ApiVersions alone, so that the client can step
    down (`KafkaApis.handleApiVersionsRequest`, `ApiVersionsRequest.getErrorResponse`).
    """
    if head.api_version in SUPPORTED:
        response = _response(head.api_version, apis, picture)
    else:
        kind = response_type(ApiKey.API_VERSIONS, 0)
        own = {int(ApiKey.API_VERSIONS): (0, SUPPORTED.stop - 1)}
        response = make(kind, error_code=ErrorCode.unsupported_version, api_keys=_entries(kind, own))
    return response_frame(response, head.correlation_id)


def _entries(kind: Entity, versions: Mapping[int, tuple[int, int]]) -> tuple[Any, ...]:
    entry = struct_type(kind, "api_keys")
    return tuple(make(entry, api_key=key, min_version=low, max_version=high) for key, (low, high) in versions.items())


def _response(version: int, apis: Mapping[int, Api], picture: Picture) -> Any:
    kind = response_type(ApiKey.API_VERSIONS, version)
    features = _features(kind, picture) if version >= WITH_FEATURES else {}
    return make(
        kind,
        error_code=ErrorCode.none,
        throttle_time=NO_TIME,
        api_keys=_entries(kind, advertised(apis, picture)),
        **features,
    )


def _features(kind: Entity, picture: Picture) -> dict[str, Any]:
    supported, finalized = struct_type(kind, "supported_features"), struct_type(kind, "finalized_features")
    # Before v4 a feature whose range begins at 0 makes older clients fail, so brokers leave it out (KAFKA-17492).
    lowest = 0 if kind.__version__ >= ZERO_FEATURES else 1
    features = picture.features
    return {
        "supported_features": tuple(
            make(supported, name=name, min_version=low, max_version=high)
            for name, (low, high) in features.supported.items()
            if low >= lowest
        ),
        "finalized_features": tuple(
            make(finalized, name=name, max_version_level=level, min_version_level=level)
            for name, level in features.finalized.items()
        ),
        "finalized_features_epoch": _epoch(features),
    }


def _epoch(features: Features) -> int:
    """A number that grows as often as a feature is raised, which is what clients know newer features by.

    The brokers' own is the length of the controllers' log: whoever looks twice learns how much others have changed.
    """
    return NO_FEATURES.epoch if features.epoch < 0 else sum(features.finalized.values())
