"""Hashes of passwords, as the users file keeps them."""

import re

import pytest

from kordon_proxy.identity.scrypt import HASH_SIZE, SALT_SIZE, ScryptHash, hash_password, matches, parse_scrypt


def test_a_password_matches_its_hash_and_no_other() -> None:
    made = hash_password("correct horse", like=ScryptHash(14, b"s" * 16, b""))

    assert matches("correct horse", (made,)) == {0}
    assert matches("correct horsf", (made,)) == frozenset()


def test_a_hash_is_what_rfc_7914_says() -> None:
    """Section 12, N=16384, r=8, p=1: the first 32 of its 64 bytes, as PBKDF2's blocks do not depend on the length."""
    salt = b"SodiumChloride"
    made = hash_password("pleaseletmein", like=ScryptHash(14, salt, b""))

    assert made.hash.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


def test_a_hash_survives_its_text() -> None:
    made = ScryptHash(15, b"s" * SALT_SIZE, b"h" * HASH_SIZE)

    assert parse_scrypt(str(made)) == made
    assert re.fullmatch(r"ln=15,r=8,p=1\$\S+\$\S+", str(made))


def test_two_hashes_of_one_salt_are_both_recognized() -> None:
    first = hash_password("old", like=ScryptHash(14, b"s" * 16, b""))
    second = hash_password("new", like=first)

    assert second.salt == first.salt
    assert matches("old", (first, second)) == {0}
    assert matches("new", (first, second)) == {1}


def test_new_hashes_have_new_salts() -> None:
    assert hash_password("x").salt != hash_password("x").salt


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "ln=13,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA==$" + "A" * 43 + "=",
        "ln=30,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA==$" + "A" * 43 + "=",
        "ln=15,r=9,p=1$c2FsdHNhbHRzYWx0c2FsdA==$" + "A" * 43 + "=",
        "ln=15,r=8,p=1$c2FsdA==$" + "A" * 43 + "=",
        "ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA==$AAAA",
        "ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA===$" + "A" * 43 + "=",
    ],
)
def test_what_is_no_hash_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"scrypt|base64") as caught:
        parse_scrypt(text)

    assert text == "" or text not in str(caught.value)


def test_hash_and_salt_do_not_show() -> None:
    shown = repr(ScryptHash(15, b"visible-salt-123", b"visible-hash"))

    assert "visible" not in shown
