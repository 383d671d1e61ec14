"""Nothing from outside steers a terminal: every place of the commands that prints goes through `cli.output`."""

from __future__ import annotations

import ast
import io
import json
import unicodedata
from pathlib import Path

import pytest
from rich.text import Text

import tercet.cli
from commands_of_cli import tercet as command
from tercet.cli import output
from tercet.errors import InputError
from tercet.federation.text import is_plain, plain, plain_json

EVIL = "a\x1b]0;owned\x07b\x9b2J\u202ec\u2066d\u200be\x7f"
PRINTS = {"print", "typer.echo", "typer.secho", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}


def hidden(text: str) -> list[str]:
    return [c for c in text if c not in "\n\t" and unicodedata.category(c)[0] == "C"]


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


@pytest.mark.parametrize("path", sorted(Path(tercet.cli.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_all_that_is_printed_goes_through_one_place(path: Path) -> None:
    tree = ast.parse(path.read_text())
    found = [called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [name for name in found if name in PRINTS or name.rpartition(".")[2] == "Console"]
    allowed = {"typer.echo", "sys.stdout.write", "Console"} if path.stem == "output" else set()
    assert not set(made) - allowed, (path.name, made)


def test_lines_tables_and_bars_show_no_hidden_characters(capsys: pytest.CaptureFixture[str]) -> None:
    screen = output.console()
    screen.print(EVIL, markup=False)
    screen.print(f"[bold]{EVIL}[/bold]")
    screen.print(Text(EVIL, style="red"))
    screen.print(output.rows(output.grid("name", EVIL), [(EVIL, 1)]))
    screen.print(output.facts({EVIL: EVIL}))
    output.say(EVIL)
    output.say(EVIL, err=True)
    with output.steps(screen) as step:
        step(EVIL)
    output.print_json({EVIL: [EVIL]})
    said = capsys.readouterr()
    assert not hidden(said.out) and not hidden(said.err)
    assert said.out.count("owned") >= 8 and "\\x1b" in said.out and "\\u202e" in said.out


def test_a_terminal_gets_its_own_colours_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    screen = output._PlainConsole(file=file, force_terminal=True, color_system="standard", width=300)
    screen.print(Text(EVIL, style="red"))
    assert file.getvalue() == f"\x1b[31m{plain(EVIL.replace(chr(7), ''))}\x1b[0m\n"


def test_json_stays_the_same_json() -> None:
    data = {"a": EVIL, "b": ["\U000e0001", "\n", "Köln"]}
    text = plain_json(json.dumps(data, ensure_ascii=False, indent=1))
    assert not hidden(text) and json.loads(text) == data and "Köln" in text


def test_errors_with_words_of_others_are_shown_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise InputError(f"the file {EVIL} is odd", hint=EVIL)

    monkeypatch.setattr("tercet.cli.identity.Member", None, raising=False)
    monkeypatch.setattr("tercet.federation.identity.Card.load", failing)
    monkeypatch.setattr("tercet.federation.identity.Card.from_pem", failing)
    monkeypatch.setattr("tercet.federation.identity.Member.load", failing)
    result = command("identity", "show", "x.pem", status=1)
    assert "is odd" in result.stderr and not hidden(result.stderr)


def test_what_is_plain() -> None:
    assert not is_plain(EVIL) and is_plain(plain(EVIL)) and plain("Größe 北京\n\tx") == "Größe 北京\n\tx"
