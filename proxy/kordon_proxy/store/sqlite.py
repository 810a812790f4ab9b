"""The embedded store: one SQLite file on a local disk, for all Kordon processes of a machine.

In WAL mode, so that readers and the writer do not wait for each other, and with `synchronous=FULL`, so that what is
committed survives a loss of power. All of it happens in one thread of its own: the event loop never waits for a disk.
"""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from kordon_proxy.audit.kept import from_kept, to_kept
from kordon_proxy.reasons import reason_of

from .interface import Key, Kind, News, Record, Step, StoreUnavailable, Untold

T = TypeVar("T")

BUSY: Final = 5.0
"""Seconds to wait for another process that writes."""
_APPLICATION: Final = 0x4B4F5244  # "KORD"

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE store (id TEXT NOT NULL, changes INTEGER NOT NULL)",
        "INSERT INTO store VALUES (lower(hex(randomblob(16))), 0)",
        "CREATE TABLE records ("
        " kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, changed INTEGER NOT NULL,"
        " record TEXT NOT NULL, PRIMARY KEY (kind, id))",
        "CREATE INDEX records_changed ON records (changed)",
        # AUTOINCREMENT: a number is never given twice, or a late `told` would take out somebody else's event.
        "CREATE TABLE outbox ("
        " number INTEGER PRIMARY KEY AUTOINCREMENT,"
        " writer TEXT NOT NULL, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL)",
        f"PRAGMA application_id = {_APPLICATION}",
    ),
)
"""Each brings a file from the version of its index to the next. Never change one that has been released."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """Which store it is, and up to which change it has been read."""

    store: str
    changes: int


class SqliteStore:
    """A store in a file. writer: names this process in the outbox."""

    def __init__(self, path: Path, writer: str) -> None:
        self._path = path
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kordon-store")
        # What follows belongs to the thread.
        self._database: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._seen: _Seen | None = None
        self._known: frozenset[Key] = frozenset()  # the records that were there, and were told or made here
        self._version: int | None = None

    async def open(self) -> None:
        """Make the file, or bring it to the newest schema. Raises StoreUnavailable."""
        await self._do(_nothing, create=True)

    async def news(self) -> News | None:
        """What any process has changed since the last time."""
        return await self._do(self._news)

    async def take(self, step: Step) -> bool:
        """Keep a change with its events, if nobody was quicker."""
        return await self._do(lambda database: self._take(database, step))

    async def told(self, numbers: Collection[int]) -> None:
        """Take events out of the outbox."""
        await self._do(lambda database: self._told(database, numbers))

    async def forget(self, keys: Collection[Key]) -> None:
        """Take records out that are over for long."""
        await self._do(lambda database: self._forget(database, keys))

    async def close(self) -> None:
        """Close the file. Does not wait for a disk that hangs."""
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._thread, self._drop), 2.0)
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[sqlite3.Connection], T], *, create: bool = False) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work, create)

    # ---- in the thread

    def _work(self, work: Callable[[sqlite3.Connection], T], create: bool) -> T:
        try:
            if self._database is None:
                self._database = self._connected(create)
            self._is_still_there()
            return work(self._database)
        except (OSError, sqlite3.Error, StoreUnavailable) as error:
            self._drop()  # the next try begins with a connection of its own
            if isinstance(error, StoreUnavailable):
                raise
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            raise StoreUnavailable(f"the store {self._path} cannot be used: {reason}") from None

    def _drop(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database = self._version = None

    def _connected(self, create: bool) -> sqlite3.Connection:
        if create:  # with these rights from the start; SQLite gives its other files the same
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        status = self._path.stat()
        database = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY, isolation_level=None
        )
        try:
            self._prepare(database)
            self._is_the_same(database)
        except BaseException:
            database.close()
            raise
        self._inode = (status.st_dev, status.st_ino)
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        with _reading(database):
            version = self._check_version(database)
        _use_wal(database)
        database.execute("PRAGMA synchronous = FULL")
        if (found := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._unusable(f"it is damaged: {' '.join(found.split())}")
        if version == len(MIGRATIONS):
            return
        with _changing(database):  # somebody else may have done it meanwhile
            for version in range(self._check_version(database), len(MIGRATIONS)):
                for statement in MIGRATIONS[version]:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {version + 1}")

    def _check_version(self, database: sqlite3.Connection) -> int:
        version: int = database.execute("PRAGMA user_version").fetchone()[0]
        application: int = database.execute("PRAGMA application_id").fetchone()[0]
        is_new = (
            version == application == 0 and not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        )
        if application != _APPLICATION and not is_new:
            raise self._unusable("it is the database of another application")
        if version > len(MIGRATIONS):
            raise self._unusable(
                f"a newer Kordon has brought it to version {version}, and this one knows versions up to "
                f"{len(MIGRATIONS)}"
            )
        return version

    def _is_the_same(self, database: sqlite3.Connection) -> None:
        """What is known must not be forgotten because somebody has put another file, or an older one, in its place."""
        store, changes = database.execute("SELECT id, changes FROM store").fetchone()
        if self._seen is not None and (store != self._seen.store or changes < self._seen.changes):
            what = "another store" if store != self._seen.store else "an older state of the store"
            raise self._unusable(f"it is {what} than the one that is in use; start Kordon again to use it")

    def _is_still_there(self) -> None:
        status = self._path.stat()
        if (status.st_dev, status.st_ino) != self._inode:
            raise self._unusable("another file has taken its place")

    def _unusable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(f"the store {self._path} cannot be used: {reason}")

    # ---- what is in it

    def _news(self, database: sqlite3.Connection) -> News | None:
        # Asked for before anything is read: what is committed meanwhile changes it again.
        version: int = database.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return None
        try:
            with _reading(database):
                store, changes = database.execute("SELECT id, changes FROM store").fetchone()
                changed = self._changed(database)
                there = self._there(database, changed.keys())
                untold = _untold(database)
        except ValueError as error:
            raise self._unusable(f"it holds what this Kordon cannot read: {error}") from None
        news = News(
            records=tuple((key.kind, record) for key, record in changed.items()),
            untold=untold,
            gone=tuple(self._known - there),
        )
        self._seen, self._known, self._version = _Seen(store, changes), there, version
        return news

    def _changed(self, database: sqlite3.Connection) -> dict[Key, Record]:
        after = 0 if self._seen is None else self._seen.changes
        rows = database.execute("SELECT kind, id, record FROM records WHERE changed > ? ORDER BY changed", (after,))
        return {Key(Kind(kind), one): json.loads(record) for kind, one, record in rows}

    def _there(self, database: sqlite3.Connection, changed: Collection[Key]) -> frozenset[Key]:
        """The keys of all records. What was forgotten has left no trace, but that there are fewer than were known."""
        known = self._known.union(changed)
        if database.execute("SELECT count(*) FROM records").fetchone()[0] == len(known):
            return known
        return frozenset(Key(Kind(kind), one) for kind, one in database.execute("SELECT kind, id FROM records"))

    def _take(self, database: sqlite3.Connection, step: Step) -> bool:
        record = step.record
        row = {
            "kind": step.kind.value,
            "id": record["id"],
            "revision": record["revision"],
            "before": step.before,
            "text": json.dumps(record),
        }
        with _changing(database):
            (row["changed"],) = database.execute("SELECT changes + 1 FROM store").fetchone()
            if database.execute(_UPDATE if step.before else _INSERT, row).rowcount != 1:
                return False
            database.execute("UPDATE store SET changes = changes + 1")
            database.executemany(
                "INSERT INTO outbox (writer, id, event) VALUES (?, ?, ?)",
                [(self._writer, event.id, json.dumps(to_kept(event))) for event in step.events],
            )
        self._known |= {step.key}  # whoever made it knows it, though it may be gone before he looks
        self._version = None  # a connection's own changes do not show in its data_version
        return True

    def _told(self, database: sqlite3.Connection, numbers: Collection[int]) -> None:
        with _changing(database):
            database.executemany("DELETE FROM outbox WHERE number = ?", [(number,) for number in numbers])
        self._version = None

    def _forget(self, database: sqlite3.Connection, keys: Collection[Key]) -> None:
        with _changing(database):
            database.executemany("DELETE FROM records WHERE kind = ? AND id = ?", [(key.kind, key.id) for key in keys])
        self._version = None


_INSERT: Final = "INSERT OR IGNORE INTO records VALUES (:kind, :id, :revision, :changed, :text)"
_UPDATE: Final = (
    "UPDATE records SET revision = :revision, changed = :changed, record = :text"
    " WHERE kind = :kind AND id = :id AND revision = :before"
)


def _untold(database: sqlite3.Connection) -> tuple[Untold, ...]:
    rows = database.execute("SELECT number, writer, event FROM outbox ORDER BY number")
    return tuple(
        Untold(number=number, writer=writer, event=from_kept(json.loads(event))) for number, writer, event in rows
    )


def _nothing(_: sqlite3.Connection) -> None:
    """To be connected is enough."""


@contextmanager
def _reading(database: sqlite3.Connection) -> Iterator[None]:
    """All that is read is of one moment."""
    database.execute("BEGIN")
    try:
        yield
    finally:
        database.execute("ROLLBACK")


@contextmanager
def _changing(database: sqlite3.Connection) -> Iterator[None]:
    """All that is changed is kept, or nothing. The lock is taken first: what is read before a change still holds."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
        raise


def _use_wal(database: sqlite3.Connection) -> None:
    """Two processes that do so at the same time do not wait for each other by themselves."""
    deadline = time.monotonic() + BUSY
    while True:
        try:
            if database.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
