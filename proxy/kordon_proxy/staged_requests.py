"""What of a request is kept that has met a Stage: that part which an approval would let through, and what it takes.

What is allowed happens at once, and what is denied is over. So the request is judged once more as if whatever is staged
was approved, and what would go to the broker then and does not go now is kept. Where that is all of it, the bytes are
kept as they came.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kordon_policy.decision import printable
from kordon_policy.lifecycle import NotPossible
from kordon_policy.mutation_rights import Demand, offset_demands
from kordon_policy.own_rights import Author
from kordon_policy.scheduled import ScheduledMutation
from kordon_policy.staged import LARGEST, Call
from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey

from .audit.event import Who
from .calls import AT_MOST_STALE, SCHEDULING, Case, Judged, judge
from .judging.approvals import demand_of, demands_of, with_text
from .judging.may import Access, Ruling
from .judging.rests import head_of, rest_of
from .judging.table import Api
from .judging.verdict import Answer, Rewrite, Verdict
from .policies import Policies
from .redaction import masked
from .upstream import Upstream

MOST_DEMANDS: Final = 1_000
"""Things that one staged request may be about. Somebody is to look at each of them."""
LONGEST_TOLD: Final = 50_000
"""Letters of what people are told of a request."""
_BROKERS_OWN: Final = frozenset({4, 8})
"""The types of configuration resources that are of one broker: its settings, and its loggers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that has met a Stage, and who sent it.

    body: as it came, without its header. broker: the one that the client is connected to; None: any. forwarded: the
    request that goes to the broker now; None: nothing does. rulings: all that was decided on it.
    """

    api: Api
    request: Any
    body: bytes
    broker: int | None
    forwarded: Any | None
    rulings: tuple[Ruling, ...]
    author: Author
    who: Who

    @property
    def staged(self) -> tuple[Ruling, ...]:
        """What of it is staged, each once."""
        return tuple(dict.fromkeys(ruling for ruling in self.rulings if ruling.access is Access.STAGED))

    def told(self, text: str) -> tuple[Ruling, ...]:
        """What is staged, with what there is to say of all of it."""
        return tuple(with_text(one, f"{reason_of(one)}, and {text}") for one in self.staged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What of a request waits for an approval, all that it takes, and what people are told of it: never a secret."""

    call: Call
    demands: tuple[Demand, ...]
    told: Mapping[str, Any]


def forwarded_by(verdict: Verdict, request: Any) -> Any | None:
    """The request that a verdict lets go to the broker; None: none does."""
    if isinstance(verdict, Answer):
        return None
    return verdict.request if isinstance(verdict, Rewrite) else request


async def keep(asked: Asked, upstream: Upstream, policies: Policies) -> Kept:
    """What of it is kept. Raises NotPossible if an approval would not be enough, or it cannot wait; UpstreamError."""
    broker = broker_of(asked)
    if len(asked.body) > LARGEST:
        raise NotPossible(f"could not be kept for an approval: it has {len(asked.body)} bytes, more than {LARGEST}")
    if asked.api.needs_fresh_picture is not None and asked.api.needs_fresh_picture(asked.request):
        await upstream.cluster.refresh(AT_MOST_STALE)
    case = Case(upstream=upstream, policies=policies, author=asked.author, broker=asked.broker)
    approved = await judge(asked.api, asked.request, case, case.may_when_approved)
    request, body = _left(asked, approved)
    if request is not asked.request:
        approved = await judge(asked.api, request, case, case.may_when_approved)
    if (refused := approved.refused) is not None:
        raise NotPossible(f"an approval would not be enough: {refused}")
    demands = demands_of(approved.may.notes)
    if len(demands) > MOST_DEMANDS:
        raise NotPossible(f"could not be kept for an approval: it is about more than {MOST_DEMANDS} things")
    call = Call(api=asked.api.name, version=asked.request.__version__, request=body, broker=broker)
    told = {} if asked.api.parameters is None else asked.api.parameters(request, None)
    return Kept(call=call, demands=demands, told=short(masked(told)))


def short(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """What people can be told of a request. Nobody reads what is longer, and the demands say what it is about."""
    return told if len(json.dumps(told)) <= LONGEST_TOLD else {"left_out": "it is too long to be shown"}


def _left(asked: Asked, approved: Judged) -> tuple[Any, bytes]:
    """What would go to the broker if it was approved and does not go now, as a message and as bytes."""
    whole = asked.request
    request = forwarded_by(approved.verdict, whole)
    if request is None:
        raise NotPossible(f"an approval would not be enough: {approved.refused}")
    if head_of(request) != head_of(whole):
        # The judge has put something else in a place of its own: what is asked for is what came, all or nothing.
        request = whole
    if asked.forwarded is not None:
        request = rest_of(request, asked.forwarded)
        if request is None:
            raise NotPossible("an approval would change nothing")
    return request, asked.body if request is whole else encode(request)


def told_of(asked: Asked, mutation_id: str, demands: Collection[Demand]) -> tuple[Ruling, ...]:
    """What is staged, with the id of what waits. What an approval would not let through is not in it."""
    waits = frozenset(demands)
    known = f"waits for approval as staged mutation {mutation_id}"
    lost = "an approval would not be enough for what it is asked for"
    return tuple(
        with_text(one, f"{reason_of(one)}, and {known if demand_of(one) in waits else lost}") for one in asked.staged
    )


def reason_of(ruling: Ruling) -> str:
    """Why it is staged."""
    return "it is staged" if ruling.decision is None else ruling.decision.reason


def broker_of(asked: Asked) -> int | None:
    """The only broker that it can be asked of; None: any. Raises NotPossible if nobody knows which is meant."""
    if asked.api.key == ApiKey.ALTER_REPLICA_LOG_DIRS:
        if asked.broker is None:
            raise NotPossible("could not be kept for an approval: the connection leads to no broker in particular")
        return asked.broker
    if asked.api.key in (ApiKey.INCREMENTAL_ALTER_CONFIGS, ApiKey.ALTER_CONFIGS):
        named = [one.resource_name for one in asked.request.resources if one.resource_type in _BROKERS_OWN]
        numbers = [int(name) for name in named if name.isascii() and name.isdigit() and len(name) < 10]
        return numbers[0] if numbers else None
    return None


def keep_scheduled(body: Any, mutation: ScheduledMutation) -> Kept:
    """What is kept of offsets that somebody asks to be scheduled: that is asked of Kordon, and of no broker."""
    aim = mutation.aim
    # Of a whole group, which topics it reads is known when it is executed: then his approver has to see each of them.
    demands = offset_demands(aim.group, () if aim.topic is None else (aim.topic,))
    call = Call(api=SCHEDULING, version=1, request=json.dumps(body, sort_keys=True).encode())
    return Kept(call=call, demands=demands, told=short(masked(body)))


def client_of(who: Who) -> tuple[tuple[str, str], ...]:
    """What is known of the program that sent it, for people."""
    facts = {
        "client_id": who.client_id,
        "software": " ".join(filter(None, (who.software_name, who.software_version))),
        "peer": who.peer,
        "listener": who.listener,
    }
    return tuple((name, printable(value)) for name, value in facts.items() if value)
