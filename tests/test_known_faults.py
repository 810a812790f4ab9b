"""Faults that other proxies and plugins of Kafka's have had, as tests of ours: `@pytest.mark.known_fault(number)`."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
FAULTS: Final = {
    1: "state that was evaluated for one connection is used for another, under load",
    2: "a broker restarts, and clients are told its real address or other node ids, with the newest versions",
    3: "the broker is newer: APIs and versions that nobody here knows are offered to clients",
    4: "one denied topic in a request makes all of it fail, or pass",
    5: "a name with `*`, `?` or `[` that comes from a client or a token is a pattern",
    6: "a producer that is idempotent needs more than the right to produce",
    7: "subscribers by pattern to thousands of topics make metadata and audit expensive",
    8: "a loop of polls fills the audit with the same success",
    9: "a sink of the audit that is down or full loses events without a word",
    10: "admin clients see addresses of brokers",
    11: "groups of the new protocol do not work under a view, or are not judged",
    12: "record batches that are odd are changed or refused, because somebody reads them",
    13: "a right that has ended still holds on connections that are open",
    14: "a hidden topic can be told from one that is not there, or comes into being by being asked for",
    15: "a new policy takes a restart, or costs connections",
    16: "an incremental fetch that names no topic loses its session",
    17: "topics that are in a fetch session are not judged again",
    18: "a produce by ids is answered with the wrong id where one of them is denied",
    19: "of topics that are deleted by id together with denied ones, none is deleted",
    20: "a longer pattern that does not match hides a shorter one that does",
    21: "a deny of one action denies others",
    22: "settings of brokers, producer ids without a transaction, keys of shared partitions are not judged",
    23: "what 10,000 topics cost grows with their square",
    24: "a cursor names a foreign topic",
    25: "all tenants have the id of the same cluster",
    26: "a renewed certificate takes a restart",
    27: "a slow broker is read for, because something else that was waited for has ended",
    28: "a path that cannot mean anything is taken without a word",
}


def marked(path: Path) -> Iterator[int]:
    """The numbers with which tests of a file are marked."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.known_fault":
                    yield ast.literal_eval(*decorator.args)


MARKED: Final = {number for path in TESTS.rglob("test_*.py") for number in marked(path)}


@pytest.mark.parametrize("number", FAULTS)
def test_each_known_fault_has_a_test(number: int) -> None:
    assert number in MARKED, FAULTS[number]


def test_no_test_is_for_a_fault_that_is_not_known() -> None:
    assert FAULTS.keys() >= MARKED
