"""Resource paths as one types them: `cluster/prod/group/trade_b2`."""

from typing import Final

from .client import Failure

EXAMPLE: Final = "cluster/prod/group/trade_b2"
_PARTS: Final = 4


def split_path(text: str) -> list[str]:
    """The path of the policy language. What stands behind the third slash is the name, slashes and all.

    Raises Failure for what has an empty part.
    """
    parts = text.split("/", _PARTS - 1)
    if not all(parts):
        raise Failure(f"`{text}` is no path: it begins or ends with a slash, or has two in a row; as in {EXAMPLE}")
    return parts
