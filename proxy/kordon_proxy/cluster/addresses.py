"""Where a broker is, as the brokers tell it. Where clients find it is for the listener's configuration to say."""

from typing import TypeAlias

Address: TypeAlias = tuple[str, int]
"""Host and port."""
