"""What docs/explain.md shows is what comes."""

import re
import shlex
from pathlib import Path

import pytest

from kordon_policy.load import load
from kordon_proxy.config.load import load_config
from tests.proxy.cli.command import Run, runner
from tests.proxy.cli.conftest import SCRYPT
from tests.sessions import DOCS, Session, sessions

PAGE = "explain.md"
USERS = "".join(
    f'  {name}: {{roles: [{roles}], credentials: [{{id: {name}1, scrypt: "{SCRYPT}"}}]}}\n'
    for name, roles in (("dee", "devs"), ("ann", "owners, svc-trade"))
)


@pytest.fixture
def kordon(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page."""
    monkeypatch.chdir(tmp_path)
    files = {
        name: block for block, name in re.findall(r"```yaml\n(# (\S+)\n.*?)```", (DOCS / PAGE).read_text(), re.DOTALL)
    }
    assert set(files) == {"rbac.yaml", "kordon.yaml"}
    for name, text in {**files, "users.yaml": f"fake_salt_key: MDEyMzQ1Njc4OWFiY2RlZg==\nusers:\n{USERS}"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_the_files_of_the_page_have_no_mistakes(folder: Path) -> None:
    config = load_config(folder / "kordon.yaml")
    loaded = load(config.policy.read_bytes(), "rbac.yaml")

    assert [str(finding) for finding in loaded.findings if finding.severity != "notice"] == []


def test_the_page_shows_every_command() -> None:
    assert {session.command.split()[1] for session in sessions(PAGE)} == {"explain", "who-can", "what-can"}


@pytest.mark.parametrize("session", list(sessions(PAGE)), ids=lambda session: session.command)
def test_the_commands_of_the_page_print_what_it_says(kordon: Run, folder: Path, session: Session) -> None:
    first, *words = shlex.split(session.command)
    assert first == "kordon"

    ran = kordon(*words)

    assert ran.err == ""
    assert session.is_what_is_printed(ran.out), ran.out
