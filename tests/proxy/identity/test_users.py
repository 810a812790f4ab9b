"""The users file: what it may say, and what is told about a wrong one."""

from pathlib import Path

import pytest

from kordon_proxy.config.findings import Finding, Severity
from kordon_proxy.identity.scrypt import ScryptHash
from kordon_proxy.identity.users import Users, load_users, parse_users

SALT = "c2FsdHNhbHRzYWx0c2FsdA=="
OTHER_SALT = "b3RoZXJzYWx0b3RoZXJzYQ=="


def scrypt(salt: str = SALT, log_n: int = 15) -> str:
    return f"ln={log_n},r=8,p=1${salt}${'A' * 43}="


KEY = "fake_salt_key: MDEyMzQ1Njc4OWFiY2RlZg==\n"
GOOD = f"""{KEY}users:
  alice:
    roles: [owners, devs]
    default_tenant: Trading
    credentials:
      - {{id: a1, scrypt: "{scrypt()}"}}
      - {{id: a2, scrypt: "{scrypt()}", expires: 2027-01-31T12:00:00Z}}
"""


def good(text: str) -> Users:
    loaded = parse_users(text, "users.yaml")
    assert loaded.users is not None, loaded.findings
    return loaded.users


def found(text: str, **how: object) -> list[Finding]:
    return list(parse_users(text, "users.yaml", separators=("@",) if how else ()).findings)


def test_a_user_has_roles_a_default_tenant_and_up_to_two_credentials() -> None:
    alice = good(GOOD).by_name["alice"]

    assert alice.roles == {"owners", "devs"}
    assert alice.default_tenant == "Trading"
    assert [credential.id for credential in alice.credentials] == ["a1", "a2"]
    assert alice.credentials[0].scrypt == ScryptHash(15, b"saltsaltsaltsalt", bytes(32))
    assert (alice.credentials[0].expires, alice.credentials[1].expires) == (None, 1_801_396_800.0)


def test_a_credential_is_live_until_its_very_end() -> None:
    ends = good(GOOD).by_name["alice"].credentials[1]

    assert ends.is_live(1_801_396_799.999)
    assert not ends.is_live(1_801_396_800.0)


def test_a_file_without_users_lets_nobody_in() -> None:
    assert good(KEY).by_name == {}


def test_names_are_text_as_they_are_spelt() -> None:
    text = (
        KEY
        + "users:\n"
        + "".join(
            f"  {name}: {{credentials: [{{id: c{i}, scrypt: '{scrypt()}'}}]}}\n"
            for i, name in enumerate(("007", "on", "~x"))
        )
    )

    assert set(good(text).by_name) == {"007", "on", "~x"}


def credential(text: str = "", **how: str) -> str:
    return f"{{id: a1, scrypt: '{how.get('scrypt', scrypt())}'{text}}}"


def user(name: str = "alice", more: str = "", credentials: str | None = None) -> str:
    return f"{KEY}users:\n  {name}: {{credentials: [{credential() if credentials is None else credentials}]{more}}}\n"


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        ("users: {}\n", 1, "fake_salt_key", "`fake_salt_key` is missing"),
        ("fake_salt_key: short\n", 1, "fake_salt_key", "the key must be base64 of 16 bytes or more"),
        ("", 1, "", "the file is empty"),
        ("- a\n", 1, "", "the file must be a mapping of keys to values"),
        (KEY + "user: {}\n", 2, "user", "unknown key `user`"),
        (user(more=", role: x"), 3, "users.alice.role", "unknown key `role`"),
        (user(credentials=""), 3, "users.alice.credentials", "expected at least one item here"),
        (
            user(credentials=", ".join(f"{{id: c{i}, scrypt: '{scrypt()}'}}" for i in range(3))),
            3,
            "users.alice.credentials",
            "expected at most 2 items here",
        ),
        (
            user(credentials="{id: a1, password: canary-7}"),
            3,
            "users.alice.credentials[0].password",
            "unknown key `password`",
        ),
        (
            user(credentials=credential(scrypt="canary-7")),
            3,
            "users.alice.credentials[0].scrypt",
            "this is no scrypt hash of the form ln=15,r=8,p=1$salt$hash",
        ),
        (
            user(credentials=credential(", expires: soon")),
            3,
            "users.alice.credentials[0].expires",
            "`soon` is no date",
        ),
        (user(more=", roles: ['*']"), 3, "users.alice.roles[0]", '`"*"` is no role that somebody can have'),
        (user("'*'"), 3, "users.*", "the name is `*`, which stands for others"),
        (user("ANONYMOUS"), 3, "users.ANONYMOUS", "the name is `ANONYMOUS`, which stands for others"),
        (user("kordon"), 3, "users.kordon", "the name is `kordon`, which is Kordon itself in the audit"),
        (user("' a'"), 3, "users. a", "the name begins or ends with a space"),
        (user("a" * 256), 3, "users." + "a" * 256, "the name is over 255 bytes"),
        (
            KEY + f"users:\n  alice: {{credentials: [{credential()}]}}\n  bob: {{credentials: [{credential()}]}}\n",
            4,
            "users.bob.credentials[0].id",
            "the credential id is taken by alice",
        ),
    ],
)
def test_each_mistake_is_found_where_it_stands(text: str, line: int, path: str, message: str) -> None:
    findings = found(text)

    assert (Severity.ERROR, line, path, message) in [
        (one.severity, one.line, one.path, one.message) for one in findings
    ]
    assert "canary-7" not in repr(findings)


def test_two_users_of_one_name_are_refused() -> None:
    text = KEY + f"users:\n  alice: {{credentials: [{credential()}]}}\n  alice: {{credentials: [{credential()}]}}\n"

    (finding,) = found(text)

    assert (finding.line, finding.severity) == (4, Severity.ERROR)


def test_a_name_with_a_listeners_separator_is_refused() -> None:
    assert found(user("a@b")) == []
    assert "expects a tenant" in found(user("a@b"), separators=True)[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            user(credentials=f"{{id: a, scrypt: '{scrypt()}'}}, {{id: b, scrypt: '{scrypt(OTHER_SALT)}'}}"),
            "two passwords with different salts: a failed login takes twice as long as for others",
        ),
        (
            user(credentials=f"{{id: a, scrypt: '{scrypt()}'}}, {{id: b, scrypt: '{scrypt(log_n=14)}'}}"),
            "hashes of different cost: the time of a failed login tells which users exist",
        ),
    ],
)
def test_what_tells_users_apart_is_warned_about(text: str, message: str) -> None:
    findings = found(text)

    assert [(finding.severity, finding.message) for finding in findings] == [(Severity.WARNING, message)]
    assert good(text)


def test_a_file_is_read_from_disk(tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(GOOD)

    loaded = load_users(path)

    assert loaded.users is not None
    assert loaded.users.usual_cost == 15
