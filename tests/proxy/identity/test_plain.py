"""PLAIN: strict in what it takes, silent about what was wrong."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.identity.passwords import PasswordChecker
from kordon_proxy.identity.plain import FAILED, PlainMechanism, parse_plain
from kordon_proxy.identity.values import Facts, Outcome, Proved, Refused, Trouble
from tests.proxy.identity.talk import NOON, PASSWORD, PEER, a_plain, a_token, a_user, compute, some_users


def judged(token: bytes, mechanism: PlainMechanism | None = None) -> Outcome:
    return asyncio.run((mechanism or a_plain()).begin(PEER).step(token, NOON))


def test_a_right_password_proves_user_and_credential() -> None:
    assert judged(a_token()) == Proved(Facts(mechanism="PLAIN", provider="staff", name="alice", credential="alice-1"))


def test_a_user_may_act_for_himself() -> None:
    assert isinstance(judged(a_token(acting_for="alice")), Proved)


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"\0",
        b"alice",
        b"\0alice",
        b"\0\0\0",
        b"\0alice\0" + PASSWORD.encode() + b"\0",
        b"\0alice\0",
        b"\0\0" + PASSWORD.encode(),
        b"root\0alice\0" + PASSWORD.encode(),
        b"\0ali\xffce\0" + PASSWORD.encode(),
        b"\0" + b"a" * 256 + b"\0" + PASSWORD.encode(),
    ],
)
def test_anything_but_three_good_parts_is_refused(token: bytes) -> None:
    outcome = judged(token)

    assert isinstance(outcome, Refused)
    assert outcome.told == FAILED


@given(st.binary(max_size=80))
def test_a_token_is_what_was_read_from_it_or_nothing(token: bytes) -> None:
    try:
        user, password = parse_plain(token)
    except ValueError:
        return
    assert token in (f"\0{user}\0{password}".encode(), f"{user}\0{user}\0{password}".encode())


@pytest.mark.parametrize("token", [b"x\0canary\0canary", b"canary", b"\0canary\0\xffcanary", b"\0\0canary"])
def test_no_reason_repeats_the_token(token: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        parse_plain(token)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("Alice", PASSWORD)])
def test_wrong_password_and_unknown_user_are_refused_in_the_same_words(user: str, password: str) -> None:
    outcome = judged(a_token(user, password))

    assert outcome == Refused(reason="wrong password, unknown user or ended credential", told=FAILED, name=user)


def test_a_full_queue_is_no_verdict() -> None:
    known = some_users()
    full = PlainMechanism(
        provider="staff", users=lambda: known, checker=PasswordChecker(threads=1, queue=-1, compute=compute)
    )

    assert isinstance(judged(a_token(), full), Trouble)


@pytest.mark.parametrize(
    ("login", "name", "tenant"),
    [
        ("alice@Trading", "alice", "Trading"),
        ("alice@trading", None, None),
        ("alice@Nowhere", None, None),
        ("alice@", None, None),
        ("@Trading", None, None),
        ("a@b@Trading", None, None),
        ("alice", "alice", None),
    ],
)
def test_a_suffix_is_cut_off_only_where_it_is_a_tenants_exact_name(
    login: str, name: str | None, tenant: str | None
) -> None:
    outcome = judged(a_token(login), a_plain(suffix="@"))

    if name is None:
        assert isinstance(outcome, Refused)
        assert outcome.told == FAILED
    else:
        assert isinstance(outcome, Proved)
        assert (outcome.facts.name, outcome.facts.tenant) == (name, tenant)


def test_without_a_suffix_setting_the_whole_string_is_the_user() -> None:
    assert isinstance(judged(a_token("alice@Trading")), Refused)


def test_a_user_that_is_added_may_log_in_at_once() -> None:
    known = some_users()
    mechanism = PlainMechanism(provider="staff", users=lambda: known, checker=PasswordChecker(compute=compute))
    assert isinstance(judged(a_token("bob"), mechanism), Refused)

    known = some_users(a_user("alice"), a_user("bob"))

    assert isinstance(judged(a_token("bob"), mechanism), Proved)


def test_a_password_that_was_right_is_known_at_once() -> None:
    mechanism = a_plain()
    assert mechanism.begin(PEER).at_once(a_token(), NOON) is None

    proved = judged(a_token(), mechanism)

    assert mechanism.begin(PEER).at_once(a_token(), NOON) == proved


@pytest.mark.parametrize("token", [a_token(password="wrong"), a_token("nobody"), b"no token", b""])
def test_nothing_wrong_is_known_at_once(token: bytes) -> None:
    mechanism = a_plain()
    judged(a_token(), mechanism)

    assert mechanism.begin(PEER).at_once(token, NOON) is None
