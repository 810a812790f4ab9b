"""What the documents say of the configuration is what the configuration is."""

import json
import re
from pathlib import Path

import pytest

from kordon_protocol.scan import produce
from kordon_protocol.varints import LONGEST_STRING
from kordon_proxy import gate
from kordon_proxy.apis import acls
from kordon_proxy.config.load import parse_config
from kordon_proxy.config.schema import shipped_schema
from kordon_proxy.config.values import Surroundings
from kordon_proxy.identity.groups import load_groups
from kordon_proxy.identity.users import parse_users
from kordon_proxy.judging import parts, patterns, share_sessions

DOCS = Path(__file__).parents[3] / "docs"
CONFIGURATION, IDENTITY, AUDIT = ((DOCS / name).read_text() for name in ("configuration.md", "identity.md", "audit.md"))
FILES = ("rbac.yaml", "users.yaml", "kafka-ca.pem", "secrets/kafka")


def examples(text: str, *, of: str) -> list[str]:
    """The YAML blocks that begin with this key."""
    return [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith(of)]


@pytest.mark.parametrize("text", examples(CONFIGURATION, of="clusters:"))
def test_examples_are_right(tmp_path: Path, text: str) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)

    loaded = parse_config(text, "kordon.yaml", Surroundings(tmp_path, {}))

    assert loaded.findings == ()


def test_the_example_of_a_store_is_right(tmp_path: Path) -> None:
    (text,) = examples(CONFIGURATION, of="store:")
    (smallest, _) = examples(CONFIGURATION, of="clusters:")
    (tmp_path / "rbac.yaml").write_text("x")

    loaded = parse_config(smallest + text, "kordon.yaml", Surroundings(tmp_path, {}))

    assert loaded.findings == ()
    assert loaded.config is not None
    assert loaded.config.store_cluster.name == "prod"


def test_the_bounds_of_a_request_are_those_of_the_code() -> None:
    table = CONFIGURATION.partition("## What one request may ask for")[2]
    told = [int(number.replace(",", "")) for number in re.findall(r"^\| ([\d,]+) \|", table, re.MULTILINE)]

    assert told == [
        gate.MOST_ENTRIES,
        produce.MOST_ENTRIES,
        LONGEST_STRING,
        parts.MOST_TIMES,
        acls.MOST_UNCLEAR,
        share_sessions.MOST_PARTITIONS,
        patterns.LONGEST,
    ]


def test_there_are_examples() -> None:
    assert len(examples(CONFIGURATION, of="clusters:")) == 2


def test_the_example_of_a_users_file_is_right() -> None:
    (text,) = examples(IDENTITY, of="fake_salt_key:")

    assert parse_users(text, "users.yaml").findings == ()


def test_the_example_of_a_groups_file_is_right(tmp_path: Path) -> None:
    (text,) = examples(IDENTITY, of="devs:")
    (tmp_path / "groups.yaml").write_text(text)

    assert load_groups(tmp_path / "groups.yaml")["alice"] == {"devs", "owners"}


def test_every_key_is_described() -> None:
    schema = json.loads(shipped_schema())
    own = {
        name: section
        for name, section in schema["$defs"].items()
        if name not in {"AuditConfig", "Rotation", "KafkaTopic", "Webhook"}
    }
    keys = {key for section in (schema, *own.values()) for key in section["properties"]}

    assert [key for key in sorted(keys) if not re.search(rf"`[a-z_.]*\b{key}\b", CONFIGURATION)] == []


def test_every_key_of_a_webhook_is_described_with_its_default() -> None:
    schema = json.loads(shipped_schema())["$defs"]["Webhook"]
    table = AUDIT.partition("## Webhooks")[2]

    rows = dict(re.findall(r"^\| `(\w+)` \| *(.*?) *\|", table.partition("\n\n| `verbosity`")[0], re.MULTILINE))

    said = {"name": "–", "provider": "–", "url": "–", "secret": "", "ca": "the machine's"}
    spelt = {key: f"`{json.dumps(field.get('default')).strip(chr(34))}`" for key, field in schema["properties"].items()}
    assert rows == spelt | said


@pytest.mark.parametrize("text", examples(AUDIT, of="audit:"))
def test_examples_of_the_audit_are_right(tmp_path: Path, text: str) -> None:
    smallest = examples(CONFIGURATION, of="clusters:")[0]
    for name in ("rbac.yaml", "slack-url"):
        (tmp_path / name).write_text("https://hooks.example.com/x")
    environment = {"KORDON_WEBHOOK_SECRET": "x"}

    around = Surroundings(tmp_path, environment)
    loaded = parse_config(f"{smallest}{text.replace('secrets/slack-url', 'slack-url')}", "kordon.yaml", around)

    assert loaded.findings == ()


@pytest.mark.parametrize("key", ["drain", "groups_file"])
def test_defaults_in_the_tables_are_the_schemas(key: str) -> None:
    default = json.loads(shipped_schema())["properties"][key].get("default")

    row = next(line for line in CONFIGURATION.splitlines() if line.startswith(f"| `{key}`"))

    assert row.split("|")[2].strip() == ("" if default is None else f"`{default}`")
