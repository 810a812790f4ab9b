"""Why the system refused something, as the end of a sentence of ours."""


def reason_of(error: OSError) -> str:
    """Return what the system says, in our words' case: `no space left on device`."""
    return (error.strerror or str(error) or "unknown reason").lower()
