"""What the documentation shows is what the code does."""

import re
from pathlib import Path

import pytest

from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.findings import Severity
from kordon_policy.load import load

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml(?: (\w+))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("mark", "block"), BLOCKS)
def test_each_block_is_what_it_is_said_to_be(mark: str, block: str) -> None:
    loaded = load(block, "policies.md")
    worst = {finding.severity for finding in loaded.findings}
    if mark == "refused":
        assert loaded.document is None
    elif mark == "warned":
        assert loaded.document is not None
        assert Severity.WARNING in worst
        for said in re.findall(r"^ *# (.*)", block, re.MULTILINE):
            findings = loaded.findings
            assert any(
                said in (finding.message, f"{finding.message.split(':')[0]}: {finding.hint}") for finding in findings
            )
    else:
        assert worst <= {Severity.NOTICE}, loaded.findings
        if mark == "noticed":
            for said in re.findall(r"^ *# (.*)", block, re.MULTILINE):
                assert any(finding.message.startswith(said) for finding in loaded.findings)


def test_the_page_names_every_action_and_type() -> None:
    assert len(BLOCKS) >= 15
    for word in (*Action, *Kind, *Domain):
        assert f"`{word}`" in PAGE
