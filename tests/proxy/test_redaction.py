"""What may be written down of values that might hold a secret."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.redaction import MASK, is_secret_key, masked, masked_text
from kordon_proxy.secrets import Secret


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "sasl.jaas.config",
        "listener.name.main.ssl.keystore.password",
        "ssl.keystore.key",
        "ssl.key.password",
        "client_secret",
        "access_token",
        "Authorization",
        "salted_password",
        "stored_key",
        "server_key",
        "salt",
        "hmac",
        "private_key",
        "client_assertion",
        "credential",
        "set-cookie",
        "passphrase",
    ],
)
def test_a_secret_is_known_by_its_name(key: str) -> None:
    assert is_secret_key(key)
    assert masked({key: "canary"}) == {key: MASK}


@pytest.mark.parametrize("key", ["api_key", "key", "client_id", "retention.ms", "principal", "credential_id", "offset"])
def test_what_is_no_secret_is_kept(key: str) -> None:
    assert masked({key: "kept"}) == {key: "kept"}


def test_everything_beneath_a_secret_name_is_masked_but_numbers() -> None:
    value = {"token": {"inner": ["canary", {"deeper": "canary"}], "offset": 7, "known": True}}

    assert masked(value) == {"token": {"inner": [MASK, {"deeper": MASK}], "offset": 7, "known": True}}


def test_bytes_are_never_shown() -> None:
    assert masked({"record": b"canary", "view": memoryview(b"can")}) == {"record": "6 bytes", "view": "3 bytes"}


def test_a_secret_shows_itself_under_no_name() -> None:
    assert masked({"x": Secret("canary")}) == {"x": "***"}


class Broken:
    def __str__(self) -> str:
        return "an object"


def test_any_object_is_its_text() -> None:
    assert masked({1: Broken(), "set": {"b", "a"}}) == {"1": "an object", "set": ["a", "b"]}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_become_texts(value: float) -> None:
    assert masked(value) == str(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
        max_leaves=20,
    )
)
def test_whatever_it_is_json_can_hold_the_result(value: object) -> None:
    json.dumps(masked(value), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer canary-canary", "Authorization: Bearer ***"),
        ("basic Y2FuYXJ5OmNhbmFyeQ==", "basic ***"),
        ("got eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2ln from it", "got *** from it"),
        ("https://alice:canary@host:9092/x", "https://alice:***@host:9092/x"),
        ('login required username="a" password="canary can";', 'login required username="a" password=***;'),
        ("{'password': 'canary'}", "{'password': ***}"),
        ("client_secret=canary&grant_type=x", "client_secret=***&grant_type=x"),
    ],
)
def test_credentials_are_masked_inside_of_texts(text: str, shown: str) -> None:
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    "text", ["no rule lets devs do GROUP_EDIT", "a basic plan", "http://host:9092/path", "token bucket"]
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert masked_text(text) == text
