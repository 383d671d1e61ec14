"""Help says of each command, in a line that is not cut off, what it does; hints name commands of who reads them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tercet.cli.app import app
from tercet.cli.listing import one_job
from tercet.errors import InputError

GROUPS = ((), ("node",), ("schema",), ("federation",), ("identity",), ("audit",))


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0] if group else "tercet")
def test_no_line_is_cut_off(group: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert shown.exit_code == 0
    lines = shown.output.partition("Commands:")[2].splitlines()[1:]
    assert lines and not [line for line in lines if line.endswith("...")]


def test_who_finds_no_job_is_sent_to_their_own_list() -> None:
    with pytest.raises(InputError, match=r"see the list: tercet jobs$"):
        one_job([], "4f0c")
    with pytest.raises(InputError, match=r"see the list: tercet node jobs$"):
        one_job([], "4f0c", "tercet node jobs")


HEAVY = (
    *("numpy", "pandas", "polars", "pyarrow", "sklearn", "sqlglot", "sqlalchemy", "fastapi", "uvicorn"),
    *("httpx", "cryptography", "http.client", "ssl"),
    *("tercet.client", "tercet.node.parts", "tercet.node.settings", "tercet.store", "tercet.sharing"),
)


@pytest.mark.parametrize("words", [["--help"], ["upload", "--help"], ["node", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_nothing_that_takes_long(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from tercet.cli import main\n"
        f"sys.argv[1:] = {words}\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "print('loaded', loaded)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.endswith("loaded []\n"), ran.stdout[-500:] + ran.stderr
