"""Commands that start further targets."""

import sys

import pytest

from benchmarks.commands import parse_command
from benchmarks.processes import tree
from benchmarks.targets import target_at


def test_a_command_says_where_it_answers() -> None:
    command = parse_command("proxy=127.0.0.1:9392:bin/proxy --listen '127.0.0.1:9392'")

    assert command.target == target_at("proxy", "127.0.0.1:9392")
    assert command.words == ("bin/proxy", "--listen", "127.0.0.1:9392")


@pytest.mark.parametrize("text", ["proxy=127.0.0.1:9392", "127.0.0.1:9392:bin/proxy", "proxy=192.0.2.1:9392:bin/proxy"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_command(text)


def test_what_was_started_is_ended() -> None:
    command = parse_command(f"sleeper=127.0.0.1:1:{sys.executable} -c 'import time; time.sleep(60)'")

    with command.running() as begin:
        pid = begin()
        assert tree(pid) == [pid]

    assert tree(pid) == []
