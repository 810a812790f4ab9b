"""Records, steps and stores as tests write them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from kordon_proxy.audit.event import Event, EventType, What, Who, Why
from kordon_proxy.store.interface import Key, Kind, News, Record, Step, Store, Untold
from kordon_proxy.store.sqlite import SqliteStore


def a_step(policy_id: str = "7f3a", before: int = 0, **fields: Any) -> Step:
    """From one revision to the next, with one event."""
    after = before + 1
    event = Event(
        id=f"{policy_id}/{after}",
        type=EventType.TEMPORARY_POLICY,
        time=1,
        who=Who(principal="ann", roles=("owners",)),
        what=What(action="TEMPORARY_POLICY_CREATED", resources=(("cluster", "prod"),), parameters={"actions": ["A"]}),
        why=Why(reason="poison"),
    )
    return Step(
        kind=Kind.TEMPORARY_POLICY,
        record={"id": policy_id, "revision": after, **fields},
        before=before,
        events=(event,),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStore:
    """A store that several processes use. settings: what `kordon.yaml` says of it. make: for a process of that name."""

    settings: Mapping[str, Any]
    make: Callable[[str], Store]


def a_shared_file(file: Path) -> SharedStore:
    return SharedStore(settings={"file": str(file)}, make=partial(SqliteStore, file))


class Stores(Protocol):
    """Opens one and the same store for a process that has this name."""

    def __call__(self, writer: str, /) -> AbstractAsyncContextManager[Store]: ...


@dataclass
class Reader:
    """What a process knows from its store's news."""

    store: Store
    records: dict[Key, Record] = field(default_factory=dict)
    untold: tuple[Untold, ...] = ()

    async def look(self) -> list[str]:
        """Ask for news, and return the ids of the records among them."""
        news = await self.store.news()
        if news is None:
            return []
        self.records |= {Key(kind, record["id"]): record for kind, record in news.records}
        for key in news.gone:
            self.records.pop(key, None)
        self.untold = news.untold
        return [record["id"] for _, record in news.records]

    async def until_untold(self, count: int) -> list[str]:
        """Look until there are so many events to tell, and return the ids of all records among the news."""
        ids = await self.look()
        while len(self.untold) != count:
            await asyncio.sleep(0.01)
            ids += await self.look()
        return ids

    async def until_gone(self, *keys: Key) -> None:
        """Look until none of these is known any more."""
        while not self.records.keys().isdisjoint(keys):
            await self.look()
            await asyncio.sleep(0.01)

    async def until_revision(self, revision: int, ids: Collection[str]) -> None:
        """Look until all of these temporary policies are at that revision."""
        while any(self.records.get(Key(Kind.TEMPORARY_POLICY, one), {}).get("revision") != revision for one in ids):
            await self.look()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def a_store(path: Path, writer: str = "one") -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, writer)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def news_of(store: SqliteStore) -> News:
    news = await store.news()
    assert news is not None
    return news
