"""What the broker of these tests can do has been decided on: a newer Kafka in its place fails here until it is."""

from collections.abc import Mapping
from typing import Final

import pytest

from kordon_protocol.keys import ApiKey, versions
from kordon_proxy.apis.refused import WITHOUT_SCHEMA
from kordon_proxy.apis.versions import LOCAL, PRODUCE_FROM
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.properties import Listener
from kordon_proxy.table import APIS
from tests.kafka.wire import Wire
from tests.proxy.apis.messages import a_request

DECIDED: Final[Mapping[int, range]] = {
    **{key: versions(key) for key in APIS},
    **LOCAL,
    **dict.fromkeys(WITHOUT_SCHEMA, range(2**15)),
    ApiKey.PRODUCE: range(PRODUCE_FROM, versions(ApiKey.PRODUCE).stop),
}
"""Every version that the table admits or refuses, and those that end a connection."""


def undecided(spoken: Mapping[int, range]) -> list[tuple[int, int]]:
    return [(key, version) for key, those in spoken.items() for version in those if version not in DECIDED.get(key, ())]


@pytest.mark.parametrize("listener", ["PLAINTEXT", "CONTROLLER"])
def test_every_key_and_version_of_the_broker_and_of_the_controller_has_been_decided_on(
    kafka: Kafka, listener: Listener
) -> None:
    with Wire(kafka.listener(listener)) as wire:
        asked = a_request(ApiKey.API_VERSIONS, 3, client_software_name="a", client_software_version="1")
        told = wire.ask(asked).message.api_keys
    spoken = {one.api_key: range(one.min_version, one.max_version + 1) for one in told}

    assert ApiKey.FETCH in spoken
    assert undecided(spoken) == []


@pytest.mark.known_fault(3)
def test_a_key_or_a_version_that_is_new_would_be_found() -> None:
    newest = versions(ApiKey.FETCH).stop

    assert undecided({ApiKey.FETCH: range(4, newest + 1), 95: range(1)}) == [(ApiKey.FETCH, newest), (95, 0)]
