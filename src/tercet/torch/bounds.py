"""Bounds of what a network works out, from a run in plain on numbers that anybody may see."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from tercet.torch.cells import Range


class _Largest(TorchDispatchMode):
    """Notes the largest magnitude of all results."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))

        def note(x: Any) -> Any:
            if isinstance(x, torch.Tensor) and x.is_floating_point() and x.numel():
                finite = x[torch.isfinite(x)]
                self.found = max(self.found, float(finite.abs().max()) if finite.numel() else 0.0)
            return x

        tree_map(note, result)
        return result


def calibrated(run: Callable[[], Any], margin: float = 1024) -> Range:
    """Bounds for `within=`, the same on both sides: `margin` times the largest magnitude of all that torch works out
    while `run()` is called, forward and backward, up to a power of two.

    For plain models and samples that anybody may see: what comes out is public, and tells of the sample. It is an
    estimate, of which a plan says that it is vouched for. ValueError if nothing is worked out, or for a margin below 1.
    """
    if margin < 1:
        raise ValueError(f"a margin is 1 at least, not {margin}")
    with _Largest() as largest:
        run()
    if not largest.found:
        raise ValueError("nothing but zeros was worked out; run() calls a model on a sample, and backward()")
    bound = 2.0 ** math.ceil(math.log2(largest.found * margin))
    return -bound, bound
