"""What a file says without effect, or with another one than its author thought."""

import pytest

from kordon_policy.findings import Severity, nearest
from kordon_policy.load import load
from kordon_policy.model import Compat
from tests.policy.given import policies, tenants


def told(text: str, severity: Severity, **said: object) -> list[str]:
    """The findings of a file that loads: `message (hint)`."""
    loaded = load(text, "rbac.yaml", **said)  # type: ignore[arg-type]
    assert loaded.document is not None, loaded.findings
    return [f"{one.message} ({one.hint})" for one in loaded.findings if one.severity is severity]


def warnings(text: str, **said: object) -> list[str]:
    return told(text, Severity.WARNING, **said)


def notices(text: str, **said: object) -> list[str]:
    return told(text, Severity.NOTICE, **said)


def a_rule(effect: str, action: str, *path: str) -> str:
    return policies({"effect": effect, "actions": [action], "resource": path, "role": "devs"})


@pytest.mark.known_fault(28)
def test_a_name_pattern_in_the_place_of_a_cluster_is_pointed_out() -> None:
    assert warnings(a_rule("Allow", "TOPIC_EDIT", "cluster", "DTB-*")) == [
        '"DTB-*" is taken letter by letter, there are no patterns of cluster names: here this Allow allows nothing '
        '(for names that match, write ["cluster", "*", "topic", "DTB-*"])'
    ]


@pytest.mark.parametrize(
    ("effect", "nothing"),
    [
        ("Deny", "this Deny denies nothing"),
        ("Stage", "this Stage stages nothing"),
        ("Allow", "this Allow allows nothing"),
    ],
)
@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("TOPIC_EDIT", ("cluster", "pr*", "topic", "a")),
        ("TOPIC_EDIT", ("cluster", "*", "topics", "a")),
        ("TOPIC_EDIT", ("cluster", "*", "subject", "a")),
        ("TOPIC_EDIT", ("cluster", "*", "group", "a")),
        ("TOPIC_EDIT", ("schema", "*", "subject", "a")),
        ("SCHEMA_CREATE", ("cluster", "*")),
        ("TOPIC_EDITT", ("cluster", "*", "topic", "a")),
        ("topic_edit", ("cluster", "*", "topic", "a")),
        ("QUOTA_EDIT", ("cluster", "*", "topic", "a")),
    ],
)
def test_a_rule_that_covers_nothing_is_said_to_do_nothing(
    effect: str, nothing: str, action: str, path: tuple[str, ...]
) -> None:
    (warning,) = warnings(a_rule(effect, action, *path))
    assert nothing in warning


@pytest.mark.parametrize("path", [["cluster", "pr*"], ["cluster", "*", "topics"], ["cluster", "*", "subject", "a"]])
def test_an_exclude_that_covers_nothing_is_said_to_hide_nothing(path: list[str]) -> None:
    (warning,) = warnings(tenants({"name": "T", "resources": [{"include": ["*"]}, {"exclude": path}]}))
    assert "this exclude hides nothing" in warning


def test_the_part_of_a_rule_that_does_nothing_is_pointed_out() -> None:
    text = policies(
        {
            "effect": "Deny",
            "actions": ["TOPIC_EDIT", "GROUP_EDIT"],
            "resources": [["cluster", "*", "topic", "a"], ["cluster", "*", "broker", "1"]],
            "role": "devs",
        }
    )
    assert warnings(text) == [
        "GROUP_EDIT is about a group, covered by no path here: this Deny denies nothing by it "
        "(put it into a policy of its own, with a path of that TYPE)",
        "no action here is about a broker: this Deny denies nothing by this path (put it into a policy of its own)",
    ]


def test_a_misspelt_word_is_answered_by_the_one_that_was_meant() -> None:
    (warning,) = warnings(a_rule("Allow", "TOPIC_PRODUCES", "cluster", "*"))
    assert warning.endswith('(did you mean "TOPIC_PRODUCE"?)')
    (warning,) = warnings(a_rule("Allow", "TOPIC_EDIT", "cluster", "*", "Topics"))
    assert warning.endswith('(did you mean "topic"?)')


@pytest.mark.parametrize("action", ["TOPIC_INSPECT", "TOPIC_PRODUCE", "GROUP_CONSUME", "KSQLDB_INSERT"])
def test_a_stage_of_what_is_never_staged_is_pointed_out(action: str) -> None:
    assert warnings(a_rule("Stage", action, "*")) == [
        f"{action} is never staged: this Stage denies it (write Deny, or leave the action out)"
    ]
    assert warnings(a_rule("Stage", "TOPIC_EDIT", "*")) == []


def test_a_stage_of_a_mixed_umbrella_is_told_to_mean_its_mutations() -> None:
    assert any("is about its mutations" in notice for notice in notices(a_rule("Stage", "CONNECT_EDIT", "*")))


def test_empty_lists_in_a_policy_are_pointed_out() -> None:
    text = policies({"effect": "Allow", "actions": [], "resources": [], "roles": []})
    assert len(warnings(text)) == 4  # and nobody gets in


def test_admin_is_told_to_make_nobody_an_administrator() -> None:
    assert any("makes nobody an administrator" in notice for notice in notices(a_rule("Allow", "ADMIN", "*")))


def test_a_file_that_lets_nobody_join_a_group_says_so() -> None:
    join, transact = "no rule lets anybody join a group", "no rule lets anybody use a transactional id"

    def said(text: str, **compat: bool) -> set[str]:
        found = notices(text, compat=Compat(**compat))
        return {what for what in (join, transact) if any(notice.startswith(what) for notice in found)}

    assert said("policies: []") == {join, transact}
    assert said("policies: []", members_by_inspect=True) == set()
    assert said(a_rule("Allow", "GROUP_CONSUME", "cluster", "*")) == {transact}
    assert said(a_rule("Allow", "TRANSACTION_PRODUCE", "cluster", "*")) == {join}
    assert said(a_rule("Deny", "GROUP_CONSUME", "cluster", "*")) == {join, transact}
    assert said(a_rule("Allow", "GROUP_CONSUME", "cluster", "*", "topic", "a")) == {join, transact}


def test_a_tenant_of_topics_without_transactional_ids_is_told() -> None:
    topics = {"include": ["cluster", "*", "topic", "tx_*"]}
    ids = {"include": ["cluster", "*", "transactional-id", "tx_*"]}

    def said(*items: object) -> bool:
        found = notices(tenants({"name": "T", "resources": items}))
        return any("includes no transactional id" in notice for notice in found)

    assert said(topics)
    assert not said(topics, ids)
    assert not said({"include": ["cluster", "*"]})


def test_a_tenant_that_shows_nothing_or_is_for_nobody_is_pointed_out() -> None:
    assert warnings(tenants({"name": "T", "resources": [{"exclude": ["*"]}]})) == [
        'tenant "T" includes nothing: whoever is in it sees nothing ()'
    ]
    found = warnings(tenants({"name": "T", "resources": [{"include": ["*"]}], "roles": []}))
    assert 'tenant "T" has no roles: nobody is in it (name the roles)' in found


@pytest.mark.parametrize("name", ["Global", "Kordon Hidden"])
def test_a_tenant_with_the_name_of_a_built_in_one_is_told(name: str) -> None:
    found = notices(tenants({"name": name, "resources": [{"include": ["*"]}]}))
    assert any("like any other here" in notice for notice in found)


def test_roles_that_cannot_log_in_or_have_no_tenant_are_told() -> None:
    text = """\
authorized_roles: [owners]
policies: [{effect: Allow, actions: [TOPIC_EDIT], resource: ["*"], roles: [owners, devs]}]
tenants: [{name: T, resources: [{include: ["*"]}], roles: [owners]}]
"""
    found = notices(text)
    assert 'role "devs" alone cannot log in (it is not in authorized_roles)' in found
    assert 'role "devs" is in no tenant: alone it sees an empty cluster ()' in found
    assert not any('role "owners"' in notice for notice in found)
    assert not any("role" in one for one in notices(text.replace("[owners]", '["*"]')))


@pytest.mark.parametrize(
    "text", ["policies: []", "authorized_roles: []", a_rule("Allow", "ADMIN", "*").replace("devs", "*")]
)
def test_a_file_that_lets_nobody_in_is_pointed_out(text: str) -> None:
    assert "this file lets nobody in (name roles in authorized_roles)" in warnings(text)


def test_paths_to_unknown_clusters_are_pointed_out_where_the_known_ones_are_given() -> None:
    text = tenants({"name": "T", "resources": [{"include": ["cluster", "prdo"]}, {"exclude": ["schema", "x"]}]})
    assert warnings(text) == []
    assert warnings(text, clusters={"prod", "lkc-1"}) == ['no cluster is known as "prdo" (did you mean "prod"?)']
    assert warnings(text, clusters={"prdo"}) == []


def test_a_shadow_part_past_its_end_is_pointed_out() -> None:
    rule = {"effect": "Deny", "actions": ["TOPIC_EDIT"], "resource": ["*"], "role": "devs", "mode": "shadow"}
    text = policies(a_plain_rule(), {**rule, "shadow_until": "1970-01-02"})
    day = 86_400_000
    assert warnings(text) == warnings(text, now=day - 1) == []
    assert warnings(text, now=day) == ["policies[1] is past its shadow_until, and still shadow (enforce or drop it)"]


def a_plain_rule() -> dict[str, object]:
    return {"effect": "Allow", "actions": ["TOPIC_EDIT"], "resource": ["*"], "role": "devs"}


def test_a_rule_that_writes_what_is_kordons_own_is_pointed_out() -> None:
    (warning,) = warnings(a_rule("Allow", "TOPIC_PRODUCE", "cluster", "*", "topic", "__kordon_audit_log"))
    assert "this Allow allows nothing" in warning
    assert warnings(a_rule("Allow", "TOPIC_INSPECT", "cluster", "*", "topic", "__kordon_audit_log")) == []


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("Policies", ["policies"], "policies"),
        ("policy", ["policies", "tenants"], "policies"),
        ("tenant", ["policies", "tenants"], "tenants"),
        ("oplicies", ["policies"], "policies"),
        ("polices", ["policies"], "policies"),
        ("paliceis", ["policies"], "policies"),
        ("plcs", ["policies"], None),
        ("metrics", ["policies", "tenants", "admin_roles"], None),
        ("rol", ["role", "roles"], "role"),
        ("ab", ["xy"], None),
        ("x" * 100_000, ["policies"], None),
    ],
)
def test_a_near_word_differs_in_case_number_or_two_letters(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant
