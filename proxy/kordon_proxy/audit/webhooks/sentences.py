"""What happened, in one sentence for people.

Events are read as they stand in the journal, where older ones may lack what newer ones have.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from kordon_policy.model import Effect
from kordon_proxy.audit.event import EventType

from .scheduled import scheduled_mutation
from .staged import staged_mutation
from .verbs import verb_of
from .words import (
    Fields,
    Run,
    Sentence,
    because,
    clock,
    duration,
    instant_of,
    joined,
    quoted,
    quoted_text,
    resources_of,
    some_of,
    times,
    who_of,
)


def sentence(event: Fields) -> Sentence:
    """Return what happened. An event that is of no known shape is told by its type and id."""
    try:
        known = _TELLERS.get(event["type"], _other)
        return joined(known(event))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return "an event of the type ", quoted(event.get("type")), " that this Kordon cannot put in words"


def circumstances(event: Fields) -> Sentence:
    """Return in which roles, from where and by which right it was done, when, and the id of the event."""
    data = event.get("data") or {}
    who, why = data.get("who") or {}, data.get("why") or {}
    runs: list[Run] = []
    if roles := who.get("roles"):
        runs += ["role " if len(roles) == 1 else "roles ", *some_of(map(quoted, roles)), " · "]
    if tenant := who.get("tenant"):
        runs += ["tenant ", quoted(tenant), " · "]
    if peer := who.get("peer"):
        runs += ["from ", quoted(peer), " · "]
    if grant := why.get("temporary_policy"):
        grants = why.get("temporary_policies") or [grant]
        runs += ["temporary policy " if len(grants) == 1 else "temporary policies "]
        runs += [*some_of(map(quoted, grants)), " · "]
    elif rules := why.get("rules"):
        runs += ["by ", *some_of(map(quoted, rules)), " · "]
    return joined([*runs, quoted(event.get("time")), " · event ", quoted(event.get("id"))])


def dated(event: Fields) -> Sentence:
    """Return what happened when, where several stand together."""
    try:
        when = f"{instant_of(event['time']):%Y-%m-%d %H:%M:%S} UTC: "
    except (KeyError, TypeError, ValueError):
        when = ""
    return joined([when, *sentence(event)])


# What somebody asked for


def _decision(event: Fields) -> Iterator[Run]:
    data = event["data"]
    what, why, outcome = data["what"], data["why"], data["outcome"]
    done, asked = verb_of(what.get("api"), what.get("action"))
    on = (" ", *resources_of(what))
    code = outcome.get("error_name")
    yield who_of(event)
    if why.get("shadow"):
        yield from (" would not be allowed to ", asked, *on, *because(why), " (a policy that is being tried)")
    elif why.get("effect") == Effect.STAGE:
        yield from (" needs approval to ", asked, *on, *because(why))
    elif why.get("effect") == Effect.DENY:
        yield from (" was not allowed to ", asked, *on, *because(why))
    elif outcome.get("unknown"):
        yield from (" may have ", done, *on, *_details(what), ": the connection broke before Kafka answered")
    elif code not in (None, "NONE"):
        yield from (" tried to ", asked, *on, *_details(what), ": Kafka answered ", quoted(code))
    else:
        yield from (" ", done, *on, *_details(what))


def _aggregate(event: Fields) -> Iterator[Run]:
    data = event["data"]
    what, window = data["what"], data["window"]
    done, asked = verb_of(what.get("api"), what.get("action"))
    if what.get("action") is None:
        yield from _repeated_login(event)
        return
    is_allowed = data["why"].get("effect") == Effect.ALLOW
    yield from (who_of(event), f" {done if is_allowed else f'was not allowed to {asked}'} ", *resources_of(what))
    yield f" {times(window['count'], again='repeats' in window)} since {clock(window['first'], event)}"
    if size := data["outcome"].get("bytes"):
        yield f" ({size:,} bytes)"


def _repeated_login(event: Fields) -> Iterator[Run]:
    """Tell of failed logins of one address, which are counted when there are many."""
    data = event["data"]
    window = data["window"]
    yield f"{window['count']:,} more logins failed since {clock(window['first'], event)}"
    if peer := data["who"].get("peer"):
        yield from (" from ", quoted(peer))


def _details(what: Fields) -> Iterator[Run]:
    """The facts that people ask for first: which offsets, and which there were."""
    parameters = what.get("parameters") or {}
    for before, after in _OFFSETS:
        old, new = (_mapping(parameters.get(name)) for name in (before, after))
        if old or new:
            yield from (" (", *some_of(_moved(place, old, new) for place in new or old), ")")
            return


_OFFSETS: Final = (("old_offsets", "offsets"), ("old_low_watermarks", "low_watermarks"))


def _moved(place: str, old: Fields, new: Fields) -> Sentence:
    """Tell of one partition. An old offset is null where there was none, and no number where it is not known."""
    before = old.get(place)
    begin = (quoted(place), " from ", quoted(before)) if isinstance(before, int) else (quoted(place),)
    return (*begin, " to ", quoted(new[place])) if place in new else begin


def _mapping(value: object) -> Fields:
    return value if isinstance(value, Mapping) else {}


def _login(event: Fields) -> Iterator[Run]:
    data = event["data"]
    listener = data["who"].get("listener")
    yield from (who_of(event), " ")
    yield "could not log in" if data["outcome"].get("error_code") else "logged in"
    if listener:
        yield from (" at ", quoted(listener))
    if data["outcome"].get("error_code"):
        yield from because(data["why"])


# Kordon's own affairs


def _temporary_policy(event: Fields) -> Iterator[Run]:
    data = event["data"]
    parameters = data["what"].get("parameters") or {}
    change = data["what"]["action"].removeprefix("TEMPORARY_POLICY_")
    begin, tells_end = _CHANGES[change]
    yield from begin(event, parameters)
    if tells_end:
        yield from _until(event, parameters)
    reasons = [reason for reason in (data["why"].get("reason"), parameters.get("ticket")) if reason]
    if reasons:
        yield ": "
        yield from some_of(map(quoted_text, reasons))


def _created(event: Fields, parameters: Fields) -> Iterator[Run]:
    who, right = who_of(event), _right(event, parameters)
    match parameters.get("effect"):
        case Effect.DENY:
            yield from (who, " denied ", *_whom(parameters), " ", *right)
        case Effect.STAGE:
            yield from (who, " staged ", *right, " for ", *_whom(parameters))
        case _:
            yield from (who, " granted ", *_whom(parameters), " ", *right)


def _tried(event: Fields, parameters: Fields) -> Iterator[Run]:
    yield from (who_of(event), " may not put in force: ", *_policy(event, parameters))


def _renewed(event: Fields, parameters: Fields) -> Iterator[Run]:
    yield from (who_of(event), " renewed: ", *_policy(event, parameters))


def _revoked(event: Fields, parameters: Fields) -> Iterator[Run]:
    yield from (who_of(event), " revoked: ", *_policy(event, parameters))


def _started(event: Fields, parameters: Fields) -> Iterator[Run]:
    yield from ("in force from now on: ", *_policy(event, parameters))


def _expired(event: Fields, parameters: Fields) -> Iterator[Run]:
    yield from ("over: ", *_policy(event, parameters))


_Teller = Callable[[Fields, Fields], Iterator[Run]]
_CHANGES: Final[Mapping[str, tuple[_Teller, bool]]] = {
    "CREATED": (_created, True),
    "REFUSED": (_tried, False),
    "RENEWED": (_renewed, True),
    "STARTED": (_started, True),
    "REVOKED": (_revoked, False),
    "EXPIRED": (_expired, False),
}
"""What is said of each change, and whether it is told until when the policy holds."""


def _policy(event: Fields, parameters: Fields) -> Iterator[Run]:
    yield from (parameters.get("effect", "Allow"), " ", *_right(event, parameters), " for ", *_whom(parameters))


def _right(event: Fields, parameters: Fields) -> Iterator[Run]:
    yield from some_of(map(quoted, parameters.get("actions", ())))
    yield from (" on ", *resources_of(event["data"]["what"]))


def _whom(parameters: Fields) -> Iterator[Run]:
    yield from ("role ", quoted(parameters.get("role")))
    if person := parameters.get("principal"):
        yield from (" (only ", quoted(person), ")")


def _until(event: Fields, parameters: Fields) -> Iterator[Run]:
    starts, expires = parameters.get("starts"), parameters.get("expires")
    if starts and instant_of(starts) > instant_of(event["time"]):
        yield f" from {clock(starts, event)}"
    if expires is None:
        yield " until it is revoked"
        return
    yield f" until {clock(expires, event)}"
    if starts:
        yield f" ({duration(instant_of(expires) - instant_of(starts))})"


def _configuration(event: Fields) -> Iterator[Run]:
    data = event["data"]
    file = (data["what"].get("parameters") or {}).get("file", "policy")
    if data["why"].get("effect") == Effect.DENY:
        yield from ("the policy file ", quoted(file), " was not taken over", *because(data["why"]))
    else:
        yield from ("the policy file ", quoted(file), f" is in force (epoch {data['why'].get('epoch')})")


def _interruption(event: Fields) -> Iterator[Run]:
    data = event["data"]
    window = data["window"]
    yield f"the audit log could not be written from {clock(window['first'], event)} to {clock(window['last'], event)}"
    yield f" and lacks {window['count']:,} events" if window["count"] else " and lacks nothing"
    yield from because(data["why"])


def _delivery(event: Fields) -> Iterator[Run]:
    data = event["data"]
    window = data["window"]
    count = "an event" if window["count"] == 1 else f"{window['count']:,} events"
    yield from (f"{count} could not be delivered to ", quoted(data["what"]["parameters"].get("sink")))
    yield from because(data["why"])


def _other(event: Fields) -> Iterator[Run]:
    """Tell what every event has."""
    data = event["data"]
    what = data["what"]
    yield from (who_of(event), ": ", quoted(what.get("action") or event["type"]))
    if what.get("resources"):
        yield from (" on ", *resources_of(what))
    yield from because(data["why"])


_TELLERS: Final[Mapping[str, Callable[[Fields], Iterator[Run]]]] = {
    EventType.DECISION: _decision,
    EventType.AGGREGATE: _aggregate,
    EventType.LOGIN: _login,
    EventType.TEMPORARY_POLICY: _temporary_policy,
    EventType.SCHEDULED_MUTATION: scheduled_mutation,
    EventType.STAGED_MUTATION: staged_mutation,
    EventType.CONFIGURATION: _configuration,
    EventType.INTERRUPTION: _interruption,
    EventType.DELIVERY: _delivery,
}
