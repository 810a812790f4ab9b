"""What a Kordon says of itself when it starts, before any broker has answered."""

from collections.abc import Iterator
from typing import Final

import pytest

from kordon_proxy.demo.kordon import Kordon
from tests.kafka.tap import log_lines, readiness
from tests.kafka.tenants import eventually

POLICY: Final = """\
policies:
  - {role: devs, effect: Allow, actions: [TOPIC_INSPECT], resource: [cluster, prod, topic, "tx_*"]}
tenants:
  - {name: Trading, resources: [{include: [cluster, prod, topic, "tx_*"]}], roles: [devs]}
"""
SIDE: Final = {"principal": "svc", "roles": ["devs"]}
NOBODY: Final = "127.0.0.1:1"
"""Where no broker is."""


@pytest.fixture
def kordon() -> Iterator[Kordon]:
    kordon = Kordon(clusters={"prod": NOBODY}, policy=POLICY, listeners={"side": {"identity": SIDE}})
    kordon.start(wait=False)
    eventually(lambda: log_lines(kordon, "started"))
    yield kordon
    kordon.stop()


def test_the_line_of_a_start_says_where_everything_is(kordon: Kordon) -> None:
    (line,) = log_lines(kordon, "started")

    assert line["listeners"] == [kordon.listener("side")]
    assert line["clusters"] == {"prod": [NOBODY]}
    assert line["admin"] == kordon.admin.removeprefix("http://")


def test_readiness_says_that_it_serves(kordon: Kordon) -> None:
    assert readiness(kordon)["serving"] == (True, "")
