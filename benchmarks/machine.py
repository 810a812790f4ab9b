"""When, on what and with what a run was made."""

import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil

from kordon_proxy.demo import prerequisites
from kordon_proxy.form import IS_COMPILED

_PACKAGES: Final = ("uvloop", "kio", "confluent-kafka", "pyperf")


def timestamp() -> str:
    """Now, as result files have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def versions() -> Mapping[str, str]:
    """Of what takes part."""
    return {
        "Kafka": _kafka(),
        "Python": platform.python_version(),
        "kordon": _version("kordon") + (" (compiled)" if IS_COMPILED else ""),
        **{name: _version(name) for name in _PACKAGES},
        "kernel": platform.release(),
    }


def machine() -> Mapping[str, str | int | float]:
    """What this one has."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "CPU": _cpu_model(),
        "memory, GiB": round(psutil.virtual_memory().total / (1 << 30), 1),
    }


def _kafka() -> str:
    """The version in the names of Kafka's jars."""
    found = sorted(prerequisites.jars().glob("kafka_*.jar"))
    return found[0].stem.rpartition("-")[2] if found else "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.machine()
