"""Behind every promise of docs/security/promises.md stand tests or scripts that exist; nothing is run here."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "security" / "promises.md"
REFERENCE = re.compile(r"`((?:tests|benchmarks)/[\w/]+\.py)(?:::(\w+))?`")
LINK = re.compile(r"\[[^]]+\]\(([\w./-]+)(?:#[\w-]+)?\)")
LEADING_HERE = {
    "README.md": "docs/security/promises.md",
    "mkdocs.yml": "security/promises.md",
    "docs/security/threat-model.md": "promises.md",
    "docs/security/model.md": "promises.md",
}


def rows() -> list[list[str]]:
    """Promise, where it is said, tests: of every table."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "promise" and set(row[0]) != {"-"}]


@cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def missing(text: str) -> list[str]:
    """References that lead nowhere: a file that is not there, or a function that is not in it."""
    lost = []
    for name, test in REFERENCE.findall(text):
        path = ROOT / name
        is_there = path.is_file() and (test in functions_of(path) if test else name.startswith("benchmarks/"))
        if not is_there:
            lost.append(f"{name}::{test}")
    return lost


def test_every_promise_has_a_test_that_exists() -> None:
    found = rows()
    assert len(found) > 60
    for row in found:
        assert len(row) == 3, row
        assert REFERENCE.search(row[2]), f"no test stands behind: {row[0]}"
        assert row[2].count("`") == 2 * len(REFERENCE.findall(row[2])), f"not a test or a script: {row[2]}"
        assert not missing(row[2])


def test_every_promise_is_said_somewhere() -> None:
    for promise, said, _ in rows():
        assert said == "here" or LINK.search(said), promise
        for target in LINK.findall(said):
            assert (PAGE.parent / target).is_file(), f"{promise}: {target} is not there"


def test_no_promise_is_made_twice() -> None:
    promises = [row[0] for row in rows()]
    assert len(set(promises)) == len(promises)


@pytest.mark.parametrize("page", LEADING_HERE)
def test_pages_lead_here(page: str) -> None:
    assert LEADING_HERE[page] in (ROOT / page).read_text(encoding="utf-8")


def test_a_test_that_went_is_missed() -> None:
    assert missing("`tests/test_promises.py::test_that_went`, `tests/gone.py::test`, `benchmarks/gone.py`") == [
        "tests/test_promises.py::test_that_went",
        "tests/gone.py::test",
        "benchmarks/gone.py::",
    ]
    assert not missing("`tests/test_promises.py::test_a_test_that_went_is_missed`, `benchmarks/exactness.py`")
