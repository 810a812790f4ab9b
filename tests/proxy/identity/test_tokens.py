"""A token opens what its line in the file says, for as long as it says, and nothing else does."""

import stat
from pathlib import Path
from typing import Any

import pytest

from kordon_policy.load import load
from kordon_policy.snapshot import Snapshot, compile_snapshot
from kordon_proxy.config.findings import Mistake, Refused
from kordon_proxy.identity.directory import Directory
from kordon_proxy.identity.identify import identify_bearer
from kordon_proxy.identity.tokens import Token, Tokens, load_tokens, new_token, parse_tokens
from kordon_proxy.identity.tokens_edit import add_token, edit, remove_token
from kordon_proxy.identity.values import Identity

NOW = 1_800_000_000.0
POLICY = """\
admin_roles: [owners]
policies: [{resource: [cluster, prod, topic, "*"], effect: Allow, actions: [TOPIC_INSPECT], roles: [devs]}]
tenants:
  - {name: Trading, resources: [{include: [cluster, "*"]}], roles: [devs, owners]}
  - {name: Payments, resources: [{include: [cluster, "*"]}], roles: [owners]}
"""


def a_snapshot() -> Snapshot:
    document = load(POLICY, "rbac.yaml").document
    assert document is not None
    return compile_snapshot(document, epoch=1)


def a_token(token_id: str = "7f3a", **fields: Any) -> tuple[str, Token]:
    text, digest = new_token(token_id)
    return text, Token(**{"id": token_id, "principal": "ann", "sha256": digest} | fields)


def test_a_token_is_found_by_its_text_alone() -> None:
    text, token = a_token()
    other, _ = a_token()
    tokens = Tokens(by_id={token.id: token})

    assert tokens.find(text, NOW) is token
    assert [tokens.find(wrong, NOW) for wrong in (other, text[:-1], text + "x", text.upper(), "", "kordon_7f3a_")] == [
        *[None] * 6,
    ]
    assert tokens.find(text.replace("kordon", "cordon"), NOW) is None
    assert tokens.find(text.replace("7f3a", "7f3b"), NOW) is None


def test_a_token_ends_to_the_second() -> None:
    text, token = a_token(expires=NOW)
    tokens = Tokens(by_id={token.id: token})

    assert tokens.find(text, NOW - 0.001) is token
    assert tokens.find(text, NOW) is None


def test_two_tokens_are_never_alike() -> None:
    assert len({new_token("7f3a") for _ in range(100)}) == 100


def test_the_file_keeps_no_token_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    with edit(path, create=True) as content:
        token_id, text = add_token(content, "ann", roles=("owners",), default_tenant="Trading", expires=NOW)

    assert text.rpartition("_")[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    tokens = load_tokens(path).tokens
    assert tokens is not None
    found = tokens.find(text, NOW - 1)
    assert found is not None
    assert (found.id, found.principal, found.roles, found.default_tenant, found.expires) == (
        *(token_id, "ann", frozenset({"owners"}), "Trading", NOW),
    )
    assert found.sha256 not in repr(found)


def test_a_token_that_is_taken_away_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    with edit(path, create=True) as content:
        gone, text = add_token(content, "ann", roles=())
        add_token(content, "ann", roles=())
    with edit(path) as content:
        remove_token(content, gone)

    tokens = load_tokens(path).tokens
    assert tokens is not None
    assert (tokens.find(text, NOW), len(tokens.by_id)) == (None, 1)
    with pytest.raises(Mistake, match=f"no token {gone}"), edit(path) as content:
        remove_token(content, gone)


def test_a_file_with_mistakes_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens: {a: {principal: ann}}")

    with pytest.raises(Refused, match="sha256"), edit(path):
        pass
    with pytest.raises(Mistake, match="stands for others"), edit(tmp_path / "new.yaml", create=True) as content:
        add_token(content, "ANONYMOUS", roles=())
    assert not (tmp_path / "new.yaml").exists()


def test_every_mistake_of_a_file_is_told_with_its_line() -> None:
    text = f"""\
tokens:
  a: {{principal: ann, roles: ["*"], sha256: {"0" * 64}}}
  b: {{principal: "", sha256: {"0" * 64}}}
  "c d": {{principal: ann, sha256: zz, exires: never}}
"""
    findings = parse_tokens(text, "tokens.yaml").findings

    assert sorted((finding.line, finding.path) for finding in findings) == [
        (2, "tokens.a.roles[0]"),
        (3, "tokens.b.principal"),
        (4, "tokens.c d"),
        (4, "tokens.c d.exires"),
        (4, "tokens.c d.sha256"),
    ]


def test_two_tokens_of_one_secret_are_a_slip() -> None:
    line = f"{{principal: ann, sha256: {'0' * 64}}}"
    (finding,) = parse_tokens(f"tokens:\n  a: {line}\n  b: {line}\n", "tokens.yaml").findings

    assert (finding.line, "hash of a" in finding.message) == (3, True)


@pytest.mark.parametrize(
    ("fields", "chosen", "groups", "found"),
    [
        ({"roles": frozenset({"devs"})}, None, {}, "Trading"),
        ({"roles": frozenset({"owners"})}, "Payments", {}, "Payments"),
        ({"roles": frozenset({"owners"}), "default_tenant": "Payments"}, None, {}, "Payments"),
        ({"roles": frozenset({"owners"}), "default_tenant": "Payments"}, "Trading", {}, "Trading"),
        ({"roles": frozenset({"devs"})}, "Payments", {}, None),
        ({"roles": frozenset({"devs"})}, "Nobody's", {}, None),
        ({"roles": frozenset()}, None, {"ann": frozenset({"devs"})}, "Trading"),
        ({"roles": frozenset()}, None, {"bob": frozenset({"devs"})}, None),
        ({"roles": frozenset({"unheard-of"})}, None, {}, None),
    ],
)
def test_its_bearer_is_in_a_tenant_that_his_roles_take_in(
    fields: dict[str, Any], chosen: str | None, groups: dict[str, frozenset[str]], found: str | None
) -> None:
    _, token = a_token(**fields)
    identity = identify_bearer(token, chosen, a_snapshot(), Directory(groups=groups))

    assert (identity.tenant if isinstance(identity, Identity) else None) == found
