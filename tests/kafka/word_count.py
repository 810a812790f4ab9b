"""Kafka's own example of a Streams application, the word count, at any address: it reads lines and counts their words.

Between its two parts is a repartition topic, and behind its store a changelog. Both begin with the application's id, by
which it is in a group of that name. The topics at its ends are fixed.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kordon_proxy.demo import prerequisites, tools
from tests.kafka.tenants import eventually

LINES: Final = "streams-plaintext-input"
COUNTS: Final = "streams-wordcount-output"
STORE: Final = "KSTREAM-AGGREGATE-STATE-STORE-0000000003"
"""The name that the builder gives to the store."""

MAIN: Final = "org.apache.kafka.streams.examples.wordcount.WordCountDemo"
POM: Final = Path(__file__).with_name("streams") / "pom.xml"
SETTINGS: Final[Mapping[str, object]] = {
    "commit.interval.ms": 200,
    "dsl.store.suppliers.class": "org.apache.kafka.streams.state.BuiltInDslStoreSuppliers$InMemoryDslStoreSuppliers",
    "repartition.purge.interval.ms": 200,
    "application.server": "127.0.0.1:7070",  # for queries of the store: members tell each other, and nobody asks
}


def internal_topics(application: str) -> tuple[str, str]:
    """The changelog and the repartition topic of an application."""
    return f"{application}-{STORE}-changelog", f"{application}-{STORE}-repartition"


class WordCount:
    """It runs from entering to leaving.

    `folder` is for its state and what it says; `settings` are added to those of the application.
    """

    def __init__(self, application: str, at: str, folder: Path, **settings: object) -> None:
        told = {**SETTINGS, "application.id": application, "bootstrap.servers": at, "state.dir": folder / "state"}
        told |= {name.replace("_", "."): value for name, value in settings.items()}
        self._properties = folder / "word-count.properties"
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in told.items()))
        self._log = folder / "word-count.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        line = tools.command(MAIN, self._properties, plugins=(prerequisites.jars(POM) / "*",))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def said(self) -> str:
        return self._log.read_text()

    def close(self, timeout: float = 60) -> None:
        """Let it leave its group and end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout)

    def says(self, what: str, *, within: float = 90) -> str:
        """Wait until it says that. Returns all that it has said."""
        eventually(lambda: what in self.said, within=within)
        return self.said
