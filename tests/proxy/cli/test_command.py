"""The command as a whole: versions, schemas, and starts that fail in one line."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from kordon_proxy.demo import tour
from tests.proxy.cli.command import Run
from tests.proxy.cli.conftest import CONFIG


def test_the_version_is_the_packages(kordon: Run) -> None:
    ran = kordon("--version")

    assert (ran.code, ran.out) == (0, f"kordon {metadata.version('kordon')}\n")


@pytest.mark.parametrize(("of", "key"), [("kordon", "listeners"), ("rbac", "policies")])
def test_schemas_are_printed(kordon: Run, of: str, key: str) -> None:
    ran = kordon("schema", of)

    assert ran.code == 0
    assert key in json.loads(ran.out)["properties"]


def test_an_unknown_word_is_wrong_usage(kordon: Run) -> None:
    assert kordon("explode").code == 2


@pytest.mark.parametrize("words", [(), ("users",), ("--help",), ("serve", "--help"), ("check", "--help")])
def test_help_names_what_there_is(kordon: Run, words: tuple[str, ...]) -> None:
    ran = kordon(*words)

    assert "Usage" in ran.out + ran.err


@pytest.mark.parametrize(("words", "once"), [((), False), (("--once",), True)])
def test_the_demonstration_stays_unless_told_otherwise(
    kordon: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], once: bool
) -> None:
    given = []
    monkeypatch.setattr(tour, "main", lambda *, once: given.append(once))

    ran = kordon("demo", *words)

    assert (ran.code, given) == (0, [once])


def test_a_start_without_a_configuration_is_one_line(kordon: Run, tmp_path: Path) -> None:
    ran = kordon("serve", "--config", tmp_path / "kordon.yaml")

    assert ran.code == 2
    assert ran.err == f"kordon: cannot read {tmp_path}/kordon.yaml: no such file or directory: {tmp_path}/kordon.yaml\n"


def test_a_start_with_mistakes_tells_them_all(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text(CONFIG.replace("cluster: prod", "cluster: prd") + "drain: soon\n")

    ran = kordon("serve")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("3 errors\n")
    assert "Traceback" not in ran.err


def test_a_start_with_a_broken_policy_tells_its_mistakes(folder: Path) -> None:
    """In a process of its own, because a server takes over signals and logging."""
    (folder / "rbac.yaml").write_text("policies: [{}]\n")

    ran = subprocess.run(
        [sys.executable, "-m", "kordon_proxy", "serve"], cwd=folder, capture_output=True, text=True, timeout=60
    )

    assert ran.returncode == 1
    assert "rbac.yaml:1:" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_serving_needs_no_command_line_library() -> None:
    program = (
        "import sys\n"
        "import kordon_proxy.cli.serve, kordon_proxy.config.load\n"
        "from kordon_proxy.cli import main\n"
        "print(sorted({'typer', 'click', 'rich', 'scramp'} & set(sys.modules)))\n"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert ran.stdout == "[]\n", ran.stderr
