"""The command, as a person types it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tercet.cli.app import app
from tercet.cli.report import Screen

COEFFICIENTS = 11
NUMBER = r"(-?\d+\.\d{7,8}(?:e[+-]\d\d)?)"
pytestmark = pytest.mark.nodes

RUN = (sys.executable, "-c", "from tercet.cli import main; main()")


def terminal(*arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
    return subprocess.run(
        [*RUN, *arguments], capture_output=True, text=True, timeout=timeout, env=environment, check=False
    )


def told(*arguments: str) -> str:
    """The error that the command ends with."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    error, hint = result.stderr.splitlines()
    assert error.startswith("tercet: error: ")
    assert hint.startswith("tercet: hint: ")
    assert "Traceback" not in result.output
    return result.stderr


def written(folder: Path, text: str) -> str:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_help_names_the_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "demo" in result.output


def test_missing_file(tmp_path: Path) -> None:
    assert "there is no file" in told("demo", "--data", str(tmp_path / "absent.csv"), "--target", "y")


def test_a_file_without_a_target(tmp_path: Path) -> None:
    path = written(tmp_path, "a,y\n1,2\n")
    assert "--data needs a column to predict" in told("demo", "--data", path)


def test_a_target_without_a_file() -> None:
    assert "--target names a column of a file" in told("demo", "--target", "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,y\n1,x,2\n2,x,3\n", "column 'b' does not hold a number in line 2 and 1 more"),
        ("a,b,y\n1,,2\n2,,3\n", "column 'b' is empty"),
        ("a,b,y\n1,NaN,2\n2,4,3\n", "column 'b' holds nothing (NaN) in line 2"),
        ("a,b,z\n1,2,3\n", "there is no column 'y'"),
        ("a,b,y\n1,2,3\n2,4,9\n", "2 rows are too few for 2 features"),
        ("", "is not a table of comma-separated values"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    assert message in told("demo", "--data", written(tmp_path, text), "--target", "y")


def figures(output: str, rows: int) -> np.ndarray:
    """The two columns of coefficients."""
    found = re.findall(rf"^\S.*?\s{NUMBER} +{NUMBER} +[+-]\d\.\de[+-]\d\d *$", output, re.MULTILINE)
    assert len(found) == rows
    return np.array(found, dtype=float)


def test_the_demo() -> None:
    done = terminal("demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    ours, theirs = figures(done.stdout, COEFFICIENTS).T
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    for text in ("Hospital North", "Hospital East", "Hospital West", "148", "147", "uniform words", "442 rows."):
        assert text in done.stdout
    assert re.search(r"Cost of the fit: \d+ rounds, [\d.]+ [kM]B sent by each node, [\d.]+ seconds", done.stdout)
    assert re.search(r"^node node-\d refuses by rule trial: .*at least 5 rows", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^node-\d +\d+ .*accepted by rule trial", done.stdout, re.MULTILINE)) == 3
    shares = re.findall(r"^component \d .* (\d\d\.\d)%", done.stdout, re.MULTILINE)
    assert len(shares) == 3
    # 442 words of 64 bits: six standard deviations
    assert all(abs(float(share) - 50) < 1.8 for share in shares)
    folder = re.search(r"(\S+)/hospital-north.csv", done.stdout)
    assert folder is not None
    assert not Path(folder[1]).exists()


def test_the_demo_on_a_table_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    # of units as far apart as they come; the last predicts nothing
    features = rng.normal(size=(60, 3)) * [1e-9, 100, 3e6]
    target = features @ [2e9, -0.5, 0.0] + rng.normal(size=60)
    lines = ["[bold],b c,d,price", *(",".join(map(str, (*row, y))) for row, y in zip(features, target, strict=True))]
    done = terminal("demo", "--data", written(tmp_path, "\n".join(lines)), "--target", "price")
    assert done.returncode == 0, done.stderr
    assert "[bold]" in done.stdout
    ours, theirs = figures(done.stdout, 4).T
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("size", [1e-30, 1e20])
def test_numbers_beyond_what_fits_are_refused(tmp_path: Path, size: float) -> None:
    lines = ["a,y", *(f"{size * k},{k % 7}" for k in range(1, 20))]
    assert "in another unit" in told("demo", "--data", written(tmp_path, "\n".join(lines)), "--target", "y")


def test_a_coefficient_of_zero_has_no_relative_difference() -> None:
    console = Console(record=True, width=120)
    plain, sizes = np.array([2.0, 1e-12, 5.0]), np.ones(3)
    Screen(console).coefficients(["a", "b"], plain + 1e-9, plain, sizes)
    text = console.export_text()
    assert "1.0e-09 absolute, 5.0e-10 relative (of a coefficient of zero" in " ".join(text.split())


def test_version() -> None:
    try:
        expected = version("tercet")
    except PackageNotFoundError:
        pytest.skip("tercet is on the path, not installed")
    done = terminal("--version", timeout=30)
    assert done.stdout == f"tercet {expected}\n"


def test_main_is_the_command() -> None:
    done = terminal("--no-such-option", timeout=30)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
