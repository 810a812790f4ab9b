"""Whether the proofs would notice: take the judge of one API away at a time, and see which suite fails.

    python -m tests.mutations                      # the APIs below, a minute or two each
    python -m tests.mutations Fetch ListOffsets    # these

Each suite runs in a process of its own, against real Kafka, with `tests/inside` on its path. What is printed
is the first test that fails. An API whose judge nobody misses makes the exit code 1.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from kordon_proxy.table import APIS

ROOT: Final = Path(__file__).parents[2]
INSIDE: Final = ROOT / "tests" / "inside"
SUITES: Final = (
    "tests/kafka/test_isolation.py",
    "tests/kafka/test_isolated_parts.py",
    "tests/kafka/test_isolated_lists.py",
    "tests/kafka/test_two_tenants.py",
    "tests/kafka/test_conformance.py",
    "tests/kafka/test_random_requests.py",
    "tests/kafka/test_non_interference.py",
)
MUTANTS: Final = (
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "OffsetCommit",
    "OffsetFetch",
    "JoinGroup",
    "DescribeGroups",
    "ListGroups",
    "CreateTopics",
    "DeleteTopics",
    "DescribeConfigs",
    "ListTransactions",
    "DescribeLogDirs",
    "DescribeAcls",
    "ShareFetch",
    "StreamsGroupHeartbeat",
    "AlterPartitionReassignments",
)
LONGEST: Final = 900
"""Seconds for one suite."""


def first_failure(what: str, mutant: str | None) -> str | None:
    """The test of a suite that fails first without that judge; None where all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", what]
    path = os.pathsep.join([str(INSIDE), *(str(ROOT / folder) for folder in (".", "protocol", "policy", "proxy"))])
    environment = {**os.environ, "PYTHONPATH": path} | ({} if mutant is None else {"KORDON_MUTATION": mutant})
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if ran.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    if found is None:
        raise SystemExit(f"{what} did not run:\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
    return found[1]


def caught(mutant: str) -> str | None:
    """The first test of all suites that misses the judge, and that passes with it."""
    test = next(filter(None, (first_failure(suite, mutant) for suite in SUITES)), None)
    if test is not None and first_failure(test, None) is not None:
        raise SystemExit(f"{test} fails although all judges are there: nothing follows from that it fails without one")
    return test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted(api.name for api in APIS.values() if api.judge is not None)
    parser.add_argument("api", nargs="*", choices=[*names, []], metavar="API", default=[])
    survivors = []
    for mutant in parser.parse_args().api or MUTANTS:
        test = caught(mutant)
        print(f"{mutant}: {'NOBODY MISSES IT' if test is None else test}", flush=True)
        if test is None:
            survivors.append(mutant)
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
