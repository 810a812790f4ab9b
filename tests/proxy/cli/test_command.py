"""The command as a whole: versions, schemas, and starts that fail in one line."""

import json
import os
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from kordon_proxy.cli import serve
from kordon_proxy.demo import tour
from kordon_proxy.form import IS_COMPILED
from tests.proxy.cli.command import Run
from tests.proxy.cli.conftest import CONFIG, POLICY


def test_the_version_is_the_packages(kordon: Run) -> None:
    ran = kordon("--version")

    form = " (compiled)" if IS_COMPILED else ""
    assert (ran.code, ran.out) == (0, f"kordon {metadata.version('kordon')}{form}\n")


@pytest.mark.parametrize(("of", "key"), [("kordon", "listeners"), ("rbac", "policies")])
def test_schemas_are_printed(kordon: Run, of: str, key: str) -> None:
    ran = kordon("schema", of)

    assert ran.code == 0
    assert key in json.loads(ran.out)["properties"]


def test_an_unknown_word_is_wrong_usage(kordon: Run) -> None:
    assert kordon("explode").code == 2


@pytest.mark.parametrize("words", [(), ("users",), ("--help",), ("-h",), ("serve", "-h"), ("check", "--help")])
def test_help_names_what_there_is(kordon: Run, words: tuple[str, ...]) -> None:
    ran = kordon(*words)

    assert "Usage" in ran.out + ran.err


@pytest.mark.parametrize(("words", "once"), [((), False), (("--once",), True)])
def test_the_demonstration_stays_unless_told_otherwise(
    kordon: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], once: bool
) -> None:
    given = []
    monkeypatch.setattr(tour, "main", lambda *, once: given.append(once))

    ran = kordon("demo", *words)

    assert (ran.code, given) == (0, [once])


def test_a_start_without_a_configuration_is_one_line(kordon: Run, tmp_path: Path) -> None:
    ran = kordon("serve", "--config", tmp_path / "kordon.yaml")

    assert ran.code == 2
    told = f"cannot read {tmp_path}/kordon.yaml: no such file or directory; --config names another file"
    assert ran.err == f"kordon: {told}\n"


def test_a_start_with_mistakes_tells_them_all(kordon: Run, folder: Path) -> None:
    (folder / "kordon.yaml").write_text(CONFIG.replace("cluster: prod", "cluster: prd") + "drain: soon\n")

    ran = kordon("serve")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("3 errors\n")
    assert "Traceback" not in ran.err


def test_ctrl_c_before_there_is_anything_to_stop_is_no_traceback(kordon: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*words: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "serve", interrupted)

    ran = kordon("serve")

    assert (ran.code, ran.err) == (130, "")


def test_a_terminal_that_lacks_letters_gets_their_numbers(folder: Path) -> None:
    """In a process of its own, because the encoding is the process's."""
    (folder / "rbac.yaml").write_text(POLICY.replace("Trading", "Z\u00fcrich", 1), encoding="utf-8")

    ran = subprocess.run(
        [sys.executable, "-m", "kordon_proxy", "check", "kordon.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.returncode == 1
    assert "there is Z\\xfcrich, Billing" in ran.stdout
    assert ran.stderr == ""


def test_a_start_tells_warnings_in_the_log_and_a_port_that_is_taken_in_one_line(folder: Path) -> None:
    """In a process of its own, because a server takes over signals and logging."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        login = "own_login: {mechanism: PLAIN, username: kordon, password: kordon-secret}"
        (folder / "kordon.yaml").write_text(
            CONFIG.replace('9092"}', f'9092", {login}}}', 1) + f'admin: {{bind: "127.0.0.1:{port}"}}\n'
        )

        ran = subprocess.run(
            [sys.executable, "-m", "kordon_proxy", "serve"], cwd=folder, capture_output=True, text=True, timeout=60
        )

    warning, *_, last = ran.stderr.splitlines()
    told = json.loads(warning)
    assert told["event"] == "configuration_warning"
    assert (told["place"], told["where"]) == ("kordon.yaml:1:112", "clusters[0].own_login.password")
    assert told["reason"] == "a password in clear text"
    assert "kordon-secret" not in ran.stderr
    told = f"cannot serve metrics and health on 127.0.0.1:{port}: address already in use"
    assert last == f"kordon: {told}; free the port, or change `admin.bind`"
    assert ran.returncode == 2


def test_a_start_with_a_broken_policy_tells_its_mistakes(folder: Path) -> None:
    """In a process of its own, because a server takes over signals and logging."""
    (folder / "rbac.yaml").write_text("policies: [{}]\n")

    ran = subprocess.run(
        [sys.executable, "-m", "kordon_proxy", "serve"], cwd=folder, capture_output=True, text=True, timeout=60
    )

    assert ran.returncode == 1
    assert "rbac.yaml:1:" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_start_with_a_store_that_cannot_be_used_is_one_line(folder: Path) -> None:
    """In a process of its own, because a server takes over signals and logging."""
    (folder / "kordon.db").write_text("a store, but not of this kind\n")

    ran = subprocess.run(
        [sys.executable, "-m", "kordon_proxy", "serve"], cwd=folder, capture_output=True, text=True, timeout=60
    )

    why = f"the store {folder / 'kordon.db'} cannot be used: file is not a database"
    assert ran.stderr.splitlines()[-1] == f"kordon: {why}; mend it, or name another file in `store.file`"
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 2


def test_a_start_without_the_brokers_of_its_store_is_one_line(folder: Path) -> None:
    nobody = CONFIG.replace("127.0.0.1:9092", "127.0.0.1:1")
    (folder / "kordon.yaml").write_text(f"{nobody}store: {{type: kafka}}\n")

    ran = subprocess.run(
        [sys.executable, "-m", "kordon_proxy", "serve"], cwd=folder, capture_output=True, text=True, timeout=60
    )

    assert ran.stderr.splitlines()[-1] == (
        "kordon: the store __kordon_store at prod cannot be used: no broker can be reached; the log says why"
    )
    assert 'Unable connect to \\"127.0.0.1:1\\": ' in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 2


def test_serving_loads_nothing_large_that_it_may_not_need() -> None:
    program = (
        "import sys\n"
        "import kordon_proxy.cli.root, kordon_proxy.cli.serve, kordon_proxy.config.load\n"
        "print(sorted({'rich', 'scramp'} & set(sys.modules)))\n"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert ran.stdout == "[]\n", ran.stderr
