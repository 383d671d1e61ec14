"""Checked runs: assumed bounds are compared beside the result, and one bit for each assumption is revealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.errors import InputError
from tercet.plan import logic
from tercet.plan.compile import Wanted, ordered
from tercet.plan.graph import Node
from tercet.plan.ops_local import ASSUMED


@dataclass(frozen=True)
class Check:
    """A secret bool that says whether an assumption holds for every element."""

    node: Node
    what: str


def with_checks(wanted: Sequence[Wanted], checked: bool) -> tuple[list[Wanted], list[Check]]:
    """The wanted values, and the checks of every assumption that they rest on."""
    if not checked:
        return list(wanted), []
    checks = []
    for node in ordered([want.node for want in wanted]):
        if node.operation.name == "bound" and node.attrs[2] == ASSUMED and node.type.size:
            checks.append(Check(_within(node.inputs[0], node.attrs[0], node.attrs[1]), f"that {node.type}"))
    return list(wanted), checks


def _within(x: Node, lo: int, hi: int) -> Node:
    """Whether lo <= x <= hi for every stored integer."""
    stored = x.graph.node("rename", (x,), (0, 0))
    parts = []
    if lo > x.type.lo:
        parts.append(logic.logical_not(logic.less(stored, np.asarray(lo, dtype=object))))
    if hi < x.type.hi:
        parts.append(logic.logical_not(logic.less(np.asarray(hi, dtype=object), stored)))
    both = parts[0] if len(parts) == 1 else logic.logical_and(*parts)
    return logic.reduce_and(both, tuple(range(len(x.type.shape)))) if x.type.shape else both


def raise_failed(checks: Sequence[Check], results: Sequence[Any]) -> None:
    """InputError naming the assumption that does not hold, if there is one."""
    for check, holds in zip(checks, results, strict=True):
        if not bool(np.all(holds)):
            raise InputError(
                f"an assumption does not hold: {check.what}", hint="assume wider bounds, or declare them at the input"
            )
