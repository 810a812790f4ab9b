"""`kordon audit verify`: what it prints, and how it ends."""

import json
from pathlib import Path

import pytest

from kordon_proxy.audit.cursor import save_cursor
from kordon_proxy.audit.segments import segment_path
from kordon_proxy.cli import audit_verify
from tests.proxy.audit.events import a_denial, a_login, a_mutation, sealed, unchained
from tests.proxy.cli.command import Run
from tests.proxy.cli.conftest import CONFIG

LINES = sealed([a_login(id="e1"), a_denial(id="e2"), a_mutation(id="e3")])
CHAIN = json.loads(LINES[-1])["chain"]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The file of a journal in `audit`, where it is by default."""
    path = segment_path(tmp_path / "audit", "w1", 1)
    path.parent.mkdir()
    path.write_bytes(b"".join(LINES))
    return path


def test_a_journal_that_is_what_was_written_is_told_with_what_to_note(kordon: Run, journal: Path) -> None:
    ran = kordon("audit", "verify", "--directory", journal.parent)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "w1: 3 events, 1 to 3, in 1 file",
        "chained from event 1 on, where the chain begins",
        "no breaks",
        f"to see later that all of it is still there: kordon audit verify --expect w1/3/{CHAIN}",
    ]


def test_without_a_directory_it_is_the_configured_one_and_no_secret_is_needed(
    kordon: Run, folder: Path, journal: Path
) -> None:
    login = "own_login: {mechanism: PLAIN, username: kordon, password: '${env:NOWHERE}'}"
    (folder / "kordon.yaml").write_text(CONFIG.replace('9092"}', f'9092", {login}}}', 1))

    ran = kordon("audit", "verify")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("w1: 3 events, 1 to 3, in 1 file\n")


def test_breaks_are_told_with_file_and_line_and_there_is_nothing_to_note(kordon: Run, journal: Path) -> None:
    journal.write_bytes(LINES[0] + LINES[1].replace(b'"dee"', b'"eve"') + LINES[2])

    ran = kordon("audit", "verify", "-d", journal.parent)

    assert ran.code == 1
    assert ran.out.splitlines() == [
        f"{journal.name}:2: event w1/2: changed: the line, or its chain value, is not what was written",
        "w1: 3 events, 1 to 3, in 1 file",
        "chained from event 1 on, where the chain begins",
        "1 break",
    ]


def test_programs_get_json(kordon: Run, journal: Path) -> None:
    journal.write_bytes(LINES[0] + LINES[2])

    ran = kordon("audit", "verify", "-d", journal.parent, "--output", "json")

    told = json.loads(ran.out)
    assert ran.code == 1
    assert (told["writer"], told["first"], told["last"], told["events"]) == ("w1", 1, 3, 2)
    assert (told["note"], told["number_of_breaks"]) == (f"w1/3/{CHAIN}", 1)
    assert told["breaks"] == [
        {
            "fault": "missing",
            "meaning": "event 2 is missing before it: deleted, or moved, or its number changed",
            "file": journal.name,
            "line": 2,
            "writer": "w1",
            "sequence": 3,
        }
    ]


@pytest.mark.parametrize(("note", "code"), [(f"w1/3/{CHAIN}", 0), ("w1/3", 0), ("w1/2", 0), ("w1/4", 1), ("w2/3", 1)])
def test_what_was_noted_has_to_be_there(kordon: Run, journal: Path, note: str, code: int) -> None:
    assert kordon("audit", "verify", "-d", journal.parent, "--expect", note, "--expect", "w1/1").code == code


@pytest.mark.parametrize("sink", ["kafka", "webhook-on.call"])
def test_an_end_that_was_cut_off_is_found_by_what_a_sink_has_got(kordon: Run, journal: Path, sink: str) -> None:
    save_cursor(journal.parent, sink, "w1", 3)
    journal.write_bytes(b"".join(LINES[:2]))

    ran = kordon("audit", "verify", "-d", journal.parent)

    assert ran.code == 1
    assert f"cursor.{sink}.json knows of event 3, and the journal ends with 2: its end was cut off\n" in ran.out


def test_very_many_breaks_are_counted(kordon: Run, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_verify, "MOST_TOLD", 2)
    journal.write_bytes(b"\n" * 5)

    ran = kordon("audit", "verify", "-d", journal.parent)
    as_json = kordon("audit", "verify", "-d", journal.parent, "--output", "json")

    assert (ran.code, as_json.code) == (1, 1)
    assert ran.out.count(": unreadable: ") == 2
    assert ran.out.endswith("5 breaks, of which the first 2 are told\n")
    told = json.loads(as_json.out)
    assert (told["number_of_breaks"], len(told["breaks"])) == (5, 2)


def test_what_could_not_be_verified_is_told(kordon: Run, tmp_path: Path) -> None:
    path = segment_path(tmp_path, "w1", 11)
    old = unchained([a_login()], first=11)
    new = sealed([a_login(), a_login()], first=12)

    def told() -> str:
        return kordon("audit", "verify", "-d", tmp_path).out

    path.touch()
    assert "by its name it follows event 10, and the journal ends with 0: its end was cut off" in told()
    path.rename(segment_path(tmp_path, "w1", 1))
    assert told() == "w1: there are no events in the journal\nno breaks\n"
    segment_path(tmp_path, "w1", 1).rename(path)
    path.write_bytes(old[0])
    assert "not chained yet: only the numbers were verified" in told()
    path.write_bytes(old[0] + b"".join(new))
    assert "chained from event 12 on; of those before, only the numbers were verified" in told()
    path.write_bytes(b"".join(sealed([a_login()], first=11, previous=b"5" * 64)) + old[0][:9])
    assert "chained from event 11 on; what was before it is not there any more" in told()
    assert "9 bytes at the end are no event yet" in told()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--directory", "nowhere"), "cannot read the journal: no such file or directory: nowhere"),
        (("--directory", "."), "there is no journal in ."),
        (
            ("--config", "nowhere.yaml"),
            "cannot read nowhere.yaml: no such file or directory; --config names another file, --directory a journal",
        ),
        (
            ("--expect", "w1:3"),
            "--expect w1:3: this is not WRITER/SEQUENCE or WRITER/SEQUENCE/CHAIN, as `verify` prints it",
        ),
        (("--against-topic",), "kordon.yaml has no audit topic: there is no `audit.kafka`"),
    ],
)
def test_what_cannot_be_read_is_one_line(kordon: Run, folder: Path, words: tuple[str, ...], told: str) -> None:
    ran = kordon("audit", "verify", *words)

    assert (ran.code, ran.out, ran.err) == (2, "", f"kordon: {told}\n")


def test_a_configuration_with_mistakes_tells_them(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text(CONFIG + "audit: {directroy: x}\n")

    ran = kordon("audit", "verify")

    assert (ran.code, ran.out) == (2, "")
    assert "audit.directroy" in ran.err


def test_journals_of_two_writers_are_no_journal(kordon: Run, journal: Path) -> None:
    segment_path(journal.parent, "w2", 1).touch()

    ran = kordon("audit", "verify", "-d", journal.parent)

    assert ran.code == 2
    assert "several writers (w1, w2)" in ran.err
