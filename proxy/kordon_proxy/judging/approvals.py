"""How requests are judged that wait for an approval: what they take, what is said of them, what an approval allows.

Judges are asked as ever; what differs is the standing that they ask.
"""

from collections.abc import Iterable
from dataclasses import replace

from kordon_policy.access import CREATES, Access
from kordon_policy.actions import Kind
from kordon_policy.mutation_rights import Demand
from kordon_policy.rights import Rights
from kordon_policy.snapshot import Snapshot
from kordon_policy.view import View

from .may import DENIED_CODE, Question, Refusal, Ruling, Standing

NOT_APPROVED = "it is not among what was approved"
_OF_THE_CLUSTER = (None, Kind.BROKER)


def demands_of(rulings: Iterable[Ruling]) -> tuple[Demand, ...]:
    """What these rulings allow, each once, as what a request takes."""
    allowed = (ruling for ruling in rulings if ruling.access is Access.ALLOWED)
    return tuple(dict.fromkeys(map(demand_of, allowed)))


def demand_of(ruling: Ruling) -> Demand:
    """What was asked for."""
    explicit = ruling.action in CREATES
    return Demand(
        action=ruling.action, kind=ruling.kind, name=ruling.name, explicit=explicit, beginning=ruling.beginning
    )


def with_text(ruling: Ruling, text: str) -> Ruling:
    """What is staged, with what there is to say of it: the audit tells what the client is told."""
    assert ruling.decision is not None, "it is staged by a policy"
    refusal = None if ruling.refusal is None else replace(ruling.refusal, text=text)
    return replace(ruling, decision=replace(ruling.decision, because=text), refusal=refusal)


def settled(standing: Standing, rulings: Iterable[Ruling]) -> Standing:
    """A standing in which these questions are answered already, for one request."""
    own = Standing(standing.snapshot, standing.view, standing.rights)
    for ruling in rulings:
        own.rulings[ruling.action in CREATES, ruling.action, ruling.kind, ruling.name] = ruling
    return own


class Approved(Standing):
    """The standing of an author for what was approved, and for nothing else.

    What brokers and the cluster as a whole are asked for besides, he may do by his own rights, which wait for nobody.
    """

    __slots__ = ("_approved", "_own")

    def __init__(
        self, snapshot: Snapshot, view: View, rights: Rights, *, own: Rights, demands: Iterable[Demand]
    ) -> None:
        """rights: as an approval has them. own: as they are without one."""
        super().__init__(snapshot, view, rights)
        self._own = Standing(snapshot, view, own)
        self._approved = frozenset((one.action, one.kind, one.name) for one in demands)

    def _judge(self, question: Question) -> Ruling:
        _, action, kind, name = question
        if action is None or (action, kind, name) in self._approved:
            return super()._judge(question)
        ruling = self._own.rulings[question]
        if kind in _OF_THE_CLUSTER or ruling.access is not Access.ALLOWED:
            return ruling
        refusal = Refusal(DENIED_CODE[kind], NOT_APPROVED)
        return Ruling(Access.DENIED, action, kind, name, None, refusal)
