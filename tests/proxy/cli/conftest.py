"""A command to run, and a folder with files that are right."""

from pathlib import Path

import pytest

from kordon_proxy.identity import scrypt
from kordon_proxy.identity.scrypt import ScryptHash
from tests.proxy.cli.command import Run, runner

CONFIG = """\
clusters: [{name: prod, bootstrap: "127.0.0.1:9092"}]
providers: {staff: {type: users, file: users.yaml}}
listeners:
  - {name: apps, bind: "127.0.0.1:19092", cluster: prod, sasl: {PLAIN: staff}, tenant_suffix: "@"}
  - {name: side, bind: "127.0.0.1:29092", cluster: prod, tenant: Trading, identity: {principal: svc, roles: [devs]}}
groups_file: groups.yaml
"""
POLICY = """\
admin_roles: [owners]
policies:
  - {resource: [cluster, prod, topic, "tx_*"], effect: Allow, actions: [TOPIC_INSPECT], roles: [owners, devs]}
  - {resource: [cluster, prod, group, "*"], effect: Allow, actions: [GROUP_CONSUME], roles: [devs]}
  - {resource: [cluster, prod, transactional-id, "*"], effect: Allow, actions: [TRANSACTION_PRODUCE], roles: [devs]}
tenants:
  - {name: Trading, resources: [{include: [cluster, "*"]}], roles: [owners, devs]}
  - {name: Billing, resources: [{include: [cluster, "*"]}], roles: [owners]}
"""
SCRYPT = f"ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA==${'A' * 43}="
USERS = f"""\
fake_salt_key: MDEyMzQ1Njc4OWFiY2RlZg==
users:
  alice: {{roles: [owners], default_tenant: Trading, credentials: [{{id: a1, scrypt: "{SCRYPT}"}}]}}
"""


@pytest.fixture
def kordon(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("kordon.yaml", CONFIG),
        ("rbac.yaml", POLICY),
        ("users.yaml", USERS),
        ("groups.yaml", "devs: [alice]\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
    return tmp_path


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of the least cost that is accepted, as tests make many."""
    monkeypatch.setattr(scrypt, "LOG_N", scrypt.ACCEPTED[0])
    assert ScryptHash(scrypt.LOG_N, b"", b"").log_n == 14
