"""Lines some of whose elements are missing, as orders and counts take them: beside numbers stand secret bools."""

from __future__ import annotations

import numpy as np

from tercet.array.core import SecretArray
from tercet.plan.record import build, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import renamed, settle


def filled(x: Recorded, there: Recorded | None, value: int) -> Recorded:
    """x where it is there, elsewhere what stores this integer; x itself if it is everywhere."""
    if there is None:
        return x
    stored = renamed(x, 0, 0)
    end = np.asarray(value, dtype=object)
    kept = logic.inject(there, build.linear("subtract", stored, end) if value else stored)
    return renamed(build.linear("add", kept, end) if value else kept, x.type.frac_bits, x.type.nominal)


def beyond(x: Recorded, *, above: bool) -> int:
    """The stored integer above, or below, all that x may be."""
    return x.type.hi + 1 if above else x.type.lo - 1


def numbers_of(x: SecretArray) -> Recorded:
    """The stored integers of an array at its scale, what it is still to be divided by left aside."""
    return settle(build.number(x.undivided))


def zeroed(x: SecretArray) -> SecretArray:
    """Values to add up: 0 where they are missing. TypeError for what are no numbers."""
    numbers, there = x._ranked(ordered=False)
    x._elements(numbers).undivided  # noqa: B018  (refused, if these are no numbers)
    if there is None:
        return x
    zeros = filled(numbers_of(numbers), there.node, 0)
    return numbers._again(x.like(zeros, numbers.divisor))
