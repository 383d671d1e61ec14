"""Imports go downward only: a floor knows those below it and nothing of those above."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from source_files import modules, name_of, package_folder

FLOORS = (
    "cli",
    "client",
    "node",
    "policy",
    "store",
    "learn",
    "array",
    "plan",
    "federation",
    "engine",
    "protocols",
    "transport",
    "sharing",
    "ring",
    "errors",
)
"""Top to bottom; the folders and files of the package by name."""

FACADES = {"": "client", "linear_model": "learn"}
"""Modules that only pass names on to users, each with the highest floor that it may import."""


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module below tercet) of every import, wherever in the file it stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            if node.module != "tercet":
                names = [node.module or ""]
        else:
            continue
        for name in names:
            if name == "tercet" or name.startswith("tercet."):
                yield node.lineno, name.removeprefix("tercet").removeprefix(".")


def floor(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_downward(path: Path) -> None:
    here = floor(name_of(path))
    assert here in FLOORS or here in FACADES, f"{here} is on no floor: place it in FLOORS"
    top = FLOORS.index(FACADES.get(here, here))
    for line, module in imported(path):
        there = floor(module)
        if there in FACADES:
            assert here == "cli" or here in FACADES, (
                f"{path}:{line}: only the command line uses the package from outside"
            )
        else:
            assert FLOORS.index(there) >= top, f"{path}:{line}: {here} is below {there} and must not import it"


@pytest.mark.parametrize("name", FLOORS)
def test_every_floor_is_there(name: str) -> None:
    folder = package_folder()
    assert (folder / name / "__init__.py").exists() or (folder / f"{name}.py").exists()


def test_a_climbing_import_is_found(tmp_path: Path) -> None:
    """The test above would see what it looks for."""
    file = tmp_path / "module.py"
    file.write_text("import numpy\nfrom tercet.plan.types import Type\ndef f():\n    from tercet import client\n")
    assert list(imported(file)) == [(2, "plan.types"), (4, "client")]
