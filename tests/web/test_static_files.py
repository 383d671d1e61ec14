"""Scripts and styles of all pages: what stands there is used and is there, and amounts are written in one way."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import tercet.web

WEB = Path(tercet.web.__file__).parent
FOLDERS = {path.parent.name: path for path in WEB.glob("*/static")} | {"base": WEB / "static"}
NODE = shutil.which("node")
_IMPORT = re.compile(r'^import \{ ([^}]*) \} from "([^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?:const|class|async function|function) (\w+)", re.MULTILINE)
_TOP = re.compile(r"^(?:const|class|async function|function) (\w+)", re.MULTILINE)
_ONE_WAY = re.compile(r"\.to(?:LocaleString\(\"en\"|Fixed\(|Exponential\()")


def scripts() -> list[Path]:
    """Modules of all pages but those of the published package, whose exports are for others."""
    found = sorted(path for folder in FOLDERS.values() for path in folder.rglob("*.js"))
    assert len(found) > 25
    return found


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def code_of(path: Path) -> str:
    """A module without its comments."""
    return re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", text_of(path), flags=re.DOTALL)


def imports(path: Path) -> Iterator[tuple[str, str, Path]]:
    """What a module takes: the name there, the name here, and from which module."""
    for names, source in _IMPORT.findall(text_of(path)):
        if source.startswith("/static/"):
            _, _, folder, rest = source.split("/", 3)
            module = FOLDERS[folder] / rest
        else:
            module = (path.parent / source).resolve()
        for name in names.split(", "):
            there, _, here = name.partition(" as ")
            yield there, here or there, module


def label(path: Path) -> str:
    return str(path.relative_to(WEB))


@pytest.mark.parametrize("path", scripts(), ids=label)
def test_a_module_uses_what_it_takes_and_takes_what_is_there(path: Path) -> None:
    code = code_of(path)
    for there, here, module in imports(path):
        assert module.is_file(), f"{label(path)} takes {there} from a module that is not there: {module}"
        assert there in _EXPORT.findall(text_of(module)), f"{label(module)} does not export {there}"
        assert len(re.findall(rf"\b{here}\b", code)) > 1, f"{label(path)} takes {here} and does not use it"
    for name in _TOP.findall(code):
        assert len(re.findall(rf"\b{name}\b", code)) > 1, f"{label(path)} does not use its own {name}"


@pytest.mark.parametrize("path", scripts(), ids=label)
def test_a_module_takes_what_it_calls(path: Path) -> None:
    shared = {name for module in FOLDERS["base"].glob("*.js") for name in _EXPORT.findall(text_of(module))}
    code = re.sub(r"`[^`]*`", lambda text: " ".join(re.findall(r"\$\{([^}]*)\}", text[0])), code_of(path))
    mine = {here for _, here, _ in imports(path)} | set(_EXPORT.findall(code)) | set(_TOP.findall(code))
    for name in shared - mine:
        called = re.search(rf"(?<![.\w]){name}\(", code)
        local = re.search(
            rf"(?:const|let|function) {name}\b|[(,{{] ?{name}[,)}} ]|^  (?:async )?{name}\(", code, re.MULTILINE
        )
        assert not called or local, f"{label(path)} calls {name} without taking it"


def test_each_export_is_taken_by_another_module() -> None:
    taken = {(there, module) for path in scripts() for there, _, module in imports(path)}
    taken |= {("chapter", path) for path in scripts() if path.parent.name == "chapters"}  # by its name, in play.js
    # of the page that stands alone
    page = text_of(WEB / "browser" / "page.js")
    for names, source in _IMPORT.findall(page):
        taken |= {(name, (WEB / "browser" / source).resolve()) for name in names.split(", ")}
    unused = [
        f"{label(path)}: {name}"
        for path in scripts()
        for name in _EXPORT.findall(text_of(path))
        if (name, path) not in taken
    ]
    assert not unused


def styles() -> list[Path]:
    return sorted(
        [*(path for folder in FOLDERS.values() for path in folder.rglob("*.css")), WEB / "browser" / "page.css"]
    )


FROM_NODES = {"accepted", "held", "refused"}
"""Verdicts, which are classes, too."""


def given_classes(folders: list[Path]) -> tuple[set[str], set[str]]:
    """Classes that scripts and pages of these folders give, and beginnings of those that end with a number."""
    files = [one for folder in folders for one in folder.rglob("*") if one.suffix in (".js", ".html")]
    text = "\n".join(code_of(one) for one in files)
    found = {
        name
        for literal in re.findall(r"""["'`]([^"'`\s]*)["'`]""", text)
        for name in re.findall(r"\.([\w-]+)", literal)
    }
    found |= {name for part in re.findall(r"""class(?:Name)?(?:: |=)["`]([^"`]*)["`]""", text) for name in part.split()}
    found |= set(re.findall(r"""["'`]([\w-]+)["'`]""", text))
    found |= {name for parts in re.findall(r"h\(`([^`]*)`", text) for name in re.findall(r"\.([\w-]+)", parts)}
    return found, set(re.findall(r"([\w-]+)\$\{", text))


@pytest.mark.parametrize("path", styles(), ids=label)
def test_each_class_of_a_style_is_given_to_something(path: Path) -> None:
    rules = re.sub(r"/\*.*?\*/", "", text_of(path), flags=re.DOTALL)
    selectors = re.findall(r"([^{}]*)\{", rules)
    classes = {name for selector in selectors for name in re.findall(r"\.([a-zA-Z][\w-]*)", selector)}
    given, begun = given_classes([WEB / "browser"] if path.parent.name == "browser" else list(FOLDERS.values()))
    unused = [name for name in classes - given - FROM_NODES if name.rstrip("0123456789") not in begun]
    assert not sorted(unused)


@pytest.mark.parametrize("path", [*scripts(), WEB / "browser" / "page.js"], ids=label)
def test_amounts_are_written_by_their_module(path: Path) -> None:
    assert path.name == "amounts.js" or not _ONE_WAY.search(text_of(path))


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed: nothing runs the module here")
@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("count(1234567)", "1,234,567"),
        ("count('12345678901234567890')", "12,345,678,901,234,567,890"),
        ("count(-1234n)", "\u22121,234"),
        ("counted(1, 'row')", "1 row"),
        ("counted(2000, 'entry')", "2,000 entries"),
        ("number(0.012345)", "0.0123"),
        ("number(-12.345, 4)", "\u221212.35"),
        ("number(1.5e-9)", "1.5e\u22129"),
        ("number(1.25e18)", "1.25e18"),
        ("short(25000)", "25 k"),
        ("short(-0.125)", "\u22120.125"),
        ("bytes(0)", "0 B"),
        ("bytes(23.2)", "24 B"),
        ("bytes(999.4)", "1 kB"),
        ("bytes(25000)", "25 kB"),
        ("bytes(1234567)", "1.23 MB"),
        ("seconds(0)", "0 s"),
        ("seconds(0.00005)", "50 µs"),
        ("seconds(0.9996)", "1 s"),
        ("seconds(1.234)", "1.23 s"),
        ("seconds(7200)", "2 h"),
        ("percent(0.4)", "40 %"),
        ("money(0)", "0"),
        ("money(0.001)", "< 0.01"),
        ("money(12.5)", "12.50"),
        ("money(15000000)", "15,000,000"),
    ],
)
def test_amounts(call: str, told: str, tmp_path: Path) -> None:
    assert NODE is not None
    (tmp_path / "amounts.mjs").write_text(text_of(WEB / "static" / "amounts.js"), encoding="utf-8")
    script = f'import * as all from "./amounts.mjs";\nconsole.log(JSON.stringify(all.{call}));\n'
    (tmp_path / "run.mjs").write_text(script, encoding="utf-8")
    done = subprocess.run([NODE, str(tmp_path / "run.mjs")], capture_output=True, check=True, text=True, timeout=60)
    assert json.loads(done.stdout) == told
