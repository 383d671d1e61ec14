"""Expressions that are a x + b of one array x, a and b public numbers: what is compared with them is read beside x.

`bmi * 2 > 60.2` asks for `bmi > 30.1`, and 30.1 is read as bmi stores it (decision 020). The line is kept beside the
recorded value, with a and b as they were written: what the plan holds of them has been rounded to its scales.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.record.build import number
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import thresholds
from tercet.plan.types import ValueKind

_FAR = 1 << 160
"""Beyond every ring: of what is larger, only its sign counts."""


@dataclass(frozen=True, slots=True)
class Line:
    """`factor` times the values of a recorded array, plus `offset`."""

    node: Recorded
    factor: Fraction
    offset: Fraction = Fraction(0)

    def moved(self, move: Callable[[Recorded], Recorded]) -> Line:
        return replace(self, node=move(self.node))

    def times(self, k: Fraction) -> Line | None:
        """None if nothing of the array is left."""
        return replace(self, factor=self.factor * k, offset=self.offset * k) if k else None

    def plus(self, other: Line | Fraction, sign: int = 1) -> Line | None:
        """The sum, or difference, with a number or another line of the same array."""
        if isinstance(other, Fraction):
            return replace(self, offset=self.offset + sign * other)
        factor = self.factor + sign * other.factor
        if other.node is not self.node or not factor:
            return None
        return Line(self.node, factor, self.offset + sign * other.offset)


def written(value: int | float) -> Fraction:
    """A public number as it is written: of a float the shortest decimal number that is read as it."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(float(value)))


def one_number(value: NDArray[Any]) -> Fraction | None:
    """The only number of a public operand, as it is written; None if it is an array of several."""
    return None if value.ndim else written(value.item())


def read_beside(line: Line, k: NDArray[Any]) -> tuple[Recorded, NDArray[Any], NDArray[Any]]:
    """The array that a line is of, and the integers at, or next to, those of it where the line meets public numbers.

    Below and above, as `plan.record.public.thresholds` gives them: of fixed point the nearest that it stores; of
    integers the one that is revealed as that number, or between which two it lies.
    """
    node = number(line.node)
    if line.factor == 1 and not line.offset:
        return node, *thresholds(k, node.type)
    distinct, places = np.unique(k, return_inverse=True)
    places = places.reshape(k.shape)
    exact = [_met(line, node, value) for value in distinct.tolist()]
    below = np.array([math.floor(value) for value in exact], dtype=object)
    above = np.array([math.ceil(value) for value in exact], dtype=object)
    return node, np.asarray(below[places], dtype=object), np.asarray(above[places], dtype=object)


def _met(line: Line, node: Recorded, k: int | float) -> Fraction:
    """Where the line is k, in units of the array's stored integers."""
    exact = (written(k) - line.offset) / line.factor * (1 << node.type.frac_bits)
    exact = min(max(exact, Fraction(-_FAR)), Fraction(_FAR))
    nearest = round(exact)
    if node.type.kind is ValueKind.FIXED:
        # a whole number is meant exactly, unless it stands for a decimal that the array can tell from its neighbours
        stored = isinstance(k, float) or _few_digits(exact / (1 << node.type.frac_bits), node.type.frac_bits)
        return Fraction(nearest) if stored else exact
    if isinstance(k, float):
        shown = [_shown(line, value) == k for value in (nearest - 1, nearest, nearest + 1)]
        if shown == [False, True, False]:
            return Fraction(nearest)
    return exact


def _few_digits(value: Fraction, frac_bits: int) -> bool:
    """Whether a number is a decimal of so few digits that last bits are finer than steps of its last digit."""
    digits = max(0, int((frac_bits - 1) * math.log10(2)))
    return int(10**digits) % value.denominator == 0


def _shown(line: Line, value: int) -> float:
    found = line.factor * value + line.offset
    return found.numerator / found.denominator if abs(found) < 1 << 1023 else math.inf
