"""What a real Kafka needs on this machine: Java, Maven (once), openssl (for TLS) and Kafka's jars.

What is missing is installed where that needs nobody's password, and otherwise named together with the command that
installs it.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

OLDEST_JAVA: Final = 17

_POM: Final = Path(__file__).with_name("pom.xml")
# For each package manager: its command, and what it calls the things that may be missing.
_PACKAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "apt-get": {
        "Java": "default-jre-headless",
        "javac": "default-jdk-headless",
        "Maven": "maven",
        "openssl": "openssl",
    },
    "dnf": {
        "Java": "java-21-openjdk-headless",
        "javac": "java-21-openjdk-devel",
        "Maven": "maven",
        "openssl": "openssl",
    },
    "apk": {
        "Java": "openjdk21-jre-headless",
        "javac": "openjdk21-jdk",
        "Maven": "maven",
        "openssl": "openssl",
    },
}
_INSTALL: Final[Mapping[str, tuple[str, ...]]] = {
    "apt-get": ("install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"),
    "dnf": ("install", "-y"),
    "apk": ("add",),
}


class MissingPrerequisite(Exception):
    """Something is not on this machine, and only its owner can put it there."""


@cache
def java() -> str:
    """Return the path of a `java` of version 17 or newer.

    Raises MissingPrerequisite.
    """
    return _find_java() or _install_and_find("Java", _find_java, what=f"Java {OLDEST_JAVA} or newer")


@cache
def javac() -> str:
    """Return the path of `javac`, for those who give a broker a plugin.

    Raises MissingPrerequisite.
    """
    return shutil.which("javac") or _install_and_find("javac", lambda: shutil.which("javac"))


@cache
def openssl() -> str:
    """Return the path of `openssl`.

    Raises MissingPrerequisite.
    """
    return shutil.which("openssl") or _install_and_find("openssl", lambda: shutil.which("openssl"))


def jars(pom: Path = _POM) -> Path:
    """Return the folder with Kafka's jars, or those of another `pom`, fetching them when they are not on this machine.

    The folder is in `$KORDON_CACHE`, or else in `$XDG_CACHE_HOME/kordon` (`~/.cache/kordon`). Raises
    MissingPrerequisite when Maven is missing or cannot fetch them.
    """
    text = pom.read_text()
    pinned = hashlib.sha256(text.encode()).hexdigest()[:8]  # other versions, other folder
    name, version = (re.findall(f"<{tag}>([^<]+)</{tag}>", text)[0] for tag in ("artifactId", "version"))
    folder = _cache() / f"{name}-{version}-{pinned}"  # the first of each is the project's own
    if not folder.exists():
        _fetch_jars(f"Apache {name.replace('-', ' ').title()} {version}", pom, folder)
    return folder


def _cache() -> Path:
    if chosen := os.environ.get("KORDON_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kordon"


def _fetch_jars(what: str, pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn") or _install_and_find("Maven", lambda: shutil.which("mvn"))
    java()  # Maven needs one too
    _say(f"fetching {what} with Maven into {folder} (once)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Fetched aside and renamed, so that nobody ever sees half of it.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        lib = Path(aside) / "lib"
        copy = ("dependency:copy-dependencies", f"-DoutputDirectory={lib}")
        line = [maven, "-q", "-B", "-f", shutil.copy(pom, aside), *copy]
        done = subprocess.run(line, check=False, capture_output=True, text=True)
        if done.returncode:
            raise MissingPrerequisite(f"maven could not fetch {what}: {done.stdout.strip()}")
        try:
            lib.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was faster, with the same jars
                raise


def _find_java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    for candidate in (home and shutil.which("java", path=f"{home}/bin"), shutil.which("java")):
        if candidate and _java_version(candidate) >= OLDEST_JAVA:
            return candidate
    return None


def _java_version(command: str) -> int:
    answer = subprocess.run([command, "-version"], check=False, capture_output=True, text=True)
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else 0


def _install_and_find(name: str, find: Callable[[], str | None], *, what: str | None = None) -> str:
    manager = next((manager for manager in _PACKAGES if shutil.which(manager)), None)
    if manager is None:
        raise MissingPrerequisite(f"{what or name} is missing, and so is a package manager that could install it")
    command = (manager, *_INSTALL[manager], _PACKAGES[manager][name])
    root = _as_root()
    if root is not None:
        _say(f"{what or name} is missing, so: {' '.join(command)}")
        if manager == "apt-get":
            subprocess.run([*root, manager, "update", "-q"], check=False, stdout=sys.stderr)
        subprocess.run([*root, *command], check=False, stdout=sys.stderr)
        if found := find():
            return found
    raise MissingPrerequisite(f"{what or name} is missing: sudo {' '.join(command)}")


def _as_root() -> tuple[str, ...] | None:
    """Return what to put before a command so that root runs it, or None when that takes a password."""
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive")
    if os.geteuid() == 0:
        return quiet
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0:
        return (sudo, "-n", *quiet)
    return None


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
