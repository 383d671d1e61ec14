"""The guide's programs run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", minversion="2.6")

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "deep-learning.md"
pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_guide(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    names: dict[str, Any] = {"__name__": "guide"}
    try:
        for block in blocks:
            exec(compile(block, str(GUIDE), "exec"), names)  # noqa: S102
    finally:
        names["net"].close()
    printed = capsys.readouterr().out
    assert "SecretTensor(5, 3; fixed, bounds" in printed
