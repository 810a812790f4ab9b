"""`kordon audit verify`: breaks for people and for programs, and what to note for the next time."""

import json
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from kordon_proxy.audit.breaks import Break, Noted, Summary
from kordon_proxy.audit.line import BEGINNING
from kordon_proxy.audit.reading import cursors, first_event, journal_segments
from kordon_proxy.audit.reading import verify as verify_journal
from kordon_proxy.audit.segments import AuditError
from kordon_proxy.audit.verification import Verifier

from .audit_source import Topic, Unreadable, ask, audit_topic, journal_directory
from .report import MISTAKES, OK, UNTRIED, complain, reason_and_file, shown

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
    # What others know is looked at first: the journal may be written meanwhile, and then it has more than they.
    verifier = Verifier([*noted, *cursors(directory)], None if topic is None else _in_topic(directory, topic))
    found = verify_journal(directory, verifier)
    if as_json:
        told = list(islice(found, MOST_TOLD))
        deque(found, maxlen=0)
        sys.stdout.write(json.dumps(_as_json(verifier.summary, told), indent=2) + "\n")
    else:
        for number, one in enumerate(found):
            if number < MOST_TOLD:
                sys.stdout.write(f"{shown(str(one))}\n")
        for line in _told(verifier.summary, topic):
            sys.stdout.write(f"{line}\n")
    return MISTAKES if verifier.summary.breaks else OK


def _in_topic(directory: Path, topic: Topic) -> dict[int, bytes | None]:
    from kordon_proxy.audit.topic import forwarded

    writer = journal_segments(directory)[0].writer
    first = first_event(directory)
    since = None if first is None else round(datetime.fromisoformat(first["time"]).timestamp() * 1000)
    return ask(topic, forwarded(topic.settings, topic.name, writer, since=since))


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
