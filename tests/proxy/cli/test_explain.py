"""`kordon explain`, `who-can`, `what-can`: asked of files, and what is said to who asks in a wrong way."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from kordon_proxy.audit.event import Event, EventType, Outcome, What, Who, Why
from kordon_proxy.audit.segments import segment_path
from tests.proxy.audit.events import NOON, sealed
from tests.proxy.cli.command import Run
from tests.proxy.cli.conftest import SCRYPT

CONFIG: Final = """\
clusters:
  - {name: prod, environment: live, bootstrap: "127.0.0.1:9092"}
  - {name: spare, environment: live, bootstrap: "127.0.0.1:9093"}
providers:
  staff: {type: users, file: users.yaml}
  guests: {type: users, file: guests.yaml}
listeners:
  - {name: apps, bind: "127.0.0.1:19092", cluster: prod, sasl: {PLAIN: staff}, tenant_suffix: "@"}
  - {name: door, bind: "127.0.0.1:29092", cluster: prod, tenant: Ops, sasl: {PLAIN: guests}}
  - name: side
    bind: "127.0.0.1:39092"
    cluster: prod
    tenant: Trading
    identity: {principal: svc, roles: [svc-trade]}
groups_file: groups.yaml
"""
POLICY: Final = """\
admin_roles: [owners]
policies:
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], role: owners}
  - {resource: [cluster, "*", topic, "tx_*"], effect: Allow, actions: [TOPIC_INSPECT], roles: [devs, svc-trade]}
  - {resource: [cluster, "*", topic, "tx_audit*"], effect: Deny, actions: [TOPIC_INSPECT], role: devs, note: kept}
  - {resource: [cluster, prod, topic, "tx_*"], effect: Stage, actions: [TOPIC_DELETE], role: owners}
tenants:
  - name: Trading
    resources: [{include: [[cluster, "*", topic, "tx_*"], [cluster, "*", group, "trade_*"]]}]
    roles: [owners, devs, svc-trade]
  - {name: Ops, resources: [{include: [cluster, "*"]}], roles: [owners]}
"""


def users(roles: dict[str, str]) -> str:
    lines = [
        f'  {name}: {{roles: [{held}], credentials: [{{id: {name}1, scrypt: "{SCRYPT}"}}]}}'
        for name, held in roles.items()
    ]
    return "\n".join(["fake_salt_key: MDEyMzQ1Njc4OWFiY2RlZg==", "users:", *lines]) + "\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "kordon.yaml": CONFIG,
        "rbac.yaml": POLICY,
        "users.yaml": users({"dee": "devs", "ann": "owners", "both": "devs", "d.e": "devs"}),
        "guests.yaml": users({"both": "owners", "olga": "owners"}),
        "groups.yaml": "svc-trade: [ann]\n",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


MOVES: Final = ("GROUP_EDIT", "cluster/prod/group/trade_b2")
READS: Final = ("TOPIC_INSPECT", "cluster/prod/topic/tx_1")


def asked(kordon: Run, *words: object) -> Any:
    """The answer for programs."""
    ran = kordon(*words, "--output", "json")
    assert ran.err == ""
    return json.loads(ran.out)


def test_a_refusal_is_told_with_its_reason_its_steps_and_what_helps(kordon: Run, site: Path) -> None:
    ran = kordon("explain", "--as", "dee@Trading", *MOVES)

    assert (ran.code, ran.err) == (1, "")
    assert ran.out.splitlines()[:2] == [
        "denied: no policy allows GROUP_EDIT on group trade_b2 to role devs",
        "  dee (devs) in tenant Trading: GROUP_EDIT on cluster/prod/group/trade_b2",
    ]
    assert "nearly: policies[0] (rbac.yaml:3) is for owners, not for devs" in ran.out
    assert "kordon grant devs GROUP_EDIT --on cluster/prod/group/trade_b2 --for 1h" in ran.out
    assert "policies[0] (rbac.yaml:3): add role devs" in ran.out
    assert "opens besides: devs: GROUP_EDIT on groups trade_* except trade_b2, in cluster prod" in ran.out
    assert "note: asked of files" in ran.out


def test_what_is_allowed_ends_well(kordon: Run, site: Path) -> None:
    ran = kordon("explain", "--as", "dee", *READS)

    assert ran.code == 0
    assert ran.out.startswith("allowed: TOPIC_INSPECT is allowed by policies[1] (rbac.yaml:4)\n")
    assert "it rests on policies[1] (rbac.yaml:4), and on nothing else" in ran.out


@pytest.mark.parametrize(
    ("words", "code", "answer"),
    [
        (("--as", "dee", "TOPIC_INSPECT", "cluster/prod/topic/tx_audit1"), 1, "denied"),
        (("--as", "dee", "TOPIC_INSPECT", "cluster/prod/topic/hr_1"), 1, "hidden"),
        (("--as", "ann", "TOPIC_DELETE", "cluster/prod/topic/tx_1"), 1, "staged"),
        (("--as", "ann", *READS), 0, "allowed"),  # by a role of the groups file
        (("--as", "svc", *READS), 0, "allowed"),  # whom a listener lets in without a login
        (("--as", "both", "--listener", "apps", *READS), 0, "allowed"),
        (("--as", "both", "--listener", "door", *READS), 1, "denied"),
        (("--as", "d.e", *READS), 0, "allowed"),
        (("--as", "dee@Ops", *READS), 1, "denied"),
        (("--as", "dee", "VIEW", "cluster/prod/topic/tx_1"), 0, "allowed"),
        (("--roles", "devs,svc-trade", "--tenant", "Trading", *READS), 0, "allowed"),
        (("--roles", "devs", "--roles", "owners", *MOVES), 0, "allowed"),
        (("--policy", "rbac.yaml", "--roles", "owners", *MOVES), 0, "allowed"),
        (("--policy", "rbac.yaml", "--roles", "owners", "GROUP_EDIT", "cluster/else/group/trade_b2"), 1, "denied"),
        (("--as", "ann", "--tenant", "Ops", "BROKER_EDIT", "cluster/prod/broker"), 1, "denied"),
        (("--as", "ann", "--tenant", "Ops", "QUOTA_EDIT", "cluster/prod"), 1, "denied"),
        (("--as", "dee", "TOPIC_INSPECT", "cluster/prod/topic/tx_1/2"), 0, "allowed"),  # a slash in a name
    ],
)  # fmt: skip
def test_answers_and_exit_codes(kordon: Run, site: Path, words: Sequence[str], code: int, answer: str) -> None:
    ran = kordon("explain", *words)

    assert (ran.code, ran.err) == (code, "")
    assert ran.out.startswith(f"{answer}: ")


def test_programs_get_all_of_it(kordon: Run, site: Path) -> None:
    answer = asked(kordon, "explain", "--at", "2026-02-25T00:09:49Z", "--as", "dee", *MOVES)

    assert answer["answer"] == "denied"
    assert answer["question"]["at"] == 1_771_978_189_000
    assert [step["step"] for step in answer["steps"]] == ["login", "view", "deny", "stage", "allow"]
    assert answer["fixes"][0]["grant"]["policy"]["role"] == "devs"
    assert answer["notes"] == ["asked of files: temporary policies, and what groups read, are not known here"]


WRONG: Final = r"""
explain
    what, and on what? As in kordon explain --as dee GROUP_EDIT cluster/prod/group/trade_b2; or --event ID
explain GROUP_EDIT cluster/prod/group/trade_b2
    who? Say --as NAME, of somebody in the users file, or --roles devs,owners
explain --as dee GROUP_EDTI cluster/prod/group/trade_b2
    `GROUP_EDTI` is no action: did you mean GROUP_EDIT?
explain --as dee group_edit cluster/prod/group/trade_b2
    `group_edit` is no action: did you mean GROUP_EDIT?
explain --as dee FLY cluster/prod/group/trade_b2
    `FLY` is no action: docs/policies.md has a list; VIEW asks whether it is seen at all
explain --as dee GROUP_EDIT /prod/trade_b2
    `/prod/trade_b2` is no path: it begins or ends with a slash, or has two in a row; as in
    cluster/prod/group/trade_b2
explain --as dee GROUP_EDIT trade_b2
    `trade_b2` is no path: it ends too early; as in cluster/prod/group/trade_b2, or cluster/prod
explain --as dee GROUP_EDIT clutser/prod/group/x
    `clutser/prod/group/x`: `clutser` is no DOMAIN: did you mean cluster?
explain --as dee GROUP_EDIT cluster/prod/groups/x
    `cluster/prod/groups/x`: `groups` is no TYPE of cluster: did you mean group?
explain --as dee GROUP_EDIT cluster/prod/thing/x
    `cluster/prod/thing/x`: `thing` is no TYPE of cluster: there is topic, group, broker, principal,
    transactional-id
explain --as dee GROUP_EDIT cluster/prod/topic/x
    GROUP_EDIT is no action on `cluster/prod/topic/x`: it is about cluster/NAME/group/NAME
explain --as dee QUOTA_EDIT cluster/prod/topic/x
    QUOTA_EDIT is no action on `cluster/prod/topic/x`: it is about cluster/NAME or cluster/NAME/principal/NAME
explain --as dee GROUP_EDIT cluster/prod/group
    `cluster/prod/group` names no group, as in cluster/prod/group/trade_b2; `kordon who-can` is for all of
    them
explain --as dee GROUP_EDIT 'cluster/prod/group/trade_*'
    `cluster/prod/group/trade_*`: ask about one name, as in cluster/prod/group/trade_b2; `kordon who-can` is
    for patterns
explain --as dee GROUP_EDIT 'cluster/*/group/x'
    `cluster/*/group/x`: ask about one cluster, as in cluster/prod/group/trade_b2; `kordon who-can` is for
    patterns
explain --as dee GROUP_EDIT cluster/prdo/group/x
    no cluster is known as prdo: did you mean prod?
explain --as dee GROUP_EDIT cluster/elsewhere/group/x
    no cluster is known as elsewhere: there is live, prod, spare
explain --as dee GROUP_EDIT cluster/live/group/x
    live is the environment of prod, spare: name one of them
explain --as dea GROUP_EDIT cluster/prod/group/trade_b2
    nobody is called dea: did you mean dee?
explain --as nobody-at-all GROUP_EDIT cluster/prod/group/trade_b2
    nobody is called nobody-at-all: --roles asks for somebody who is not in a users file
explain --as dee --listener door GROUP_EDIT cluster/prod/group/trade_b2
    nobody is called dee at listener door: did you mean dee?
explain --as dee --listener gate GROUP_EDIT cluster/prod/group/trade_b2
    there is no listener gate: apps, door, side
explain --as both GROUP_EDIT cluster/prod/group/trade_b2
    both is not the same at each listener: say --listener, of apps, door
explain --as dee@Trading --tenant Ops GROUP_EDIT cluster/prod/group/trade_b2
    dee cannot be in Ops and Trading at once: name one tenant
explain --as dee --tenant trading GROUP_EDIT cluster/prod/group/trade_b2
    there is no tenant trading: did you mean Trading?
explain --roles dev GROUP_EDIT cluster/prod/group/trade_b2
    the policy names no role dev, so it gives nothing: did you mean devs?
explain --roles cooks GROUP_EDIT cluster/prod/group/trade_b2
    the policy names no role cooks, so it gives nothing: there is devs, owners, svc-trade
explain --roles devs --listener apps GROUP_EDIT cluster/prod/group/trade_b2
    --listener tells users of several listeners apart: leave it out with --roles
explain --at noon --as dee GROUP_EDIT cluster/prod/group/trade_b2
    --at: `noon` is no time and no date, as in 30m or 2027-01-31T12:00:00Z
explain --policy rbac.yaml --as dee GROUP_EDIT cluster/prod/group/trade_b2
    nobody is known here, so not `dee` either: say which --roles he has, or give a --config
explain --policy other.yaml --roles devs GROUP_EDIT cluster/prod/group/trade_b2
    cannot read other.yaml: no such file or directory
explain --config other.yaml --as dee GROUP_EDIT cluster/prod/group/trade_b2
    cannot read other.yaml: no such file or directory; --config names another file, --policy a policy file
    alone
explain --event e1 --as dee
    --event brings its own roles, tenant and time: leave the other options out
explain --event e1 GROUP_EDIT cluster/prod/group/trade_b2
    --event brings its own action: only a PATH may be said, which of its things is meant
explain --directory audit --as dee GROUP_EDIT cluster/prod/group/trade_b2
    --directory is where an --event is looked for
explain --policy rbac.yaml --event e1
    where is the audit? --config names a kordon.yaml that says it, --directory a journal
explain --live --event e1
    --event is explained by files: leave --live out
explain --live GROUP_EDIT
    a running Kordon is asked about an ACTION and a PATH
who-can VIEW cluster/prod/topic/x
    who sees something is said by tenants alone: ask about an action
who-can TOPIC_DELETE 'cluster/pr*/topic/x'
    `pr*`: there are no patterns of cluster names; name one, or write "*" for all
what-can
    who? Say --as NAME, of somebody in the users file, or --roles devs,owners
what-can devs --cluster prdo
    no cluster is known as prdo: did you mean prod?
"""
"""What is typed, and below it what is said."""


def wrong_uses() -> Iterator[tuple[str, str]]:
    for block in re.split(r"^(?=\S)", WRONG.strip(), flags=re.MULTILINE):
        if block:
            typed, *told = block.splitlines()
            yield typed, " ".join(line.strip() for line in told)


def test_wrong_uses_are_many() -> None:
    assert len(list(wrong_uses())) >= 40


@pytest.mark.parametrize(("typed", "told"), list(wrong_uses()))
def test_a_wrong_use_is_told_in_one_line_with_what_to_do(kordon: Run, site: Path, typed: str, told: str) -> None:
    ran = kordon(*shlex.split(typed))

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"kordon: {told}\n"


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("rbac.yaml", "policies: [{}]", "rbac.yaml cannot be asked: mend it first"),
        ("kordon.yaml", "clusters: []", "kordon.yaml cannot be asked: mend it first"),
        ("users.yaml", "users: 7", "users.yaml cannot be asked: mend it first"),
        ("groups.yaml", "devs: 7", "groups.yaml cannot be asked: mend it first"),
    ],
)
def test_a_file_with_mistakes_is_not_asked_and_the_mistakes_are_told(
    kordon: Run, site: Path, file: str, text: str, told: str
) -> None:
    (site / file).write_text(text)

    ran = kordon("explain", "--as", "dee", *MOVES)

    assert (ran.code, ran.out) == (2, "")
    *mistakes, last = ran.err.splitlines()
    assert "error" in mistakes[0]
    assert last.endswith(told)


def test_of_a_file_with_warnings_it_is_told_that_some_rules_do_less_than_they_seem_to(kordon: Run, site: Path) -> None:
    (site / "rbac.yaml").write_text(POLICY.replace("[GROUP_EDIT]", "[GROUP_EDTI]"))

    ran = kordon("explain", "--as", "dee", *MOVES)

    assert "rbac.yaml has a warning, of what does less than it seems to: kordon check" in ran.err
    assert ran.code == 1


def test_a_cluster_that_the_policy_alone_names_may_be_one_by_its_id(kordon: Run, site: Path) -> None:
    (site / "rbac.yaml").write_text(POLICY.replace("[cluster, prod, group", "[cluster, lkc-1, group"))

    answer = asked(kordon, "explain", "--as", "ann", *MOVES)

    assert answer["answer"] == "denied"
    assert answer["notes"][1].startswith("the policy names lkc-1, which kordon.yaml does not")
    (near,) = answer["steps"][4]["near"]
    assert (near["wrong"], near["has"]) == ("cluster", "lkc-1")


# ---- events


DENIED: Final = Event(
    id="dd405528976d4586b8d21a9fb58b0a61",
    type=EventType.DECISION,
    time=NOON,
    who=Who(principal="dee", roles=("devs",), tenant="Trading", connection_id="c1"),
    what=What(
        action="GROUP_EDIT",
        cluster="prod",
        api="OffsetCommit",
        api_version=9,
        resources=(("cluster", "prod", "group", "trade_b2"), ("cluster", "prod", "group", "trade_b3")),
    ),
    why=Why(effect="Deny", epoch=1, reason="no policy allows GROUP_EDIT on group trade_b2 to role devs"),
    outcome=Outcome(error_code=30, error_name="GROUP_AUTHORIZATION_FAILED", items_denied=2),
)
SEEN: Final = replace(
    DENIED, id="ffff", what=replace(DENIED.what, action="VIEW", resources=(("cluster", "prod", "topic", "hr"),))
)
LOGIN: Final = replace(
    DENIED, id="login", type=EventType.LOGIN, what=What(cluster="prod"), why=Why(effect="Deny", reason="bad")
)
API: Final = replace(
    DENIED, id="api", what=What(action="USE_API", cluster="prod", api="X"), why=Why(effect="Deny", reason="no")
)


@pytest.fixture
def journal(site: Path) -> Path:
    (site / "audit").mkdir()
    lines = sealed([LOGIN, DENIED, SEEN, API, replace(SEEN, id="ffee")])
    segment_path(site / "audit", "w1", 1).write_bytes(b"".join(lines))
    (site / "kordon.yaml").write_text(CONFIG + "audit: {directory: audit}\n")
    return site / "audit"


def test_an_event_is_explained_as_it_was_asked_and_compared_with_what_it_says(kordon: Run, journal: Path) -> None:
    answer = asked(kordon, "explain", "--event", DENIED.id)

    assert (answer["answer"], answer["reason"]) == ("denied", DENIED.why.reason)
    assert answer["question"]["at"] == NOON
    assert answer["question"]["roles"] == ["devs"]
    assert answer["event"]["same_reason"]
    told = kordon("explain", "--event", DENIED.id[:8]).out
    assert f"event {DENIED.id} of " in told
    assert "says the same" in told
    assert "it is about 2 things, and this is the first: name another with a PATH" in told


def test_another_thing_of_an_event_and_a_policy_that_has_changed_since(kordon: Run, journal: Path) -> None:
    rule = '  - {resource: [cluster, prod, group, "*"], effect: Allow, actions: [GROUP_EDIT], role: devs}\n'
    (journal.parent / "rbac.yaml").write_text(POLICY.replace("tenants:\n", f"{rule}tenants:\n"))

    ran = kordon("explain", "--event", DENIED.id, "cluster/prod/group/trade_b3")

    assert ran.code == 0
    assert "GROUP_EDIT on cluster/prod/group/trade_b3" in ran.out
    assert "says otherwise: Deny, no policy allows GROUP_EDIT on group trade_b2 to role devs" in ran.out


def test_an_event_of_seeing_is_explained_too(kordon: Run, journal: Path) -> None:
    ran = kordon("explain", "--event", "ffff", "--directory", journal)

    assert ran.out.startswith("hidden: topic hr is not in tenant Trading: not included\n")
    assert "unless a group that is shown reads it, which is not known here" in ran.out


@pytest.mark.parametrize(
    ("event", "path", "told"),
    [
        ("none", (), "there is no event none in audit: `kordon audit --output json` shows ids"),
        ("ff", (), "2 events in audit have ids that begin with ff: write it out"),
        ("login", (), "event login asks for no action on a thing, but is of the kind `login`: bad"),
        ("api", (), "event api asks for no action on a thing, but is of the kind `decision`: no"),
        (
            "ffff",
            ("cluster/prod/topic/x",),
            "event ffff is not about cluster/prod/topic/x: it is about cluster/prod/topic/hr",
        ),
    ],
)
def test_an_event_that_is_no_question_is_told_so(
    kordon: Run, journal: Path, event: str, path: Sequence[str], told: str
) -> None:
    ran = kordon("explain", "--event", event, *path)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.replace(f"{journal.parent}/", "") == f"kordon: {told}\n"


def test_a_journal_that_is_not_there_is_told(kordon: Run, site: Path) -> None:
    ran = kordon("explain", "--event", "e1", "--directory", "nowhere")

    assert (ran.code, ran.err) == (2, "kordon: cannot read the journal nowhere: no such file or directory\n")


# ---- who can, what can


def test_who_can_tells_roles_people_and_whether_that_is_all(kordon: Run, site: Path) -> None:
    ran = kordon("who-can", "TOPIC_INSPECT", "cluster/prod/topic/*")

    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[:4] == [
        "devs",
        "  topics tx_* except tx_audit*",
        "  by policies[1] (rbac.yaml:4), in tenant Trading, in cluster prod",
        "svc-trade",
    ]
    assert "svc-trade + devs" in lines
    assert "  less topics tx_audit*, in cluster prod (denied by policies[2] (rbac.yaml:5))" in lines
    assert "ann (owners, svc-trade)" in lines
    assert "complete over all names" in lines


def test_who_can_for_programs_names_all_clusters(kordon: Run, site: Path) -> None:
    answer = asked(kordon, "who-can", "TOPIC_INSPECT", "cluster/*/topic/tx_a")

    assert answer["question"]["clusters"] == ["prod", "spare"]
    assert answer["complete"]
    assert {row["role"] for row in answer["roles"]} == {"devs"} | {"svc-trade"}
    assert {(person["principal"], tuple(person["clusters"])) for person in answer["people"]} >= {
        ("svc", ("prod", "spare"))
    }


def test_who_can_of_a_policy_alone_takes_each_name_for_a_cluster(kordon: Run, site: Path) -> None:
    answer = asked(kordon, "who-can", "--policy", "rbac.yaml", "GROUP_EDIT", "cluster/*/group/*")

    assert answer["question"]["clusters"] == ["prod", "any other"]
    assert answer["notes"][1] == "without a kordon.yaml, each name of a cluster is taken for a cluster of its own"
    told = kordon("who-can", "--policy", "rbac.yaml", "TOPIC_INSPECT", "cluster/*/topic/tx_a").out
    assert "in cluster prod and every other" in told


def test_nobody_is_an_answer(kordon: Run, site: Path) -> None:
    ran = kordon("who-can", "TOPIC_EDIT", "cluster/*/topic/*")

    assert ran.code == 0
    assert ran.out.startswith("no role may do TOPIC_EDIT there\n")


def test_what_can_tells_rights_action_by_action(kordon: Run, site: Path) -> None:
    ran = kordon("what-can", "--as", "ann", "--tenant", "Trading")

    assert ran.code == 0
    assert "TOPIC_INSPECT\n  topics tx_*\n" in ran.out
    assert "TOPIC_DELETE\n  after approval: topics tx_*\n" in ran.out
    assert (
        "GROUP_EDIT\n  groups trade_*\n  by policies[0] (rbac.yaml:3), in tenant Trading, in cluster prod\n" in ran.out
    )
    answer = asked(kordon, "what-can", "devs", "--cluster", "prod")
    assert [right["actions"] for right in answer["rights"]] == [["TOPIC_INSPECT"]]


def test_what_can_of_who_may_nothing(kordon: Run, site: Path) -> None:
    (site / "rbac.yaml").write_text(POLICY + "authorized_roles: [owners]\n")

    ran = kordon("what-can", "--as", "dee")

    assert ran.out.startswith("of no use: no role of dee may log in\n")
    (site / "rbac.yaml").write_text(POLICY.replace("[owners, devs, svc-trade]", "[owners]"))
    assert kordon("what-can", "devs").out.startswith(
        "none of the roles is in a tenant: an empty cluster\nnothing is allowed\n"
    )


def test_a_table_says_how_much_it_leaves_out_and_full_leaves_nothing_out(kordon: Run, site: Path) -> None:
    deny = "effect: Deny, actions: [TOPIC_INSPECT], role: svc-trade"
    rules = "".join(f'  - {{resource: [cluster, "*", topic, "tx_{at}*"], {deny}}}\n' for at in range(6))
    (site / "rbac.yaml").write_text(POLICY.replace("tenants:\n", f"{rules}tenants:\n"))

    short, full = (kordon("what-can", "svc-trade", *words).out for words in ((), ("--full",)))

    assert "topics tx_* except tx_0*, tx_1*, tx_2* and 3 more (--full)" in short
    assert "topics tx_* except tx_0*, tx_1*, tx_2*, tx_3*, tx_4*, tx_5*" in full
