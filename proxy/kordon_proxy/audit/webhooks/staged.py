"""What happens to staged mutations, in one sentence for people: above all that somebody waits for them."""

from collections.abc import Iterator
from typing import Final

from .verbs import verb_of
from .words import Fields, Run, because, quoted, quoted_text, resources_of, who_of

_PREFIX: Final = "STAGED_MUTATION_"


def staged_mutation(event: Fields) -> Iterator[Run]:
    """Tell of one change."""
    data = event["data"]
    parameters, why = data["what"].get("parameters") or {}, data["why"]
    author = quoted(parameters.get("created_by"))
    change = data["what"]["action"].removeprefix(_PREFIX)
    match change:
        case "STAGED":
            yield from (who_of(event), " asks for approval to ", *_what(data))
            yield from (": staged mutation ", quoted(parameters.get("staged_mutation")))
        case "APPROVED":
            yield from (who_of(event), " lets ", author, " ", *_what(data), *because(why))
        case "DENIED":
            yield from (who_of(event), " does not let ", author, " ", *_what(data), *because(why))
        case "WITHDRAWN":
            yield from (author, " does not want any more to ", *_what(data), *because(why))
        case "EXPIRED":
            yield from ("too late for ", author, " to ", *_what(data), *because(why))
        case "STARTED":
            yield from ("begun for ", author, ", by approval: to ", *_what(data))
        case "SUCCEEDED":
            yield from ("done for ", author, ", as ", _approver(parameters), " approved: to ", *_what(data))
        case "FAILED" if data["outcome"].get("unknown"):
            yield from ("perhaps done for ", author, ", as ", _approver(parameters), " approved: to ", *_what(data))
            yield from because(why)
        case _:
            yield from ("not done for ", author, ", though ", _approver(parameters), " approved: to ", *_what(data))
            yield from because(why)


def _what(data: Fields) -> Iterator[Run]:
    what = data["what"]
    actions = (what.get("parameters") or {}).get("actions") or [None]
    _, asked = verb_of(what.get("api"), actions[0])
    yield from (asked, " ", *resources_of(what))


def _approver(parameters: Fields) -> Run:
    return quoted_text(parameters.get("approved_by"))
