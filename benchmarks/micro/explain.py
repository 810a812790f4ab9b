"""What it costs to explain a refusal, with near misses and ways that are tried on a copy, and to tell who may what.

A file of 1,000 policies for 40 roles, 25 actions and as many teams as roles, which speaks some 9,000 times of a role,
an action and a pattern; and a tenant for each ten roles. Times are those of the processor. The aim is 20 ms.

    python -m benchmarks.micro.explain
    python -m benchmarks.micro.explain -o before.json; (change something)
    python -m benchmarks.micro.explain -o after.json
    python -m pyperf compare_to before.json after.json
"""

import random
import time
from functools import cache

import pyperf

from kordon_policy.access import Access
from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.explain import explain
from kordon_policy.holders import Asked
from kordon_policy.model import Document, Effect, Path, Rule, RuleRef, Selector, Tenant
from kordon_policy.patterns import pattern
from kordon_policy.question import Cluster, Question, World
from kordon_policy.snapshot import Compiled
from kordon_policy.what_can import Holder, what_can
from kordon_policy.who_can import who_can

ROLES = tuple(f"role-{at}" for at in range(40))
ACTIONS = tuple(action for action in Action if action.kinds[0] is not None and action.parts == (action,))[:25]
SHAPES = ("team{}_*", "team{}_orders", "*-team{}", "team{}_*_raw")
PROD = Cluster("prod", frozenset({"prod", "N9xnGujkR32eYxHICeaHuQ"}))


def path(kind: Kind, text: str) -> Path:
    return Path(domain=kind.domain, kind=kind, name=pattern(text))


def rule(at: int, chance: random.Random) -> Rule:
    first = chance.choice(ACTIONS)
    alike = [action for action in ACTIONS if action.kinds == first.kinds]
    kind = first.kinds[0]
    assert kind is not None
    return Rule(
        ref=RuleRef(place=f"policies[{at}]", source="rbac.yaml", line=at + 1),
        effect=chance.choices((Effect.ALLOW, Effect.DENY, Effect.STAGE), (8, 1, 1))[0],
        actions=frozenset({first, *chance.choices(alike, k=2)}),
        paths=tuple(path(kind, chance.choice(SHAPES).format(chance.randrange(40))) for _ in range(2)),
        roles=frozenset(chance.choices(ROLES, k=2)),
    )


@cache
def world(count: int) -> World:
    chance = random.Random(7)
    tenants = tuple(
        Tenant(
            ref=RuleRef(place=f"tenants[{at}]", source="rbac.yaml", line=count + at),
            name=f"Tenant {at}",
            roles=frozenset(ROLES[at * 10 : at * 10 + 10]),
            includes=(
                Selector(ref=RuleRef(place=f"tenants[{at}].resources[0]"), paths=(path(Kind.TOPIC, f"team{at}*"),)),
            ),
        )
        for at in range(4)
    )
    document = Document(policies=tuple(rule(at, chance) for at in range(count)), tenants=tenants)
    return World(compiled=Compiled(document), clusters=(PROD,))


def questions() -> list[Question]:
    """One for each role and some names, which mostly nothing allows."""
    return [
        Question(
            principal="dee",
            roles=frozenset({role}),
            action=Action.TOPIC_EDIT,
            cluster="prod",
            kind=Kind.TOPIC,
            name=f"team{at % 40}_prices{at}",
        )
        for at, role in enumerate(ROLES)
    ]


def explanations(loops: int, count: int) -> float:
    # Roles are indexed when somebody first comes with them.
    told = [(question, explain(question, world(count))) for question in questions()]
    asked = [question for question, answer in told if answer.access is not Access.ALLOWED]
    start = time.process_time()
    for at in range(loops):
        explain(asked[at % len(asked)], world(count))
    return time.process_time() - start


def who_can_do(loops: int, count: int, names: str) -> float:
    asked = Asked(action=Action.TOPIC_EDIT, kind=Kind.TOPIC, pattern=pattern(names), clusters=(PROD,))
    start = time.process_time()
    for _ in range(loops):
        assert not who_can(asked, world(count)).incomplete
    return time.process_time() - start


def what_can_be_done(loops: int, count: int) -> float:
    start = time.process_time()
    for at in range(loops):
        holder = Holder(roles=frozenset({ROLES[at % len(ROLES)]}))
        assert not what_can(holder, {Domain.CLUSTER: (PROD,)}, world(count)).incomplete
    return time.process_time() - start


if __name__ == "__main__":
    runner = pyperf.Runner(processes=3, values=3, warmups=1)
    for count in (10, 1_000):
        runner.bench_time_func(f"explain a refusal, {count} policies", explanations, count)
        for names in ("team3_orders", "team3_*", "*"):
            runner.bench_time_func(f"who can, {names}, {count} policies", who_can_do, count, names)
        runner.bench_time_func(f"what can, {count} policies", what_can_be_done, count)
