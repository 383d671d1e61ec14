"""What the files of `protocols` may name: statements are all that sends, and the ring floor makes all arrays."""

from __future__ import annotations

import ast
from pathlib import Path

import tercet.protocols

SOURCES = Path(tercet.protocols.__file__).parent


def uses(name: str) -> list[tuple[str, str]]:
    """(file, function) of every use of an attribute of this name in the files of `protocols`."""
    found = []
    for path in sorted(SOURCES.glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                names = (node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute))
                found += [(path.name, function.name) for one in names if one == name]
    return found


def test_only_statements_send() -> None:
    assert uses("send") == [("scope.py", "_tell"), ("scope.py", "_send")]
    for private in ("outbox", "streams", "_send", "_tell", "_around"):
        assert {file for file, _ in uses(private)} == {"scope.py"}, private


def test_all_openings_are_in_one_file_and_on_one_page() -> None:
    """What parties see plain while a job runs: each opening is in `opening.py`, and docs/security lists it."""
    page = (Path(__file__).parents[2] / "docs" / "security" / "openings.md").read_text()
    found = {
        use
        for name in ("open", "open_once", "open_half", "open_to_party")
        for use in uses(name)
        if use[0] not in ("scope.py", "cost.py")
    }
    found = {(file, function) for file, function in found if not function.endswith("_cost")}
    assert found == {("opening.py", name) for name in ("open_shuffled", "open_halves", "open_bits", "send_masked")}
    for path in sorted(SOURCES.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "tercet.protocols.opening":
                for alias in node.names:
                    assert f"| `{path.stem}` | `{alias.name}` |" in page, (path.name, alias.name)


def test_protocols_name_no_array_library() -> None:
    """Words, bits and bytes are made, joined and packed by `tercet.ring`; there are no exceptions."""
    found = []
    for path in sorted(SOURCES.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            found += [(path.name, name) for name in modules if name.split(".")[0] == "numpy"]
    assert found == []
    assert len(list(SOURCES.glob("*.py"))) > 15
