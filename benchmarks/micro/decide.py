"""What one decision costs, with 10, 1,000 and 100,000 policies in the file and as many names in its paths, or tenants.

The policies are the asker's own, for the action that is asked about, and do not match; one does. A decision that is
remembered is one look-up, a new name is looked up in the index, and neither grows with the policies. Times are those of
the processor, since the question is about work, not about who else is on the machine.

    python -m benchmarks.micro.decide
    python -m benchmarks.micro.decide -o before.json; (change something)
    python -m benchmarks.micro.decide -o after.json
    python -m pyperf compare_to before.json after.json
"""

import time
from collections.abc import Callable
from functools import cache
from itertools import cycle, islice

import pyperf

from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.model import Document, Effect, Path, Rule, RuleRef, Selector, Tenant
from kordon_policy.patterns import pattern
from kordon_policy.rights import Rights
from kordon_policy.snapshot import Snapshot, compile_snapshot
from kordon_policy.view import View

COUNTS = (10, 1_000, 100_000)
CLUSTER = frozenset({"prod", "N9xnGujkR32eYxHICeaHuQ"})
ROLES = frozenset({"devs"})
# More names than are remembered, so that each of them is new whenever it comes round again.
NEW_NAMES = tuple(f"tx_payments-{at}.v1" for at in range(40_000))
# Names, prefixes, suffixes and both: every shape that has an index of its own.
SHAPES = ("other-{}", "other-{}-*", "*-other-{}", "o{}-*-r", "*-o-{}-*")


def topic(text: str) -> Path:
    return Path(domain=Domain.CLUSTER, kind=Kind.TOPIC, name=pattern(text))


def others(count: int) -> list[Path]:
    return [topic(SHAPES[at % len(SHAPES)].format(at)) for at in range(count)]


@cache
def snapshot(count: int) -> Snapshot:
    """As many policies as paths, and a tenant with as many includes and excludes."""
    paths = [topic("tx_*"), *others(count)]
    policies = tuple(
        Rule(
            ref=RuleRef(place=f"policies[{at}]", source="rbac.yaml", line=at),
            effect=Effect.ALLOW,
            actions=frozenset({Action.TOPIC_PRODUCE}),
            paths=(path,),
            roles=ROLES,
        )
        for at, path in enumerate(paths)
    )
    ref = RuleRef(place="tenants[0]")
    tenant = Tenant(
        ref=ref,
        name="Trading",
        roles=ROLES,
        includes=(Selector(ref=ref, paths=tuple(paths)),),
        excludes=(Selector(ref=ref, paths=tuple(others(count))),),
    )
    return compile_snapshot(Document(policies=policies, tenants=(tenant,)), epoch=1)


@cache
def among_tenants(count: int) -> Snapshot:
    """One policy, and a tenant with as many others."""
    ref = RuleRef(place="policies[0]")
    rule = Rule(
        ref=ref,
        effect=Effect.ALLOW,
        actions=frozenset({Action.TOPIC_PRODUCE}),
        paths=(topic("tx_*"),),
        roles=ROLES,
    )
    tenants = tuple(
        Tenant(
            ref=RuleRef(place=f"tenants[{at}]"),
            name=name,
            roles=ROLES,
            includes=(Selector(ref=ref, paths=(topic(includes),)),),
        )
        for at, (name, includes) in enumerate((("Trading", "tx_*"), *((f"T{n}", f"t{n}_*") for n in range(count))))
    )
    return compile_snapshot(Document(policies=(rule,), tenants=tenants), epoch=1)


def rights(count: int) -> Rights:
    return snapshot(count).rights(ROLES, CLUSTER, "alice")


def view(count: int) -> View:
    return snapshot(count).view("Trading", CLUSTER)


def new_decisions(loops: int, count: int) -> float:
    asked = rights(count)
    return timed(loops, NEW_NAMES, lambda name: asked.decide(Action.TOPIC_PRODUCE, Kind.TOPIC, name).allowed)


def known_decisions(loops: int, count: int) -> float:
    asked = rights(count)
    return timed(loops, ("tx_payments",), lambda name: asked.decide(Action.TOPIC_PRODUCE, Kind.TOPIC, name).allowed)


def new_sights(loops: int, count: int) -> float:
    asked = view(count)
    return timed(loops, NEW_NAMES, lambda name: asked.sees(Kind.TOPIC, name))


def known_sights(loops: int, count: int) -> float:
    asked = view(count)
    return timed(loops, ("tx_payments",), lambda name: asked.sees(Kind.TOPIC, name))


def timed(loops: int, names: tuple[str, ...], ask: Callable[[str], bool]) -> float:
    assert ask(names[0])
    asked = list(islice(cycle(names), loops))
    start = time.process_time()
    for name in asked:
        ask(name)
    return time.process_time() - start


def names_of_a_whole_cluster(loops: int, count: int) -> float:
    """A list of all topics cut to the view, with as many topics as policies: the one cost that must grow, linearly."""
    topics = [f"{'tx_' if at % 2 else 'hr_'}{at}" for at in range(count)]
    elapsed = 0.0
    for _ in range(loops):
        # A view of its own, so that nothing is remembered.
        asked = compile_snapshot(snapshot(10).document, epoch=1).view("Trading", CLUSTER)
        start = time.process_time()
        kept = [name for name in topics if asked.sees(Kind.TOPIC, name)]
        elapsed += time.process_time() - start
        assert len(kept) == count // 2
    return elapsed


if __name__ == "__main__":
    # Few processes: each makes its own 100,000 policies.
    runner = pyperf.Runner(processes=3, values=3, warmups=1)
    for count in COUNTS:
        runner.bench_time_func(f"decide, a new name, {count} policies", new_decisions, count)
        runner.bench_time_func(f"decide, a known name, {count} policies", known_decisions, count)
        runner.bench_time_func(f"see, a new name, {count} paths", new_sights, count)
        runner.bench_time_func(f"see, a known name, {count} paths", known_sights, count)
        runner.bench_time_func(f"see, each of {count} topics", names_of_a_whole_cluster, count, inner_loops=count)
