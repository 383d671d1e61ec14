"""The workloads on statistics: `python benchmarks/run.py statistics`. `elements` are rows.

Not called `statistics`, which is a module of Python's own that scripts here import.
"""

from __future__ import annotations

import numpy as np

import tercet as tc
from workloads import Run, Workload


def correlations(net: tc.Session, rows: int) -> Run:
    x = net.share(np.random.default_rng(1).normal(size=(rows, 5)).clip(-7.9, 7.9), bounds=(-8, 8))
    return lambda: np.corrcoef(x, rowvar=False).reveal()


STATISTICS = (Workload("Pearson matrix, 100,000 x 5", 100_000, None, correlations, 5),)
