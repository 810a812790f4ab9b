"""Any input is answered, with a document or with errors, and in bounded work."""

import json
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kordon_policy.findings import MOST, Severity
from kordon_policy.load import load
from kordon_policy.snapshot import compile_snapshot
from kordon_policy.yaml_text import SMALL

MAX_BYTES, MAX_NODES = SMALL
WORDS = [
    *("policies", "tenants", "admin_roles", "authorized_roles", "resource", "resources", "effect", "actions", "role"),
    *("roles", "name", "include", "exclude", "mode", "shadow_until", "cluster", "topic", "TOPIC_EDIT", "Allow", "Deny"),
    *("*", "shadow", "2026-01-31", "x-a", "<<", "null", "", "a*b", "flink", "saml", "\n", "\0", "note"),
]
values = st.recursive(
    st.sampled_from(WORDS) | st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=25,
)
PIECES = [
    *WORDS,
    *"[]{}:,-?|>&*!%@`'\"#~ \n\t",
    "- ",
    ": ",
    "\n  ",
    "&a ",
    "*a",
    "<<: ",
    "!!",
    "---\n",
    "...\n",
    "\ufeff",
    "é",
]


def answered(text: str | bytes) -> None:
    loaded = load(text, "rbac.yaml", clusters={"prod"}, now=0)
    refused = any(finding.severity is Severity.ERROR for finding in loaded.findings)
    assert (loaded.document is None) == refused
    assert len(loaded.findings) <= (MOST + 1) * len(Severity)
    for finding in loaded.findings:
        assert finding.line >= 1
        assert finding.column >= 1
        assert finding.message
        assert finding.message.isprintable()
        assert len(finding.message) < 1_000
    if loaded.document is not None:
        compile_snapshot(loaded.document, epoch=1)


@settings(max_examples=150)
@given(st.binary(max_size=300) | st.text(max_size=300))
@example("a: \ufeff")
@example("\ufeff\ufeff%TAG ! a\n--- a")
@example(b"\xff\xfea\x00")
def test_noise_is_answered(text: str | bytes) -> None:
    answered(text)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_what_looks_like_yaml_is_answered(text: str) -> None:
    answered(text)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(WORDS), values, max_size=6))
def test_what_looks_like_a_policy_file_is_answered(file: dict[str, object]) -> None:
    answered(json.dumps(file))
    answered(json.dumps(file, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_a_damaged_file_is_answered(seed: int) -> None:
    chance = random.Random(seed)
    letters = list(
        "admin_roles: [a]\npolicies:\n  - resource: [cluster, '*', topic, 'tx_*']\n    effect: Allow\n"
        "    actions: [TOPIC_INSPECT]\n    role: a\ntenants:\n  - name: T\n    resources:\n"
        "      - include: ['*']\n    roles: [a]\n"
    )
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(letters))
        letters[at : at + chance.randint(0, 3)] = chance.choice(PIECES)
    answered("".join(letters))


HOSTILE = {
    "lists in lists": "[" * MAX_BYTES,
    "mappings in mappings": "{a: " * (MAX_BYTES // 4),
    "dashes in a line": "- " * (MAX_BYTES // 2),
    "many small values": "[" + "a," * (MAX_BYTES // 2 - 2) + "]",
    "one long text": "a" * MAX_BYTES,
    "one long key": "a" * (MAX_BYTES - 10) + ": x",
    "comments": "# x\n" * (MAX_BYTES // 4),
    "directives": "%TAG !a! x\n" * (MAX_BYTES // 11),
    "documents": "---\n" * (MAX_BYTES // 4),
    "unknown keys": "".join(f"k{at}: x\n" for at in range(MAX_NODES // 2 - 1)),
    "a key again and again": "k: x\n" * (MAX_NODES // 2),
    "near words": "policies:\n- {effect: Allow, resource: [cluster], role: r, actions: ["
    + ",".join(f"TOPIC_EDID{at}" for at in range(MAX_NODES - 100))
    + "]}",
    "roles by paths": "policies:\n- effect: Allow\n  actions: [TOPIC_EDIT, TOPIC_DELETE]\n  roles: ["
    + ",".join(f"r{at}" for at in range(30_000))
    + "]\n  resources:\n"
    + "".join(f"  - [cluster, p, topic, x{at}*]\n" for at in range(12_000)),
    "roles by tenants": "authorized_roles: [q]\ntenants:\n"
    + "".join(
        f"- {{name: t{at}, roles: [r{at}, s{at}], resources: [{{include: [cluster]}}]}}\n" for at in range(6_000)
    ),
    "names that are alike": "tenants:\n"
    + "".join(
        f"- {{name: t{at}, roles: [r], resources: [{{include: [cluster, p, topic, '*{at}']}}]}}\n"
        for at in range(6_000)
    ),
    "aliases of aliases": "x-0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"x-{at}: &a{at} [{','.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 30)),
    "merges of merges": "x-a: &a {"
    + ",".join(f"k{at}: v" for at in range(1_000))
    + "}\nx-b: ["
    + "{<<: *a}," * 5_000
    + "]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_answered(name: str) -> None:
    assert len(HOSTILE[name]) <= MAX_BYTES
    answered(HOSTILE[name])
