"""A Kordon whose policy changes while clients are connected."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.tenants import POLICY, a_kordon, eventually


def without(action: str, kind: str, name: str) -> str:
    """The policy with one thing taken from the traders."""
    rule = f"  - {{resource: [cluster, prod, {kind}, {name}], effect: Deny, actions: [{action}], role: traders}}\n"
    return POLICY.replace("policies:\n", f"policies:\n{rule}", 1)


def hiding(topic: str) -> str:
    """The policy with one topic taken out of the traders' view."""
    return POLICY.replace(
        "    roles: [traders]\n", f"      - exclude: [cluster, prod, topic, {topic}]\n    roles: [traders]\n", 1
    )


class Changing:
    """A Kordon whose policy changes while clients are connected."""

    def __init__(self, kordon: Kordon) -> None:
        self.kordon = kordon
        self.trading = kordon.listener("trading")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all labels that are not given."""
        families = text_string_to_metric_families(self.kordon.get("/metrics")[1])
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def write(self, policy: str) -> None:
        """Replace the file, as an editor or a deployment does."""
        new = self.kordon.folder / "rbac.new"
        new.write_text(policy)
        new.replace(self.kordon.policy_file)

    def put_in_force(self, policy: str) -> None:
        """Return as soon as the policy is in force."""
        if self.kordon.policy_file.read_text() != policy:
            epoch = self.metric("kordon_policy_epoch")
            self.write(policy)
            self.kordon.signal(signal.SIGHUP)
            eventually(lambda: self.metric("kordon_policy_epoch") > epoch)

    def opened(self) -> float:
        """How many connections of traders there have been."""
        return self.metric("kordon_connections_opened_total", listener="trading")

    def refusals(self) -> float:
        """How many times somebody was not let read."""
        return self.metric("kordon_decisions_total", action="TOPIC_INSPECT", verdict="denied")

    def denials(self, topic: object) -> list[dict[str, Any]]:
        """The audit's denials that name the topic, or its id."""
        return self._events(topic, "Deny")

    def reads(self, topic: str) -> int:
        """How many reads of the topic the audit has counted."""
        return self._counted(topic, "TOPIC_INSPECT")

    def produces(self, topic: str) -> int:
        """How many produces to the topic the audit has counted."""
        return self._counted(topic, "TOPIC_PRODUCE")

    def _counted(self, topic: str, action: str) -> int:
        events = [event["data"] for event in self._events(topic, "Allow")]
        return sum(event["window"]["count"] for event in events if event["what"]["action"] == action)

    def _events(self, topic: object, effect: str) -> list[dict[str, Any]]:
        return [
            event
            for event in self.kordon.audit()
            if event["data"]["why"].get("effect") == effect and str(topic) in json.dumps(event["data"]["what"])
        ]


@pytest.fixture(scope="session")
def changing_kordon(kafka: Kafka) -> Iterator[Changing]:
    """It is shared: `changing` puts the policy of all tests back in force."""
    with a_kordon(kafka, settings={"audit": {"window": "200ms"}}) as kordon:
        yield Changing(kordon)


@pytest.fixture
def changing(changing_kordon: Changing) -> Iterator[Changing]:
    yield changing_kordon
    changing_kordon.put_in_force(POLICY)
