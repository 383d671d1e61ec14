"""The page that compares: made of its numbers, by a command that measures what is installed and names what is not."""

from __future__ import annotations

import importlib
import json
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_the_page_is_made_of_its_numbers() -> None:
    """After a change of words: `benchmarks/alternatives.py --page`."""
    numbers = json.loads((DOCS / "comparison.json").read_text())
    assert (DOCS / "comparison.md").read_text() == module("compared.page").page(numbers)


def test_the_playground_shows_the_same_numbers() -> None:
    """After a new run: `benchmarks/alternatives.py --page`."""
    numbers = json.loads((DOCS / "comparison.json").read_text())
    costs = json.loads(module("alternatives").COSTS.read_text())
    assert costs["encrypted"] == module("compared.playground").encrypted(numbers)


def test_what_the_page_says_of_errors_holds() -> None:
    """The words "small" and "right" stand for these."""
    numbers = json.loads((DOCS / "comparison.json").read_text())
    ours = {question: answer["error"] for question, answer in numbers["answers"]["tercet"].items()}
    assert numbers["rows"] == 10_000
    assert ours.pop("comparison") == 0
    assert max(ours.values()) < 1e-4
    assert numbers["read_back"]["labels"] == numbers["read_back"]["records"] == 10_000
    assert numbers["read_back"]["largest_error"] < 1e-12


@pytest.mark.nodes
def test_a_quick_run_measures_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    alternatives = module("alternatives")
    assert alternatives.main(["--quick"]) == 0
    said = capsys.readouterr().out
    for way in ("plain", "tercet", "federated"):
        assert way in said
    for way, package in {"ckks": "tenseal", "paillier": "phe", "noise": "opendp"}.items():
        assert (f"{package} is not installed" in said) != alternatives.installed(package)
        assert way in said


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is measured."""
    alternatives = module("alternatives")
    asked = alternatives.ways(small(), Namespace(quick=True, spu="", crypten=sys.executable))
    asked.pop("tercet")
    monkeypatch.setattr(alternatives, "ways", lambda *_: asked)
    monkeypatch.setattr(alternatives, "installed", lambda package: False)
    options = Namespace(quick=True, spu="", crypten=sys.executable)
    numbers = alternatives.measured(small(), options, Console())
    assert set(numbers["answers"]) == {"plain", "federated"}
    assert numbers["missing"]["ckks"] == "tenseal is not installed: pip install 'tercet[alternatives]'"
    assert numbers["missing"]["noise"] == "opendp is not installed: pip install 'tercet[alternatives]'"
    assert "--spu" in numbers["missing"]["spu"]
    assert numbers["missing"]["crypten"] == "ModuleNotFoundError: No module named 'crypten'"


def small() -> object:
    return module("compared.questions").Data(60, 3)


@pytest.mark.parametrize("seed", range(20))
def test_a_record_is_read_from_a_gradient_of_one_row(seed: int) -> None:
    federated = module("compared.federated")
    rng = np.random.default_rng(seed)
    row, weights, label = np.append(1, rng.normal(size=8) * 5), rng.normal(size=9) / 5, rng.random() < 0.5
    found, found_label = federated.record_from(federated.gradient(row[None], np.array([label]), weights))
    np.testing.assert_allclose(found, row, rtol=1e-9, atol=1e-9)
    assert found_label == label


def test_a_gradient_of_two_rows_is_no_record() -> None:
    """The test above would see if anything were read from anything."""
    federated = module("compared.federated")
    rows = np.column_stack([np.ones(2), [[1.0, 2.0], [5.0, -3.0]]])
    found, _ = federated.record_from(federated.gradient(rows, np.array([True, True]), np.zeros(3)))
    assert min(np.abs(found - row).max() for row in rows) > 0.1


def test_three_owners_sums_give_the_regression_of_all() -> None:
    answers = module("compared.federated").asked(small(), repeats=1)
    assert set(answers) == {"mean", "moments", "step"}
    assert max(answer.error for answer in answers.values()) < 1e-12


def test_homomorphic_encryption_answers_what_it_can() -> None:
    pytest.importorskip("tenseal")
    answers = module("compared.encrypted").by_ckks(small(), deep=False)
    assert set(answers) == {"mean", "moments"}
    assert all(answer.error < 1e-5 and answer.bring_bytes > 0 < answer.key_bytes for answer in answers.values())


def test_paillier_adds_rows() -> None:
    pytest.importorskip("phe")
    (answer,) = module("compared.encrypted").by_paillier(small(), 2, 1024).values()
    assert answer.error < 1e-6
    assert (answer.part, answer.bring_bytes) == (2, 60 * 256)


def test_signs_by_polynomials_fail_near_equality_only() -> None:
    encrypted, data = module("compared.encrypted"), module("compared.questions").Data(5000, 1)
    found = encrypted.undecided(data)
    assert 0 < found["pairs"] < 500
    assert found["within"] < 0.03


def test_noise_grows_as_epsilon_falls() -> None:
    pytest.importorskip("opendp")
    data = module("compared.questions").Data(3000, 3)
    for name, by_epsilon in module("compared.noise").asked(data, draws=20).items():
        assert by_epsilon["0.1"] > by_epsilon["10"], name
