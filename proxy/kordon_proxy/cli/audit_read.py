"""`kordon audit`: finds the events that are wanted, in the journal or in the topic, and prints them."""

import heapq
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from kordon_proxy.audit.filters import Filter
from kordon_proxy.audit.journals import journal_directories
from kordon_proxy.audit.line import place_of
from kordon_proxy.audit.seen import Seen
from kordon_proxy.audit.segments import AuditError
from kordon_proxy.logs import configure_logging
from kordon_proxy.reasons import reason_and_file

from .audit_journal import Found, SearchedJournal
from .audit_source import Topic, Unreadable, ask, audit_topic, journal_directory
from .audit_table import NOT_OURS, Table
from .report import OK, UNTRIED, complain

LOOK_EVERY: Final = 0.2
"""Seconds between two looks at a journal that is followed."""
_BATCH: Final = 100


Show = Callable[[Sequence[Found]], None]


def read(
    config: Path,
    directory: Path | None,
    wanted: Filter,
    *,
    from_topic: bool = False,
    limit: int | None = None,
    follow: bool = False,
    as_json: bool = False,
) -> int:
    """Print the events that are wanted. Returns the exit code."""
    search = Search(wanted, print_lines if as_json else print_table(), limit=limit, follow=follow)
    try:
        if from_topic and directory is not None:
            raise Unreadable("either --topic or --directory, not both")
        if from_topic:
            topic = audit_topic(config)
            ask(topic, search.topic(topic))
        else:
            search.journal(journal_directory(config, directory))
    except (Unreadable, AuditError) as error:
        if str(error):
            complain(str(error))
        return UNTRIED
    except BrokenPipeError:
        raise  # whoever reads it has seen enough
    except OSError as error:
        complain(f"cannot read the journal: {reason_and_file(error)}")
        return UNTRIED
    if not search.shown and not as_json:
        complain("there is no such event")
    if search.unreadable:
        hint = "" if from_topic else "; `kordon audit verify` tells which"
        complain(f"{search.unreadable} {'records' if from_topic else 'lines'} are no events of Kordon{hint}")
    return OK


def print_lines(some: Sequence[Found]) -> None:
    """Print events as they are stored."""
    for found in some:
        sys.stdout.write(found.text.decode("ascii", "backslashreplace") + "\n")
    sys.stdout.flush()


def print_table() -> Show:
    """Return what prints events as rows."""
    table = Table()

    def show(some: Sequence[Found]) -> None:
        table.print(found.event for found in some)
        sys.stdout.flush()

    return show


@dataclass(slots=True)
class Search:
    """One search. `limit`: the newest so many of what there is at the beginning."""

    filter: Filter
    show: Show
    limit: int | None = None
    follow: bool = False
    shown: int = 0
    unreadable: int = 0
    _seen: Seen = field(default_factory=Seen)

    def journal(self, directory: Path) -> None:
        """Show what is in the journals of a directory in order of time, and then what comes.

        Raises OSError and AuditError.
        """
        journals = [SearchedJournal(one, self._wanted) for one in journal_directories(directory)]
        limit = self.limit
        if limit is None:
            self._show(_in_order([one.all() for one in journals]))
        else:
            newest = list(_in_order([one.newest(limit) for one in journals]))
            self._show(newest[max(0, len(newest) - limit) :])
        if self.follow:
            configure_logging(level="error", format="console")  # of the reader of a journal that is being written
            while True:
                known = {one.directory for one in journals}
                begun = [one for one in journal_directories(directory) if one not in known]  # by a new worker
                journals += [SearchedJournal(one, self._wanted) for one in begun]
                self._show(_in_order([list(one.more()) for one in journals]))
                time.sleep(LOOK_EVERY)

    async def topic(self, topic: Topic) -> None:
        """Show what is in the topic, each event once, and then what comes."""
        from kordon_proxy.audit.topic import read_topic

        newest: list[Found] = []
        is_shown = self.limit is None
        reading = read_topic(topic.settings, topic.name, since=self._since, follow=self.follow)
        async with aclosing(reading) as batches:
            async for batch in batches:
                some = [found for text in batch.values if (found := self._new(text)) is not None]
                if is_shown:
                    self._show(some)
                    continue
                newest = heapq.nlargest(self.limit or 0, [*newest, *some], key=_instant)
                if batch.caught_up:
                    self._show(sorted(newest, key=_instant))
                    is_shown = True

    @property
    def _since(self) -> int | None:
        since = self.filter.since
        return None if since is None else round(datetime.fromisoformat(since).timestamp() * 1000)

    def _new(self, text: bytes) -> Found | None:
        """An event of the topic that is wanted, and has not been there before."""
        place = place_of(text)
        if place is not None and not self._seen.is_new(place.writer, place.sequence):
            return None
        return self._wanted(text)

    def _wanted(self, text: bytes) -> Found | None:
        try:
            if not self.filter.may_match(text):
                return None
            event = json.loads(text)
            if place_of(text) is None:
                raise LookupError
            return Found(text, event) if self.filter.matches(event) else None
        except NOT_OURS:
            self.unreadable += 1
            return None

    def _show(self, some: Iterable[Found]) -> None:
        some = iter(some)
        while batch := list(islice(some, _BATCH)):
            self.shown += len(batch)
            self.show(batch)


def _in_order(journals: Sequence[Iterable[Found]]) -> Iterable[Found]:
    """The events of several journals in order of time; those of one as they were written."""
    return journals[0] if len(journals) == 1 else heapq.merge(*journals, key=_instant)


def _instant(found: Found) -> tuple[str, str]:
    return found.event["time"], str(found.event.get("sequence"))
