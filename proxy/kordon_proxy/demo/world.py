"""The demonstration's world: a real Kafka that three teams share, and a real Kordon in front of it."""

import asyncio
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kordon_proxy.identity import users_edit

from . import tools
from .channel import Channel
from .kafka import Kafka
from .kordon import Kordon
from .teams import PEOPLE, Person, settle
from .watchdog import Watchdog

# Where things are when nothing else is there already.
KAFKA_PORT: Final = 29092
APPS_PORT: Final = 19092
SIDECAR_PORT: Final = 19192

POLICY: Final = Path(__file__).with_name("rbac.yaml")
LISTENERS: Final = {
    "apps": {"port": APPS_PORT, "sasl": {"PLAIN": "staff"}},
    "sidecar": {"port": SIDECAR_PORT, "identity": {"principal": "svc-market", "roles": ["market"]}},
}
SETTINGS: Final[Mapping[str, Any]] = {
    "providers": {"staff": {"type": "users", "file": "users.yaml"}},
    "audit": {"window": "1s"},  # so that nobody has to wait a minute for what was read and produced
    "drain": "2s",
}

Doing = Callable[[str], AbstractContextManager[None]]
"""Tells a person what is done while it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What runs. Everything that a person may look at is in Kordon's folder."""

    kafka: Kafka
    kordon: Kordon
    channel: Channel
    """Where the Trading team is told what is granted."""

    @property
    def address(self) -> str:
        """Kordon's listener for those who log in."""
        return self.kordon.bootstrap

    @property
    def open_address(self) -> str:
        """Kordon's listener without a login: whoever connects is `svc-market`."""
        return self.kordon.listener("sidecar")

    def login_file(self, person: Person) -> Path:
        """The file by which Kafka's own tools log in."""
        return self.kordon.folder / f"{person.name}.properties"


@contextmanager
def a_world(doing: Doing) -> Iterator[World]:
    """Start everything, and leave nothing behind. Raises KafkaFailed, KordonFailed, KafkaError, MissingPrerequisite."""
    stack = ExitStack()
    try:
        kafka = Kafka(first_port=KAFKA_PORT)
        stack.callback(kafka.stop)
        with doing("Apache Kafka starts"):
            kafka.start()
        with doing("three teams move in"):
            asyncio.run(settle(kafka.bootstrap))
        with doing("Kordon starts in front of it"):
            channel = stack.enter_context(Channel())
            kordon = _kordon(kafka, channel)
            stack.callback(kordon.stop)
            kordon.start()
            stack.callback(_guard(kordon).clean_up)
            stack.callback(kordon.stop)  # in good order, before the guard would do it
        for person in PEOPLE:
            tools.write_login(kordon.folder / f"{person.name}.properties", person.name, person.password)
            (kordon.folder / f"{person.name}.token").write_text(kordon.token(person.name))
        yield World(kafka=kafka, kordon=kordon, channel=channel)
    finally:
        # It takes a second or two. Whoever presses Ctrl-C again meanwhile wants nothing else.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        stack.close()
        signal.signal(signal.SIGINT, before)


def _kordon(kafka: Kafka, channel: Channel) -> Kordon:
    webhook = {"name": "trading", "provider": "slack", "url": channel.url}
    return Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY.read_text(),
        listeners=LISTENERS,
        settings={**SETTINGS, "audit": {**SETTINGS["audit"], "webhooks": [webhook]}},
        tokens={person.name: (person.role,) for person in PEOPLE},
        files={"users.yaml": _users()},
    )


def _users() -> str:
    """The file that `kordon users add dana --role devs`, and so on, would have made."""
    with tempfile.TemporaryDirectory(prefix="kordon-users-") as folder:
        file = Path(folder) / "users.yaml"
        with users_edit.edit(file, create=True) as content:
            for person in PEOPLE:
                users_edit.add_user(content, person.name, person.password, roles=(person.role,))
        return file.read_text()


def _guard(kordon: Kordon) -> Watchdog:
    """Have Kordon ended also when this process is ended by force."""
    watchdog = Watchdog(kordon.folder)
    watchdog.guard(kordon.pid)
    return watchdog
