"""`kordon.yaml` is right as a whole, or every mistake in it is told at once, each with its place."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kordon_policy.model import Compat
from kordon_proxy.config.addresses import Address, parse_address, parse_broker_ids
from kordon_proxy.config.findings import Finding, Mistake, Refused, Severity
from kordon_proxy.config.load import inspect_config, load_config, parse_config
from kordon_proxy.config.model import Config
from kordon_proxy.config.quantities import parse_duration, parse_size, spell_duration, spell_size
from kordon_proxy.config.schema import schema_text, shipped_schema
from kordon_proxy.config.values import Surroundings

CANARY = "clear-text-canary"
SMALLEST = """\
clusters:
  - name: prod
    bootstrap: ["127.0.0.1:9092"]
listeners:
  - name: apps
    bind: "127.0.0.1:19092"
    cluster: prod
    identity: {principal: alice, roles: [owners]}
"""
LARGEST = """\
clusters:
  - name: prod
    environment: production
    bootstrap: ["kafka-0.kafka:9093", "[::1]:9093"]
    tls: {ca: ca.pem, cert: kordon.pem, key: kordon.key, strict: true}
    own_login:
      - {mechanism: SCRAM-SHA-512, username: kordon, password: "${env:KAFKA}"}
      - {mechanism: SCRAM-SHA-256, username: kordon, password: "${file:secrets/kafka}"}
    client_login: service
  - {name: test, bootstrap: "127.0.0.1:9092", own_login: {mechanism: PLAIN, username: k, password: "${env:KAFKA}"}}
schema_registries:
  - cluster: prod
    url: "https://registry.acme.example:8081/api"
    tls: {ca: ca.pem}
    username: kordon
    password: "${env:KAFKA}"
    subjects: any
providers:
  staff: {type: users, file: users.yaml}
listeners:
  - name: apps
    bind: "0.0.0.0:9094"
    cluster: prod
    tenant: Trading
    ports: {base: 19000, ids: "0-2,100", advertise: kafka.acme.example}
    sasl: {PLAIN: staff}
    allow_cleartext: true
    tenant_suffix: "@"
    max_session: 1h
    client_telemetry: relay
    limits: {idle: 30min, max_frame: 10MiB}
  - name: sidecar
    bind: "127.0.0.1:29092"
    cluster: test
    identity: {principal: svc-trade, roles: svc-trade}
policy: policies/rbac.yaml
compat: {group_edit_deletes: true}
groups_file: groups.yaml
audit: {directory: journal, kafka: {cluster: prod, replication: 3}}
store: {type: kafka, cluster: test, topic: __kordon_acme, replication: 3}
admin: {bind: "127.0.0.1:9999", api: {bind: "0.0.0.0:9998", tokens: tokens.yaml, tls: {cert: ca.pem, key: api.key}}}
limits: {connections: 100, idle: 5min}
drain: 0
inference: {interval: 1min}
log: {format: json, level: debug}
"""
FILES = ("ca.pem", "kordon.pem", "groups.yaml", "policies/rbac.yaml", "rbac.yaml")
PRIVATE = ("users.yaml", "kordon.key", "secrets/kafka", "tokens.yaml", "api.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*FILES, *PRIVATE):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("from-a-file\n")
        path.chmod(0o600 if name in PRIVATE else 0o644)
    return tmp_path


def inspected(folder: Path, text: str) -> tuple[Config | None, list[Finding]]:
    path = folder / "kordon.yaml"
    path.write_text(text)
    loaded = inspect_config(path, environment={"KAFKA": "from-the-environment"})
    return loaded.config, list(loaded.findings)


def good(folder: Path, text: str) -> Config:
    config, findings = inspected(folder, text)
    assert config is not None, [str(finding) for finding in findings]
    return config


# What a good file gives


def test_ten_lines_are_enough_and_the_rest_has_safe_defaults(folder: Path) -> None:
    config = good(folder, SMALLEST)

    (listener,) = config.listeners
    assert config.policy == folder / "rbac.yaml"
    assert config.audit.directory == folder / "audit"
    assert config.admin.bind == Address("127.0.0.1", 9180)
    assert (listener.base, listener.advertise) == (19093, "127.0.0.1")
    assert config.limits.max_frame == 100 * 1024 * 1024
    assert (config.limits.login_frame, config.limits.login, config.limits.idle) == (64 * 1024, 30.0, 600.0)
    assert config.compat == Compat()
    assert len(SMALLEST.splitlines()) <= 10


def test_everything_that_a_file_may_say_is_read(folder: Path) -> None:
    config, findings = inspected(folder, LARGEST)

    assert config is not None
    assert findings == []
    prod, test = config.clusters
    apps, sidecar = config.listeners
    assert prod.bootstrap == (Address("kafka-0.kafka", 9093), Address("::1", 9093))
    assert prod.tls is not None
    assert (prod.tls.ca, prod.tls.verify, prod.tls.strict) == (folder / "ca.pem", True, True)
    assert [login.password.reveal() for login in prod.own_login] == ["from-the-environment", "from-a-file"]
    assert test.own_login[0].mechanism == "PLAIN"
    assert config.providers["staff"].file == folder / "users.yaml"
    assert apps.sasl == {"PLAIN": "staff"}
    assert (apps.max_session, apps.tenant_suffix) == (3600.0, "@")
    assert (apps.client_telemetry, sidecar.client_telemetry) == ("relay", "refuse")
    assert sidecar.cluster == test.name
    assert config.admin.api is not None
    assert (config.admin.api.bind.port, config.admin.api.tokens) == (9998, folder / "tokens.yaml")
    assert config.admin.api.tls is not None
    assert sidecar.identity is not None
    assert sidecar.identity.roles == ("svc-trade",)
    assert config.compat == Compat(group_edit_deletes=True)
    assert config.audit.kafka is not None
    assert (config.drain, config.inference.interval, config.log.level) == (0.0, 60.0, "debug")


def test_a_listeners_limits_stand_on_those_of_the_file(folder: Path) -> None:
    config = good(folder, LARGEST)

    limits = config.limits_of(config.listeners[0])

    assert (limits.idle, limits.max_frame, limits.connections) == (1800.0, 10 * 1024 * 1024, 100)
    assert config.limits_of(config.listeners[1]) == config.limits


def test_a_broker_has_the_port_base_plus_its_id(folder: Path) -> None:
    listener = good(folder, LARGEST).listeners[0]

    assert listener.port_of(2) == 19002
    assert listener.address_of(100) == ("kafka.acme.example", 19100)
    assert listener.port_of(3) is None
    assert listener.address_of(3) is None


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ("", "kordon.db"),
        ("audit: {directory: state/audit}\n", "state/kordon.db"),
        ("audit: {directory: state/audit}\nstore: {file: grants.db}\n", "grants.db"),
    ],
)
def test_the_store_is_beside_the_audit_unless_it_is_said_where(folder: Path, said: str, file: str) -> None:
    assert good(folder, SMALLEST + said).store_file == folder / file


@pytest.mark.parametrize(("said", "longest"), [("", 3_600_000), ("90min", 5_400_000), ("unlimited", None)])
def test_a_temporary_policy_holds_for_an_hour_at_most_unless_said_otherwise(
    folder: Path, said: str, longest: int | None
) -> None:
    section = f"temporary_policies: {{max_duration: {said}}}\n" if said else ""

    config = good(folder, SMALLEST + section)

    assert config.temporary_policies.max_duration_ms == longest
    assert f'"max_duration":"{said or "1h"}"' in config.model_dump_json()


def test_a_configuration_does_not_change(folder: Path) -> None:
    config = good(folder, SMALLEST)

    with pytest.raises(ValueError, match="frozen"):
        config.drain = 1.0


def test_secrets_show_nowhere_in_a_configuration(folder: Path) -> None:
    config = good(folder, LARGEST)

    shown = f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"

    assert "from-the-environment" not in shown
    assert "from-a-file" not in shown


def test_a_file_with_mistakes_is_refused_with_all_of_them(folder: Path) -> None:
    path = folder / "kordon.yaml"
    path.write_text(SMALLEST.replace("cluster: prod", "cluster: prd") + "drain: soon\n")

    with pytest.raises(Refused) as caught:
        load_config(path)

    assert [finding.path for finding in caught.value.findings] == ["listeners[0].cluster", "drain"]
    assert f"{path}:7:14: error: no cluster is named `prd`" in str(caught.value)


def test_a_machine_without_the_secrets_can_check_the_rest(folder: Path) -> None:
    for name in PRIVATE:
        (folder / name).unlink()
    path = folder / "kordon.yaml"
    path.write_text(LARGEST)

    assert inspect_config(path, environment={}).config is None
    assert inspect_config(path, environment={}, read_secrets=False).findings == ()


# What is told about a wrong one

CLUSTER = '    bootstrap: ["127.0.0.1:9092"]\n'
TABLE = yaml.safe_load((Path(__file__).parent / "mistakes.yaml").read_text())
CASES = [case for group in TABLE.values() for case in group]


def changed(case: dict[str, Any]) -> str:
    """The smallest file with the change of a case."""
    if "file" in case:
        return str(case["file"])
    if "add" in case:
        return f"{SMALLEST}{case['add']}\n"
    old = case.get("replace", CLUSTER)
    assert old in SMALLEST
    return SMALLEST.replace(old, case["by"] if "by" in case else f"{CLUSTER}{case['add to the cluster']}\n", 1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["found"][0]).split(": ", 2)[-1][:60])
def test_each_mistake_is_found_where_it_stands(folder: Path, case: dict[str, Any]) -> None:
    config, findings = inspected(folder, changed(case))

    found = [
        f"{one.line} {one.severity}: {f'{one.path}: ' if one.path else ''}{one.message}".replace(str(folder), "FOLDER")
        for one in findings
    ]
    assert [told for told in case["found"] if told not in found] == [], found
    assert (config is None) == any(finding.severity is Severity.ERROR for finding in findings)
    assert CANARY not in repr(findings)


def test_deep_nesting_is_refused_and_not_followed(folder: Path) -> None:
    _, findings = inspected(folder, "[" * 100_000)

    assert [finding.message for finding in findings] == ["more than 20 levels deep"]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("bootstap: x", "did you mean `bootstrap`?"),
        ("own-login: x", "did you mean `own_login`?"),
        ("zookeeper: x", "known here: bootstrap, client_login, environment, name, own_login, tls"),
    ],
)
def test_an_unknown_key_is_told_with_the_one_that_was_meant(folder: Path, wrong: str, hint: str) -> None:
    _, findings = inspected(folder, SMALLEST.replace(CLUSTER, f"{CLUSTER}    {wrong}\n"))

    assert [finding.hint for finding in findings] == [hint]


def test_mistakes_of_every_kind_are_told_in_one_run_in_the_order_of_the_file(folder: Path) -> None:
    text = (
        SMALLEST.replace('9092"]', '"]').replace("cluster: prod", "cluster: prd\n    bond: x").replace("alice", "'*'")
    )

    _, findings = inspected(folder, f"{text}drain: soon\npolicy: missing.yaml\n")

    assert [finding.path for finding in findings] == [
        "clusters[0].bootstrap[0]",
        "listeners[0].cluster",
        "listeners[0].bond",
        "listeners[0].identity.principal",
        "drain",
        "policy",
    ]


@pytest.mark.parametrize("name", ["users.yaml", "kordon.key", "tokens.yaml", "api.key"])
def test_users_and_keys_that_others_may_read_are_refused_unless_it_has_to_be_so(folder: Path, name: str) -> None:
    (folder / name).chmod(0o640)

    config, findings = inspected(folder, LARGEST)

    assert config is None
    assert [finding.message for finding in findings] == [f"others may read {folder / name}"]
    assert good(folder, f"{LARGEST}allow_open_files: true\n")


SECTIONS = ("clusters", "listeners", "name", "bind", "bootstrap", "sasl", "ports", "tls", "audit", "kafka", "x")
FILES_OF_ANY_KIND = st.recursive(
    st.text(max_size=8) | st.sampled_from(["prod", "127.0.0.1:9092", "true", "1s", "*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SECTIONS), inner, max_size=5),
    max_leaves=15,
)


@given(FILES_OF_ANY_KIND)
def test_whatever_a_file_says_it_is_answered(value: object) -> None:
    loaded = parse_config(yaml.safe_dump(value), "kordon.yaml", Surroundings(Path("/nowhere"), {}))

    assert loaded.config is None
    assert loaded.findings
    assert all(finding.line >= 1 and finding.column >= 1 for finding in loaded.findings)


# Values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("500ms", 0.5), ("10min", 600.0), ("1.5h", 5400.0), ("7d", 604800.0), ("0", 0.0), ("2m", 120.0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1 week", "1e3s", "٣s", "1s "])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("64KiB", 65536), ("100 MiB", 104857600), ("1.5GiB", 1610612736), ("512", 512), ("7B", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1MB", "1 mib"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        parse_size(text)


@given(st.integers(0, 10**9))
def test_what_is_spelt_is_read_again(number: int) -> None:
    assert parse_duration(spell_duration(float(number))) == number
    assert parse_size(spell_size(number)) == number


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9092", "127.0.0.1", 9092),
        ("kafka.acme.example:1", "kafka.acme.example", 1),
        ("[fe80::1]:9092", "fe80::1", 9092),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    address = parse_address(text)

    assert address == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "hint"), [("kafka-0:9092,kafka-1:9092", "several stand in a list"), ("kafka://a:9092", "host:port alone")]
)
def test_what_is_usual_elsewhere_is_said_to_be_written_otherwise(text: str, hint: str) -> None:
    with pytest.raises(Mistake) as refused:
        parse_address(text)

    assert refused.value.hint.startswith(hint)


@pytest.mark.parametrize(
    "text",
    ["", ":9092", "kafka", "kafka:", "kafka:x", "kafka:-1", "kafka:٣", "a b:1", "http://kafka:1", "[]:1", "a,b:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.acme.example", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert Address(host, 1).is_loopback is loopback


@given(st.sets(st.integers(0, 300), min_size=1))
def test_broker_ids_are_those_that_were_named(ids: set[int]) -> None:
    parsed = parse_broker_ids(",".join(str(one) for one in ids))

    assert set(parsed) == ids
    assert set(parse_broker_ids(str(parsed))) == ids
    assert len(parsed) == len(ids)
    assert [one for one in range(302) if one in parsed] == sorted(ids)


# The schema


def test_the_shipped_schema_is_the_models() -> None:
    assert shipped_schema() == schema_text(), "run python -m kordon_proxy.config.schema"


def test_the_schema_knows_the_sections_and_refuses_unknown_keys() -> None:
    schema = json.loads(shipped_schema())

    assert set(schema["required"]) == {"clusters", "listeners"}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["drain"]["default"] == "10s"
    assert all(section["additionalProperties"] is False for section in schema["$defs"].values())
