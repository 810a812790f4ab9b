"""How the audit is configured: the `audit` part of `kordon.yaml`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from .section import Section
from .values import Duration, FilePath, OneOrMore, Replication, Size
from .webhooks import Webhook, check_webhooks


class Rotation(Section):
    """When the journal begins a new file, and how many of the old ones stay."""

    size: Annotated[Size, Field(ge=4096)] = 64 << 20
    """A file that has grown to this size is closed."""
    age: Annotated[Duration, Field(gt=0)] = 86_400.0
    """A file that was begun this long ago is closed, at the next event."""
    keep: Annotated[int, Field(ge=0)] | Literal["all"] = 100
    """How many closed files stay. What a sink has not got yet stays whatever is said here."""


class KafkaTopic(Section):
    """A Kafka topic that every event is forwarded to."""

    cluster: str | None = None
    """Name of the cluster, where there are several."""
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] = "__kordon_audit_log"
    """Created when it is missing, and then kept for ever (retention.ms=-1). Clients never see `__kordon…`."""
    partitions: Annotated[int, Field(ge=1)] = 1
    """When the topic is created. With one, all events of all replicas are in one order."""
    replication: Replication = "default"
    """When the topic is created: the number of copies, or what the brokers are set to."""
    on_failure: Literal["refuse", "continue"] = "continue"
    """While the topic does not take events, mutations are refused; or done, as the journal keeps the events for it."""


class AuditConfig(Section):
    """Where events are written, and what happens while they cannot be."""

    directory: Annotated[FilePath, Field(validate_default=True)] = Path("audit")
    """The journal: JSON lines in files, and what all other sinks are fed from. One process, one directory."""
    on_failure: Literal["refuse", "continue"] = "refuse"
    """While the journal cannot be written, mutations are refused; or done, and recorded when it can be again."""
    window: Annotated[Duration, Field(ge=0.05)] = 60.0
    """Reads and produces are counted over this long, then written as one event for each kind."""
    keys: Annotated[int, Field(ge=1)] = 10_000
    """Kinds that are counted at once. One more, and what has been counted is written early."""
    waiting: Annotated[int, Field(ge=1)] = 10_000
    """Events that memory holds while the disk does not take them. Then clients have to wait."""
    backlog_warning: Annotated[int, Field(ge=1)] = 100_000
    """Events that a sink has not got yet, from which on there is a warning."""
    rotation: Rotation = Rotation()
    stdout: bool = False
    """Every event on standard output as well, one a line."""
    kafka: KafkaTopic | None = None
    """Every event in a Kafka topic as well."""
    webhooks: Annotated[tuple[Webhook, ...], OneOrMore(), AfterValidator(check_webhooks)] = ()
    """Some events, or every one, in a chat or at a program of your own."""
