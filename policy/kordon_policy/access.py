"""What comes of a question: the view is asked first, the policies second. Whoever judges asks here."""

from enum import StrEnum
from typing import Final

from kordon_policy.actions import Action, Kind
from kordon_policy.decision import Decision
from kordon_policy.model import EVERYTHING
from kordon_policy.rights import Rights
from kordon_policy.view import View

SEEING: Final = "VIEW"
"""What stands for an action where only seeing is asked for."""

CREATES: Final = frozenset({Action.TOPIC_CREATE, Action.TOPIC_CLONE})
"""Actions that bring a topic into being, for which the tenant's own paths have to show it: nothing is inferred."""


class Access(StrEnum):
    """The answer."""

    ALLOWED = "allowed"
    DENIED = "denied"
    STAGED = "staged"
    HIDDEN = "hidden"


def is_in_view(view: View, kind: Kind | None, name: str | None, *, explicit: bool = False) -> bool:
    """Does it exist for the tenant? `explicit`: by its own paths, with nothing inferred. No `kind`: the cluster."""
    if kind is None or name is None:
        return view.whole_cluster
    if (kind, name) in EVERYTHING:
        return view.covers(kind, "")
    return view.sees_explicitly(kind, name) if explicit else view.sees(kind, name)


def decide(rights: Rights, action: Action, kind: Kind | None, name: str | None) -> Decision:
    """What the policies say of something that is in the view."""
    if kind is not None and (kind, name) in EVERYTHING:
        return rights.decide_everywhere(action, kind)
    return rights.decide(action, kind, name)


def access_by(decision: Decision) -> Access:
    """What a decision of the policies comes to."""
    if decision.allowed:
        return Access.ALLOWED
    return Access.STAGED if decision.staged else Access.DENIED
