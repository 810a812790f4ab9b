"""Start and stop a real Apache Kafka (KRaft) on the loopback address.

with Kafka(users={"alice": "alice-secret"}) as kafka:
    kafka.bootstrap  # '127.0.0.1:21734'
    kafka.listener("SASL_PLAINTEXT")  # '127.0.0.1:28112'
"""

import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from kordon_proxy.demo import ports, tools
from kordon_proxy.demo.certificates import Certificate, issue, make_authority
from kordon_proxy.demo.node import KafkaFailed, Node, PortTaken
from kordon_proxy.demo.properties import SCRAM, Listener, Setup, server_properties
from kordon_proxy.demo.watchdog import Watchdog

SMALL_JVM: Final = ("-Xms256m", "-Xmx400m", *tools.QUICK)

_ATTEMPTS: Final = 3


class Kafka:
    """A cluster of 1 to 3 nodes (ids 1, 2, 3), each broker and controller, gone without a trace after `stop`.

    It listens on PLAINTEXT, where everybody is ANONYMOUS and a super user, and depending on the arguments on
    SASL_PLAINTEXT, SSL and SASL_SSL.

    users: name to password, for PLAIN and both SCRAM mechanisms.
    tls: adds SSL listeners, with certificates from an authority of its own.
    authorizer: Kafka's own ACLs; `super_users` are names without `User:`.
    properties: added to each node's configuration, or put in the place of what is there.
    first_port: where the ports begin (10 for each node), if they are free; a port that is not is replaced.
    advertise: the host name that clients are told, where 127.0.0.1 would be that of a proxy too.
    jvm: how big and how quick; the default suits tests.
    plugins: folders of classes that `properties` name.
    under: in which folder to keep the data; the system's for temporary files unless given.
    timeout: in seconds, for each start.
    """

    def __init__(
        self,
        nodes: int = 1,
        *,
        users: Mapping[str, str] | None = None,
        tls: bool = False,
        client_certificates: Literal["none", "requested", "required"] = "none",
        authorizer: bool = False,
        super_users: tuple[str, ...] = (),
        auto_create_topics: bool = False,
        properties: Mapping[str, object] | None = None,
        first_port: int | None = None,
        advertise: str = ports.HOST,
        jvm: tuple[str, ...] = SMALL_JVM,
        plugins: tuple[Path, ...] = (),
        under: Path | None = None,
        timeout: float = 90,
    ) -> None:
        self.setup = Setup(
            nodes=nodes,
            users=users or {},
            tls=tls,
            client_certificates=client_certificates,
            authorizer=authorizer,
            super_users=super_users,
            auto_create_topics=auto_create_topics,
            properties=properties or {},
            advertise=advertise,
        )
        self.cluster_id: Final = _random_id()
        self.nodes: Mapping[int, Node] = {}  # those of the running cluster, by id
        self._authority: Certificate | None = None
        self._first_port = first_port
        self._jvm = jvm
        self._plugins = plugins
        self._under = under
        self._timeout = timeout
        self._folder: Path | None = None
        self._watchdog: Watchdog | None = None

    def start(self) -> None:
        """Start all nodes and return when each sees all the others. Raises KafkaFailed or MissingPrerequisite."""
        if self._folder:
            raise KafkaFailed("kafka runs already")
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                self._start()
                break
            except BaseException as why:
                self.stop()
                if not (isinstance(why, PortTaken) and attempts_left):  # else again, on other ports
                    raise

    def stop(self) -> None:
        """End all nodes at once and delete all that they have written. Does nothing when there is nothing to stop."""
        for node in self.nodes.values():
            node.kill()
        if self._watchdog:
            self._watchdog.clean_up()
        self.nodes = {}
        self._authority = self._folder = self._watchdog = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes' PLAINTEXT listeners, as `bootstrap.servers` wants them."""
        return self.listener("PLAINTEXT")

    def listener(self, name: Listener) -> str:
        """Return the addresses of all nodes' listeners of that name, separated by commas."""
        return ",".join(node.address(name) for node in self.nodes.values())

    @property
    def folder(self) -> Path:
        """Where the nodes keep configuration, logs and data as long as they run; room for a test's files too."""
        if self._folder is None:
            raise KafkaFailed("kafka does not run: start it first")
        return self._folder

    @property
    def authority(self) -> Certificate:
        """Who signed the brokers' certificates, and may sign clients' (`certificates.issue`)."""
        if self._authority is None:
            raise KafkaFailed("kafka runs without TLS: start it with tls=True")
        return self._authority

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="kordon-kafka-", dir=self._under))
        self._watchdog = Watchdog(self._folder)
        self.nodes = {
            node_id: Node(
                node_id,
                listeners=listeners,
                host=self.setup.advertise,
                folder=self._folder,
                jvm=self._jvm,
                plugins=self._plugins,
                timeout=self._timeout,
                guard=self._watchdog.guard,
            )
            for node_id, listeners in self._choose_ports().items()
        }
        self._configure()
        self._format()
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.wait_until_it_sees(set(self.nodes))

    def _choose_ports(self) -> Mapping[int, Mapping[Listener, int]]:
        chosen: dict[int, dict[Listener, int]] = {}
        taken: set[int] = set()
        for node in range(self.setup.nodes):
            chosen[node + 1] = {}
            for place, listener in enumerate(self.setup.listeners):
                wanted = None if self._first_port is None else self._first_port + 10 * node + place
                port = ports.free_port(wanted, besides=taken)
                chosen[node + 1][listener] = port
                taken.add(port)
        return chosen

    def _configure(self) -> None:
        certificate = None
        if self.setup.tls:
            self._authority = make_authority(self.folder)
            certificate = issue(self._authority, self.folder, "broker")
        listeners = {node.node_id: node.listeners for node in self.nodes.values()}
        for node in self.nodes.values():
            text = server_properties(
                self.setup,
                node.node_id,
                ports=listeners,
                data=node.data,
                certificate=certificate,
                authority=self._authority,
            )
            node.properties.write_text(text)

    def _format(self) -> None:
        scram = [
            f"--add-scram={mechanism}=[name={name},password={password}]"
            for name, password in self.setup.users.items()
            for mechanism in SCRAM
        ]
        formats = [(node, node.format("--cluster-id", self.cluster_id, *scram)) for node in self.nodes.values()]
        for node, process in formats:
            if process.wait():
                raise node.failure()


def _random_id() -> str:
    while (text := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass  # a dash would look like an option to Kafka's tools
    return text
