"""The policy in force is one snapshot, replaced as a whole by a file that is good, or not at all."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from kordon_policy import load as policy_load
from kordon_policy.actions import Action, Kind
from kordon_policy.model import Compat, TemporaryRule
from kordon_policy.snapshot import Snapshot, compile_snapshot
from kordon_proxy import policies as module
from kordon_proxy import policy_file
from kordon_proxy.config.findings import Refused
from kordon_proxy.policies import MOST_WARNINGS, Policies
from tests.policy.given import a_document, a_policy

GOOD: Final = """\
policies:
  - {resource: [cluster, prod, topic, "tx_*"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}
"""
BETTER: Final = GOOD.replace("tx_*", "pay_*")
WRONG: Final[dict[str, tuple[bytes, str]]] = {
    "no YAML": (b"policies: [", "2:1: error: not YAML"),
    "empty": (b"", "1:1: error: the file is empty"),
    "a list": (b"- 1\n", "1:1: error: a policy file is a mapping"),
    "a wrong type": (b"policies: 3\n", "1:11: error: `policies` is a list"),
    "a wrong word": (GOOD.replace("Allow", "Alow").encode(), '2:56: error: "Alow" is no effect'),
    "a key twice": (b"policies: []\npolicies: []\n", '2:1: error: "policies" is already in line 1'),
    "no UTF-8": (b"policies: [\xff]\n", "1:1: error: not UTF-8"),
    "a tab": (b"policies:\n\t- a\n", "2:1: error: not YAML"),
    "an object": (b"policies: !!python/object:os.system []\n", "1:11: error: tag "),
    "an endless alias": (b"policies: &a [*a]\n", "1:15: error: alias "),
    "deep nesting": (b"policies: " + b"[" * 5_000, "1:30: error: more than 20 levels deep"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "rbac.yaml"
    file.write_text(GOOD)
    return file


def loaded(path: Path) -> Policies:
    policies = Policies(path, Compat())
    policies.load()
    return policies


def reload(policies: Policies) -> bool:
    return asyncio.run(policies.reload())


def allows(snapshot: Snapshot, topic: str) -> bool:
    rights = snapshot.rights(frozenset({"devs"}), frozenset({"prod"}), "dee")
    return rights.decide(Action.TOPIC_INSPECT, Kind.TOPIC, topic).allowed


def test_before_the_first_load_nothing_is_in_force(path: Path) -> None:
    with pytest.raises(RuntimeError, match="no policy has been loaded"):
        _ = Policies(path, Compat()).snapshot


@pytest.mark.parametrize("kind", WRONG)
def test_a_start_with_a_wrong_file_is_refused_with_the_place(path: Path, kind: str) -> None:
    text, _ = WRONG[kind]
    path.write_bytes(text)

    with pytest.raises(Refused) as refused:
        Policies(path, Compat()).load()

    assert all(finding.source == str(path) for finding in refused.value.findings)


def test_what_has_no_effect_is_told_at_the_start_and_at_each_reload(path: Path) -> None:
    policy_with_a_slip = GOOD.removeprefix("policies:\n").replace("TOPIC_INSPECT", "TOPIC_INSPEKT")
    path.write_text("policies:\n" + policy_with_a_slip)

    with capture_logs() as at_start:
        policies = loaded(path)
    path.write_text(BETTER)
    with capture_logs() as when_right:
        reload(policies)
    path.write_text("policies:\n" + 25 * policy_with_a_slip)
    with capture_logs() as when_wrong_again:
        reload(policies)

    (warning,) = at_start
    assert (warning["event"], warning["log_level"], warning["place"]) == ("policy_warning", "warning", f"{path}:2:73")
    assert "TOPIC_INSPEKT" in warning["reason"]
    assert [line["event"] for line in when_right] == ["policy_reloaded"]
    told = [line["event"] for line in when_wrong_again]
    assert told == [*MOST_WARNINGS * ["policy_warning"], "policy_warnings_left_out", "policy_reloaded"]
    assert when_wrong_again[-2]["count"] == 5


def test_a_trial_that_is_over_is_told(path: Path) -> None:
    path.write_text(GOOD.replace("role: devs", "role: devs, mode: shadow, shadow_until: 2020-01-31"))

    with capture_logs() as logs:
        loaded(path)

    assert "policies[0] is past its shadow_until, and still shadow" in [line["reason"] for line in logs]


def test_a_start_without_a_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Policies(tmp_path / "rbac.yaml", Compat()).load()


def test_a_good_file_takes_the_place_of_the_one_before(path: Path) -> None:
    policies = loaded(path)
    told: list[Snapshot] = []
    policies.subscribe(told.append)
    path.write_text(BETTER)

    assert reload(policies)

    assert policies.snapshot.epoch == 2
    assert (allows(policies.snapshot, "tx_a"), allows(policies.snapshot, "pay_a")) == (False, True)
    assert told == [policies.snapshot]


def test_a_file_that_says_the_same_changes_nothing(path: Path) -> None:
    policies = loaded(path)
    before = policies.snapshot
    os.utime(path)
    assert not reload(policies)
    path.chmod(0o640)
    assert not reload(policies)
    another = path.with_name("another.yaml")
    another.write_text(GOOD)
    another.replace(path)
    assert not reload(policies)

    assert policies.snapshot is before


@pytest.mark.parametrize("kind", WRONG)
def test_of_a_wrong_file_nothing_is_in_force_and_the_place_is_said_once(path: Path, kind: str) -> None:
    text, place = WRONG[kind]
    policies = loaded(path)
    before = policies.snapshot
    path.write_bytes(text)

    with capture_logs() as logs:
        assert not reload(policies)
        assert not reload(policies)

    assert policies.snapshot is before
    assert policies.failures == 1
    (line,) = logs
    assert (line["event"], line["in_force"]) == ("policy_reload_failed", 1)
    assert line["reason"].startswith(f"{path}:{place}")


def test_a_file_that_is_gone_leaves_the_last_one_in_force(path: Path) -> None:
    policies = loaded(path)
    path.unlink()
    assert not reload(policies)
    assert policies.last_failure is not None
    assert "no such file" in policies.last_failure

    path.write_text(BETTER)

    assert reload(policies)
    assert policies.last_failure is None


@pytest.mark.parametrize("text", [GOOD, BETTER], ids=["the same", "another"])
def test_a_mistake_that_is_taken_back_is_over(path: Path, text: str) -> None:
    policies = loaded(path)
    path.write_text("policies: [")
    reload(policies)
    assert policies.last_failure is not None

    path.write_text(text)
    reload(policies)

    assert policies.last_failure is None
    path.write_text("policies: [")
    reload(policies)
    assert policies.failures == 2


def test_a_file_that_is_known_to_be_wrong_is_not_read_again_and_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies = loaded(path)
    reads: list[bytes] = []

    def counted(text: bytes, *rest: Any, **more: Any) -> Any:
        reads.append(text)
        return policy_load.load(text, *rest, **more)

    monkeypatch.setattr(policy_file, "load", counted)
    path.write_text("policies: [")
    for _ in range(3):
        reload(policies)

    assert len(reads) == 1


def test_a_snapshot_that_has_run_out_is_made_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instants: list[int] = []

    def until_noon(*given: Any, now: int, **more: Any) -> Snapshot:
        instants.append(now)
        made = compile_snapshot(*given, now=now, **more)
        made.valid_until = 1_000 if more["epoch"] == 1 else None
        return made

    monkeypatch.setattr(module, "compile_snapshot", until_noon)
    policies = loaded(path)
    first = policies.snapshot

    assert policies.at(999) is first
    assert policies.at(1_000).epoch == 2
    assert policies.at(1_000) is policies.snapshot
    assert instants[1:] == [1_000]  # the request's own instant, however long it has waited


def test_the_indexes_of_a_new_file_are_made_before_it_is_in_force(path: Path) -> None:
    policies = loaded(path)
    allows(policies.snapshot, "tx_one")
    path.write_text(BETTER)

    assert reload(policies)

    assert policies.snapshot.compiled._indexes.keys() == {"devs"}
    assert allows(policies.snapshot, "pay_one")


def test_two_that_look_at_once_take_a_file_over_once(path: Path) -> None:
    policies = loaded(path)
    told: list[Snapshot] = []
    policies.subscribe(told.append)
    path.write_text(BETTER)

    async def both() -> tuple[bool, bool]:
        return await asyncio.gather(policies.reload(), policies.reload())

    assert sorted(asyncio.run(both())) == [False, True]

    assert len(told) == 1


def test_every_subscriber_is_told_at_the_start_too(path: Path) -> None:
    policies = Policies(path, Compat())
    told: list[Snapshot] = []
    listener: Callable[[Snapshot], None] = told.append
    policies.subscribe(listener)

    snapshot = policies.load()

    assert told == [snapshot]
    assert snapshot.epoch == 1


def lent(topic: str, expires_ts: int | None) -> TemporaryRule:
    rule = a_document(a_policy("Allow", ["TOPIC_INSPECT"], ["cluster", "prod", "topic", topic])).policies[0]
    return TemporaryRule(id=topic, rule=rule, starts_ts=0, expires_ts=expires_ts)


def test_what_is_lent_holds_at_once_and_until_its_end_through_a_reload_and_a_clock_that_is_set_back(path: Path) -> None:
    clock = [1_000]
    policies = Policies(path, Compat(), clock=lambda: clock[0])
    policies.load()
    told: list[int] = []
    policies.subscribe(lambda snapshot: told.append(snapshot.epoch))

    policies.lend([lent("for_an_hour", 2_000), lent("for_ever", None)])

    assert [allows(policies.current(), topic) for topic in ("for_an_hour", "for_ever", "tx_1")] == [True, True, True]
    path.write_text(BETTER)
    assert reload(policies)
    assert [allows(policies.current(), topic) for topic in ("for_an_hour", "for_ever", "tx_1")] == [True, True, False]
    for clock[0], is_in_force in ((1_999, True), (2_000, False), (1_500, False)):
        assert allows(policies.current(), "for_an_hour") is is_in_force
        assert allows(policies.current(), "for_ever")
    path.write_text(GOOD)
    assert reload(policies)
    assert not allows(policies.current(), "for_an_hour")
    policies.lend([])
    assert not allows(policies.current(), "for_ever")
    assert told == [2, 3, 4, 5, 6]
