"""Java's archive of loaded classes (JEP 350): with it Kafka starts in half the time, and its tools in less than half.

It is a help, not a need: without one, or with one that does not suit the virtual machine, Java loads its classes.
"""

import zlib
from pathlib import Path

from kordon_proxy.demo import prerequisites


def options() -> tuple[str, ...]:
    """Return the options for the virtual machine that make use of the archive; none when there is no archive."""
    archive = file()
    if not archive.exists() or not archive.stat().st_size:
        return ()
    # What Java has to say of an archive that does not suit it would stand in the midst of a tool's output.
    return (f"-XX:SharedArchiveFile={archive}", "-Xlog:disable", "-Xlog:all=error:stderr")


def file() -> Path:
    """Return where the archive is, or belongs: beside the jars, and one for each Java."""
    java = Path(prerequisites.java()).resolve()
    name = zlib.crc32(f"{java} {java.stat().st_mtime_ns}".encode())
    return prerequisites.jars() / f"classes-{name:08x}.jsa"
