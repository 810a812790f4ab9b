"""Get ready for a real Kafka: `python -m kordon_proxy.demo.prepare`, once, before the tests or a demonstration."""

import sys
import tempfile
from pathlib import Path

from kordon_proxy.demo import class_archive, prerequisites
from kordon_proxy.demo.kafka import SMALL_JVM, Kafka
from kordon_proxy.demo.prerequisites import MissingPrerequisite


def prepare() -> None:
    """Install or fetch what is missing. Raises MissingPrerequisite."""
    prerequisites.java()
    prerequisites.openssl()
    prerequisites.jars()
    if not class_archive.file().exists():
        make_class_archive()


def make_class_archive() -> None:
    """Start a Kafka, which loads most classes that its tools use too, and let Java archive them as it ends."""
    archive = class_archive.file()
    with tempfile.TemporaryDirectory(prefix=".classes-", dir=archive.parent) as aside:
        made = Path(aside) / archive.name
        with Kafka(jvm=(*SMALL_JVM, f"-XX:ArchiveClassesAtExit={made}")) as kafka:
            kafka.nodes[1].shut_down()
        made.touch()  # left empty by a Java that cannot: then nobody needs to try again
        made.replace(archive)


if __name__ == "__main__":
    try:
        prepare()
        prerequisites.javac()  # tests give a broker a plugin
    except MissingPrerequisite as missing:
        sys.exit(str(missing))
