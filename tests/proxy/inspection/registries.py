"""A schema registry on the loopback address, with as much of Confluent's API as its clients and Kordon use."""

import base64
import json
import re
import ssl
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from confluent_kafka.schema_registry import SchemaRegistryClient

from kordon_proxy.config.clusters import SchemaRegistry

Answer = tuple[int, Any]
MISSING: Final[Answer] = (404, {"error_code": 40403, "message": "not found"})


class FakeRegistry:
    """Keeps what is registered. A context: it listens from its beginning to its end."""

    def __init__(self, *, login: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        """Paths with their queries, in the order in which they were asked for."""
        self.behave: Callable[[str], Answer | bytes | None] = lambda _: None
        """What it answers to a path in place of what it should."""
        self._login = login
        self._over = threading.Event()
        self._schemas: dict[int, dict[str, Any]] = {}
        self._subjects: dict[str, list[int]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="registry")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{self._scheme}://localhost:{self._server.server_address[1]}"

    def stuck(self, _: str) -> Answer:
        """A behaviour: not to answer before all is over."""
        self._over.wait(60)
        return MISSING

    def settings(self, **settings: Any) -> SchemaRegistry:
        """Kordon's, for this one."""
        return SchemaRegistry(**{"cluster": "prod", "url": self.url, **settings})

    def client(self) -> SchemaRegistryClient:
        """Confluent's own client of this one."""
        return SchemaRegistryClient({"url": self.url})

    def register(
        self, subject: str, schema: str, kind: str = "AVRO", references: tuple[dict[str, Any], ...] = ()
    ) -> int:
        """Register a schema; its id."""
        told = {"schema": schema, "schemaType": kind, "references": list(references)}
        number = next((one for one, known in self._schemas.items() if known == told), len(self._schemas) + 1)
        self._schemas[number] = told
        versions = self._subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def guid(self, number: int) -> str:
        """The id that a schema has in all registries."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(self._schemas[number])))

    # Its answers

    def _get(self, path: str, query: dict[str, str]) -> Answer:
        for pattern, answer in (
            (r"schemas/ids/(\d+)", lambda number: self._schema(int(number), query)),
            (r"schemas/ids/(\d+)/subjects", lambda number: self._subjects_of(int(number))),
            (r"schemas/guids/([^/]+)", lambda guid: self._schema(self._number(guid), query)),
            (r"schemas/guids/([^/]+)/ids", self._ids),
            (r"subjects/([^/]+)/versions/(\d+)", lambda subject, version: self._version(subject, int(version), query)),
        ):
            if match := re.fullmatch(pattern, path):
                return answer(*map(unquote, match.groups()))
        return MISSING

    def _schema(self, number: int, query: dict[str, str]) -> Answer:
        if number not in self._schemas:
            return MISSING
        told = self._schemas[number]
        if told["schemaType"] == "PROTOBUF" and query.get("format") != "serialized":
            told = told | {"schema": 'syntax = "proto3"; // as text'}
        if told["schemaType"] == "AVRO":  # which a registry does not say
            told = {name: value for name, value in told.items() if name != "schemaType"}
        return 200, {name: value for name, value in told.items() if value} | {"guid": self.guid(number)}

    def _subjects_of(self, number: int) -> Answer:
        if number not in self._schemas:
            return MISSING
        return 200, [subject for subject, numbers in self._subjects.items() if number in numbers]

    def _number(self, guid: str) -> int:
        return next((number for number in self._schemas if self.guid(number) == guid), 0)

    def _ids(self, guid: str) -> Answer:
        number = self._number(guid)
        return (200, [{"context": ":.:", "id": number}]) if number else MISSING

    def _version(self, subject: str, version: int, query: dict[str, str]) -> Answer:
        numbers = self._subjects.get(subject, [])
        if not 0 < version <= len(numbers):
            return MISSING
        return self._registered(subject, numbers[version - 1], query)

    def _registered(self, subject: str, number: int, query: dict[str, str]) -> Answer:
        status, told = self._schema(number, query)
        version = self._subjects[subject].index(number) + 1
        return status, told | {"subject": subject, "id": number, "version": version}

    def _post(self, path: str, body: dict[str, Any]) -> Answer:
        if not (match := re.fullmatch(r"subjects/([^/]+)(/versions)?", path)):
            return MISSING
        subject, references = unquote(match[1]), tuple(body.get("references") or ())
        number = self.register(subject, body["schema"], body.get("schemaType", "AVRO"), references)
        return self._registered(subject, number, {"format": "serialized"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                registry.asked.append(self.path)
                odd = registry.behave(parts.path)
                self._answer(odd or registry._get(parts.path.strip("/"), dict(parse_qsl(parts.query))))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._answer(registry._post(urlsplit(self.path).path.strip("/"), body))

            def _answer(self, answer: Answer | bytes) -> None:
                if registry._login is not None and self.headers.get("authorization") != _basic(registry._login):
                    answer = (401, {"error_code": 401})
                status, content = (
                    (200, answer) if isinstance(answer, bytes) else (answer[0], json.dumps(answer[1]).encode())
                )
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()
