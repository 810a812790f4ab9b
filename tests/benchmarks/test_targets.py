"""Targets as they are written on the command line."""

from pathlib import Path

import pytest

from benchmarks.kafka import Cluster, parse_cluster
from benchmarks.targets import Target, parse_target


def test_a_target_has_a_name_and_an_address() -> None:
    assert parse_target("proxy=127.0.0.1:9392") == Target(name="proxy", host="127.0.0.1", port=9392)


def test_a_target_may_have_a_process_and_want_a_login(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("42\n")
    target = Target(name="proxy", host="127.0.0.1", port=9392, pid=42, sasl=True)

    assert parse_target("proxy=127.0.0.1:9392,pid=42,sasl") == target
    assert parse_target(f"proxy=127.0.0.1:9392,sasl,pid=@{tmp_path / 'pid'}") == target
    assert target.address == "127.0.0.1:9392"


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:9392",
        "proxy=127.0.0.1",
        "proxy=127.0.0.1:port",
        "=127.0.0.1:1",
        "proxy=127.0.0.1:1,tls",
        "proxy=127.0.0.1:1,pid=",
        "proxy=127.0.0.1:1,pid=many",
        "proxy=127.0.0.1:65536",
    ],
)
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_target(text)


def test_only_this_machine_is_measured() -> None:
    with pytest.raises(ValueError, match=r"only targets of this machine"):
        parse_target("proxy=192.0.2.1:9392")


def test_a_cluster_has_an_address_with_and_one_without_login() -> None:
    assert parse_cluster("127.0.0.1:9092,127.0.0.1:9094,pid=7") == Cluster(
        plain="127.0.0.1:9092", sasl="127.0.0.1:9094", pid=7
    )
    with pytest.raises(ValueError, match=r"not of the form"):
        parse_cluster("127.0.0.1:9092")
