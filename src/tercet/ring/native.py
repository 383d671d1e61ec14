"""The native kernels for this machine, chosen once by what its processor can do."""

from __future__ import annotations

from typing import Final

from tercet.ring._native import Kernels, available_levels, kernels

NATIVE: Final[Kernels] = kernels()

__all__ = ["NATIVE", "Kernels", "available_levels", "kernels"]
