"""What is said where torch is missing or too old; these tests need none."""

from __future__ import annotations

import subprocess
import sys

import pytest

GONE = "import sys; sys.modules['torch'] = None"
OLD = (
    "import sys, types, importlib.machinery as m; t = types.ModuleType('torch'); t.__version__ = '2.5.1+cpu'; "
    "t.__spec__ = m.ModuleSpec('torch', None); sys.modules['torch'] = t"
)


@pytest.mark.parametrize(
    ("before", "said"),
    [(GONE, "needs torch, which is not installed"), (OLD, r"needs torch 2.6 or later, and 2.5.1+cpu is installed")],
    ids=["gone", "old"],
)
def test_the_library_is_asked_for(before: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{before}; import tercet.torch"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ConfigError" in done.stderr and said in done.stderr and "pip install 'tercet[torch]'" in done.stderr
