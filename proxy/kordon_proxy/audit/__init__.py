"""Who did what, why it was allowed, how it ended: on disk before the answer leaves, then forwarded, none missing."""
