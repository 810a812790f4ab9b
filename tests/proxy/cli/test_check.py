"""`kordon check` finds what is wrong in each file and between them, and says so to people and programs."""

import json
from pathlib import Path

import pytest

from tests.proxy.cli.command import Run
from tests.proxy.cli.conftest import CONFIG, POLICY, USERS


def test_files_without_mistakes_are_said_to_have_none(kordon: Run, folder: Path) -> None:
    ran = kordon("check", "kordon.yaml")

    assert (ran.code, ran.out, ran.err) == (0, "no mistakes\n", "")


def test_a_notice_is_no_mistake(kordon: Run, folder: Path) -> None:
    (folder / "rbac.yaml").write_text(POLICY.replace("actions: [GROUP_CONSUME]", "actions: GROUP_CONSUME"))

    assert kordon("check", "rbac.yaml").out.endswith("\nno mistakes, 1 notice\n")


@pytest.mark.parametrize("name", ["rbac.yaml", "users.yaml"])
def test_each_file_can_be_checked_alone(kordon: Run, folder: Path, name: str) -> None:
    assert kordon("check", name).code == 0


def test_a_mistake_is_printed_with_place_and_hint(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text(CONFIG.replace("bootstrap", "bootstap"))

    ran = kordon("check", "kordon.yaml")

    assert ran.code == 1
    assert "kordon.yaml:1:25: error: clusters[0].bootstap: unknown key `bootstap`\n" in ran.out
    assert "    did you mean `bootstrap`?\n" in ran.out
    assert ran.out.endswith("2 errors\n")


def test_files_that_tls_does_not_take_are_a_mistake(kordon: Run, folder: Path) -> None:
    (folder / "ca.pem").write_text("no certificate")
    (folder / "kordon.yaml").write_text(CONFIG.replace("9092", "9093", 1).replace('93"', '93", tls: {ca: ca.pem}', 1))

    ran = kordon("check", "kordon.yaml")

    assert ran.code == 1
    assert "clusters[0].tls: cannot use the authorities in" in ran.out
    assert kordon("serve").code == 1


def test_a_machine_without_the_key_checks_the_authorities_only(kordon: Run, folder: Path) -> None:
    (folder / "cert.pem").write_text("no certificate")
    tls = '93", tls: {cert: cert.pem}'
    (folder / "kordon.yaml").write_text(CONFIG.replace("9092", "9093", 1).replace('93"', tls, 1))

    assert "cannot use the certificate in" in kordon("check", "kordon.yaml").out
    assert kordon("check", "--without-secrets", "kordon.yaml").code == 0


def test_what_is_printed_has_no_colours_where_nobody_looks(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text("clusters: []\n")

    assert "\x1b" not in kordon("check", "kordon.yaml").out


def test_programs_get_json(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text(CONFIG.replace("Trading", "Traiding"))

    ran = kordon("check", "--output", "json", "kordon.yaml")

    assert ran.code == 1
    assert json.loads(ran.out) == [
        {
            "severity": "error",
            "source": "kordon.yaml",
            "line": 5,
            "column": 66,
            "path": "listeners[1].tenant",
            "message": "the policy has no tenant `Traiding`: nobody could log in here",
            "hint": "there is Trading, Billing",
        }
    ]


OVER = "mode: shadow, shadow_until: 2020-01-31"


@pytest.mark.known_fault(28)
@pytest.mark.parametrize(
    ("name", "text", "severity", "message"),
    [
        ("rbac.yaml", POLICY.replace("Allow", "Alow", 1), "error", "Alow"),
        ("rbac.yaml", "policies: [", "error", "not YAML"),
        ("rbac.yaml", POLICY.replace("[GROUP_CONSUME],", f"[GROUP_CONSUME], {OVER},"), "warning", "its shadow_until"),
        ("users.yaml", "users: {}\n", "error", "`fake_salt_key` is missing"),
        ("users.yaml", USERS.replace("alice", "a@b"), "error", "a listener expects a tenant"),
        ("groups.yaml", "devs: alice\n", "error", "expected a list here"),
        ("users.yaml", USERS.replace("owners", "owner"), "warning", "the policy does not name the role `owner`"),
        ("users.yaml", USERS.replace("Trading", "Trade"), "warning", "the policy has no tenant `Trade`"),
        (
            "users.yaml",
            USERS.replace("owners", "devs").replace("Trading", "Billing"),
            "warning",
            "none of the roles here",
        ),
        ("groups.yaml", "dev: [alice]\n", "warning", "the policy does not name the role `dev`"),
        ("kordon.yaml", CONFIG.replace("roles: [devs]", "roles: [dev]"), "warning", "does not name the role `dev`"),
        (
            "kordon.yaml",
            CONFIG.replace("Trading", "Billing"),
            "error",
            "none of these roles is in the tenant `Billing`",
        ),
    ],
)
def test_what_is_wrong_in_or_between_the_files_is_found(
    kordon: Run, folder: Path, name: str, text: str, severity: str, message: str
) -> None:
    (folder / name).write_text(text)

    ran = kordon("check", "kordon.yaml", "--output", "json")

    found = [(finding["severity"], finding["message"], Path(finding["source"]).name) for finding in json.loads(ran.out)]
    assert [where for kind, told, where in found if kind == severity and message in told] == [name], found


def test_a_policy_is_read_as_the_configuration_says(kordon: Run, folder: Path) -> None:
    (folder / "rbac.yaml").write_text(POLICY.replace("GROUP_CONSUME", "GROUP_EDIT"))
    assert "no rule lets anybody join a group" in kordon("check", "kordon.yaml").out

    (folder / "kordon.yaml").write_text(CONFIG + "compat: {members_by_inspect: true}\n")

    assert "no rule lets anybody join a group" not in kordon("check", "rbac.yaml", "kordon.yaml").out


def test_a_file_that_is_named_twice_is_checked_once(kordon: Run, folder: Path) -> None:
    (folder / "users.yaml").write_text("users: {}\n")

    assert kordon("check", "users.yaml", "kordon.yaml", "users.yaml").out.count("`fake_salt_key` is missing") == 1


def test_mistakes_of_all_files_are_told_at_once(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text(CONFIG + "drain: soon\n")
    (folder / "rbac.yaml").write_text(POLICY.replace("Allow", "Alow", 1))
    (folder / "users.yaml").write_text("users: {}\n")
    (folder / "groups.yaml").write_text("devs: alice\n")

    assert kordon("check", "kordon.yaml").out.endswith("4 errors\n")


def test_warnings_fail_only_a_strict_check(kordon: Run, folder: Path) -> None:
    (folder / "groups.yaml").write_text("dev: [alice]\n")

    assert kordon("check", "kordon.yaml").code == 0
    assert kordon("check", "--strict", "kordon.yaml").code == 1


def test_a_machine_without_secrets_can_check_the_rest(kordon: Run, folder: Path) -> None:
    (folder / "users.yaml").unlink()

    assert kordon("check", "kordon.yaml").code == 1
    assert kordon("check", "--without-secrets", "kordon.yaml").code == 0


def test_a_file_that_cannot_be_read_is_one_line_and_another_code(kordon: Run, folder: Path) -> None:
    ran = kordon("check", "kordon.yaml", "missing.yaml")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "kordon: cannot read missing.yaml: no such file or directory\n"


def test_a_file_of_another_kind_is_told(kordon: Run, folder: Path) -> None:
    (folder / "other.yaml").write_text("services: {}\n")

    ran = kordon("check", "other.yaml")

    assert ran.code == 1
    assert "no key of this file is one of kordon.yaml, rbac.yaml, users.yaml" in ran.out
    assert "those of a policy are admin_roles, authorized_roles, policies, tenants" in ran.out


def test_clusters_that_cannot_be_read_are_not_said_to_be_unknown(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text("clusters: prod\nlisteners: []\n")
    (folder / "rbac.yaml").write_text(POLICY)

    ran = kordon("check", "kordon.yaml")

    assert "clusters: expected a list here" in ran.out
    assert "no cluster is known" not in ran.out


def test_names_from_a_file_cannot_move_the_cursor(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text(CONFIG.replace("cluster: prod", 'cluster: "\\x1b[2Jprod"', 1))

    ran = kordon("check", "kordon.yaml")

    assert "\x1b" not in ran.out
    assert "\\x1b[2Jprod" in ran.out
