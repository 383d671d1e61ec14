"""The options that say how a table is read: the same for infer, check and upload, and remembered in the schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercet.cli.app import app

OPTIONS = ("--delimiter", "--encoding", "--no-header", "--names", "--skip-rows", "--sheet", "--decimal", "--thousands")
OPTIONS += ("--strip", "--day-first", "--na")


def run(*line: str | Path) -> tuple[int, str]:
    found = CliRunner().invoke(app, [str(word) for word in line])
    return found.exit_code, " ".join(found.output.split())


def test_every_command_that_reads_has_them() -> None:
    for command in (("schema", "infer"), ("schema", "check"), ("upload",)):
        told = run(*command, "--help")[1]
        assert all(option in told for option in OPTIONS), command


def test_they_are_said_once(tmp_path: Path) -> None:
    table, schema = tmp_path / "t.csv", tmp_path / "t.toml"
    table.write_text("# of clinic 3\n1.234,50;03.04.2024;-9\n12,5;30.11.2023;f\n7;13.04.2024;m\n")
    options = ("--decimal", ",", "--day-first", "--na", "-9", "--skip-rows", "1", "--names", "pay,seen,sex")
    code, told = run("schema", "infer", table, *options, "--out", schema)
    assert code == 0, told
    assert "pay" in told and "sex" in told
    assert '[reading]\nnames = [\n    "pay",' in schema.read_text()
    assert run("schema", "check", schema, table) == (0, f"{table} fits {schema}: 3 rows, 3 columns.")
    assert run("schema", "check", schema, table, *options)[0] == 0
    code, told = run("schema", "check", schema, table, "--decimal", ".")
    assert code == 1 and "the schema was made with decimal = ',', and '.' is said now" in told
    assert run("schema", "infer", table, "--decimal", ";")[0] == 1


@pytest.mark.parametrize("command", [("schema", "infer"), ("schema", "check", "SCHEMA")])
def test_a_ragged_file_is_told_the_same_every_time(tmp_path: Path, command: tuple[str, ...]) -> None:
    table, schema = tmp_path / "t.csv", tmp_path / "t.toml"
    table.write_text("age,bmi\n30,20.5,\n")
    schema.write_text('[[columns]]\nname = "age"\nkind = "integer"\nlo = 0\nhi = 99\n')
    for _ in range(20):
        code, told = run(*(schema if word == "SCHEMA" else word for word in command), table)
        assert code == 1
        assert f"error: line 2 of {table} (row 1 of its data) has more or fewer fields" in told


def test_schemas_merge(tmp_path: Path) -> None:
    paths = [tmp_path / "a.toml", tmp_path / "b.toml"]
    for path, bound in zip(paths, (5, 9), strict=True):
        path.write_text(f'[[columns]]\nname = "age"\nkind = "integer"\nlo = 0\nhi = {bound}\n')
    out = tmp_path / "c.toml"
    code, told = run("schema", "merge", *paths, "--out", out)
    assert code == 0 and "Merged: age: bounds 0 to 9, which hold those of all owners" in told
    assert "hi = 9" in out.read_text()
    assert run("schema", "merge", *paths, "--out", out)[0] == 1  # nothing is written over
    assert run("schema", "merge", paths[0])[0] == 1
