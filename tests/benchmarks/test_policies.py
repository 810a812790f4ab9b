"""The policies that the benchmarks give to Kordon are of the size that they say, and mean what the measures need."""

from benchmarks.kordons import ADMIN, CLUSTER, ROLE, RULES, policy
from kordon_policy.actions import Action, Kind
from kordon_policy.load import load
from kordon_policy.snapshot import Snapshot, compile_snapshot

NAMES = frozenset({CLUSTER})
MEASURED = ("bench-0-clients", "bench-many-1")


def compiled(text: str) -> Snapshot:
    loaded = load(text, "rbac.yaml")
    assert loaded.document is not None
    return compile_snapshot(loaded.document, epoch=1)


def test_it_has_as_many_rules_and_tenants_as_were_asked_for() -> None:
    for rules, tenants in ((2, 2), (RULES, 2), (20, 30)):
        document = compiled(policy(rules=rules, tenants=tenants)).document

        assert len(document.policies) == rules
        assert len(document.tenants) == tenants


def test_who_measures_may_do_it_and_sees_what_he_measures() -> None:
    snapshot = compiled(policy())
    rights = snapshot.rights(frozenset({ROLE}), NAMES, "bench")

    for action in (Action.TOPIC_PRODUCE, Action.TOPIC_DATA_QUERY, Action.TOPIC_DATA_DOWNLOAD):
        assert all(rights.decide(action, Kind.TOPIC, name).allowed for name in MEASURED)
    assert rights.decide(Action.GROUP_CONSUME, Kind.GROUP, "bench-group").allowed
    assert all(snapshot.view("Bench", NAMES).sees(Kind.TOPIC, name) for name in (*MEASURED, "many-1"))
    assert not snapshot.view("Bench", NAMES).sees(Kind.TOPIC, "nobody-s")


def test_the_narrow_view_has_only_some_of_the_many() -> None:
    view = compiled(policy()).view("Few", NAMES)

    assert view.sees(Kind.TOPIC, "bench-many-1")
    assert not view.sees(Kind.TOPIC, "many-1")


def test_who_measures_is_no_administrator() -> None:
    assert compiled(policy()).document.admin_roles == frozenset({ADMIN}) - {ROLE}
