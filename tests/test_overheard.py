"""The tap that all tests run through hears everything, and finds an address wherever it stands."""

import struct

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.wire import Wire
from tests.overheard import RECORD, Overheard, addresses_in, streams
from tests.proxy.apis.messages import a_request

ADDRESS = ("127.0.0.1", 9099)


def test_what_clients_of_a_kordon_get_is_overheard_to_the_last_byte(kafka: Kafka, overheard: Overheard) -> None:
    with Kordon(clusters={"prod": kafka.bootstrap}, policy="admin_roles: [admin]") as kordon:
        with Wire(kordon.bootstrap) as one, Wire(kordon.bootstrap) as another:
            replies = [wire.ask(a_request(ApiKey.METADATA, 12, topics=None)) for wire in (one, another)]
            replies.append(one.ask(a_request(ApiKey.METADATA, 1, topics=None)))
        kordon.terminate()
        got = list(overheard.got(kordon.folder.name))

    frames = [struct.pack(">i", len(reply.frame)) + reply.frame for reply in replies]
    assert sorted(got) == sorted([frames[0] + frames[2], frames[1]])


def test_a_kordon_that_tells_a_real_address_fails_when_it_stops(kafka: Kafka, overheard: Overheard) -> None:
    kordon = Kordon(clusters={"prod": kafka.bootstrap}, policy="admin_roles: [admin]")
    kordon.start()
    file = overheard._folder / f"{kordon.folder.name}.0"
    file.write_bytes(RECORD.pack(0, len(kafka.bootstrap)) + kafka.bootstrap.encode())

    with pytest.raises(AssertionError, match="real addresses"):
        kordon.stop()


@pytest.mark.parametrize(
    "told",
    [
        b"\x0a127.0.0.1\0\0\x23\x8b",
        b"127.0.0.1\x23\x8b",
        b"cannot reach broker-1.internal:9099 (id: 1)",
        b"127.0.0.1\0\0\x23\x8c, which is another, and 127.0.0.1\0\0\x23\x8b",
    ],
)
def test_an_address_is_found_as_number_and_as_text(told: bytes) -> None:
    assert [found[:2] for found in addresses_in(b"before" + told + b"after", [ADDRESS])] == [ADDRESS]
    assert not addresses_in(told.replace(b"9099", b"9098").replace(b"\x23\x8b", b"\x23\x8a"), [ADDRESS])


def test_a_host_of_its_own_is_found_without_a_port() -> None:
    assert addresses_in(b"...broker-1.internal...", [("broker-1.internal", 9099)])
    assert not addresses_in(b"...127.0.0.1...", [ADDRESS])


def test_pieces_of_one_connection_are_put_together() -> None:
    kept = b"".join(RECORD.pack(number, 3) + piece for number, piece in ((1, b"abc"), (2, b"xyz"), (1, b"def")))
    assert streams(kept) == {1: b"abcdef", 2: b"xyz"}
