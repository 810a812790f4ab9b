"""What happens to scheduled mutations, in one sentence for people: who wanted what, and which offsets there are now."""

from collections.abc import Iterator
from typing import Final

from kordon_proxy.scheduled_words import operation_of, part_of

from .words import Fields, Run, Sentence, because, quoted, quoted_text, resources_of, some_of, who_of

_PREFIX: Final = "SCHEDULED_MUTATION_"


def scheduled_mutation(event: Fields) -> Iterator[Run]:
    """Tell of one change."""
    data = event["data"]
    parameters, why = data["what"].get("parameters") or {}, data["why"]
    author = quoted(parameters.get("created_by"))
    change = data["what"]["action"].removeprefix(_PREFIX)
    what = (_operation(parameters), " in ", *_group(data["what"]))
    match change:
        case "SCHEDULED":
            yield from (who_of(event), " scheduled: ", *what)
            if reason := parameters.get("reason"):
                yield from (": ", quoted_text(reason))
        case "REFUSED":
            yield from (who_of(event), " may not schedule: ", *what, *because(why))
        case "CANCELLED":
            yield from (who_of(event), " called off: ", *what, *because(why))
        case "SUCCEEDED":
            yield from ("done for ", author, ": ", *what, *_moves(parameters))
        case "FAILED" | "EXPIRED":
            yield from ("not done for ", author, ": ", *what, *because(why))
        case _:
            yield from ("begun for ", author, ": ", *what)


def _operation(parameters: Fields) -> Run:
    """In the words of whoever has asked, so that they are shown as his."""
    return quoted(f"{operation_of(parameters)} of {part_of(parameters)}")


def _group(what: Fields) -> Iterator[Run]:
    """The group alone: the topics are said by the operation and the offsets."""
    yield from resources_of({**what, "resources": what["resources"][:1]})


def _moves(parameters: Fields) -> Iterator[Run]:
    moved = [one for one in parameters.get("offsets", ()) if one["old_offset"] != one["new_offset"]]
    if moved:
        yield from (" (", *some_of(map(_move, moved)), ")")


def _move(one: Fields) -> Sentence:
    ends = ("none" if one[key] is None else one[key] for key in ("old_offset", "new_offset"))
    old, new = map(quoted, ends)
    return quoted(f"{one['topic']}-{one['partition']}"), " from ", old, " to ", new
