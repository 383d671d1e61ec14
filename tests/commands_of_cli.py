"""Running the command in this process, as tests of all commands do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from tercet.cli.app import app


def tercet(*arguments: str | Path, status: int = 0, typed: str | None = None) -> Result:
    """Run the command; its exit status must be this one."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def told(*arguments: str | Path, status: int = 1) -> str:
    """The error that the command ends with: two lines on standard error, no traceback."""
    result = tercet(*arguments, status=status)
    lines = result.stderr.splitlines()
    assert lines, result.output
    assert lines[0].startswith("tercet: error: ")
    assert lines[-1].startswith("tercet: hint: "), lines
    assert "Traceback" not in result.output
    return result.stderr


def makes(folder: Path, names: Sequence[str]) -> None:
    """Exactly these files are in a folder."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
