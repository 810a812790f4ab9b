"""Ask a schema registry, by the API of Confluent's, which others have too (Karapace, Apicurio's `ccompat`).

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

import asyncio
import json
import re
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx
import structlog

from kordon_proxy.config.clusters import SchemaRegistry, UpstreamTls
from kordon_proxy.identity.tls import TlsFault, tls_context

from .bounds import MiB
from .framing import SchemaRef
from .schemas import Reference, Schema, SchemaFault

log = structlog.get_logger()

WITHIN: Final = 5.0
"""Seconds for one answer."""
MOST_KNOWN: Final = 1000
"""Schemas that are remembered."""
AGAIN: Final = 30.0
"""Seconds after which what was not there is asked for again."""
DOWN: Final = 5.0
"""Seconds for which a registry that does not answer is left alone."""

_MOST_ANSWER: Final = 4 * MiB
_MOST_REFERENCES: Final = 100
_MOST_ASKED: Final = 100
"""Schemas of one inspection that are not known yet: any bytes could name one."""
_OWN_SUBJECT: Final = re.compile(r"[A-Za-z0-9_.]+", re.ASCII)
"""What stands behind the topic and a hyphen in its own subjects: `key`, `value`, or the name of a record, which has no
hyphen. (`orders-eu-value` belongs to the topic `orders-eu`, and not to `orders`.)"""


class Missing(SchemaFault):
    """The registry does not have it, or not for this topic."""


class Registry:
    """One registry, and what is known of it. Schemas never change, so those that were found are kept."""

    def __init__(self, settings: SchemaRegistry, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._known: OrderedDict[tuple[str, SchemaRef], Schema] = OrderedDict()
        self._missing: OrderedDict[tuple[str, SchemaRef], float] = OrderedDict()
        self._down_until = float("-inf")
        self._fault = ""

    @asynccontextmanager
    async def session(self, topic: str) -> AsyncIterator["Session"]:
        """What one inspection of a topic asks with. Files of TLS are read for each, so that renewed ones count."""
        session = Session(self, topic)
        try:
            yield session
        finally:
            await session.close()

    def connect(self) -> httpx.AsyncClient:
        """A client of the registry, to be closed. Raises SchemaFault for files of TLS that cannot be used."""
        return _client(self._settings)

    async def find(self, client: httpx.AsyncClient, ref: SchemaRef, topic: str) -> Schema:
        """The schema, if it is one of this topic. Raises SchemaFault."""
        key = (topic, ref)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        if self._clock() < self._missing.get(key, float("-inf")):
            raise _missing(ref, topic)
        try:
            schema = await self._ask(_Questions(client, self), ref, topic)
        except Missing:
            _remember(self._missing, key, self._clock() + AGAIN)
            # Of a schema that belongs to another topic nothing is told, not even that there is one.
            raise _missing(ref, topic) from None
        _remember(self._known, key, schema)
        return schema

    def knows(self, ref: SchemaRef, topic: str) -> bool:
        """Whether it needs no question."""
        return (topic, ref) in self._known

    async def _ask(self, ask: "_Questions", ref: SchemaRef, topic: str) -> Schema:
        if self._settings.subjects == "topic":
            subjects = await ask.subjects(ref)
            if not any(_is_own(subject, topic) for subject in subjects):
                raise Missing
        return await ask.schema(ref)

    def check_up(self) -> None:
        """Raise SchemaFault while a registry that did not answer is left alone."""
        if self._clock() < self._down_until:
            raise SchemaFault(self._fault)

    def down(self, fault: str) -> SchemaFault:
        """Note that it does not answer, and give what is to be raised."""
        if fault != self._fault:
            log.warning("schema_registry_unusable", url=self._settings.url, reason=fault)
        self._fault = fault
        self._down_until = self._clock() + DOWN
        return SchemaFault(fault)


class Session:
    """Finds schemas for one inspection."""

    def __init__(self, registry: Registry, topic: str) -> None:
        self._registry = registry
        self._client: httpx.AsyncClient | None = None
        self._topic = topic
        self._left = _MOST_ASKED

    async def find(self, ref: SchemaRef) -> dict[str, Any]:
        """The schema as JSON, or `{"problem": why}`."""
        try:
            if not self._registry.knows(ref, self._topic):
                if not self._left:
                    raise SchemaFault(f"{ref} was not asked for: more than {_MOST_ASKED} schemas in one inspection")
                self._left -= 1
            self._client = self._client or self._registry.connect()
            schema = await self._registry.find(self._client, ref, self._topic)
        except SchemaFault as fault:
            return {"problem": str(fault)}
        return schema.to_json()

    async def close(self) -> None:
        """Close connections to the registry."""
        if self._client is not None:
            await self._client.aclose()


class _Questions:
    """The questions to a registry, each with its answer in the shape that is expected, or a SchemaFault."""

    def __init__(self, client: httpx.AsyncClient, registry: Registry) -> None:
        self._client = client
        self._registry = registry

    async def subjects(self, ref: SchemaRef) -> list[str]:
        """The subjects under which a schema is registered. Raises Missing."""
        if ref.id is not None:
            ids = [ref.id]
        else:
            told = _list(await self._get(f"schemas/guids/{ref.guid}/ids"))
            ids = [int(one["id"]) for one in told if isinstance(one, dict) and isinstance(one.get("id"), int)]
        found = []
        for number in ids[:_MOST_REFERENCES]:
            found += _list(await self._get(f"schemas/ids/{number}/subjects"))
        return [subject for subject in found if isinstance(subject, str)]

    async def schema(self, ref: SchemaRef) -> Schema:
        """A schema with all that it refers to. Raises Missing."""
        place = f"schemas/ids/{ref.id}" if ref.id is not None else f"schemas/guids/{ref.guid}"
        told, kind = await self._schema_at(place, None)
        references: list[Reference] = []
        await self._add_references(told, kind, references, set())
        return Schema(type=kind, text=_text(told, "schema"), references=tuple(references))

    async def _add_references(self, told: Mapping[str, Any], kind: str, found: list[Reference], seen: set[str]) -> None:
        for one in _list(told.get("references") or []):
            name, subject = _text(one, "name"), _text(one, "subject")
            if name in seen:
                continue
            seen.add(name)
            if len(seen) > _MOST_REFERENCES:
                raise SchemaFault(f"the schema refers to more than {_MOST_REFERENCES} others")
            version = one.get("version")
            if not isinstance(version, int):
                raise _garbled()
            place = f"subjects/{quote(subject, safe='')}/versions/{version}"
            try:
                referred, _ = await self._schema_at(place, kind)
            except Missing:
                raise SchemaFault(f"the registry does not have {name}, to which the schema refers") from None
            await self._add_references(referred, kind, found, seen)
            found.append(Reference(name=name, text=_text(referred, "schema")))

    async def _schema_at(self, place: str, kind: str | None) -> tuple[Mapping[str, Any], str]:
        """What a registry tells of a schema, and the schema's type. Of Protobuf the descriptor is asked for."""
        # A version that was deleted is what older records were written with.
        query = {} if kind is None else {"deleted": "true"}
        if kind != "PROTOBUF":
            told = _mapping(await self._get(place, query))
            kind = kind or str(told.get("schemaType") or "AVRO")
            if kind != "PROTOBUF":
                return told, kind
        return _mapping(await self._get(place, query | {"format": "serialized"})), kind

    async def _get(self, place: str, query: Mapping[str, str] | None = None) -> Any:
        self._registry.check_up()
        try:
            async with asyncio.timeout(WITHIN), self._client.stream("GET", place, params=query or None) as answer:
                content = bytearray()
                async for part in answer.aiter_raw():
                    content += part
                    if len(content) > _MOST_ANSWER:
                        raise SchemaFault(f"the schema registry answers more than {_MOST_ANSWER // MiB} MiB")
        except TimeoutError:
            raise self._registry.down(f"the schema registry did not answer within {WITHIN:g} s") from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise self._registry.down(f"the schema registry cannot be reached: {reason}") from error
        return self._read(answer.status_code, bytes(content))

    def _read(self, status: int, content: bytes) -> Any:
        if status == httpx.codes.NOT_FOUND:
            raise Missing
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            hint = "look at `username` and `password` in `schema_registries`"
            raise self._registry.down(f"the schema registry does not let Kordon in ({status}): {hint}")
        if status != httpx.codes.OK:
            raise self._registry.down(f"the schema registry answers with status {status}")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise _garbled() from None


def _client(settings: SchemaRegistry) -> httpx.AsyncClient:
    """Raises SchemaFault for files of TLS that cannot be used."""
    verify: ssl.SSLContext | bool = False  # which makes no difference to HTTP without TLS
    try:
        if settings.url.startswith("https:"):
            verify = tls_context(settings.tls or UpstreamTls())
    except TlsFault as fault:
        raise SchemaFault(str(fault)) from fault
    password = settings.password
    auth = None if settings.username is None or password is None else (settings.username, password.reveal())
    return httpx.AsyncClient(
        base_url=settings.url.rstrip("/") + "/",
        auth=auth,
        verify=verify,
        timeout=WITHIN,
        headers={
            "accept": "application/vnd.schemaregistry.v1+json, application/json",
            "accept-encoding": "identity",  # so that what is counted is what is held
        },
        trust_env=False,  # kordon.yaml says all that there is to say, and nothing goes by a proxy unsaid
        follow_redirects=False,
    )


def _is_own(subject: str, topic: str) -> bool:
    return subject.startswith(f"{topic}-") and _OWN_SUBJECT.fullmatch(subject, len(topic) + 1) is not None


def _missing(ref: SchemaRef, topic: str) -> SchemaFault:
    return SchemaFault(f"it names {ref}, which the registry does not have for topic {topic}")


def _remember(memory: "OrderedDict[Any, Any]", key: Any, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MOST_KNOWN:
        memory.popitem(last=False)


def _garbled() -> SchemaFault:
    return SchemaFault("the schema registry answers something else than schemas")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _garbled()
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _garbled()
    return value


def _text(value: Any, name: str) -> str:
    found = _mapping(value).get(name)
    if not isinstance(found, str):
        raise _garbled()
    return found
