"""The native kernels for this machine, chosen once by what its processor can do."""

from __future__ import annotations

import sys
from typing import Final

from tercet.ring._native import Kernels, available_levels, kernels
from tercet.ring._native import retain_freed_memory as _retain_freed_memory

if sys.byteorder != "little":
    # shares, seeds and messages are read as little-endian words everywhere
    raise ImportError("tercet runs on little-endian processors only, such as x86-64 and 64-bit Arm")

NATIVE: Final[Kernels] = kernels()

__all__ = ["NATIVE", "Kernels", "available_levels", "kernels", "retain_freed_memory"]


def retain_freed_memory(keep_bytes: int = 512 << 20) -> bool:
    """Let this process keep up to `keep_bytes` of freed memory for its next arrays; True if the C library agreed.

    For whoever owns the process (a node, a benchmark) to call once at its start: it holds for the whole process. Fresh
    pages cost up to ten times what the kernel that fills them does, and glibc gives freed memory back at once.
    """
    return _retain_freed_memory(keep_bytes)
