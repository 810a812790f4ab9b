"""Two workers beside one: what they answer together when the CPU is what limits."""

from benchmarks.apart import Failed, apart
from benchmarks.figures import Compare, Figure
from benchmarks.kordons import a_kordon, target_of
from benchmarks.measures.flood import flood
from benchmarks.suite import Suite
from benchmarks.targets import KORDON


def workers(suite: Suite) -> None:
    """A flood of requests for each, in turns."""
    address = suite.there.cluster.plain
    with a_kordon(address) as one, a_kordon(address, settings={"workers": 2}) as two:
        targets = {"one worker": target_of(one, KORDON), "two workers": target_of(two, KORDON)}
        for number in suite.rounds():
            names = list(targets)[:: -1 if number % 2 else 1]
            try:
                figures = {name: apart(flood, targets[name], suite.sizes.seconds, name) for name in names}
            except Failed as failed:
                suite.fail(f"workers: {failed}")
                return
            first, second = (figures[name][0].value for name in targets)
            ratio = Figure("requests/s of two workers to one, ×", second / first, Compare.NOTHING)
            suite.note(suite.kordon, number, [*figures["one worker"], *figures["two workers"], ratio])
