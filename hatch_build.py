"""Compiles the modules that run for each request, if a build is told to: `KORDON_COMPILE=1 pip install .`

hatchling calls this for each wheel. Without the variable a wheel is pure Python, and an editable install always is.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOTS = "protocol", "policy", "proxy"


class CompilingHook(BuildHookInterface[Any]):
    """Puts compiled modules beside their sources, which Python takes where these do not fit, and tracebacks show."""

    def dependencies(self) -> list[str]:
        """What compiling takes: the compiler, and what the modules import, for its types."""
        return [*self.config["requires"], *self.metadata.core.dependencies] if _wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile into a folder that is gone when the build is over."""
        if not _wanted() or version == "editable":
            return
        self._folder = TemporaryDirectory()
        compiled = _compile(Path(self.root), self.config["modules"], Path(self._folder.name))
        build_data["force_include"] |= {str(file): str(file.relative_to(compiled)) for file in compiled.rglob("*.so")}
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def _wanted() -> bool:
    return os.environ.get("KORDON_COMPILE") == "1"


def _compile(root: Path, modules: list[str], folder: Path) -> Path:
    from mypyc.build import mypycify
    from setuptools import setup

    os.environ["MYPYPATH"] = os.pathsep.join(str(root / name) for name in ROOTS)
    # What is wrong with types is for `make types` to find, which has stubs and libraries that are not here.
    quiet = ["--config-file=", "--follow-imports=silent", "--ignore-missing-imports"]
    options = [*quiet, "--explicit-package-bases", f"--cache-dir={folder / 'types'}"]
    compiled = folder / "compiled"
    before = Path.cwd()
    os.chdir(root)
    try:
        extensions = mypycify(
            [*options, *modules], opt_level="2", debug_level="0", target_dir=str(folder / "c"), group_name="kordon"
        )
        command = ["-q", "build_ext", f"--build-lib={compiled}", f"--build-temp={folder / 'objects'}"]
        setup(name="kordon", packages=[], ext_modules=extensions, script_name=sys.argv[0], script_args=command)
    finally:
        os.chdir(before)
    return compiled
