"""What docs/audit.md shows is what comes: the event, the commands, and the way to verify without Kordon."""

import json
import re
from pathlib import Path

import pytest

from kordon_proxy.audit.segments import list_segments
from tests.audit_page import PAGE, REFUSED, run_tool, words_of, write_journal
from tests.proxy.cli.command import Run, runner
from tests.proxy.cli.conftest import CONFIG, POLICY
from tests.sessions import sessions


@pytest.fixture
def kordon(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, and the journal of the page where that has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "kordon.yaml").write_text(CONFIG.replace("groups_file: groups.yaml\n", ""))
    (tmp_path / "rbac.yaml").write_text(POLICY)
    write_journal(tmp_path)
    return tmp_path


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_the_event_of_the_page_is_one_of_the_journal(folder: Path) -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (segment,) = list_segments(folder / "audit")

    stored = [json.loads(line) for line in segment.path.read_bytes().splitlines()]

    assert [event for event in stored if event["id"] == REFUSED.id] == [json.loads(shown)]


def test_the_commands_of_the_page_print_what_it_says(kordon: Run, folder: Path) -> None:
    shown = list(sessions(PAGE.name))

    assert len(shown) == 5
    for session in shown:
        words = words_of(session.command)
        printed = run_tool(session.command, folder) if words is None else kordon(*words).out
        assert lines(printed) == lines(session.printed), session.command


def test_a_journal_is_verified_without_kordon_as_the_page_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (program,) = (one for one in programs if "audit.*.jsonl" in one)
    (segment,) = list_segments(folder / "audit")

    exec(program, {})
    good = capsys.readouterr().out
    segment.path.write_bytes(segment.path.read_bytes().replace(b"dana", b"dora", 2))
    exec(program, {})
    bad = capsys.readouterr().out

    assert good == ""
    assert bad == "00000000000000000001 is not what was written\n"
