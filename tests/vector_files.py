"""The test vectors of the repository, by kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "vectors"


def vectors(kind: str) -> list[Any]:
    """Every vector of a kind, as parameters of a test; none at all is an error, not an empty test."""
    found = [
        pytest.param(contents, id=path.stem)
        for path in sorted(FOLDER.glob(f"{kind}_*.json"))
        if (contents := json.loads(path.read_text(encoding="utf-8")))["kind"] == kind
    ]
    if not found:
        raise FileNotFoundError(f"there are no vectors of kind {kind} in {FOLDER}")
    return found


def members() -> dict[str, dict[str, str]]:
    """Those whose keys the vectors use, by name."""
    entries = json.loads((FOLDER / "members.json").read_text(encoding="utf-8"))["members"]
    return {entry["name"]: entry for entry in entries}
