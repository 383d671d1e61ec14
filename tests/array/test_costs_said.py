"""Costs that docstrings of functions say are no less than plans count, at both ends of scales, bounds and networks."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest

import tercet as tc
from tercet import nn, special
from tercet.plan.record.compile import operation_costs
from tercet.plan.table.attributes import Rounding

FUNCTIONS: list[Any] = [
    *(nn.relu, nn.leaky_relu, nn.silu, nn.gelu, special.softplus, special.erf, special.ndtr),
    *(tc.tanh, tc.log, tc.sqrt, tc.cbrt, partial(special.huber, 1.0)),
]
ONE = r"([\d,]+)(?: to ([\d,]+))?"
SAID = re.compile(f"Costs {ONE} bits in {ONE} rounds, or {ONE} in {ONE}")
ELEMENTS = 20_000
COIN_BITS, COIN_ROUNDS = 54, 1
"""Of a rounding by a coin, which is within a plan what is the nearest where it is revealed."""


def said(function: Any) -> list[int]:
    """Most bits and rounds up to 24 fractional bits, and at 40."""
    text = " ".join(str(getattr(function, "func", function).__doc__).split())
    found = SAID.search(text)
    assert found, text
    numbers = [int(part.replace(",", "")) if part else 0 for part in found.groups()]
    return [max(numbers[place : place + 2]) for place in range(0, 8, 2)]


@pytest.mark.parametrize("profile", ["lan", "wan"])
@pytest.mark.parametrize(("frac_bits", "end"), [(16, 8), (16, 1 << 20), (24, 8), (24, 1 << 10), (40, 8), (40, 1 << 20)])
def test_they_are_not_more(profile: str, frac_bits: int, end: int) -> None:
    with tc.local(profile=profile) as net:
        x = net.share(np.zeros(ELEMENTS), bounds=(-end, end), frac_bits=frac_bits)
        for function in FUNCTIONS:
            bits, rounds = said(function)[2:] if frac_bits == 40 else said(function)[:2]
            found = function(x).explain()
            nearest = [
                cost
                for op, cost in zip(found.plan.operations, operation_costs(found.plan), strict=True)
                if isinstance(op.attrs, Rounding)
            ]
            counted = found.bytes_per_party - sum(cost.total_bytes for cost in nearest) / 3
            assert counted * 8 / ELEMENTS + COIN_BITS * len(nearest) <= bits * 1.05, function
            assert found.rounds - sum(cost.rounds for cost in nearest) + COIN_ROUNDS * len(nearest) <= rounds, function
