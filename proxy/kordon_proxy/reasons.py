"""Why the system refused something, as the end of a sentence of ours."""

from pathlib import Path


def reason_of(error: OSError) -> str:
    """Return what the system says, in our words' case: `no space left on device`."""
    return (error.strerror or str(error) or "unknown reason").lower()


def reason_and_file(error: OSError, told: Path | None = None) -> str:
    """Say what the system says, with the file where it names one that has not been `told`."""
    reason, file = reason_of(error), error.filename
    return reason if file is None or not error.strerror or str(file) == str(told) else f"{reason}: {file}"
