"""A large policy file is read by another process, and is what it would be if it had been read here."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from kordon_policy.actions import Action, Kind
from kordon_policy.model import Compat, Effect
from kordon_policy.packed import PackedRules
from kordon_policy.snapshot import Asked, compile_snapshot
from kordon_proxy import policy_file
from kordon_proxy.policies import Policies
from kordon_proxy.policy_file import LARGE, Job, Reader, Reading, read
from tests.proxy.cluster.loops import until

RULE: Final = "  - {{resource: [cluster, p, topic, '{name}'], effect: {effect}, actions: [TOPIC_EDIT], role: {role}}}\n"
NAMES: Final = ("t{}", "t{}-*", "*-t{}", "a-*-t{}", "*-t{}-*")


def rules(count: int) -> str:
    return "policies:\n" + "".join(
        RULE.format(name=NAMES[at % 5].format(at), effect="Deny" if at % 7 == 0 else "Allow", role=f"r{at % 3}")
        for at in range(count)
    )


LARGE_FILE: Final = rules(4_000)


def job(text: str, *roles: str) -> Job:
    return Job(text=text.encode(), source="rbac.yaml", compat=Compat(), now=0, asked=Asked(roles=roles))


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


def decisions(reading: Reading) -> list[tuple[object, ...]]:
    assert reading.compiled is not None
    snapshot = compile_snapshot(reading.compiled, epoch=1)
    found: list[tuple[object, ...]] = []
    for role in ("r0", "r1", "r2"):
        rights = snapshot.rights(frozenset({role}), frozenset({"p"}))
        for at in range(0, 4_000, 97):
            for shape in ("t{}", "t{}-x", "x-t{}", "a-b-t{}", "b-t{}-b", "u{}"):
                decision = rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, shape.format(at))
                found.append((role, at, shape, decision.effect, decision.rules, decision.reason))
    return found


def test_what_another_process_has_read_is_what_would_have_been_read_here(reader: Reader) -> None:
    text = LARGE_FILE.replace("TOPIC_EDIT", "TOPIC_EDID", 1) + "tenants: [{name: T, roles: [r1], resources: []}]\n"
    assert len(text) > LARGE

    apart, here = reader.read(job(text, "r1")), read(job(text))

    assert apart.compiled is not None
    assert isinstance(apart.compiled.document.policies, PackedRules)
    assert apart.findings == here.findings
    assert [one.line for one in apart.findings if one.message.startswith('"TOPIC_EDID"')] == [2]
    assert decisions(apart) == decisions(here)
    assert {effect for _, _, _, effect, *_ in decisions(apart)} == {Effect.ALLOW, Effect.DENY, None}
    assert apart.compiled.roles == {"r0", "r1", "r2"}
    assert [repr(rule) for rule in apart.compiled.document.policies[3_990:]] == [
        repr(rule)
        for rule in here.compiled.document.policies[3_990:]  # type: ignore[union-attr]
    ]


def test_roles_that_have_been_asked_for_and_those_of_many_policies_are_indexed_when_it_comes(reader: Reader) -> None:
    few = RULE.format(name="x", effect="Allow", role="few") + RULE.format(name="x", effect="Allow", role="others")

    compiled, _ = reader.read(job(LARGE_FILE + few, "few", "gone"))

    assert compiled is not None
    assert set(compiled.asked.roles) == {"r0", "r1", "r2", "few"}


def test_the_mistakes_of_a_large_file_are_told_with_their_places_and_it_is_not_in_force(tmp_path: Path) -> None:
    path = tmp_path / "rbac.yaml"
    path.write_text(LARGE_FILE)
    policies = Policies(path, Compat())
    before = policies.load()
    path.write_text(LARGE_FILE + RULE.format(name="x", effect="Alow", role="r0"))

    assert not asyncio.run(policies.reload())

    assert policies.snapshot is before
    assert policies.last_failure is not None
    assert policies.last_failure.startswith(f'{path}:4002:50: error: "Alow" is no effect')


def test_a_large_file_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "rbac.yaml"
    path.write_text("policies: []\n")
    policies = Policies(path, Compat())
    policies.load()
    path.write_text(LARGE_FILE)

    assert asyncio.run(policies.reload())

    rights = policies.snapshot.rights(frozenset({"r1"}), frozenset({"p"}))
    assert rights.decide(Action.TOPIC_EDIT, Kind.TOPIC, "t1-x").allowed


def test_a_process_that_ends_before_it_is_done_leaves_the_last_file_in_force(tmp_path: Path) -> None:
    path = tmp_path / "rbac.yaml"
    path.write_text("policies: []\n")
    policies = Policies(path, Compat())
    before = policies.load()
    path.write_text(rules(100_000))

    async def ended() -> bool:
        reloading = asyncio.create_task(policies.reload())
        await until(lambda: policies._reader._process is not None)
        policies.close()
        return await reloading

    assert not asyncio.run(ended())

    assert policies.snapshot is before
    assert policies.last_failure == (
        f"cannot read {path}: the process that reads the policy file ended before it was done: signal 9 (killed)"
    )


KILLED: Final = {
    "at once": "kill -9 $$",
    "while it reads": "head -c 100 >/dev/null; kill -9 $$",
    "while it answers": "cat >/dev/null; printf '\\200\\005\\225'; kill -9 $$",
    "within a large piece": "cat >/dev/null; printf '\\200\\005B\\000\\000\\000\\001abc'; kill -9 $$",
    "by itself": "exit 1",
}


@pytest.mark.parametrize("script", KILLED.values(), ids=KILLED.keys())
def test_a_file_is_read_again_when_the_process_that_read_it_was_killed(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rbac.yaml"
    path.write_text("policies: []\n")
    policies = Policies(path, Compat())
    policies.load()
    path.write_text(LARGE_FILE)

    async def killed_once_and_read() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(policy_file, "command", lambda _: ["/bin/sh", "-c", script])
            assert not await policies.reload()
        assert policies.last_failure is not None
        assert "ended before it was done: " in policies.last_failure
        for _ in range(100):
            if await policies.reload():
                break
            await asyncio.sleep(0.05)

    asyncio.run(killed_once_and_read())

    assert policies.last_failure is None
    assert policies.failures == 1


def test_what_lies_in_the_folder_where_kordon_was_started_is_no_code_of_it(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may write into /tmp."""
    planted = tmp_path / "pickle.py"
    planted.write_text("import pathlib; pathlib.Path(__file__).with_name('ran').touch()")
    monkeypatch.chdir(tmp_path)

    assert reader.read(job(LARGE_FILE)).compiled is not None

    assert list(tmp_path.iterdir()) == [planted]


def test_the_process_that_reads_gets_nothing_of_the_environment(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "environment"
    (tmp_path / "sitecustomize.py").write_text(f"import os; open({str(told)!r}, 'w').write(repr(dict(os.environ)))")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("KORDON_PASSWORD", "hunter2")

    assert reader.read(job(LARGE_FILE)).compiled is not None

    assert "hunter2" not in told.read_text()


OTHER_CODE: Final = {
    "it has a class that is new": """
import sys, types
from kordon_policy import snapshot
later = sys.modules["kordon_policy.later"] = types.ModuleType("kordon_policy.later")
later.Compiled = snapshot.Compiled
snapshot.Compiled.__module__ = "kordon_policy.later"
""",
    "it says something else": "print('hello', flush=True)",
}


@pytest.mark.parametrize("code", OTHER_CODE.values(), ids=OTHER_CODE.keys())
def test_an_answer_that_is_not_understood_leaves_the_last_file_in_force(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of another version, which was installed over this one while it runs."""
    path = tmp_path / "rbac.yaml"
    path.write_text("policies: []\n")
    policies = Policies(path, Compat())
    before = policies.load()
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    path.write_text(LARGE_FILE)

    assert not asyncio.run(policies.reload())

    assert policies.snapshot is before
    assert policies.last_failure is not None
    assert "the process that reads it answers what this one does not understand" in policies.last_failure
