"""Free text from the broker: replaced by Kafka's own constant text for the code, since it can name what is outside the view.

Seen with Kafka 4.3.1: creating `a_b` where `a.b` exists names the other topic; a replication factor that cannot be met tells
the number of brokers; refusals of administrative requests carry a dump of the request with principal and address.
"""

from dataclasses import replace
from typing import Any

from kio.schema.errors import ErrorCode


def constant_text(code: ErrorCode) -> str | None:
    """Kafka's description of the code; None for no error."""
    if code is ErrorCode.none:
        return None
    return code.name.replace("_", " ")


def without_free_text(entry: Any, attribute: str = "error_message") -> Any:
    """The entry with its text replaced by the constant one; the same object where there is none."""
    text = getattr(entry, attribute, None)
    return entry if text is None else replace(entry, **{attribute: constant_text(entry.error_code)})
