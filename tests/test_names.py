"""One name for one class: no two classes of the package share a public name, and few functions a general one."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from source_files import modules, name_of, source

GENERAL = {"run": 3, "read": 3, "check": 4, "load": 2, "get": 0, "make": 0, "build": 0}
"""Names of functions of modules that say little by themselves, and how many may have each."""


def defined(path: Path, kinds: type[ast.AST] | tuple[type[ast.AST], ...]) -> list[str]:
    """Public names of a kind that a module defines, not inside of others."""
    body = source(path).body
    return [node.name for node in body if isinstance(node, kinds) and not node.name.startswith("_")]  # type: ignore[attr-defined]


def places(*kinds: type[ast.AST]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in modules():
        for name in defined(path, kinds):
            found[name].add(name_of(path))
    return found


def test_no_two_classes_share_a_name() -> None:
    double = {name: where for name, where in places(ast.ClassDef).items() if len(where) > 1}
    assert not double


@pytest.mark.parametrize("name", GENERAL)
def test_few_functions_have_a_general_name(name: str) -> None:
    where = places(ast.FunctionDef, ast.AsyncFunctionDef)[name]
    assert len(where) <= GENERAL[name], sorted(where)
