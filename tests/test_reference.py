"""The pages of docs/reference are made from the code: whatever is public stands on one of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import tercet

SCRIPT = Path(__file__).parents[1] / "docs" / "generate_reference.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_python(generator: ModuleType) -> None:
    page = generator.python_page()
    for name in tercet.__all__:
        if not name.startswith("_") and name not in tercet._MODULES:
            assert f"tc.{name}" in page or f"| `{name}`" in page, name


def test_command_line(generator: ModuleType) -> None:
    page = generator.cli_page()
    for command in (
        "tercet demo",
        "tercet up",
        "tercet node run",
        "tercet upload",
        "tercet query",
        "tercet audit verify",
    ):
        assert f"\n## {command}\n" in page
        assert f"\n{command}" in page


def test_http(generator: ModuleType) -> None:
    page = generator.http_page()
    for route in ("GET /readyz", "PUT /v1/uploads/{upload}/chunks/{chunk}", "POST /v1/jobs"):
        assert f"`{route}`" in page
    assert "/peer" not in page
    links = {line.split("(#")[1].split(")")[0] for line in page.splitlines() if "](#" in line}
    headings = {line.removeprefix("### ").lower() for line in page.splitlines() if line.startswith("### ")}
    assert links <= headings
