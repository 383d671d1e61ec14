"""The package as a whole: what it exports, ships, prints, draws at random and loads."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from source_files import modules, name_of, nodes, package_folder, source

ROOT = Path(__file__).parent.parent
IMPORT_SECONDS = 0.5
HEAVY = ("rich", "typer", "pandas", "sklearn", "scipy", "pyarrow", "mypy", "pytest")
HEAVY += ("torch", "pydantic", "fastapi", "uvicorn", "httpx", "sqlalchemy", "alembic", "sqlglot", "polars")
DOORS = {"torch": "torch"}
"""Modules that load with a library that is no dependency, and that library."""
STATISTICAL = ("random", "numpy.random", "pickle", "marshal", "shelve")
ENDS = {name.rpartition(".")[2] for name in STATISTICAL}


def exported(path: Path) -> list[str] | None:
    for node in source(path).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def test_all_is_sorted_and_true() -> None:
    for path in modules():
        names = exported(path)
        if names is None:
            assert path.name != "__init__.py" or not any(
                isinstance(node, ast.ImportFrom) and node.module != "__future__" for node in source(path).body
            ), "a package that passes on names says so in __all__"
            continue
        # as ruff's RUF022 sorts: CONSTANTS, Classes, functions
        kinds = [0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2 for name in names]
        assert kinds == sorted(kinds), path
        assert len(set(names)) == len(names), path
        if name_of(path) in DOORS and importlib.util.find_spec(DOORS[name_of(path)]) is None:
            continue
        module = importlib.import_module(".".join(filter(None, ("tercet", name_of(path)))))
        assert [name for name in names if not hasattr(module, name)] == [], path


def test_no_statistical_randomness_and_no_unpickling() -> None:
    for path in modules():
        for node in nodes(path):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Attribute) and node.attr in ENDS:
                names = [ast.unparse(node).replace("np.", "numpy.", 1)]
            else:
                continue
            assert not set(names) & set(STATISTICAL), f"{path}:{node.lineno}"


CELL = "web/play/cell.py"
"""Runs what a person has typed on their own machine, as that person: the one place that may."""


def test_no_print() -> None:
    for path in modules():
        refused = ("print", "breakpoint", *(() if path.as_posix().endswith(CELL) else ("eval", "exec")))
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in refused, f"{path}:{node.lineno}"


RANDOMNESS = {
    "federation.model": "identifiers and nonces, which are public",
    "sharing.keys": "fresh seeds of pair keys",
    "sharing.share": "an owner's split of an input",
    "transport.handshake": "session identifiers, which are public",
    "web.local": "tokens of links and sessions",
}


def test_few_places_ask_the_operating_system_for_randomness() -> None:
    asking = set()
    for path in modules():
        for node in nodes(path):
            if isinstance(node, ast.Import) and any(alias.name == "secrets" for alias in node.names):
                asking.add(name_of(path))
            if isinstance(node, ast.Attribute) and node.attr in ("urandom", "getrandom"):
                asking.add(name_of(path))
    assert asking == set(RANDOMNESS)


def test_a_module_says_what_it_is() -> None:
    for path in modules():
        first = (ast.get_docstring(source(path)) or "").split("\n\n")[0]
        assert first.endswith((".", "?", "`.")), f"no sentence at the head of {name_of(path)}: {first!r}"


def test_typed() -> None:
    assert (package_folder() / "py.typed").exists()


def test_version_is_the_changelogs_newest() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert newest is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == newest[1]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)


def test_import_is_quick() -> None:
    """In processor time, the best of a few, since other work may share the machine."""
    code = "import time; start = time.process_time(); import tercet; print(time.process_time() - start)"
    assert min(float(run_python(code).stdout) for _ in range(5)) < IMPORT_SECONDS


def test_import_is_light() -> None:
    loaded = run_python("import sys, tercet; print(*sys.modules)").stdout.split()
    assert "tercet" in loaded
    assert not set(HEAVY) & set(loaded)


@pytest.mark.parametrize("module", ["", ".linalg", ".linear_model", ".nn", ".special", ".stats", ".cli"])
def test_import_has_no_effects(module: str) -> None:
    done = run_python(f"import threading, tercet{module}; print(threading.active_count())")
    assert done.stdout == "1\n"
    assert done.stderr == ""


def test_installed_files() -> None:
    """What was installed is the package and its licence, and nothing of the workshop."""
    try:
        tercet = distribution("tercet")
    except PackageNotFoundError:
        pytest.skip("tercet is on the path, not installed")
    installed = [str(file) for file in tercet.files or ()]
    if "tercet/__init__.py" not in installed:
        pytest.skip("an editable install")
    assert Path(str(tercet.locate_file("tercet"))) == package_folder()
    for floor in ("ring", "transport"):
        assert any(re.fullmatch(rf"tercet/{floor}/_native\..*so", file) for file in installed)
    assert any(file.endswith("licenses/LICENSE") for file in installed)
    assert [file for file in installed if file.endswith((".cpp", ".hpp"))] == []
    assert all(file.startswith(("tercet/", "tercet-", "../")) for file in installed)
    assert f"## [{tercet.version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
