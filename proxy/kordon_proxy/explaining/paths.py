"""Resource paths as one types them: `cluster/prod/group/trade_b2`."""

from typing import Final

from kordon_proxy.config.findings import Mistake

EXAMPLE: Final = "cluster/prod/group/trade_b2"
_PARTS: Final = 4


def split_path(text: str) -> list[str]:
    """The path of the policy language. What stands behind the third slash is the name, slashes and all.

    Raises Mistake for what has an empty part.
    """
    parts = text.split("/", _PARTS - 1)
    if not all(parts):
        raise Mistake(f"`{text}` is no path: it begins or ends with a slash, or has two in a row; as in {EXAMPLE}")
    return parts
