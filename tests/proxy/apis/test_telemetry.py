import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.telemetry import NAMES, RELAYED
from kordon_proxy.judging.verdict import RELAY, Forward
from kordon_proxy.table import APIS, apis_at
from tests.proxy.apis.messages import a_request
from tests.proxy.judging.worlds import make_may
from tests.proxy.sessions import a_listener_section


def test_a_listener_refuses_client_telemetry_unless_it_is_told_to_relay_it() -> None:
    assert apis_at(a_listener_section()) is APIS
    assert all(APIS[key].judge is None for key in NAMES)
    relaying = apis_at(a_listener_section(client_telemetry="relay"))

    assert {key for key in relaying if relaying[key] is not APIS[key]} == set(NAMES)
    assert all(relaying[key].judge for key in NAMES)
    assert relaying.keys() == APIS.keys()


@pytest.mark.parametrize("key", RELAYED)
def test_what_is_relayed_passes_as_it_is(key: ApiKey) -> None:
    judge = RELAYED[key].judge
    assert judge is not None

    assert judge(a_request(key, 0), make_may("policies: []")) == Forward(RELAY)
