"""What the audit and the metrics get to know of an exchange. They hang on the session, not on the judges."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.access import Access, is_in_view
from kordon_policy.actions import Action, Kind
from kordon_policy.decision import outside
from kordon_policy.model import Effect, RuleRef
from kordon_protocol.errors import ProtocolError
from kordon_protocol.header import RequestHead
from kordon_protocol.outcomes import body_error_codes, error_name

from .audit.event import Event, EventType, Outcome, What, Who, Why, new_id
from .audit.log import AuditLog
from .clock import wall_ms
from .exchange import UNASKED, Exchange
from .judging.may import May, Ruling
from .judging.table import Record

SHADOW_ALLOW: Final = "Allow (shadow)"
LONGEST_NAME: Final = 300
"""Letters of a name that are kept. Topics have at most 249; other names may have 32,767, and clients choose them."""
MOST_FAILED: Final = 100
"""Parts of one request of which an event says how each failed; of more it says how many they are."""
Durable = Callable[[], None]


class Recorder:
    """The audit of one connection."""

    __slots__ = ("_audit", "_cluster", "who")

    def __init__(self, audit: AuditLog, cluster: str, who: Who) -> None:
        self._audit = audit
        self._cluster = cluster
        self.who = who

    @property
    def accepts_mutations(self) -> bool:
        """False while the audit log cannot be written and the configuration says to refuse then."""
        return self._audit.accepts_mutations

    def denials(self, exchange: Exchange, may: May | None) -> list[Event]:
        """One event for each action that was refused, with the resources that it was refused on.

        `may`: the rights by which the request was judged, or those by which its answer was judged again.
        """
        if may is None:
            return []
        refused: dict[tuple[str, str], list[Ruling]] = {}
        for ruling in may.notes:
            if ruling.access is not Access.ALLOWED:
                refused.setdefault((ruling.asked, ruling.access), []).append(ruling)
        return [self._denial(exchange, may, action, rulings) for (action, _), rulings in refused.items()]

    def shadows(self, exchange: Exchange) -> list[Event]:
        """What shadow policies would have refused: events that change nothing and that nobody waits for.

        What they would have allowed is counted per window.
        """
        may, events = exchange.may, []
        if may is None:
            return []
        for ruling in may.notes:
            shadow = None if ruling.decision is None else ruling.decision.shadow
            if shadow is None or ruling.action is None:
                continue
            if shadow.allowed:
                self._audit.tally(self.who, ruling.action, self.path(ruling), SHADOW_ALLOW)
            else:
                event = self._denial(exchange, may, ruling.action, [replace(ruling, decision=shadow)])
                events.append(replace(event, why=replace(event.why, shadow=True), outcome=Outcome()))
        return events

    def _denial(self, exchange: Exchange, may: May, action: str, rulings: list[Ruling]) -> Event:
        refusal = rulings[0].refusal
        return self._event(
            What(
                action=action,
                cluster=self._cluster,
                api=exchange.api.name,
                api_version=exchange.head.api_version,
                resources=tuple(self.path(ruling) for ruling in rulings),
                # Of a mutation alone: what varies with every try would make each an event of its own.
                parameters=self._parameters(exchange, None) if exchange.record is Record.EVENT else {},
                correlation_id=exchange.correlation_id,
            ),
            self._why(may, rulings),
            Outcome(
                error_code=None if refusal is None else int(refusal.code),
                error_name=None if refusal is None else error_name(refusal.code),
                items_denied=len(rulings),
            ),
        )

    def mutation(self, exchange: Exchange, response: Any | None) -> Event:
        """The event of a mutation, with its outcome as the client is told; a response of None: it is unknown."""
        rulings = (
            [] if exchange.may is None else [n for n in exchange.may.notes if n.access is Access.ALLOWED and n.action]
        )
        return self._event(
            What(
                action=rulings[0].action if rulings else None,
                cluster=self._cluster,
                api=exchange.api.name,
                api_version=exchange.head.api_version,
                resources=tuple(dict.fromkeys(self.path(ruling) for ruling in rulings)),
                parameters=self._parameters(exchange, response) | _learned(exchange),
                correlation_id=exchange.correlation_id,
            ),
            self._why(exchange.may, rulings),
            replace(
                outcome_of(response),
                items_allowed=len(rulings),
                duration_ms=round(1000 * (time.monotonic() - exchange.received), 3),
            ),
            exchange.who,
        )

    def unadmitted(self, exchange: Exchange, code: ErrorCode, why: str) -> Event:
        """An API or a version that is refused as a whole."""
        return self._event(
            What(
                action="USE_API",
                cluster=self._cluster,
                api=exchange.api.name,
                api_version=exchange.head.api_version,
                correlation_id=exchange.correlation_id,
            ),
            Why(effect=Effect.DENY, reason=why),
            Outcome(error_code=int(code), error_name=error_name(code)),
        )

    def unreadable(self, error: ProtocolError, api: str | None, head: RequestHead | None) -> Event:
        """Bytes that the protocol has no answer to, with as much as is known of them."""
        known = error if head is None else head  # some errors know what the header said
        return self._event(
            What(
                action="USE_API",
                cluster=self._cluster,
                api=api,
                api_version=getattr(known, "api_version", None),
                correlation_id=getattr(known, "correlation_id", None),
            ),
            Why(effect=Effect.DENY, reason=str(error)),
            Outcome(),
        )

    def count(self, exchange: Exchange, response: Any | None = None) -> None:
        """Reads and produces that were allowed: counted per window. A read counts where records came.

        `response`: the answer as the client gets it, where it was collected.
        """
        if exchange.record is not Record.COUNTED or exchange.may is None:
            return
        read, who = _read(exchange, response), exchange.who or self.who
        for ruling in exchange.may.notes:
            if ruling.access is Access.ALLOWED and ruling.action is not None and read is None:
                self._audit.tally(who, ruling.action, self.path(ruling), Effect.ALLOW, exchange.request_size)
        for name, size in (read or {}).items():  # of what was read by the rights of now
            path = ("cluster", self._cluster, Kind.TOPIC.value, name)
            self._audit.tally(self.who, Action.TOPIC_INSPECT, path, Effect.ALLOW, size)

    def unanswered(self, exchange: Exchange) -> None:
        """Write down what the broker was sent by a connection that has ended: it may have been done, and of an answer
        that had begun the client may have read all that was sent."""
        if exchange.record is Record.EVENT:
            self.write([self.mutation(exchange, None)], None)
        elif exchange.stream is not None or exchange.api.sizes is None:  # without an answer no records were read
            self.count(exchange)

    def write(self, events: list[Event], on_durable: Durable | None) -> None:
        """Write events; `on_durable` is called once when all of them are on disk."""
        waiting = len(events)

        def one_less() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0 and on_durable is not None:
                on_durable()

        for event in events:
            self._audit.decision(event, one_less)

    def path(self, ruling: Ruling) -> tuple[str, ...]:
        """The resource as a path of the policy language."""
        if ruling.kind is None:
            return ("cluster", self._cluster)
        return ("cluster", self._cluster, ruling.kind, _kept(ruling.name or ""))

    def _parameters(self, exchange: Exchange, response: Any | None) -> dict[str, object]:
        """What matters of the request and its answer; a response of None: there is none yet, or there never will be."""
        told = exchange.api.parameters
        return {} if told is None else told(exchange.request, response)

    def _why(self, may: May | None, rulings: Sequence[Ruling]) -> Why:
        """Who decided on all of it; what is one sentence is about the first."""
        epoch = None if may is None else may.standing.snapshot.epoch
        if not rulings:
            return Why(epoch=epoch)
        ruling = rulings[0]
        decision = ruling.decision
        if decision is None:
            allowed = ruling.access is Access.ALLOWED
            reason = None if may is None else self._reason(may, ruling)
            return Why(effect=Effect.ALLOW if allowed else Effect.DENY, epoch=epoch, reason=reason)
        rules = _deciding(rulings)
        lent = () if may is None else _lent(may, rules)
        return Why(
            effect=decision.effect or Effect.DENY,
            rules=tuple(str(rule) for rule in rules),
            temporary_policy=lent[0] if lent else None,
            temporary_policies=lent or None,
            epoch=epoch,
            reason=decision.reason,
        )

    def _reason(self, may: May, ruling: Ruling) -> str | None:
        """Why, where no policy was asked."""
        view, kind, name = may.standing.view, ruling.kind, ruling.name
        text = None if ruling.refusal is None else ruling.refusal.text
        if ruling.access is not Access.HIDDEN:
            return text
        told = outside(kind, name, view.tenant)
        # Some refusals of what has no name are about more than the view.
        named = kind is not None or text in (None, told)
        return view.reason(kind, name) if named and not is_in_view(view, kind, name) else text or told

    def _event(self, what: What, why: Why, outcome: Outcome, who: Who | None = None) -> Event:
        return Event(
            id=new_id(),
            type=EventType.DECISION,
            time=wall_ms(),
            who=who or self.who,
            what=what,
            why=why,
            outcome=outcome,
        )


def _deciding(rulings: Sequence[Ruling]) -> list[RuleRef]:
    """The rules that decided on any of it. One request may name very many things, and few rules decide on them."""
    found = {id(rule): rule for ruling in rulings if ruling.decision is not None for rule in ruling.decision.rules}
    return list(found.values())


def _lent(may: May, rules: Collection[RuleRef]) -> tuple[str, ...]:
    """The temporary policies among the rules."""
    deciding = frozenset(rules)
    return tuple(one.id for one in may.standing.snapshot.temporary if one.rule.ref in deciding)


def _kept(name: str) -> str:
    """The name; of one that is very long, the beginning and what tells it from others that begin alike."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{name[:LONGEST_NAME]}… ({len(name)} letters, SHA-256 {digest})"


def _learned(exchange: Exchange) -> dict[str, object]:
    """What there was before a change."""
    learns, answer = exchange.api.learns, exchange.learned
    return {} if learns is None or answer is UNASKED else learns.tell(exchange.sent, answer)


def outcome_of(response: Any | None) -> Outcome:
    """How a mutation ended: with the first error in its answer, if there is one, and which of its parts failed."""
    if response is None:
        return Outcome(unknown=True)
    errors = [(place, int(code)) for place, code in body_error_codes(response) if code]
    code = errors[0][1] if errors else 0
    parts = [(place, code) for place, code in errors if place]
    return Outcome(
        error_code=code,
        error_name=error_name(code),
        items_failed=len(parts) if parts else None,
        failed={_kept(place): error_name(code) for place, code in parts[:MOST_FAILED]} if parts else None,
    )


def _read(exchange: Exchange, response: Any | None) -> Mapping[str, int] | None:
    """Topic -> bytes of records that were read; None for what reads no records."""
    if exchange.stream is not None:
        return exchange.stream.sizes()
    sizes = exchange.api.sizes
    return None if sizes is None or response is None or exchange.now is None else sizes(response, exchange.now)
