"""What real clients, those of librdkafka, are told."""

from collections.abc import Mapping
from typing import Any

from benchmarks.targets import PASSWORD, USER, Target


def settings(target: Target, more: Mapping[str, Any]) -> dict[str, Any]:
    """To reach a target, and more."""
    told: dict[str, Any] = {"bootstrap.servers": target.address, "client.id": "bench", "log_level": 3}
    if target.sasl:
        told |= {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": PASSWORD,
        }
    return {**told, **more}
