"""The command is there at once: it loads what it is about to use, and nothing else."""

import subprocess
import sys

HEAVY = {"aiokafka", "fastapi", "httpx", "kio", "kordon_protocol", "pydantic", "ssl", "yaml"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that are loaded after a statement, in a process of its own."""
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(ran.stdout.split())


def test_help_and_completion_need_no_library_of_any_one_command() -> None:
    loaded = loaded_by("import kordon_proxy.cli.app")

    assert not loaded & HEAVY
    assert "typer" in loaded


def test_a_server_loads_nothing_of_the_command_nor_of_what_is_not_configured() -> None:
    loaded = loaded_by("import kordon_proxy.server")

    assert not loaded & {"aiokafka", "fastapi", "httpx", "jq", "typer", "uvicorn"}
    assert "kio" in loaded
