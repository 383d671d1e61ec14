"""The source files of the package under test, wherever it is installed."""

from __future__ import annotations

import ast
import functools
import importlib.util
from pathlib import Path


def package_folder() -> Path:
    spec = importlib.util.find_spec("tercet")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def modules() -> list[Path]:
    found = sorted(package_folder().rglob("*.py"))
    assert len(found) > 50
    return found


@functools.cache
def source(path: Path) -> ast.Module:
    """The syntax tree of a file, which many tests read and none changes."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of that tree, in the order of `ast.walk`."""
    return tuple(ast.walk(source(path)))


def name_of(path: Path) -> str:
    parts = path.relative_to(package_folder()).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")
