"""The workloads on functions of real numbers: `python benchmarks/run.py functions`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tercet as tc
from cases import BY_NAME, Case
from workloads import Run, Workload


def _make(case: Case, function: Callable[[Any], Any], net: tc.Session, elements: int) -> Run:
    x = net.share(case.input(elements), bounds=(case.low, case.high))

    def run() -> Any:
        results = function(x)
        return tc.persist(*results) if isinstance(results, tuple) else results.persist()

    return run


def _workload(name: str, target_s: float, function: Callable[[Any], Any], peer_s: float | None = None) -> Workload:
    case = BY_NAME[name]
    return Workload(
        name,
        case.elements,
        target_s,
        partial(_make, case, function),
        peer_s=peer_s,
        exact=lambda elements: case.exact(case.input(elements)),
    )


FUNCTIONS = (
    _workload("exp", 0.05, tc.exp, 0.146),
    _workload("exp of x <= 0", 0.05, tc.exp, 0.146),
    _workload("sqrt", 0.12, tc.sqrt, 0.90),
    _workload("log", 0.12, tc.log, 1.25),
    _workload("expit", 0.12, tc.special.expit, 0.79),
    _workload("tanh", 0.12, tc.tanh),
    _workload("sin and cos", 0.05, lambda x: (tc.sin(x), tc.cos(x))),
    _workload("softmax, rows of 1,000", 0.15, lambda x: tc.special.softmax(x, axis=1), 1.18),
)
