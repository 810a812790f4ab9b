"""What is there to be copied works: the files in `deploy`, and those in the README and the quickstart."""

import re
from pathlib import Path
from typing import Final

import pytest

from kordon_policy.load import load
from kordon_proxy.config.load import inspect_config, load_config
from kordon_proxy.demo.world import POLICY
from kordon_proxy.identity import users_edit

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ("README.md", "docs/quickstart.md")


def blocks(page: str) -> dict[str, str]:
    """The files that a page shows, by the names in their first lines."""
    text = (ROOT / page).read_text()
    return {name: block for block, name in re.findall(r"```yaml\n(# (\S+)\n.*?)```", text, re.DOTALL)}


def write_files(page: str, folder: Path) -> Path:
    """Do what the page says, up to the point where Kordon is started."""
    for name, block in blocks(page).items():
        (folder / name).write_text(block)
    with users_edit.edit(folder / "users.yaml", create=True) as content:
        users_edit.add_user(content, "dana", "dana-secret", roles=("devs",))
    return folder / "kordon.yaml"


@pytest.mark.parametrize("page", PAGES)
def test_the_configuration_of_a_page_is_one(page: str, tmp_path: Path) -> None:
    config = load_config(write_files(page, tmp_path))

    assert [str(listener.bind) for listener in config.listeners] == ["127.0.0.1:19092"]


@pytest.mark.parametrize("page", PAGES)
def test_the_policy_of_a_page_has_no_mistakes(page: str) -> None:
    loaded = load(blocks(page)["rbac.yaml"], page)

    assert [str(finding) for finding in loaded.findings if finding.severity != "notice"] == []
    assert loaded.document is not None


def test_the_readme_keeps_its_word_about_ten_lines() -> None:
    assert len(blocks("README.md")["kordon.yaml"].splitlines()[1:]) == 10


def test_the_example_configuration_has_no_mistakes() -> None:
    inspected = inspect_config(ROOT / "deploy/kordon.example.yaml", read_secrets=False)

    assert inspected.findings == ()
    assert inspected.config is not None


@pytest.mark.parametrize("path", [ROOT / "deploy/rbac.example.yaml", POLICY], ids=["deploy", "demo"])
def test_an_example_policy_has_no_mistakes(path: Path) -> None:
    loaded = load(path.read_bytes(), str(path))

    assert [str(finding) for finding in loaded.findings if finding.severity != "notice"] == []
    assert loaded.document is not None


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())

    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []
