"""What a run starts and what it finds running: the cluster, and the targets in front of it."""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.commands import Command
from benchmarks.kafka import Cluster, a_cluster
from benchmarks.kordons import a_kordon, target_of
from benchmarks.processes import pin
from benchmarks.targets import BARE, BEFORE, DIRECT, DIRECT_SASL, INTERPRETED, KORDON, Target, target_at
from kordon_proxy.form import IS_COMPILED

ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Targets in the order of the table: the first is the one that others are compared with, the last is Kordon."""

    cluster: Cluster
    targets: tuple[Target, ...]
    narrow: Mapping[str, Target]
    """Those of them that have another listener, with a view of a few topics: name to that."""
    commands: tuple[Command, ...]
    """What is started to be timed."""


@contextmanager
def started(
    *,
    cluster: Cluster | None,
    further: Sequence[Target],
    before: Path | None,
    without: Collection[str],
    commands: Sequence[Command] = (),
) -> Iterator[Started]:
    """Everything is there within the block, and what was started here is gone after it."""
    with ExitStack() as stack:
        there = cluster or stack.enter_context(a_cluster())
        targets = [target_at(DIRECT, there.plain), target_at(DIRECT_SASL, there.sasl, sasl=True)]
        if BARE not in without:
            targets.append(stack.enter_context(bare_relay(there.plain)))
        targets += further
        narrow = {}
        checkouts = {BEFORE: before, INTERPRETED: ROOT if IS_COMPILED and INTERPRETED not in without else None}
        found = {name: checkout.resolve() for name, checkout in checkouts.items() if checkout is not None}
        for name, checkout in (*found.items(), (KORDON, None)):
            kordon = stack.enter_context(a_kordon(there.plain, checkout=checkout))
            targets.append(target_of(kordon, name))
            narrow[name] = target_of(kordon, name, "few")
        kept = tuple(target for target in targets if target.name not in without)
        yield Started(cluster=there, targets=kept, narrow=narrow, commands=tuple(commands))


@contextmanager
def pinned(there: Started, ours: frozenset[int], theirs: frozenset[int]) -> Iterator[None]:
    """Client and cluster run on some CPUs, the targets on others, as long as the block lasts."""
    all_of_them = os.sched_getaffinity(0)
    proxies = [target.pid for target in there.targets if target.pid is not None]
    brokers = [] if there.cluster.pid is None else [there.cluster.pid]
    try:
        os.sched_setaffinity(0, ours)
        for pid in brokers:
            pin(pid, ours)
        for pid in proxies:
            pin(pid, theirs)
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)
        for pid in (*brokers, *proxies):
            pin(pid, all_of_them)


@contextmanager
def bare_relay(address: str) -> Iterator[Target]:
    """The yardstick, in a process of its own, in front of a broker."""
    command = [sys.executable, "-m", "benchmarks.bare", address.rpartition(":")[2]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield target_at(BARE, f"127.0.0.1:{process.stdout.readline().strip()}", pid=process.pid)
        finally:
            process.terminate()
