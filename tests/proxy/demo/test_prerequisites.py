"""What a real Kafka needs, on a machine whose programs are these tests' own."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kordon_proxy.demo import class_archive, prerequisites
from kordon_proxy.demo.prerequisites import MissingPrerequisite

JAVA = "#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n"
MAVEN = '#!/bin/sh\nfor argument; do case $argument in -DoutputDirectory=*) mkdir "${argument#*=}";; esac; done\n'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder with programs: what every machine has, and what a test adds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cat", "chmod", "env", "mkdir", "sh"):
        (folder / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("KORDON_CACHE", str(tmp_path / "cache"))
    prerequisites.java.cache_clear()
    yield folder
    prerequisites.java.cache_clear()


def test_java_17_is_new_enough(programs: Path) -> None:
    add(programs, "java", JAVA.format(version="17.0.15"))

    assert prerequisites.java() == str(programs / "java")


def test_the_java_in_java_home_comes_first(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(programs, "java", JAVA.format(version="17.0.15"))
    (tmp_path / "home" / "bin").mkdir(parents=True)
    add(tmp_path / "home" / "bin", "java", JAVA.format(version="21"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))

    assert prerequisites.java() == str(tmp_path / "home" / "bin" / "java")


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2"])
def test_without_the_right_to_install_one_line_says_what_to_do(
    programs: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    add(programs, "java", JAVA.format(version=version))
    add(programs, "apt-get", "#!/bin/sh\nexit 1\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(MissingPrerequisite) as told:
        prerequisites.java()

    assert str(told.value).startswith("Java 17 or newer is missing: sudo apt-get install")
    assert str(told.value).endswith("default-jre-headless")


def test_without_a_package_manager_it_says_so(programs: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="and so is a package manager"):
        prerequisites.java()


def test_root_has_it_installed(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = JAVA.format(version="17.0.15")
    add(
        programs,
        "apt-get",
        f'#!/bin/sh\n[ "$1" = update ] || {{\ncat > {programs}/java <<"J"\n{java}\nJ\nchmod +x {programs}/java\n}}\n',
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert prerequisites.java() == str(programs / "java")


def test_the_jars_are_fetched_once(programs: Path) -> None:
    add(programs, "java", JAVA.format(version="17.0.15"))
    add(programs, "mvn", MAVEN)

    first = prerequisites.jars()
    (programs / "mvn").unlink()

    assert first.is_dir()
    assert prerequisites.jars() == first


def test_the_jars_of_another_project_are_beside_them(programs: Path, tmp_path: Path) -> None:
    add(programs, "java", JAVA.format(version="17.0.15"))
    add(programs, "mvn", MAVEN)
    pom = tmp_path / "pom.xml"
    pom.write_text("<project><artifactId>kafka-streams</artifactId><version>4.3.1</version></project>")

    streams = prerequisites.jars(pom)

    assert streams.name.startswith("kafka-streams-4.3.1-")
    assert streams.parent == prerequisites.jars().parent
    assert streams != prerequisites.jars()


def test_nobody_sees_what_maven_could_not_finish(programs: Path, tmp_path: Path) -> None:
    add(programs, "java", JAVA.format(version="17.0.15"))
    add(programs, "mvn", MAVEN + "echo no network\nexit 1\n")

    with pytest.raises(MissingPrerequisite, match="no network"):
        prerequisites.jars()

    assert list((tmp_path / "cache").iterdir()) == []


def test_an_archive_of_classes_is_used_as_soon_as_there_is_one(programs: Path) -> None:
    # Given
    add(programs, "java", JAVA.format(version="17.0.15"))
    add(programs, "mvn", MAVEN)
    without = class_archive.options()

    # When
    class_archive.file().write_bytes(b"classes")

    # Then
    assert without == ()
    assert class_archive.options()[0] == f"-XX:SharedArchiveFile={class_archive.file()}"


def test_another_java_does_not_use_it(programs: Path) -> None:
    # Given
    add(programs, "java", JAVA.format(version="17.0.15"))
    add(programs, "mvn", MAVEN)
    class_archive.file().write_bytes(b"classes")

    # When
    os.utime(programs / "java", (0, 0))

    # Then
    assert class_archive.options() == ()


def add(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)
