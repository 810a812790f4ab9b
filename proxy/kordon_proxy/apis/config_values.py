"""What the audit keeps of the values of settings. Only of topics and groups: a broker's can be a password."""

import re
from typing import Final

SECRET: Final = re.compile(r"password|secret|jaas|credential|token|key", re.IGNORECASE)
"""Topics and groups have no settings that are secret; should they get some, they are called so."""
LONGEST: Final = 200
"""Letters of a value that the audit keeps."""


def kept(key: str, value: str | None) -> str | None:
    """The value of a setting of a topic or a group as the audit keeps it; None: not at all."""
    return None if value is None or SECRET.search(key) else value[:LONGEST]
