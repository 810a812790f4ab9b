"""Messages as Slack's incoming webhooks take them.

Names stand in code spans, where Slack looks for neither mentions, links, emoji nor forms; `&`, `<` and `>` are spelt as
it asks for, so nothing can begin a mention such as `<!channel>` anywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .sentences import circumstances, dated, sentence
from .words import Quoted, Run, plain

_MOST: Final = 2_900
"""Letters of a section as they are sent; Slack takes 3,000."""
_MOST_TEXT: Final = 300
"""Letters of what notifications show."""
_SPELT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def message(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a message about some events: each is a section, with its circumstances where it is the only one."""
    first = plain(sentence(events[0]))
    text = first if len(events) == 1 else f"{len(events)} events: {first}, …"
    if len(events) == 1:
        context = {"type": "context", "elements": [_marked(circumstances(events[0]))]}
        blocks = [_section(sentence(events[0])), context]
    else:
        blocks = [_section(dated(event)) for event in events]
    return {
        "text": text[:_MOST_TEXT].translate(_SPELT),
        "mrkdwn": False,
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _section(runs: Iterable[Run]) -> dict[str, Any]:
    return {"type": "section", "text": _marked(runs)}


def _marked(runs: Iterable[Run]) -> dict[str, Any]:
    text = ""
    for run in runs:
        piece = _code(run) if isinstance(run, Quoted) else run.translate(_SPELT)
        if len(text) + len(piece) > _MOST:
            text += " …"
            break
        text += piece
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _code(name: Quoted) -> str:
    # Nothing can stand for a backtick in a code span, and an empty one is none.
    return f"`{name.text.replace('`', chr(0x2035)).translate(_SPELT) or ' '}`"
