"""What depends on the policy: a decision, and a reload."""

from benchmarks.apart import Failed, apart
from benchmarks.kordons import a_kordon, policy, target_of
from benchmarks.measures.decision import decisions
from benchmarks.measures.reload import longest_pause
from benchmarks.suite import Suite
from benchmarks.targets import KORDON


def decision(suite: Suite) -> None:
    counts = [count for count in (10, 1_000, 100_000) if count <= suite.sizes.rules]
    try:
        rounds = apart(decisions, counts, suite.sizes.rounds)
    except Failed as failed:
        suite.fail(f"decision: {failed}")
        return
    for number, figures in enumerate(rounds):
        suite.note(suite.kordon, number, figures)


def reload(suite: Suite) -> None:
    """By a Kordon of its own, with so many rules."""
    texts = [policy(rules=suite.sizes.rules + more) for more in range(2)]
    with a_kordon(suite.there.cluster.plain, text=texts[0]) as kordon:
        target = target_of(kordon, KORDON)
        with suite.topic("reload", target) as topic:
            for turn, number in enumerate(suite.rounds(), 1):
                name = f"reload of {suite.sizes.rules:,} rules"
                new = texts[turn % 2]  # each time another than the one before
                suite.measure(
                    target, number, longest_pause, topic, name, kordon.policy_file, new, kordon.admin, peak=None
                )
