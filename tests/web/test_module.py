"""The published module: what it exports has types, and the page's one script is made of all its parts."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tercet.web.browser.bundle import bundled

FOLDER = Path(str(files("tercet.web.browser")))
NODE = shutil.which("node")
MAX_LINES = 500


def test_types_name_what_is_exported() -> None:
    exported = set()
    for names in re.findall(r"^export \{ (.*) \} from", (FOLDER / "tercet.js").read_text(), re.MULTILINE):
        exported |= set(names.split(", "))
    types = (FOLDER / "tercet.d.ts").read_text()
    assert exported == set(re.findall(r"^export (?:function|class|const) (\w+)", types, re.MULTILINE))
    assert len(exported) > 30


def test_the_page_s_script_holds_every_module_once() -> None:
    script = bundled("page")
    heads = re.findall(r"^// ---- (\w+)\.js$", script, re.MULTILINE)
    assert sorted(heads) == sorted(["amounts", *(path.stem for path in FOLDER.glob("*.js"))])
    assert heads[-1] == "page"
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert not re.search(r"await import|eval\(|innerHTML|new Function", script)


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed: the script is not parsed here")
def test_the_script_is_javascript(tmp_path: Path) -> None:
    assert NODE is not None
    path = tmp_path / "page.mjs"
    path.write_text(bundled("page"))
    subprocess.run([NODE, "--check", str(path)], check=True, timeout=60)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.js")), ids=lambda path: path.stem)
def test_modules_are_short_and_draw_from_the_browser_alone(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert "Math.random" not in text
    assert ("getRandomValues" in text) == (path.stem == "bytes")
    assert "console." not in text
    assert "localStorage" not in text and "cookie" not in text


def test_another_way_to_import_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "page.js").write_text('import * as all from "./bytes.js";\n')
    monkeypatch.setattr("tercet.web.browser.bundle.files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=r"page\.js: import \* as all"):
        bundled("page")
