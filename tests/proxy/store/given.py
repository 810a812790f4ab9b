"""Records, steps and stores as tests write them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kordon_proxy.audit.event import Event, EventType, What, Who, Why
from kordon_proxy.store.interface import Kind, News, Step
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
