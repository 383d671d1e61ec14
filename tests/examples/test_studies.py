"""The studies of `examples/`: each notebook runs as it stands, on three nodes, and shows what it says."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.nodes

EXAMPLES = Path(__file__).parents[2] / "examples"
STUDIES = sorted(path.relative_to(EXAMPLES) for path in EXAMPLES.glob("*/*.ipynb"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the notebook puts its nodes; they are stopped, whatever happens."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    for nodes in tmp_path.glob("*/tercet-nodes"):
        subprocess.run([Path(sys.executable).with_name("tercet"), "down"], cwd=nodes.parent, check=False)


def texts(notebook: Any) -> str:
    """All that its cells print."""
    outputs = [one for cell in notebook.cells if cell.cell_type == "code" for one in cell.outputs]
    return "\n".join(one.text for one in outputs if one.output_type == "stream")


def run(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(path, 4)
        resources = {"metadata": {"path": str(path.parent)}}
        NotebookClient(notebook, timeout=280, kernel_name="python3", resources=resources).execute()
    return notebook


def test_income(folder: Path) -> None:
    notebook = run(EXAMPLES / "income" / "income.ipynb")
    said = texts(notebook)
    assert "women are paid 10.6% less an hour" in said
    # the invented gap for the same work is log(0.94) = -0.0619
    assert "woman[T.True]              -0.06" in said
    assert "node node-1 refuses by rule trial" in said
    plots = [one for cell in notebook.cells for one in cell.get("outputs", []) if "image/png" in one.get("data", {})]
    assert len(plots) == 2


def test_anxiety(folder: Path) -> None:
    notebook = run(EXAMPLES / "anxiety" / "anxiety.ipynb")
    said = texts(notebook)
    assert "Cronbach's alpha 0.908 (0.901 to 0.915) of 1390 whole rows" in said
    assert "female: 36.3% (33.2% to 39.6%) of 845" in said
    assert "log-rank p = 1.2e-15" in said
    assert "before less after: 2.27 points" in said


def test_cards(folder: Path) -> None:
    notebook = run(EXAMPLES / "cards" / "cards.ipynb")
    said = texts(notebook)
    assert "94 payments are the third of their card within an hour, or later: 83 of them are fraud" in said
    assert "four banks, logistic regression: finds 79% of fraud" in said
    assert "12 of 60 new payments look like fraud" in said
    assert said.count("refuses by rule fraud-study") == 1 and said.count("refuses by rule new-payments") == 2
    plots = [one for cell in notebook.cells for one in cell.get("outputs", []) if "image/png" in one.get("data", {})]
    assert len(plots) == 2


def test_biometrics(folder: Path) -> None:
    notebook = run(EXAMPLES / "biometrics" / "biometrics.ipynb")
    said = texts(notebook)
    assert "at 0.32: 0 of 150 enrolled are missed" in said
    assert "0 of 59,850 pairs of strangers match" in said
    assert "node node-1 refuses by rule trial" in said
    for who in ("an enrolled traveller: accept", "a stranger: reject", "the traveller, after the refresh: accept"):
        assert who in said
    assert "matches: refused" in said and "near: refused" in said
    plots = [one for cell in notebook.cells for one in cell.get("outputs", []) if "image/png" in one.get("data", {})]
    assert len(plots) == 2


def test_every_study_has_its_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert STUDIES and all(f"def test_{study.stem}(" in tests for study in STUDIES)


def test_notebooks_are_kept_without_outputs() -> None:
    import json

    for study in STUDIES:
        cells = json.loads((EXAMPLES / study).read_text(encoding="utf-8"))["cells"]
        assert all(not cell.get("outputs") for cell in cells)
