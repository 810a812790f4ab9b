"""Messages as Teams' workflows take them ("When a Teams webhook request is received"): an Adaptive Card in an envelope.

Text stands in runs, in which Teams looks for no Markdown; a mention would need an entity of its own in the card.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .sentences import circumstances, dated, sentence
from .words import Quoted, Run


def message(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a message about some events: each is a block, with its circumstances where it is the only one."""
    if len(events) == 1:
        body = [_block(sentence(events[0])), _block(circumstances(events[0]), size="Small", isSubtle=True)]
    else:
        body = [_block(dated(event)) for event in events]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _block(runs: Iterable[Run], **look: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [_run(run) | look for run in runs], "separator": not look}


def _run(run: Run) -> dict[str, Any]:
    if isinstance(run, Quoted):
        return {"type": "TextRun", "text": run.text, "fontType": "Monospace"}
    return {"type": "TextRun", "text": run}
