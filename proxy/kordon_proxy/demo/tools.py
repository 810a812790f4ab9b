"""Kafka's own console tools, run by their main classes: the same programs that its `bin` folder starts."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kordon_proxy.demo import class_archive, prerequisites

TOOLS: Final[Mapping[str, str]] = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-share-consumer": "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-delegation-tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-server-start": "kafka.Kafka",
    "kafka-share-consumer-perf-test": "org.apache.kafka.tools.ShareConsumerPerformance",
    "kafka-share-groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-streams-application-reset": "org.apache.kafka.tools.StreamsResetter",
    "kafka-streams-groups": "org.apache.kafka.tools.streams.StreamsGroupCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "kafka-verifiable-share-consumer": "org.apache.kafka.tools.VerifiableShareConsumer",
    "transactional-message-copier": "org.apache.kafka.tools.TransactionalMessageCopier",
}

# A quick start counts for more than a quick run.
QUICK: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_LOGGING: Final = Path(__file__).with_name("log4j2.xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a tool ended. `output` is what it printed, standard output before standard error."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def command(
    name: str,
    *arguments: str | Path,
    jvm: tuple[str, ...] = ("-Xmx256m", *QUICK),
    plugins: tuple[Path, ...] = (),
) -> list[str]:
    """Return the command line that runs a tool, for those who start it themselves. Times out nothing, starts nothing.

    `name` is that of its script, or a main class; `plugins` are folders of further classes. Raises MissingPrerequisite
    when there is no Java, or no Kafka and no way to fetch it.
    """
    classpath = ":".join((f"{prerequisites.jars()}/*", *map(str, plugins)))
    options = (*class_archive.options(), *jvm, f"-Dlog4j2.configurationFile={_LOGGING}")
    return [prerequisites.java(), *options, "-cp", classpath, TOOLS.get(name, name), *map(str, arguments)]


def tool(name: str, *arguments: str | Path, stdin: str = "", timeout: float = 60) -> Finished:
    """Run one of Kafka's console tools to its end, which takes about a second; `name` is that of its script.

    Raises subprocess.TimeoutExpired, after ending the tool, when it takes longer than `timeout` seconds.
    """
    line = command(name, *arguments)
    done = subprocess.run(line, input=stdin, check=False, capture_output=True, text=True, timeout=timeout)
    return Finished(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def write_login(
    file: Path,
    user: str,
    password: str,
    *,
    mechanism: str = "PLAIN",
    authority: Path | None = None,
) -> Path:
    """Write the file that a tool's `--command-config` takes to log in, and return it.

    With the certificate of an `authority` the listener is SASL_SSL, else SASL_PLAINTEXT.
    """
    module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    told = {
        "security.protocol": "SASL_SSL" if authority else "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": (
            f'org.apache.kafka.common.security.{module} required username="{user}" password="{password}";'
        ),
    }
    if authority:
        told |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(authority)}
    file.write_text("".join(f"{name}={value}\n" for name, value in told.items()))
    return file
