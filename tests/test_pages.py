"""The Python that pages show runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?!https?:|mailto:)([\w./-]+)(?:#[\w-]+)?\)")
SOURCES = (".py", ".hpp", ".cpp")
SOURCE = re.compile(r"`((?:\w+/)*\w+\.(?:py|hpp|cpp))`")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert found, f"{page} shows no Python"
    return found


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_program_of_a_page(page: str) -> None:
    """The README's second one is run by tests/cli/test_up.py, where there are nodes."""
    code, *_ = blocks(page)
    mean = (52_000 * 31.5 + 71_000 * 44.0 + 100_000 * 58.25) / 3
    assert float(run(code).splitlines()[0]) == pytest.approx(mean, abs=1e-6)


def test_the_model_of_ones_own() -> None:
    """The guide's model gives under sharing what it gives on NumPy arrays."""
    code, *_ = blocks("docs/guides/models.md")
    predicted, score = run(code).splitlines()
    assert predicted == "[36. 50. 36. 50.] [36. 50. 36. 50.]"
    assert [float(one) for one in score.split()] == pytest.approx([1 - 68.5 / 264.5] * 2, abs=1e-6)


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").splitlines()
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert pages == {line.rpartition(": ")[2] for line in navigation if line.endswith(".md")}


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target} is not there"


def test_source_files_that_pages_and_comments_name_exist() -> None:
    """By the end of their paths, as `client/local.py`. Older decisions name files of their time."""
    folders = ("src", "tests", "docs", "benchmarks", "native", "deploy", "vectors")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in SOURCES]
    ends = {"/".join(path.parts[-length:]) for path in files for length in range(1, 7)}
    *_, newest = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path.parent != newest.parent or path == newest]
    own = [path for path in files if path.suffix == ".py" and path.is_relative_to(ROOT / "src")]
    lost = {
        f"{path.name}: {name}"
        for path in [ROOT / "README.md", ROOT / "DEVELOPMENT.md", ROOT / "CONTRIBUTING.md", *pages, *own]
        for name in SOURCE.findall(path.read_text(encoding="utf-8"))
        if name not in ends
    }
    assert lost == set()


def test_people_are_they() -> None:
    man = re.compile(r"\b(?:he|his|him|himself)\b", re.IGNORECASE)
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    assert not [str(path.relative_to(ROOT)) for path in texts if man.search(path.read_text(encoding="utf-8"))]


def test_the_tutorial() -> None:
    """Its blocks go on from each other inside the session that the first one opens."""
    first, arrays, functions, refused, costs, model = blocks("docs/tutorial.md")
    data = "\n".join(
        (
            "rng = np.random.default_rng(1)",
            "hospital_features = [rng.uniform(0, 512, (20, 2)) for _ in range(3)]",
            "hospital_targets = [rows @ [0.5, 0.25] + 3 for rows in hospital_features]",
            model,
            "np.testing.assert_allclose([*coefficients, intercept], [0.5, 0.25, 3], atol=1e-3)",
        )
    )
    inside = "\n".join(
        (arrays, functions, "try:", indented(refused), "    raise AssertionError", indented_except(), costs, data)
    )
    run(f"{first}\n{indented(inside)}")


def test_the_example_of_validity() -> None:
    (code,) = blocks("docs/design/validity.md")
    *lines, checked = code.splitlines()
    message = checked.rpartition("... ")[2]
    program = (
        "import numpy as np",
        "import tercet as tc",
        "with tc.local() as net:",
        "    x = net.share([0.0, 1.0, 8.0], bounds=(-5, 10))",
        indented("\n".join(lines)),
        "    mean = y.mean(where=valid).reveal(), tc.masked_invalid(y).mean().reveal()",
        "    np.testing.assert_allclose(mean, np.log(8) / 2, atol=1e-4)",
        "    assert np.all(tc.valid(tc.where(x > 0, tc.log(x), 0)))",
        "    try:",
        f"        {checked}",
        "    except tc.InputError as error:",
        f"        assert {message!r} in str(error)",
        "    else:",
        "        raise AssertionError",
    )
    run("\n".join(program))


def indented(code: str) -> str:
    return "\n".join(f"    {line}" if line else line for line in code.splitlines())


def indented_except() -> str:
    return "except TypeError as error:\n    assert 'reveal' in str(error)"
