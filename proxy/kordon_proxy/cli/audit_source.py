"""Where the commands of the audit find it."""

import asyncio
import logging
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kordon_proxy.config.findings import Severity
from kordon_proxy.config.load import inspect_config
from kordon_proxy.config.model import Config
from kordon_proxy.identity.tls import TlsFault
from kordon_proxy.reasons import reason_of
from kordon_proxy.upstream import client_settings

from .report import print_findings

T = TypeVar("T")


class Unreadable(Exception):
    """The audit log cannot be read; the text says why, and what to do. Empty: it has been said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """The audit topic, and aiokafka's settings for its cluster. The latter hold a password."""

    name: str
    settings: dict[str, Any]


def journal_directory(config: Path, directory: Path | None) -> Path:
    """Return the directory that is given, or else the one that is configured. Raises Unreadable."""
    # An auditor's machine need not have the secrets.
    return directory or _configuration(config, read_secrets=False).audit.directory


def audit_topic(config: Path) -> Topic:
    """Return the topic that is configured. Raises Unreadable."""
    found = _configuration(config, read_secrets=True)
    topic = found.audit.kafka
    if topic is None:
        raise Unreadable(f"{config} has no audit topic: there is no `audit.kafka`")
    try:
        return Topic(name=topic.topic, settings=client_settings(found.audit_cluster))
    except TlsFault as fault:
        raise Unreadable(str(fault)) from None


def _configuration(path: Path, *, read_secrets: bool) -> Config:
    try:
        loaded = inspect_config(path, read_secrets=read_secrets)
    except OSError as error:
        hint = "--config names another file, --directory a journal"
        raise Unreadable(f"cannot read {path}: {reason_of(error)}; {hint}") from None
    if loaded.config is None:
        print_findings([one for one in loaded.findings if one.severity is Severity.ERROR], sys.stderr)
        raise Unreadable
    return loaded.config


def ask(topic: Topic, work: Coroutine[Any, Any, T]) -> T:
    """Run what reads the topic. Raises Unreadable."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what it says at each try is said once, here
    try:
        return asyncio.run(work)
    except KafkaConnectionError:
        brokers = ", ".join(topic.settings["bootstrap_servers"])
        why = f"no broker answers at {brokers}, or none takes the login"
    except KafkaError as error:
        why = str(error)
    except OSError as error:
        why = reason_of(error)
    finally:
        logger.setLevel(level)
    raise Unreadable(f"cannot read the topic {topic.name}: {why}")
