"""`kordon demo` shows what it claims, hands out commands that work, and leaves nothing behind."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from kordon_proxy.demo import console, tour
from kordon_proxy.demo.show import NotShown, Show
from kordon_proxy.demo.tools import Finished
from kordon_proxy.demo.world import APPS_PORT, KAFKA_PORT, SIDECAR_PORT

_PATIENCE = 240.0
_MOST_SECONDS_TO_GO = 10.0


class Demo:
    """A demonstration in a process of its own, with a folder for temporary files of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder / "tmp"
        self.folder.mkdir()
        self._out = folder / "out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kordon_proxy", "demo"],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**environment, "TMPDIR": str(self.folder), "COLUMNS": "120"},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._out.read_text()

    def wait_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def end(self, number: signal.Signals) -> int:
        os.killpg(self.process.pid, number)  # as a terminal does
        return self.process.wait(30)

    def leftovers(self) -> list[str]:
        """What is still there of it after a few seconds: files, and processes whose command line names its folder."""
        deadline = time.monotonic() + _MOST_SECONDS_TO_GO
        while (left := [*map(str, self.folder.iterdir()), *self._processes()]) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def who_else_hears_ctrl_c(self) -> list[int]:
        """Processes that a terminal would interrupt together with the demonstration."""
        processes = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
        return [number for number in processes if _group(number) == self.process.pid != number]

    def _processes(self) -> Iterator[str]:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if str(self.folder) in line:
                    yield line


def _group(process: int) -> int | None:
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return None


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path, dict(os.environ))
    yield demo
    if demo.process.poll() is None:
        demo.process.kill()
        demo.process.wait()


@pytest.fixture
def taken_ports() -> Iterator[set[int]]:
    """The ports that the demonstration would like to have."""
    wanted = {APPS_PORT, SIDECAR_PORT, KAFKA_PORT}
    with contextlib.ExitStack() as stack:
        for port in wanted:
            with contextlib.suppress(OSError):  # somebody else has it, which is as good
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield wanted


def hints_in(output: str) -> dict[str, str]:
    """The commands that it hands out, by what they are for."""
    found = re.findall(r"^  # (.*)\n((?:.+\n)+)", output, re.MULTILINE)
    return {purpose: command.strip() for purpose, command in found}


def run_in(folder: Path, command: str) -> str:
    """Have a shell run it, as one would who pastes it. Returns what is printed."""
    shell = subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        start_new_session=True,
    )
    try:
        return shell.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)  # with all that it has started
        shell.communicate()
        raise


@pytest.mark.timeout(600)
def test_it_stays_beside_others_and_its_commands_do_what_they_say(taken_ports: set[int], demo: Demo) -> None:
    # Given
    demo.wait_until(lambda: "What the audit log says meanwhile" in demo.output)
    hints = hints_in(demo.output)
    folder = next(demo.folder.glob("kordon-*/rbac.yaml")).parent

    # When
    said = {}
    for purpose, command in hints.items():
        said[purpose] = run_in(folder, command)

    # Then
    assert said["what dana sees"].split() == ["md_prices", "tx_orders", "tx_trade1"]
    assert said["what paul sees"].split() == ["pay_invoices", "pay_ledger"]
    assert '"of": "tx_orders"' in said["read as a member of a group"]
    assert "GroupAuthorizationException" in said["skip a record: refused"]
    assert "NEW-OFFSET" in said["skip a record: done"]
    assert "to try it" in said["what is granted"]
    assert "not a trade" in said["look at a record"] or "hex" in said["look at a record"]
    assert "OffsetCommit" in said["who did what to the group"] or "GROUP_EDIT" in said["who did what to the group"]
    assert "['md_calendar', 'md_prices']" in said["the listener without a login, where everybody is svc-market"]
    assert '"specversion"' in said["the audit events"]
    assert "kordon_policy_epoch" in said["the metrics"]
    demo.wait_until(lambda: "Deny: no policy allows GROUP_EDIT" in demo.output.split("meanwhile")[1])
    assert not {port for port in taken_ports if f":{port}" in demo.output}
    assert "✘" not in demo.output
    assert demo.who_else_hears_ctrl_c() == []

    # And then
    assert demo.end(signal.SIGINT) == 0
    assert demo.leftovers() == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        (lambda demo: list(demo.folder.glob("kordon-kafka-*/node1.log")), signal.SIGINT),
        (lambda demo: "The same commands" in demo.output, signal.SIGTERM),
    ],
    ids=["while Kafka starts", "while tools run"],
)
def test_ended_at_any_moment_it_leaves_nothing_behind(
    moment: Callable[[Demo], object], number: signal.Signals, demo: Demo
) -> None:
    demo.wait_until(lambda: moment(demo))

    code = demo.end(number)

    assert code == tour.INTERRUPTED
    assert demo.leftovers() == []
    assert "Traceback" not in demo.output


def test_ended_by_force_it_leaves_nothing_behind(demo: Demo) -> None:
    demo.wait_until(lambda: "The same commands" in demo.output)

    demo.process.kill()
    demo.process.wait()

    assert demo.leftovers() == []


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the demonstration play other scenes, on no world at all."""

    @contextlib.contextmanager
    def nothing(doing: object) -> Iterator[Any]:
        yield SimpleNamespace(kordon=SimpleNamespace(log="one line\nand another"))

    def play(*scenes: Callable[..., object]) -> None:
        monkeypatch.setattr(tour, "a_world", nothing)
        monkeypatch.setattr(tour, "prepare", lambda: None)
        monkeypatch.setattr(tour, "_listen_to_signals", lambda: None)
        monkeypatch.setattr(tour, "SCENES", scenes)

    return play


def test_a_claim_that_does_not_hold_ends_it_with_an_error(
    played: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene(world: object, show: Show) -> None:
        show.claim("two and two are four", True)
        show.claim("two and two are five", False, instead=4)

    played(scene)

    code = tour.give(once=True)

    assert code == 1
    assert "✔ two and two are four" in capsys.readouterr().out.replace("\n", " ")


def test_it_says_what_did_not_hold_and_what_kordon_logged(
    played: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene(world: object, show: Show) -> None:
        show.claim("two and two are five", False, instead=4)

    played(scene)

    tour.give(once=True)

    said = capsys.readouterr().out
    assert "✘ two and two are five: this does not hold; instead: 4" in said
    assert "and another" in said


def test_once_it_ends_by_itself(played: Callable[..., None]) -> None:
    async def scene(world: object, show: Show) -> None:
        show.scene("A scene", "with some words")

    played(scene)

    assert tour.give(once=True) == 0


def test_a_claim_that_does_not_hold_is_no_claim() -> None:
    with pytest.raises(NotShown):
        Show(Console(quiet=True)).claim("two and two are five", False)


@pytest.mark.parametrize(
    ("missing", "alike"),
    [
        ("Topic 'nothing' does not exist\n12:00:01.250 ERROR nothing\n\tat Main.java:7\n", True),
        ("Topic 'nothing' does not exist\n12:00:01.250 ERROR nothing\n\tat Main.java:8\n", False),
        ("not authorized to see 'nothing'\n", False),
    ],
)
def test_two_answers_are_alike_when_only_the_name_and_the_clock_differ(missing: str, alike: bool) -> None:
    foreign = "Topic 'theirs' does not exist\n12:00:00.001 ERROR theirs\n\tat Main.java:7\n"

    said = console.alike(
        Finished(code=1, stdout=foreign, stderr=""), Finished(code=1, stdout=missing, stderr=""), ("theirs", "nothing")
    )

    assert said is alike
