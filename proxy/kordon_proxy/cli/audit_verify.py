"""`kordon audit verify`: breaks for people and for programs, and what to note for the next time."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from kordon_proxy.audit.breaks import Break, Noted, Summary
from kordon_proxy.audit.journals import journal_directories
from kordon_proxy.audit.line import BEGINNING
from kordon_proxy.audit.reading import cursors, first_event, journal_segments
from kordon_proxy.audit.reading import verify as verify_journal
from kordon_proxy.audit.segments import AuditError
from kordon_proxy.audit.verification import Verifier
from kordon_proxy.reasons import reason_and_file

from .audit_source import Topic, Unreadable, ask, audit_topic, journal_directory
from .report import MISTAKES, OK, UNTRIED, complain, shown

MOST_TOLD: Final = 1_000
"""Breaks that are told one by one. Of a journal that is not one at all, nobody reads more."""
_NOTED: Final = re.compile(r"([A-Za-z0-9-]+)/([0-9]{1,20})(?:/([0-9a-f]{64}))?")


def verify(config: Path, directory: Path | None, expected: Iterable[str], against_topic: bool, *, as_json: bool) -> int:
    """Verify, and tell. Returns the exit code."""
    try:
        noted = [_noted(text) for text in expected]
        where = journal_directory(config, directory)
        topic = audit_topic(config) if against_topic else None
        return _verify(where, noted, topic, as_json=as_json)
    except (Unreadable, AuditError) as error:
        if str(error):
            complain(str(error))
    except OSError as error:
        complain(f"cannot read the journal: {reason_and_file(error)}")
    return UNTRIED


def _noted(text: str) -> Noted:
    match = _NOTED.fullmatch(text)
    if match is None:
        raise Unreadable(
            f"--expect {text}: this is not WRITER/SEQUENCE or WRITER/SEQUENCE/CHAIN, as `verify` prints it"
        )
    chain = match[3].encode("ascii") if match[3] else None
    return Noted(by="--expect", writer=match[1], sequence=int(match[2]), chain=chain)


def _verify(directory: Path, noted: list[Noted], topic: Topic | None, *, as_json: bool) -> int:
    """Verify all journals of a directory. One for each worker; with one journal it is as if there were no others."""
    # What others know is looked at first: the journals may be written meanwhile, and then they have more than they.
    journals = _journals(directory, noted)
    known = {} if topic is None else _in_topic(journals, topic)
    verified = [_verified(one, known.get(one.writer), topic, as_json=as_json) for one in journals]
    if as_json:
        several = {"number_of_breaks": sum(one["number_of_breaks"] for one in verified), "journals": verified}
        sys.stdout.write(json.dumps(several if len(journals) > 1 else verified[0], indent=2) + "\n")
    return MISTAKES if any(one["number_of_breaks"] for one in verified) else OK


@dataclass(frozen=True, slots=True)
class _Journal:
    """A journal, and what others know of it."""

    directory: Path
    writer: str
    noted: list[Noted]


def _journals(directory: Path, noted: list[Noted]) -> list[_Journal]:
    found = [(one, journal_segments(one)[0].writer) for one in journal_directories(directory)]
    writers = {writer for _, writer in found}
    # What is noted of a writer that is not here is not as noted, and the first of them says so.
    nobodys = [one for one in noted if one.writer not in writers]
    journals = []
    for where, writer in found:
        own = [one for one in noted if one.writer == writer]
        journals.append(_Journal(where, writer, [*nobodys, *own, *cursors(where)]))
        nobodys = []
    return journals


def _verified(
    journal: _Journal, in_topic: Mapping[int, bytes | None] | None, topic: Topic | None, *, as_json: bool
) -> dict[str, Any]:
    verifier = Verifier(journal.noted, in_topic)
    found = verify_journal(journal.directory, verifier)
    told = []
    for number, one in enumerate(found):
        if number < MOST_TOLD and as_json:
            told.append(one)
        elif number < MOST_TOLD:
            sys.stdout.write(f"{shown(str(one))}\n")
    if not as_json:
        for line in _told(verifier.summary, topic):
            sys.stdout.write(f"{line}\n")
    return _as_json(verifier.summary, told)


def _in_topic(journals: Iterable[_Journal], topic: Topic) -> dict[str, dict[int, bytes | None]]:
    from kordon_proxy.audit.topic import forwarded

    firsts = [first for one in journals if (first := first_event(one.directory)) is not None]
    since = min((round(datetime.fromisoformat(one["time"]).timestamp() * 1000) for one in firsts), default=None)
    return ask(topic, forwarded(topic.settings, topic.name, [one.writer for one in journals], since=since))


def _told(summary: Summary, topic: Topic | None) -> Iterator[str]:
    if summary.first is None:
        yield f"{summary.writer}: there are no events in the journal"
    else:
        files = "1 file" if summary.files == 1 else f"{summary.files} files"
        events = "1 event" if summary.events == 1 else f"{summary.events} events"
        yield f"{summary.writer}: {events}, {summary.first} to {summary.last}, in {files}"
        yield _chained(summary)
    if summary.lost:
        yield f"{summary.lost} events were lost while the journal could not be written (on_failure: continue)"
    if summary.half_written:
        yield f"{summary.half_written} bytes at the end are no event yet: it is being written, or a process was killed"
    if summary.breaks:
        more = f", of which the first {MOST_TOLD} are told" if summary.breaks > MOST_TOLD else ""
        yield f"{summary.breaks} break{'s' if summary.breaks > 1 else ''}{more}"
        return
    yield "no breaks" if topic is None else f"no breaks, and nothing else in the topic {topic.name}"
    if summary.last is not None:
        yield f"to see later that all of it is still there: kordon audit verify --expect {note(summary)}"


def _chained(summary: Summary) -> str:
    if summary.chained_from is None:
        return "not chained yet: only the numbers were verified"
    if summary.chained_from != summary.first:
        return f"chained from event {summary.chained_from} on; of those before, only the numbers were verified"
    if summary.follows == BEGINNING:
        return f"chained from event {summary.chained_from} on, where the chain begins"
    return f"chained from event {summary.chained_from} on; what was before it is not there any more"


def note(summary: Summary) -> str:
    """Return what an auditor notes of a journal: it stands for all that is in it."""
    chain = "" if summary.chain is None else f"/{summary.chain.decode('ascii')}"
    return f"{summary.writer}/{summary.last}{chain}"


def _as_json(summary: Summary, told: Iterable[Break]) -> dict[str, Any]:
    values = {name: _plain(value) for name, value in asdict(summary).items()}
    del values["breaks"]
    return values | {
        "note": None if summary.last is None else note(summary),
        "number_of_breaks": summary.breaks,
        "breaks": [asdict(one) for one in told],
    }


def _plain(value: Any) -> Any:
    return value.decode("ascii") if isinstance(value, bytes) else value
