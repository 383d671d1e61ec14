"""Imports go downward only: a floor knows those below it and nothing of those above."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from source_files import modules, name_of, nodes, package_folder

FLOORS = (
    "cli",
    "web",
    "torch",
    "client",
    "node",
    "policy",
    "store",
    "learn",
    "statistics",
    "array",
    "plan",
    "federation",
    "engine",
    "protocols",
    "transport",
    "sharing",
    "ring",
    "codec",
    "process",
    "errors",
)
"""Top to bottom; the folders and files of the package by name."""

FACADES = {
    "": "client",
    "biometrics": "learn",
    "linalg": "array",
    "models": "learn",
    "nn": "array",
    "plot": "learn",
    "special": "array",
    "stats": "learn",
    # in scikit-learn's names
    "calibration": "learn",
    "cluster": "learn",
    "compose": "learn",
    "decomposition": "learn",
    "discriminant_analysis": "learn",
    "ensemble": "learn",
    "feature_selection": "learn",
    "impute": "learn",
    "isotonic": "learn",
    "linear_model": "learn",
    "metrics": "learn",
    "mixture": "learn",
    "model_selection": "learn",
    "naive_bayes": "learn",
    "neighbors": "learn",
    "pipeline": "learn",
    "preprocessing": "learn",
    "svm": "learn",
    "tree": "learn",
}
"""Modules that only pass names on to users, each with the highest floor that it may import."""


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module below tercet) of every import, wherever in the file it stands."""
    for node in nodes(path):
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


def test_imports_go_downward() -> None:
    for path in modules():
        here = floor(name_of(path))
        assert here in FLOORS or here in FACADES, f"{here} is on no floor: place it in FLOORS"
        top = FLOORS.index(FACADES.get(here, here))
        for line, module in imported(path):
            there = floor(module)
            if there in FACADES:
                what = f"{path}:{line}: only the command line uses the package from outside"
                assert here == "cli" or here in FACADES, what
            else:
                assert FLOORS.index(there) >= top, f"{path}:{line}: {here} is below {there} and must not import it"


@pytest.mark.parametrize("name", FLOORS)
def test_every_floor_is_there(name: str) -> None:
    folder = package_folder()
    assert (folder / name / "__init__.py").exists() or (folder / f"{name}.py").exists()


@pytest.mark.parametrize("page", ["DEVELOPMENT.md", "docs/design/nodes.md"])
def test_pages_list_the_floors_in_their_order(page: str) -> None:
    text = (Path(__file__).parent.parent / page).read_text(encoding="utf-8")
    between = r"(?: · |` \|.*\n\| `)"
    assert re.search(between.join(FLOORS), text), f"{page} lists other floors, or in another order"


def test_a_climbing_import_is_found(tmp_path: Path) -> None:
    """The test above would see what it looks for."""
    file = tmp_path / "module.py"
    file.write_text("import numpy\nfrom tercet.plan.types import Type\ndef f():\n    from tercet import client\n")
    assert list(imported(file)) == [(2, "plan.types"), (4, "client")]


def circles(files: dict[str, Path]) -> list[list[str]]:
    """Modules that import each other, however long the way round, and for types only or not."""
    arrows = {name: set(needed(path)) & files.keys() - {name} for name, path in files.items()}
    reached = {name: set(there) for name, there in arrows.items()}
    changed = True
    while changed:
        changed = False
        for there in reached.values():
            further = set().union(*(reached[one] for one in there)) - there
            changed = changed or bool(further)
            there |= further
    found = {tuple(sorted(one for one in reached[name] if name in reached[one])) for name in reached}
    return [list(one) for one in sorted(found) if one]


def needed(path: Path) -> Iterator[str]:
    """What a file imports: modules, where names are modules, and else the modules that have the names."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name.removeprefix("tercet.") for name in names if name.startswith("tercet"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tercet"):
            package = (node.module or "").removeprefix("tercet").removeprefix(".")
            modules_there = [f"{package}.{alias.name}" for alias in node.names]
            yield from (name for name in modules_there if is_module(name))
            if not all(is_module(name) for name in modules_there):
                yield package


def is_module(name: str) -> bool:
    place = package_folder().joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


@pytest.mark.parametrize("floor_name", FLOORS)
def test_no_files_of_a_floor_import_each_other(floor_name: str) -> None:
    files = {name_of(path): path for path in modules() if floor(name_of(path)) == floor_name}
    assert circles(files) == []


ROOMS = {
    "node": ("trial", "processes", "daemon", "http", "jobs", "changes", "worker", "peers", "parts", "logs", "settings"),
    "plan": ("run", "record", "rows", "plan", "bounds", "table", "network", "types"),
}
"""The folders and files of a floor, top to bottom: each needs only those behind it."""


@pytest.mark.parametrize("floor_name", ROOMS)
def test_rooms_need_only_those_below(floor_name: str) -> None:
    files = {name_of(path): path for path in modules() if floor(name_of(path)) == floor_name != name_of(path)}
    place = {name: ROOMS[floor_name].index(name.split(".")[1]) for name in files}
    climbing = {
        (name, below)
        for name, path in files.items()
        for below in set(needed(path)) & files.keys()
        if place[below] < place[name]
    }
    assert climbing == set()


def test_a_circle_is_found(tmp_path: Path) -> None:
    """Of three files, one of which needs another for a type only."""
    texts = {
        "plan.plan": "from tercet.plan.graph import one\n",
        "plan.graph": "from tercet.plan import network\n",
        "plan.network": "if TYPE_CHECKING:\n    from tercet.plan.plan import two\n",
        "plan.types": "from tercet.plan.plan import two\n",
    }
    files = {}
    for name, text in texts.items():
        files[name] = tmp_path / f"{name}.py"
        files[name].write_text(text)
    assert circles(files) == [["plan.graph", "plan.network", "plan.plan"]]
