"""The modules that may be compiled: in which form they run here, and what keeps them from meaning two things."""

import ast
import os
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Final

import pytest

import kordon_policy
import kordon_protocol
import kordon_proxy
from kordon_proxy.form import IS_COMPILED

ROOT: Final = Path(__file__).parents[1]
WANTED: Final = os.environ.get("KORDON_COMPILE") == "1"
"""Whether these tests are to run with compiled modules: `make test-compiled`."""


def files() -> list[Path]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [ROOT / file for file in project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]]


def module_of(file: Path) -> str:
    """A file's module: the first folder is a source root."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts[1:])


MODULES: Final = {module_of(file): file for file in files()}


def test_all_of_them_are_compiled_or_none() -> None:
    compiled = {name: not str(import_module(name).__file__).endswith(".py") for name in MODULES}

    assert compiled == dict.fromkeys(MODULES, WANTED)
    assert IS_COMPILED is WANTED


def subclasses(of: type) -> Iterator[type]:
    heirs: list[type] = type.__subclasses__(of)
    for heir in heirs:
        yield heir
        yield from subclasses(heir)


def test_what_inherits_from_a_compiled_class_is_compiled() -> None:
    """Only then can it be instantiated, but for exceptions."""
    for package in (kordon_protocol, kordon_policy, kordon_proxy):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(".__main__"):
                import_module(module.name)
    compiled = [
        one
        for name in MODULES
        for one in vars(import_module(name)).values()
        if isinstance(one, type) and one.__module__ == name and not issubclass(one, Exception)
    ]

    heirs = {heir.__module__ for one in compiled for heir in subclasses(one)}

    assert {name for name in heirs if name.startswith("kordon_")} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_no_function_has_one_name_for_two_exceptions(name: str) -> None:
    """A compiled function gives it the type of the first, and fails where it is bound to the other."""
    for function in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            bound = [one.name for one in ast.walk(function) if isinstance(one, ast.ExceptHandler) and one.name]
            assert len(bound) == len(set(bound)), function.name
