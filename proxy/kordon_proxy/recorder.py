"""What the audit and the metrics get to know of an exchange. They hang on the session, not on the judges."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_policy.decision import Decision
from kordon_policy.model import Effect
from kordon_protocol.errors import ProtocolError
from kordon_protocol.header import RequestHead
from kordon_protocol.outcomes import body_error_codes, error_name

from .audit.event import Event, EventType, Outcome, What, Who, Why, new_id
from .audit.log import AuditLog
from .clock import wall_ms
from .exchange import Exchange
from .judging.may import Access, May, Ruling
from .judging.table import Record

SHADOW_ALLOW: Final = "Allow (shadow)"
LONGEST_NAME: Final = 300
"""Letters of a name that are kept. Topics have at most 249; other names may have 32,767, and clients choose them."""
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
        first = rulings[0]
        refusal = first.refusal
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
            self._why(may, first),
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
        first = rulings[0] if rulings else None
        return self._event(
            What(
                action=None if first is None else first.action,
                cluster=self._cluster,
                api=exchange.api.name,
                api_version=exchange.head.api_version,
                resources=tuple(dict.fromkeys(self.path(ruling) for ruling in rulings)),
                parameters=self._parameters(exchange, response),
                correlation_id=exchange.correlation_id,
            ),
            self._why(exchange.may, first),
            replace(
                _ended(response),
                items_allowed=len(rulings),
                duration_ms=round(1000 * (time.monotonic() - exchange.received), 3),
            ),
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
        read = _read(exchange, response)
        for ruling in exchange.may.notes:
            if ruling.access is Access.ALLOWED and ruling.action is not None and read is None:
                self._audit.tally(self.who, ruling.action, self.path(ruling), Effect.ALLOW, exchange.request_size)
        for name, size in (read or {}).items():
            path = ("cluster", self._cluster, Kind.TOPIC.value, name)
            self._audit.tally(self.who, Action.TOPIC_INSPECT, path, Effect.ALLOW, size)

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

    def _why(self, may: May | None, ruling: Ruling | None) -> Why:
        epoch = None if may is None else may.standing.snapshot.epoch
        if ruling is None:
            return Why(epoch=epoch)
        decision = ruling.decision
        if decision is None:
            allowed = ruling.access is Access.ALLOWED
            reason = None if may is None else self._reason(may, ruling)
            return Why(effect=Effect.ALLOW if allowed else Effect.DENY, epoch=epoch, reason=reason)
        return Why(
            effect=decision.effect or Effect.DENY,
            rules=tuple(str(rule) for rule in decision.rules),
            temporary_policy=None if may is None else _lent(may, decision),
            epoch=epoch,
            reason=decision.reason,
        )

    def _reason(self, may: May, ruling: Ruling) -> str | None:
        """Why, where no policy was asked."""
        view, kind, name = may.standing.view, ruling.kind, ruling.name
        if ruling.access is Access.HIDDEN and kind is not None and name is not None and not view.sees(kind, name):
            return view.reason(kind, name)
        text = None if ruling.refusal is None else ruling.refusal.text
        return f"outside the tenant {self.who.tenant}" if text is None and ruling.access is Access.HIDDEN else text

    def _event(self, what: What, why: Why, outcome: Outcome) -> Event:
        return Event(
            id=new_id(),
            type=EventType.DECISION,
            time=wall_ms(),
            who=self.who,
            what=what,
            why=why,
            outcome=outcome,
        )


def _lent(may: May, decision: Decision) -> str | None:
    """The temporary policy that decided; the first, where there are several."""
    temporary = may.standing.snapshot.temporary
    return next((one.id for one in temporary if one.rule.ref in decision.rules), None)


def _kept(name: str) -> str:
    """The name; of one that is very long, the beginning and what tells it from others that begin alike."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{name[:LONGEST_NAME]}… ({len(name)} letters, SHA-256 {digest})"


def _ended(response: Any | None) -> Outcome:
    """How a mutation ended: with the first error in its answer, if there is one."""
    if response is None:
        return Outcome(unknown=True)
    code = next((int(code) for _, code in body_error_codes(response) if code), 0)
    return Outcome(error_code=code, error_name=error_name(code))


def _read(exchange: Exchange, response: Any | None) -> Mapping[str, int] | None:
    """Topic -> bytes of records that were read; None for what reads no records."""
    if exchange.stream is not None:
        return exchange.stream.sizes()
    sizes = exchange.api.sizes
    return None if sizes is None or response is None or exchange.now is None else sizes(response, exchange.now)
