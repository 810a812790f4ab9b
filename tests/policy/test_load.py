"""What a file may say, and what is told of its mistakes."""

from pathlib import Path as File

import pytest

from kordon_policy.actions import Action
from kordon_policy.findings import Finding, Severity
from kordon_policy.load import load
from kordon_policy.model import Document, Effect, Outside, Presentation

RULE = "effect: Allow, actions: [TOPIC_EDIT], resource: ['*'], role: devs"
TENANT = "name: T, resources: [{include: ['*']}], roles: [devs]"


def findings(text: str | bytes, severity: Severity) -> list[Finding]:
    return [finding for finding in load(text, "rbac.yaml").findings if finding.severity is severity]


def errors(text: str | bytes) -> list[str]:
    """What refuses a file: `line:column message (hint)`."""
    loaded = load(text, "rbac.yaml")
    found = [one for one in loaded.findings if one.severity is Severity.ERROR]
    assert (loaded.document is None) == bool(found)
    return [f"{one.line}:{one.column} {one.message} ({one.hint})" for one in found]


def documents(text: str | bytes) -> Document:
    loaded = load(text, "rbac.yaml")
    assert loaded.document is not None, loaded.findings
    return loaded.document


def test_the_file_of_the_specification_loads() -> None:
    document = documents((File(__file__).parent / "kpow.yaml").read_bytes())

    assert document.admin_roles == {"owners"}
    assert document.authorized_roles == frozenset({"owners", "devs", "svc-trade"})
    assert [rule.effect for rule in document.policies] == [Effect.ALLOW, Effect.ALLOW, Effect.STAGE]
    assert document.policies[1].actions == {Action.TOPIC_DATA_QUERY, Action.TOPIC_DATA_DOWNLOAD, Action.TOPIC_PRODUCE}
    assert len(document.policies[1].paths) == 2
    (tenant,) = document.tenants
    assert tenant.name == "Trading"
    assert tenant.presentation is Presentation.HIDE_RESOURCES
    assert tenant.outside is Outside.NOT_FOUND
    assert [len(one.paths) for one in tenant.includes] == [2, 1]
    assert [one.ref.place for one in tenant.excludes] == ["tenants[0].resources[2]"]


def test_every_mistake_is_told_at_once_with_its_place() -> None:
    text = """\
policies:
  - effect: Alow
    actions: [TOPIC_EDIT]
    resource: [clusters, prod]
    role: devs
  - actions: ["*"]
    resource: [cluster, prod, "*"]
    rol: devs
    roles: []
tenants:
  - name: T
    resources:
      - exclud: ["*"]
  - name: T
    resources: []
    roles: [devs]
"""
    assert errors(text) == [
        '2:13 "Alow" is no effect (did you mean "Allow"?)',
        '4:16 "clusters" is no DOMAIN (did you mean "cluster"?)',
        "6:5 a policy without `effect` (write `effect:`)",
        '6:15 "*" is no action (name the actions)',
        '7:31 "*" is no TYPE (end the path before the TYPE to mean all of them)',
        '8:5 "rol" is no key of a policy (did you mean "role"?)',
        "11:5 a tenant without `roles` (write `roles:`)",
        '13:9 "exclud" is no key of an item of a tenant (did you mean "exclude"?)',
        "13:9 an item is one include or one exclude (begin each with a dash of its own)",
        '14:5 tenant "T" is already in line 11 (names are unique)',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Empty things
        ("", "1:1 the file is empty"),
        ("# only a comment\n", "1:1 the file is empty (that could mean that nobody may"),
        ("---\n", "2:1 a null"),
        ("tenants: []", "1:10 `tenants: []` could mean"),
        ("policies:\n", "1:10 a null"),
        ("policies: ~", "1:11 a null"),
        ("policies: Null", "1:11 a null"),
        ("x-mine: [1, null]", "1:13 a null"),
        ("? \n: x", "1:2 a null"),
        ("policies: !!null ''", "1:11 a null"),
        ("admin_roles: ['*']", '1:14 "*" as an admin role'),
        # YAML
        ("policies: []\npolicies: []", '2:1 "policies" is already in line 1'),
        ('policies: []\n"policies": []', '2:1 "policies" is already in line 1'),
        ("policies: []\n---\na: b", "2:1 a second document"),
        ("a: &a [*a]", '1:8 alias "a" stands inside what it stands for'),
        ("a: *b", '1:4 no anchor "b"'),
        ("x-a: !!python/object:os.system [a]", "1:6 tag"),
        ("x-a: !!binary aGk=", "1:6 tag"),
        ("x-a: !mine a", "1:6 tag"),
        ("x-a: !!str [a]", "1:6 tag"),
        ("x-a: !!set {a: b}", "1:6 tag"),
        ("%TAG !a! tag:a\n---\npolicies: []", "1:1 %TAG"),
        ("[a]: b", "1:1 a list or mapping as a key"),
        ("<<: [a]\npolicies: []", "1:6 << merges mappings"),
        ("<<: {x-a: b}\n<<: {x-b: b}", '2:1 "<<" is already in line 1'),
        ("policies: [", "2:1 not YAML: did not find expected node content while parsing a flow node"),
        (
            'x-é: "a\nb: c\n',
            "3:1 not YAML: found unexpected end of stream while scanning a quoted scalar that begins in line 1",
        ),
        (
            "x-é: ü\npolicies:\n\t- x",
            "3:1 not YAML: found character that cannot start any token while scanning for the next token (a tab",
        ),
        (
            "x-a: b\n\tc: d",
            "2:1 not YAML: found a tab character that violates indentation while scanning a plain scalar that begins "
            "in line 1 (a tab indents nothing in YAML: use spaces)",
        ),
        (
            "x-é: @b",
            "1:6 not YAML: found character that cannot start any token while scanning for the next token (put a text "
            "that begins with this character in quotes)",
        ),
        ("x-a: b: c", "1:7 not YAML: mapping values are not allowed in this context (is the line indented"),
        ("é:\n  a\x07b", "2:4 not YAML: control characters"),
        ('x-a: "\\ud800"', "1:9 not YAML"),
        (b"a: \xff", "1:1 not UTF-8"),
        ("a: b".encode("utf-16"), "1:1 not UTF-8"),
        ("\ud800", "1:1 not UTF-8"),
        ("x-a: " + "[" * 20, "1:25 more than 20 levels deep"),
        ("[" * 100_000, "1:21 more than 20 levels deep"),
        ("x-a: " + "{a: " * 20 + "b", "1:79 more than 20 levels deep"),
        ("#" * (32 * 1024 * 1024 + 1), "1:1 file of 33554433 bytes, limit 33554432"),
        # Shapes
        ("[a]", "1:1 a policy file is a mapping"),
        ("a", "1:1 a policy file is a mapping"),
        ("policies: {}", "1:11 `policies` is a list"),
        ("policies: [a]", "1:12 a policy is a mapping"),
        (
            "policies: [{effect: Allow, actions: [TOPIC_EDIT], resource: ['*'], role: [devs]}]",
            "1:74 `role` is one text",
        ),
        (
            "policies: [{effect: Allow, actions: [TOPIC_EDIT], resource: [['*']], role: a}]",
            "1:61 a list of paths where",
        ),
        (
            "policies: [{effect: Allow, actions: [TOPIC_EDIT], resources: ['*'], role: a}]",
            "1:62 `resources` is a list of",
        ),
        ("policies: [{effect: Allow, actions: [TOPIC_EDIT], resource: '*', role: a}]", "1:61 a path is a list"),
        ("policies: [{effect: Allow, actions: [[TOPIC_EDIT]], resource: ['*'], role: a}]", "1:38 a name in `actions`"),
        ("policies: [{effect: Allow, actions: [TOPIC_EDIT], role: a}]", "1:12 a policy without `resource`"),
        ("policies: [{effect: Allow, actions: [TOPIC_EDIT], resource: ['*']}]", "1:12 a policy without `role`"),
        ("policies: [{effect: Allow, resource: ['*'], role: a}]", "1:12 a policy without `actions`"),
        (f"policies: [{{{RULE}, tenant: T}}]", '1:80 "tenant" is no key of a policy'),
        (f"tenants: [{{{TENANT}, role: a}}]", '1:67 "role" is no key of a tenant'),
        ("tenants: [{name: '', resources: [{include: ['*']}], roles: [a]}]", "1:18 `name` is empty"),
        ("tenants: [{name: T, resources: [{include: []}], roles: [a]}]", "1:43 `include` of nothing"),
        (
            "tenants: [{name: T, resources: [{include: [a, [cluster]]}], roles: [a]}]",
            "1:43 `include` is a list of paths",
        ),
        ("tenants: [{name: T, resources: [{include: ['*'], exclude: ['*']}], roles: [a]}]", "1:33 an item is one"),
        ("tenants: [{name: T, resources: [{}], roles: [a]}]", "1:33 an item is one"),
        (f"tenants: [{{{TENANT}, presentation_mode: HIDDEN}}]", '1:86 "HIDDEN" is no value'),
        (
            f"tenants: [{{{TENANT}, outside_view: Denied}}]",
            '1:81 "Denied" is no value of `outside_view` (did you mean "denied"',
        ),
        (f"policies: [{{{RULE}, mode: trial}}]", '1:86 "trial" is no value of `mode`'),
        (f"policies: [{{{RULE}, mode: shadow}}]", "1:12 `mode: shadow` without `shadow_until`"),
        (f"policies: [{{{RULE}, shadow_until: 2026-01-31}}]", "1:94 `shadow_until` without"),
        (f"policies: [{{{RULE}, mode: shadow, shadow_until: 2026-13-45}}]", '1:108 "2026-13-45" is no instant'),
        (
            f"policies: [{{{RULE}, mode: shadow, shadow_until: '2026-01-31T10:00'}}]",
            '1:108 "2026-01-31T10:00" is no instant',
        ),
        # Top-level keys near to ours
        ("policy: []", '1:1 "policy" is no key of a policy file (did you mean "policies"?)'),
        ("Policies: []", '1:1 "Policies" is no key'),
        ("tenant: []", '1:1 "tenant" is no key'),
        ("admin_role: []", '1:1 "admin_role" is no key'),
        ("autorized_rolse: []", '1:1 "autorized_rolse" is no key'),
        # Paths
        (
            "tenants: [{name: T, resources: [{include: [cluster, a, topic, b, c]}], roles: [a]}]",
            "1:43 a path of 5 elements",
        ),
        (
            "tenants: [{name: T, resources: [{include: [cluster, '']}], roles: [a]}]",
            "1:53 an element of a path is empty",
        ),
        ("tenants: [{name: T, resources: [{include: ['*', prod]}], roles: [a]}]", '1:44 "*" as a DOMAIN stands alone'),
        ("tenants: [{name: T, resources: [{include: [Cluster]}], roles: [a]}]", '1:44 "Cluster" is no DOMAIN'),
        (
            'tenants: [{name: T, resources: [{include: [cluster, "a\\tb"]}], roles: [a]}]',
            "1:53 an element of a path with",
        ),
        ('tenants: [{name: "T\\n", resources: [{include: ["*"]}], roles: [a]}]', "1:18 `name` with a control letter"),
        ('authorized_roles: ["a\\0"]', "1:20 a name in `authorized_roles` with a control letter"),
    ],
)
def test_what_is_refused(text: str | bytes, expected: str) -> None:
    (error,) = errors(text)
    assert error.startswith(expected)


@pytest.mark.parametrize(
    ("text", "severity", "expected"),
    [
        ("saml: {a: b}", Severity.NOTICE, "1:1 `saml` is ignored"),
        ("github: []", Severity.NOTICE, "1:1 `github` is ignored"),
        ("openid: a", Severity.NOTICE, "1:1 `openid` is ignored"),
        ("metrics: a", Severity.WARNING, '1:1 "metrics" is ignored'),
        ("authorized_roles: a", Severity.NOTICE, "1:19 `authorized_roles` is a list"),
        ("admin_roles: a", Severity.NOTICE, "1:14 `admin_roles` is a list"),
        (
            "policies: [{effect: Allow, actions: GROUP_EDIT, resource: ['*'], roles: [a]}]",
            Severity.NOTICE,
            "1:37 `actions` is",
        ),
        (
            "policies: [{effect: Allow, actions: [GROUP_EDIT], resource: ['*'], roles: a}]",
            Severity.NOTICE,
            "1:75 `roles` is",
        ),
        (f"policies: [{{{RULE}, roles: [a]}}]", Severity.WARNING, "1:74 both `role` and `roles`"),
        (f"policies: [{{{RULE}, resources: []}}]", Severity.WARNING, "1:61 both `resource` and `resources`"),
        (
            "policies: [{effect: Allow, actions: [TOPIC_ALTER_REPLICAS], resource: ['*'], role: a}]",
            Severity.NOTICE,
            "1:38 ",
        ),
        (
            "policies: [{effect: Allow, actions: [KPOW_ADMIN], resource: ['*'], role: a}]",
            Severity.NOTICE,
            "1:38 KPOW_ADMIN",
        ),
        (
            "tenants: [{name: T, resources: [{include: [flink, a]}], roles: [a]}]",
            Severity.NOTICE,
            "1:44 Kordon has nothing",
        ),
        (
            "tenants: [{name: T, resources: [{include: [cluster, a, topic, a*b]}], roles: [a]}]",
            Severity.NOTICE,
            '1:63 "a*b"',
        ),
        ("authorized_roles: ['dev*']", Severity.WARNING, '1:20 role "dev*" is taken letter by letter'),
    ],
)
def test_what_is_pointed_out(text: str, severity: Severity, expected: str) -> None:
    assert errors(text) == []
    assert any(f"{one.line}:{one.column} {one.message}".startswith(expected) for one in findings(text, severity))


@pytest.mark.parametrize(
    "text", ["policies: []", "{}", "x-mine: {deep: [1, 2]}\npolicies: []", "﻿policies: []", "--- {}\n...\n"]
)
def test_what_is_fine_without_a_word_but_notices(text: str) -> None:
    assert errors(text) == errors(text.encode()) == []


def test_every_scalar_is_the_text_that_is_spelt() -> None:
    spelt = ["007", "on", "Yes", "1.0", "0x1F", "1_000", "2026-13-45", "12:30:45", "truE", ".inf", "=", "nil"]
    assert documents(f"authorized_roles: [{', '.join(spelt)}]").authorized_roles == frozenset(spelt)
    quoted = documents("authorized_roles: ['null', \"~\", !!int 1, ! null, !!str null]").authorized_roles
    assert quoted == frozenset({"null", "~", "1"})


def test_effects_are_read_in_any_case_and_nothing_else_is() -> None:
    text = "policies: [{effect: DENY, actions: [topic_edit], resource: ['*'], role: Devs}]"
    (rule,) = documents(text).policies
    assert rule.effect is Effect.DENY
    assert rule.actions == frozenset()
    assert rule.roles == {"Devs"}


def test_one_key_and_a_list_add_up() -> None:
    text = f"policies: [{{{RULE}, resources: [[cluster]], roles: [b]}}]"
    (rule,) = documents(text).policies
    assert len(rule.paths) == 2
    assert rule.roles == {"devs", "b"}


def test_aliases_and_merges_work_and_own_keys_win() -> None:
    text = """\
x-common: &common {effect: Allow, actions: [TOPIC_EDIT], resource: &all ['*']}
x-deny: &deny {effect: Deny, role: b}
policies:
  - {<<: *common, role: a}
  - {<<: [*deny, *common]}
  - {effect: Stage, actions: [TOPIC_EDIT], resource: *all, role: c}
"""
    rules = documents(text).policies
    assert [(rule.effect, set(rule.roles)) for rule in rules] == [
        (Effect.ALLOW, {"a"}),
        (Effect.DENY, {"b"}),
        (Effect.STAGE, {"c"}),
    ]


def test_what_aliases_expand_to_is_bounded() -> None:
    lines = ["x-0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 9)]
    (error,) = errors("\n".join(lines))
    assert error.startswith("7:16 more than 3000000 values once aliases are followed")


def test_a_hundred_thousand_policies_load_and_what_is_odd_in_the_last_is_told_with_its_place() -> None:
    policy = (
        '- {effect: Allow, actions: [TOPIC_EDIT, TOPIC_PRODUCE], resource: [cluster, p, topic, "t%d-*"], role: r%d}\n'
    )
    text = "policies:\n" + "".join(policy % (at, at // 10) for at in range(99_999))

    loaded = load(text + policy.replace("PRODUCE", "PRODUCT") % (99_999, 1), "rbac.yaml")

    assert loaded.document is not None
    assert len(loaded.document.policies) == 100_000
    (warning,) = (one for one in loaded.findings if one.severity is Severity.WARNING)
    assert (warning.line, warning.column, warning.hint) == (100_001, 41, 'did you mean "TOPIC_PRODUCE"?')


def test_aliases_do_not_hide_depth() -> None:
    lines = ["x-0: &a0 [x]", *(f"x-{at}: &a{at} [*a{at - 1}]" for at in range(1, 30))]
    (error,) = errors("\n".join(lines))
    assert "more than 20 levels deep" in error


def test_twenty_levels_are_fine() -> None:
    assert errors("x-a: " + "[" * 18 + "x" + "]" * 18) == []


def test_a_file_with_thousands_of_errors_tells_the_first_thousand() -> None:
    found = load("x-a: [" + "~, " * 5_000 + "a]", "rbac.yaml").findings
    assert len(found) == 1_001
    assert found[-1].message == "more than 1000 findings of this severity; the rest are left out"


def test_a_file_with_thousands_of_notices_still_loads() -> None:
    paths = "\n".join(f"    - [cluster, '*', topic, '*a{at}*']" for at in range(1_500))
    text = f"tenants:\n- name: T\n  roles: [devs]\n  resources:\n  - include:\n{paths}\n"
    assert len(documents(text).tenants[0].includes[0].paths) == 1_500


def test_findings_name_the_file() -> None:
    assert load("", "conf/rbac.yaml").findings[0].source == "conf/rbac.yaml"


def test_notes_may_have_several_lines() -> None:
    (rule,) = documents(f'policies: [{{{RULE}, note: "because\\n of audit"}}]').policies
    assert rule.ref.note == "because of audit"


def test_an_instant_is_a_date_or_has_an_offset() -> None:
    def until(text: str) -> int | None:
        return documents(f"policies: [{{{RULE}, mode: shadow, shadow_until: '{text}'}}]").policies[0].shadow_until

    assert until("1970-01-02") == 86_400_000
    assert until("1970-01-01T01:00:00+01:00") == 0
    assert until("1970-01-01T00:00:01.500Z") == 1_500
