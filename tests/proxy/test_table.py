"""One table says of every API how it is judged. What nobody has decided on is closed, and makes a test fail."""

import struct
from dataclasses import replace
from typing import Final

import pytest

from kordon_protocol.codec import decode_response
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey, versions
from kordon_proxy.apis.refused import REASONS, WITHOUT_SCHEMA
from kordon_proxy.apis.versions import LOCAL, PRODUCE_FROM, advertised, answer
from kordon_proxy.cluster.picture import Features, Picture
from kordon_proxy.table import APIS
from tests.proxy.judging.worlds import a_picture

ADMITTED_IN_PART: Final = {
    ApiKey.INIT_PRODUCER_ID: range(6),  # v6 is unstable in Kafka, and not advertised there
    ApiKey.ADD_PARTITIONS_TO_TXN: range(4),  # from v4 on for brokers only: no right of the client is checked there
}


def test_every_key_that_kafka_knows_has_been_decided_on() -> None:
    assert set(range(95)) == set(APIS) | set(LOCAL) | set(WITHOUT_SCHEMA)
    assert {int(key) for key in ApiKey} == set(APIS) | set(LOCAL)
    assert not set(APIS) & set(LOCAL)


@pytest.mark.parametrize("key", sorted(APIS), ids=lambda key: ApiKey(key).name)
def test_every_version_that_can_be_read_is_admitted_or_named_as_an_exception(key: int) -> None:
    assert APIS[key].versions == ADMITTED_IN_PART.get(ApiKey(key), versions(key))


@pytest.mark.parametrize("key", sorted(REASONS), ids=lambda key: key.name)
def test_what_is_refused_says_why(key: ApiKey) -> None:
    assert APIS[key].judge is None
    assert APIS[key].why
    assert APIS[key].code


def test_what_is_refused_is_not_advertised() -> None:
    told = advertised(APIS, _picture_of(dict.fromkeys(range(95), (0, 99))))

    assert set(told) == {key for key, api in APIS.items() if api.judge is not None} | set(LOCAL)


@pytest.mark.known_fault(3)
def test_versions_are_cut_to_what_brokers_and_kordon_have_in_common() -> None:
    told = advertised(APIS, _picture_of({ApiKey.FETCH: (0, 12), ApiKey.METADATA: (3, 99), 10_000: (0, 3)}))

    assert told[ApiKey.FETCH] == (4, 12)
    assert told[ApiKey.METADATA] == (3, 13)
    assert set(told) == {ApiKey.FETCH, ApiKey.METADATA, *LOCAL}


def test_produce_is_advertised_from_0_as_librdkafka_wants_it() -> None:
    told = advertised(APIS, _picture_of({ApiKey.PRODUCE: (0, 13)}))

    assert told[ApiKey.PRODUCE] == (PRODUCE_FROM, 13)


def test_how_long_the_controllers_log_is_tells_nobody() -> None:
    def told(*, metadata: int = 30, epoch: int = 4711) -> int:
        levels = {"metadata.version": metadata, "transaction.version": 2}
        picture = replace(a_picture(), features=Features(supported={}, finalized=levels, epoch=epoch))
        frame = answer(peek_request(struct.pack(">hhihx", ApiKey.API_VERSIONS, 3, 1, -1)), APIS, picture)
        return int(decode_response(ApiKey.API_VERSIONS, 3, frame, 8).finalized_features_epoch)

    assert told(epoch=4711) == told(epoch=4712)
    assert told(metadata=31) > told()  # by this clients know that something is new
    assert told(epoch=-1) == -1  # nothing is finalized, or nobody knows


def _picture_of(spoken: dict[int, tuple[int, int]]) -> Picture:
    return replace(a_picture(), api_versions=spoken)
