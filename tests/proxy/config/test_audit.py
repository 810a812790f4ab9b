"""The `audit` part of `kordon.yaml`."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from kordon_proxy.config.audit import AuditConfig, KafkaTopic


def test_nothing_said_means_a_journal_that_mutations_wait_for() -> None:
    config = AuditConfig()

    assert config.on_failure == "refuse"
    assert config.window == 60.0
    assert not config.stdout
    assert config.kafka is None


def test_it_is_read_from_texts_as_a_file_has_them() -> None:
    config = AuditConfig.model_validate(
        {
            "directory": "/var/lib/kordon/audit",
            "on_failure": "continue",
            "window": "30s",
            "rotation": {"size": "16MiB", "age": "1h", "keep": "all"},
            "stdout": "true",
            "kafka": {"cluster": "prod", "replication": "3", "on_failure": "refuse"},
        }
    )

    assert config.directory == Path("/var/lib/kordon/audit")
    assert (config.window, config.rotation.size, config.rotation.age, config.rotation.keep) == (
        30,
        16 << 20,
        3600,
        "all",
    )
    assert config.kafka is not None
    assert (config.kafka.topic, config.kafka.replication) == ("__kordon_audit_log", 3)
    assert (config.kafka.on_failure, KafkaTopic().on_failure) == ("refuse", "continue")


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_failure": "ignore"},
        {"window": "0s"},
        {"rotation": {"keep": "-1"}},
        {"rotation": {"size": "1"}},
        {"kafka": {"topic": "no spaces"}},
        {"kafka": {"replication": "0"}},
        {"directroy": "x"},
        {"waiting": "0"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AuditConfig.model_validate(wrong)
