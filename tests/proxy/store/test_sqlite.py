"""What is in the file is what was acknowledged, for every process that has it open."""

import asyncio
import shutil
import sqlite3
import stat
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from kordon_proxy.store import sqlite as module
from kordon_proxy.store.interface import StoreUnavailable
from kordon_proxy.store.sqlite import MIGRATIONS
from tests.proxy.store.given import a_step, a_store, news_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kordon.db"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_change_whose_event_cannot_be_kept_is_not_made(path: Path) -> None:
    async def work() -> None:
        async with a_store(path) as one:
            await one.take(a_step("a"))
            twice = a_step("b")
            with pytest.raises(StoreUnavailable):
                await one.take(replace(twice, events=(*twice.events, *twice.events)))
            assert [record["id"] for _, record in (await news_of(one)).records] == ["a"]

    run(work())


def test_what_is_committed_is_on_disk(path: Path) -> None:
    async def work() -> None:
        async with a_store(path) as one:

            def pragma(name: str) -> object:
                assert one._database is not None
                return one._database.execute(f"PRAGMA {name}").fetchone()[0]

            names = ("journal_mode", "synchronous", "busy_timeout")
            asked = [asyncio.get_running_loop().run_in_executor(one._thread, pragma, name) for name in names]
            assert await asyncio.gather(*asked) == ["wal", 2, 5_000]

    run(work())


def test_nobody_else_may_read_it(path: Path) -> None:
    async def work() -> None:
        async with a_store(path) as one:
            await one.take(a_step())
            files = list(path.parent.iterdir())
            assert len(files) == 3
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    run(work())


def schema(path: Path) -> list[Any]:
    database = sqlite3.connect(path)
    found = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
    found += database.execute("PRAGMA user_version").fetchall()
    database.close()
    return found


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_a_file_of_every_version_is_brought_to_the_newest(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: int
) -> None:
    async def opened(where: Path) -> None:
        async with a_store(where):
            pass

    with monkeypatch.context() as older:
        older.setattr(module, "MIGRATIONS", MIGRATIONS[:version])
        if version:
            run(opened(path))
    run(opened(path))
    run(opened(tmp_path / "new.db"))

    assert schema(path) == schema(tmp_path / "new.db")
    assert schema(path)[-1] == (len(MIGRATIONS),)


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened() -> None:
        async with a_store(path):
            pass

    run(opened())
    before = schema(path)
    with monkeypatch.context() as newer:
        newer.setattr(module, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE more (a)", "CREATE TABLE store (a)")))
        with pytest.raises(StoreUnavailable, match="table store already exists"):
            run(opened())

    assert schema(path) == before


def damage(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = DELETE")
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)


def alter(path: Path, statement: str) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(statement)
    database.close()


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "newer": (
        lambda path: alter(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}"),
        f"a newer Kordon has brought it to version {len(MIGRATIONS) + 1}, and this one knows versions up to "
        f"{len(MIGRATIONS)}",
    ),
    "another's": (
        lambda path: alter(path, "PRAGMA application_id = 1"),
        "it is the database of another application",
    ),
    "no database": (lambda path: path.write_text("clusters: [] # " + "x" * 5_000), "file is not a database"),
    "damaged": (damage, "it is damaged: *** in database main"),
    "a folder": (folder_in_its_place, "is a directory"),
    "no folder": (lambda path: path.parent.rename(path.parent.parent / "away"), "no such file or"),
    "no JSON": (lambda path: alter(path, "UPDATE records SET record = '{', changed = 2"), "cannot read"),
    "no event": (lambda path: alter(path, "UPDATE outbox SET event = '{}'"), "cannot read: KeyError: 'id'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_cannot_be_used_is_refused_with_its_name_and_the_reason(tmp_path: Path, fault: str) -> None:
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "kordon.db"

    async def written() -> None:
        async with a_store(path) as one:
            await one.take(a_step())

    async def opened() -> None:
        async with a_store(path) as one:
            await one.news()

    run(written())
    FAULTS[fault][0](path)

    with pytest.raises(StoreUnavailable) as refused:
        run(opened())

    assert str(path) in str(refused.value)
    assert FAULTS[fault][1] in str(refused.value)


def test_a_file_that_is_none_of_ours_is_left_as_it_is(path: Path) -> None:
    alter(path, "CREATE TABLE theirs (a)")
    before = path.read_bytes()

    async def opened() -> None:
        async with a_store(path):
            pass

    with pytest.raises(StoreUnavailable, match="another application"):
        run(opened())

    assert path.read_bytes() == before


def move(file: Path, to: Path) -> None:
    """As somebody would who restores a backup: without what SQLite keeps beside it."""
    for left in to.parent.glob(f"{to.name}*"):
        left.unlink()
    file.rename(to)


def test_a_file_that_goes_away_is_not_made_anew_and_is_used_again_when_it_is_back(path: Path) -> None:
    async def work() -> None:
        async with a_store(path) as one:
            await one.take(a_step())
            await news_of(one)
            shutil.move(path, path.with_suffix(".away"))
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="no such file"):
                    await one.news()
                with pytest.raises(StoreUnavailable, match="no such file"):
                    await one.take(a_step(before=1))

            shutil.move(path.with_suffix(".away"), path)
            assert await one.take(a_step(before=1))
            assert [record["revision"] for _, record in (await news_of(one)).records] == [2]

    run(work())


def copied(path: Path, to: Path) -> None:
    source, target = sqlite3.connect(path), sqlite3.connect(to)
    source.backup(target)
    source.close()
    target.close()


def test_what_is_known_is_not_forgotten_for_another_file_in_its_place(path: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with a_store(path) as one, a_store(tmp_path / "other.db"):
            await one.take(a_step())
            copied(path, tmp_path / "backup.db")
            await one.take(a_step(before=1))
            await news_of(one)
            for name, reason in (("other.db", "another store"), ("backup.db", "an older state of the store")):
                copied(tmp_path / name, tmp_path / "copy.db")
                move(tmp_path / "copy.db", path)
                with pytest.raises(StoreUnavailable):  # the file that was open is gone
                    await one.news()
                with pytest.raises(StoreUnavailable, match=f"it is {reason} than the one that is in use"):
                    await one.news()

    run(work())


def test_a_writer_that_holds_the_file_is_waited_for_and_then_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY", 0.2)

    async def work() -> None:
        async with a_store(path) as one:
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="database is locked"):
                await one.take(a_step())
            await news_of(one)  # to read needs nobody
            other.execute("ROLLBACK")
            assert await one.take(a_step())
            other.close()

    run(work())
