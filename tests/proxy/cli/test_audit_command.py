"""`kordon audit`: what it finds, and how it shows it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from kordon_proxy.audit.event import KORDON, Event, EventType, Outcome, What, Who, Why, Window
from kordon_proxy.audit.segments import segment_path
from tests.proxy.audit.events import DEV, NOON, TOPIC, a_denial, a_login, a_mutation, sealed
from tests.proxy.cli.command import Run

EVENTS = [
    a_login(id="e1"),
    a_denial(id="e2", time=NOON + 1000),
    a_mutation(id="e3", time=NOON + 2000),
    a_login(id="e4", time=NOON + 3000, who=Who(principal="ada", roles=("owners",))),
    a_mutation(id="e5", time=NOON + 4000),
]
LINES = sealed(EVENTS)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with files that begin with events 1, 3 and 5."""
    return write(tmp_path / "audit", EVENTS, 1, 3, 5)


def write(directory: Path, events: Iterable[Event], *firsts: int) -> Path:
    directory.mkdir(exist_ok=True)
    lines = sealed(events)
    for first, following in zip(firsts, (*firsts[1:], len(lines) + 1), strict=True):
        segment_path(directory, "w1", first).write_bytes(b"".join(lines[first - 1 : following - 1]))
    return directory


def ids(out: str) -> list[str]:
    return [json.loads(line)["id"] for line in out.splitlines()]


def test_events_are_given_exactly_as_they_are_stored(kordon: Run, journal: Path) -> None:
    ran = kordon("audit", "--directory", journal, "--output", "json")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.encode() == b"".join(LINES)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--who", "ada"), ["e4"]),
        (("--who", "ada", "--who", "d*"), ["e1", "e2", "e3", "e4", "e5"]),
        (("--role", "owners"), ["e4"]),
        (("--what", "GROUP_*"), ["e2", "e3", "e5"]),
        (("--tenant", "Trading", "--verdict", "deny"), ["e2"]),
        (("--type", "login"), ["e1", "e4"]),
        (("--type", "LOGIN", "--since", "2026-02-25T00:09:50Z"), ["e4"]),
        (("--since", "2026-02-25T01:09:51.708+01:00", "--until", "2026-02-25T00:09:53.708"), ["e3", "e4"]),
        (("--since", "30m"), []),
        (("--since", "-1h"), []),
        (("--until", "1h", "--limit", "1"), ["e5"]),
        (("--limit", "0"), []),
        (("--limit", "2"), ["e4", "e5"]),
        (("-n", "3", "--who", "dee"), ["e2", "e3", "e5"]),
        (("--limit", "9"), ["e1", "e2", "e3", "e4", "e5"]),
    ],
)
def test_what_is_asked_for_is_found(kordon: Run, journal: Path, words: tuple[str, ...], found: list[str]) -> None:
    ran = kordon("audit", "-d", journal, "--output", "json", *words)

    assert (ran.code, ran.err) == (0, "")
    assert ids(ran.out) == found


def test_without_a_directory_it_is_the_configured_one(kordon: Run, folder: Path, journal: Path) -> None:
    assert ids(kordon("audit", "--output", "json").out) == ["e1", "e2", "e3", "e4", "e5"]


def test_people_get_a_table(kordon: Run, journal: Path) -> None:
    ran = kordon("audit", "-d", journal, "--limit", "4")

    assert (ran.code, ran.err) == (0, "")
    assert [line.rstrip() for line in ran.out.splitlines()] == [
        f"{'who':>25}{'action':>23}{'verdict, outcome':>44}",
        f"time{'tenant':>24}{'on':>16}{'what changed, reason':>52}",
        "2026-02-25T00:09:50Z  dee                 GROUP_EDIT                        Deny GROUP_AUTHORIZATION_FAILED",
        f"{'Trading':>29}{'prod group trade_b2':>32}{'tx_trade1-3 from 41 to 42':>40}",
        f"{'no rule lets devs do GROUP_EDIT on group':>116}",
        f"{'trade_b2':>84}",
        "2026-02-25T00:09:51Z  dee                 GROUP_EDIT                        Allow done",
        "                      Trading             prod group trade_b2               tx_trade1-3 from 41 to 42",
        f"{'policies[0] allows it':>97}",
        "2026-02-25T00:09:52Z  ada                 login                             Allow",
        "2026-02-25T00:09:53Z  dee                 GROUP_EDIT                        Allow done",
        "                      Trading             prod group trade_b2               tx_trade1-3 from 41 to 42",
        f"{'policies[0] allows it':>97}",
    ]


def test_a_table_says_how_it_ended(kordon: Run, tmp_path: Path) -> None:
    counted = Window(count=200, first=NOON, last=NOON)
    events = [
        a_mutation(what=What(action="TOPIC_DELETE", resources=(TOPIC,) * 9)),
        replace(a_mutation(), outcome=Outcome(unknown=True)),
        replace(a_mutation(), outcome=Outcome(bytes=1234), window=counted, type=EventType.AGGREGATE),
        replace(a_mutation(), outcome=Outcome(), window=replace(counted, count=1)),
        a_denial(why=Why(effect="Stage")),
        a_denial(why=Why(effect="Deny", shadow=True), outcome=Outcome()),
        a_login(58),
    ]

    out = kordon("audit", "-d", write(tmp_path / "audit", events, 1)).out

    for told in (
        "and 6 more",
        "Allow outcome unknown",
        "Allow 200 times, 1234 bytes",
        "Allow once",
        "Shadow",
        "Deny 58",
    ):
        assert told in out
    assert "Stage GROUP_AUTHORIZATION_FAILED" in out


LENT = {
    "created_by": "ada",
    "role": "devs",
    "actions": ["GROUP_EDIT", "GROUP_DELETE"],
    "effect": "Allow",
    "principal": "dee",
    "expires": "2026-02-25T01:00:00.000Z",
}
SKIPPED = {
    "operation": "skip",
    "topic": "tx_trade1",
    "partition": 3,
    "count": 1,
    "created_by": "dee",
    "tenant": "Trading",
}
MOVED = {"topic": "tx_trade1", "partition": 3, "old_offset": 4, "new_offset": 5}


@pytest.mark.parametrize(
    ("kind", "parameters", "told"),
    [
        ("DECISION", {"offsets": {"t-0": 5}, "old_offsets": {"t-0": 4}}, ["t-0 from 4 to 5"]),
        ("DECISION", {"offsets": {"t-0": 5}, "old_offsets": {"t-0": None}}, ["t-0 from none to 5"]),
        ("DECISION", {"offsets": {"t-0": 5}, "old_offsets": {"t-0": "unknown"}}, ["t-0 from unknown to 5"]),
        ("DECISION", {"offsets": {"t-0": 5}}, ["t-0 to 5"]),
        ("DECISION", {"old_offsets": {"t-0": 4}}, ["t-0 from 4 to none"]),
        ("DECISION", {"low_watermarks": {"t-0": 9}, "old_low_watermarks": {"t-0": 0}}, ["t-0 from 0 to 9"]),
        ("DECISION", {"offsets": {f"t-{n}": n for n in range(9)}}, ["t-2 to 2", "and 6 more"]),
        (
            "DECISION",
            {
                "resources": [
                    {
                        "type": "topic",
                        "name": "t",
                        "configs": [
                            {"key": "retention.ms", "operation": "SET", "value": "1000", "old_value": "604800000"},
                            {"key": "sasl.jaas.config", "operation": "DELETE"},
                        ],
                    }
                ]
            },
            ["SET retention.ms from 604800000 to 1000", "DELETE sasl.jaas.config"],
        ),
        ("TEMPORARY_POLICY", LENT, ["Allow GROUP_EDIT GROUP_DELETE for devs (dee), until 2026-02-25T01:00:00Z"]),
        (
            "TEMPORARY_POLICY",
            {key: value for key, value in LENT.items() if key not in ("expires", "principal")},
            ["GROUP_DELETE for devs, without an end"],
        ),
        ("SCHEDULED_MUTATION", SKIPPED, ["skip of tx_trade1-3"]),
        ("SCHEDULED_MUTATION", SKIPPED | {"offsets": [MOVED]}, ["skip of tx_trade1-3", "tx_trade1-3 from 4 to 5"]),
        ("SCHEDULED_MUTATION", SKIPPED | {"offsets": [MOVED | {"error": "x"}]}, ["tx_trade1-3 not moved"]),
        ("SCHEDULED_MUTATION", {"operation": "reset", "to": {"offset": 7}, "count": None}, ["reset to 7 of all"]),
        (
            "STAGED_MUTATION",
            {"created_by": "dee", "staged_mutation": "7f3a", "request": {"offsets": {"t-0": 5}}},
            ["asked for by dee: 7f3a", "t-0 to 5"],
        ),
        (
            "STAGED_MUTATION",
            {"created_by": "dee", "staged_mutation": "7f3a", "request": SKIPPED},
            ["skip of tx_trade1-3"],
        ),
    ],
)
def test_a_table_says_what_was_changed(
    kordon: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    parameters: Mapping[str, Any],
    told: list[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    event = replace(a_mutation(what=What(action="GROUP_EDIT", parameters=parameters)), type=EventType[kind])

    lines = kordon("audit", "-d", write(tmp_path / "audit", [event], 1)).out.splitlines()

    for each in told:
        assert any(line.rstrip().endswith(each) for line in lines), lines


def test_what_kordon_goes_on_with_is_of_the_tenant_of_whoever_has_asked(kordon: Run, tmp_path: Path) -> None:
    what = What(action="SCHEDULED_MUTATION_SUCCEEDED", parameters=SKIPPED)
    event = a_mutation(KORDON, id="own", type=EventType.SCHEDULED_MUTATION, what=what)
    elsewhere = replace(event, id="other", what=replace(what, parameters=SKIPPED | {"tenant": "Payments"}))
    directory = write(tmp_path / "audit", [event, elsewhere], 1)

    assert ids(kordon("audit", "-d", directory, "-o", "json", "--tenant", "Trading").out) == ["own"]
    assert "Payments" in kordon("audit", "-d", directory).out


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_no_name_moves_the_cursor_or_breaks_the_table(
    kordon: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    hostile = "\x1b[2J\x1b]0;x\x07\r\n\t\x00\u202e\u2028[red]x[/red]\ud800\u540d" * 9
    event = a_denial(
        who=replace(DEV, principal=hostile, tenant=hostile),
        what=What(
            action=hostile,
            resources=(("cluster", hostile, "topic", hostile),),
            parameters={"offsets": {hostile: hostile}},
        ),
        why=Why(effect=hostile, reason=hostile),
        outcome=Outcome(error_code=1, error_name=hostile),
    )

    ran = kordon("audit", "-d", write(tmp_path / "audit", [event], 1))

    assert (ran.code, ran.err) == (0, "")
    assert all(letter.isprintable() for letter in ran.out.replace("\n", ""))
    assert "[red]" in ran.out.replace("\n", "").replace(" ", "")
    assert {cell_len(line) for line in ran.out.splitlines()} <= set(range(max(60, int(columns)) + 1))


@pytest.mark.parametrize("columns", ["80", "100", "120"])
def test_no_action_is_cut_in_two(kordon: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    longest = "SCHEDULED_MUTATION_SUCCEEDED"

    ran = kordon("audit", "-d", write(tmp_path / "audit", [a_denial(what=What(action=longest))], 1))

    assert longest in ran.out


def test_lines_that_are_no_events_are_counted_and_passed_over(kordon: Run, journal: Path) -> None:
    path = segment_path(journal, "w1", 5)
    odd = sealed([a_login(id="odd")])[0].replace(b'"data"', b'"atad"')
    path.write_bytes(path.read_bytes() + b"a note\n{}\n" + odd + b'{"half')

    ran = kordon("audit", "-d", journal, "--output", "json", "-n", "1")
    table = kordon("audit", "-d", journal)

    assert ids(ran.out) == ["e5"]
    assert ran.err == "kordon: 3 lines are no events of Kordon; `kordon audit verify` tells which\n"
    assert table.code == 0


def test_an_event_of_another_shape_is_a_row_all_the_same(kordon: Run, tmp_path: Path) -> None:
    directory = write(tmp_path / "audit", [a_login()], 1)
    path = segment_path(directory, "w1", 1)
    path.write_bytes(path.read_bytes().replace(b'"principal"', b'"lapicnirp"'))

    ran = kordon("audit", "-d", directory)

    assert ran.code == 0
    assert "not shown: see --output json" in ran.out


def test_that_there_is_no_such_event_is_said_to_people(kordon: Run, journal: Path) -> None:
    ran = kordon("audit", "-d", journal, "--who", "nobody")

    assert (ran.code, ran.out, ran.err) == (0, "", "kordon: there is no such event\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--since", "soon"), "--since soon: this is no time: as in 2027-01-31T12:00:00Z, 30m or 7d ago"),
        (("--until", "31.1."), "--until 31.1.: this is no time: as in 2027-01-31T12:00:00Z, 30m or 7d ago"),
        (("--verdict", "no"), "--verdict no: there is no such: one of allow, stage, deny, shadow"),
        (("--follow", "--until", "1h"), "--follow has no end: leave out --until"),
        (("--topic", "--directory", "x"), "either --topic or --directory, not both"),
        (("--topic",), "kordon.yaml has no audit topic: there is no `audit.kafka`"),
        (("--directory", "x"), "cannot read the journal: no such file or directory: x"),
        (("--who", "x", "verify"), "--who stands before verify: put its own options after it"),
        (("--type", "login", "verify"), "--type stands before verify: put its own options after it"),
    ],
)
def test_what_cannot_be_done_is_one_line(kordon: Run, folder: Path, words: tuple[str, ...], told: str) -> None:
    ran = kordon("audit", *words)

    assert (ran.code, ran.out, ran.err) == (2, "", f"kordon: {told}\n")


def test_a_type_that_there_is_not_is_told_with_those_there_are(kordon: Run) -> None:
    ran = kordon("audit", "--type", "logout")

    assert ran.code == 2
    assert all(kind.kind in ran.err for kind in EventType)


# ---- following


def lines_from(process: "subprocess.Popen[bytes]", count: int) -> list[bytes]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


@pytest.mark.parametrize(("words", "before"), [((), 2), (("--limit", "1"), 1)])
def test_what_comes_is_shown_as_it_comes_through_new_files_too(
    tmp_path: Path, words: tuple[str, ...], before: int
) -> None:
    directory = write(tmp_path / "audit", EVENTS[:2], 1)
    command = [sys.executable, "-m", "kordon_proxy", "audit", "-d", str(directory), "-f", "--output", "json", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        try:
            # The first that comes tells that those before have been read.
            assert lines_from(process, before) == LINES[2 - before : 2]
            with segment_path(directory, "w1", 1).open("ab") as file:
                file.write(LINES[2][:100])
                file.flush()
                file.write(LINES[2][100:])
            assert lines_from(process, 1) == [LINES[2]]
            segment_path(directory, "w1", 4).write_bytes(LINES[3] + LINES[4])
            assert lines_from(process, 2) == LINES[3:]
        finally:
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)

    assert (process.returncode, told) == (130, b"")


def test_a_reader_that_has_seen_enough_is_no_fault(journal: Path) -> None:
    command = [sys.executable, "-m", "kordon_proxy", "audit", "-d", str(journal), "--output", "json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment, timeout=60)
    os.close(writer)

    assert (ran.returncode, ran.stderr) == (1, b"")
