"""What a tenant is told of a scheduled mutation. Of two tenants that have the same group, one may have more topics.

And neither is told of the other's people.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from kordon_policy.actions import Kind
from kordon_policy.offset_moves import Move
from kordon_policy.own_rights import Author
from kordon_policy.scheduled import ScheduledMutation
from kordon_policy.view import View

NOBODY: Final = Author(principal="", roles=frozenset(), tenant=None)


def shown(mutation: ScheduledMutation, view: View, *, openly: bool = False) -> ScheduledMutation | None:
    """The mutation as it is shown in this view, `None` if it is not there: its group, or its topic, is not.

    Of one that is about the whole group, the moves are left out that are in other topics; and then the sentence on how
    it ended as well, which may name one of these. Who asked for it in another tenant, and in which words, is left out.
    openly: to an administrator, who is told of all tenants' people.
    """
    aim = mutation.aim
    if not view.sees(Kind.GROUP, aim.group):
        return None
    if aim.topic is not None and not view.topic_for_group(aim.topic, aim.group):
        return None

    def seen(moves: Iterable[Move]) -> tuple[Move, ...]:
        return tuple(move for move in moves if view.topic_for_group(move.topic, aim.group))

    claim = None if mutation.claim is None else replace(mutation.claim, moves=seen(mutation.claim.moves))
    kept = replace(mutation, claim=claim, results=seen(mutation.results))
    if not (openly or mutation.author.tenant == view.tenant):
        return _without_people(kept)
    if kept == mutation or kept.ended is None:
        return kept
    return replace(kept, ended=replace(kept.ended, reason="some of it is outside the tenant"))


def _without_people(mutation: ScheduledMutation) -> ScheduledMutation:
    ended = mutation.ended
    if ended is not None:
        ended = replace(ended, by="", reason="it was asked for in another tenant")
    return replace(mutation, author=NOBODY, reason="", ticket="", staged_id=None, approver=None, ended=ended)
