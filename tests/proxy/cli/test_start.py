"""The command is there at once: it loads what it is about to use, and nothing else."""

import subprocess
import sys
from pathlib import Path

from kordon_proxy.demo.kordon import Kordon
from tests.kafka.tenants import eventually

HEAVY = {"aiokafka", "fastapi", "httpx", "kio", "kordon_protocol", "pydantic", "ssl", "yaml"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that are loaded after a statement, in a process of its own."""
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    return set(ran.stdout.split())


def test_help_and_completion_need_no_library_of_any_one_command() -> None:
    loaded = loaded_by("import kordon_proxy.cli.app")

    assert not loaded & HEAVY
    assert "typer" in loaded


def test_a_server_loads_nothing_of_the_command_nor_of_what_is_not_configured() -> None:
    loaded = loaded_by("import kordon_proxy.server")

    assert not loaded & {"aiokafka", "fastapi", "httpx", "jq", "re2", "typer", "uvicorn"}
    assert "kio" in loaded


def test_a_server_without_the_admin_api_has_loaded_no_part_of_it_nor_any_other_word_when_it_serves() -> None:
    kordon = Kordon(
        clusters={"prod": "127.0.0.1:1"}, policy="policies: []", environment={"PYTHONPROFILEIMPORTTIME": "1"}
    )
    try:
        kordon.start(wait=False)
        eventually(lambda: '"event": "started"' in kordon.log)
        loaded = {line.rpartition("|")[2].strip() for line in kordon.log.splitlines() if line.startswith("import time")}
    finally:
        kordon.stop()

    assert {"kordon_proxy.cli.serve", "kordon_proxy.server", "kio"} <= loaded
    assert not loaded & {"aiokafka", "fastapi", "fastavro", "google.protobuf", "httpx", "jq", "pydantic.networks"}
    assert not loaded & {"scramp", "starlette", "uvicorn", "kordon_proxy.cli.app", "kordon_proxy.cli.explain"}
    assert not {name for name in loaded if name.startswith(("kordon_proxy.admin", "kordon_proxy.explaining"))}


def test_a_server_loads_nothing_that_libraries_use_only_because_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "rbac.yaml").write_text("policies: 1")
    (tmp_path / "kordon.yaml").write_text(
        "clusters: [{name: prod, bootstrap: ['127.0.0.1:1']}]\n"
        "listeners:\n"
        "  - {name: main, cluster: prod, bind: '127.0.0.1:1', ports: {base: 2, ids: '1'}, identity: {principal: a}}\n"
        "policy: rbac.yaml\n"
    )

    loaded = loaded_by(
        "from pathlib import Path; from kordon_proxy.cli import serve\n"
        "serve.print_findings = lambda *_: None  # which loads what shows them\n"
        f"assert serve.serve(Path({str(tmp_path / 'kordon.yaml')!r})) == 1"
    )

    assert {"kordon_proxy", "kio", "structlog"} <= loaded
    assert not loaded & {"hypothesis", "pygments", "rich"}
