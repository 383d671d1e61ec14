"""The page of measured errors has every function of real numbers, and none that is off by more than is promised."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from tercet import special
from tercet.array import angles, functions, nn

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "accuracy.md"
ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<range>[^|]+) \| (?P<cells>.+) \|$", re.M)
ELSEWHERE = {
    *("of_one", "one_hot"),
    *("softmax", "log_softmax"),
}
"""Names that are no functions of one number, or that have a row under `special`."""


def made_in(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]


def measured() -> dict[str, list[float]]:
    table = PAGE.read_text().split("## Beside others")[0]
    return {m["name"]: [float(cell) for cell in m["cells"].split(" | ")] for m in ROW.finditer(table)}


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("", [*made_in(functions), *made_in(angles)]),
        ("special.", special.__all__),
        ("nn.", made_in(nn)),
    ],
    ids=["array", "special", "nn"],
)
def test_every_function_was_measured(prefix: str, names: list[str]) -> None:
    found = {re.split(r"[(\[]", name)[0] for name in measured()}
    public = [name for name in names if not name.startswith("_") and name not in ELSEWHERE]
    assert public
    assert not [name for name in public if prefix + name not in found]


def test_no_error_is_more_than_is_promised() -> None:
    found = measured()
    assert len(found) > 40
    for name, (*largest, mean) in found.items():
        assert max(largest) <= 2, name
        assert abs(mean) < 0.3, name


def test_every_plot_is_there() -> None:
    shown = re.findall(r"^!\[.+\]\((accuracy/[^)]+\.svg)\)$", PAGE.read_text(), re.M)
    assert len(shown) == len(measured())
    assert all((DOCS / file).is_file() for file in shown)
    assert {f"accuracy/{file.name}" for file in (DOCS / "accuracy").iterdir()} == set(shown)
