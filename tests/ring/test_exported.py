"""The public surface of the floor."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

from tercet import ring


def test_all_is_complete() -> None:
    """The linter keeps `__all__` sorted."""
    public = {
        name for name, value in vars(ring).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert sorted(ring.__all__) == sorted(public)


def test_levels() -> None:
    levels = ring.available_levels()
    assert levels[0] == "baseline"
    assert ring.RING64.native.level == levels[-1] == ring.kernels().level
    assert [ring.kernels(level).level for level in levels] == levels


def test_memory_setting_is_explicit() -> None:
    code = "import tercet.ring as r; assert r.retain_freed_memory() in (True, False)"
    subprocess.run([sys.executable, "-c", code], check=True)
