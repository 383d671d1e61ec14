"""Values that are revealed as the exact numbers that they come from: quotients by secret counts, and roots."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, numbers
from tercet.array.core import ONE, SecretArray
from tercet.array.dtypes import DType
from tercet.array.opaque import OpaqueArray
from tercet.plan.record.divide import divide
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS
from tercet.plan.record.roots import sqrt_over
from tercet.plan.record.scale import renamed
from tercet.plan.types import Type

_ULP = Fraction(1, 1 << 52)
_FINEST = 48


class Ratio(OpaqueArray):
    """Something over a secret count, both of which are revealed: the quotient is exact, NaN where nothing is counted.

    What is computed with it under sharing takes the quotient of the two, within the error of a division of secrets;
    over a count of 0 that is any number.
    """

    __slots__ = ("_count", "_ddof", "_divided", "_twice")

    _count: SecretArray
    _ddof: Fraction
    _twice: bool
    _divided: Recorded | None

    @classmethod
    def of_terms(cls, top: SecretArray, count: SecretArray, ddof: float = 0, *, twice: bool = False) -> Ratio:
        """top / (count - ddof); with `twice` top / (count (count - ddof))."""
        self = cls.of(top)
        self._divisor = ONE  # that of the top is its own
        self._count, self._ddof, self._twice, self._divided = count, Fraction(ddof), twice, None
        return self

    def _meaning(self) -> SecretArray | None:
        """Where more is counted than is taken off, and both terms mean something."""
        counted = None if self._count.bounds[0] > self._ddof else self._count > float(self._ddof)
        found = [one for one in (self._numbers._meaning(), self._count._meaning(), counted) if one is not None]
        return functools.reduce(operator.and_, found) if found else None

    def _refusal(self) -> str:
        return "nothing is computed with a variance whose ddof is no integer; reveal it"

    @property
    def undivided(self) -> Recorded:
        if self._divided is None:
            if self._ddof.denominator != 1:
                raise TypeError(self._refusal())
            self._divided = elementwise.divide(self._numbers, self._below()).node
        return self._divided

    @property
    def _type(self) -> Type:
        return self.undivided.type

    @property
    def shape(self) -> tuple[int, ...]:
        # no division is recorded to know it: what is revealed alone needs none
        return self._numbers.shape

    def _plain(self) -> SecretArray:
        return self.like(self.undivided)

    def finely(self) -> Recorded:
        """The quotient with twice the fractional bits of a result, 48 at most: what a root is taken of."""
        if self._ddof.denominator != 1:
            raise TypeError(self._refusal())
        top = self._numbers.node
        bits = min(2 * max(top.type.nominal, DEFAULT_FRAC_BITS), _FINEST)
        quotient = divide(numbers.as_fixed(renamed(top, top.type.frac_bits, 0), bits), self._below().node)
        return renamed(quotient, quotient.type.frac_bits, max(top.type.nominal, DEFAULT_FRAC_BITS))

    def _below(self) -> SecretArray:
        below = self._count - int(self._ddof) if self._ddof else self._count
        return below * self._count if self._twice else below

    def _ranked(self, *, ordered: bool = True) -> tuple[SecretArray, SecretArray | None]:
        return self._plain(), None

    def _again(self, numbers: SecretArray) -> SecretArray:
        return numbers

    def _with_terms(self, top: SecretArray, count: SecretArray) -> SecretArray:
        return Ratio.of_terms(top, count, float(self._ddof), twice=self._twice)

    def _moved(self, move: Callable[[Recorded], Recorded]) -> SecretArray:
        return self._with_terms(self._numbers._moved(move), self._count._moved(move))

    def _parts(self) -> tuple[SecretArray, ...]:
        return (*self._numbers._parts(), self._count)

    def _rebuilt(self, parts: Sequence[SecretArray]) -> SecretArray:
        return self._with_terms(self._numbers._rebuilt(parts[:-1]), parts[-1])

    def _composed(self, found: Sequence[NDArray[Any]]) -> Any:
        tops, counts = np.asarray(self._numbers._composed(found[:-1])), np.asarray(found[-1])
        quotients = []
        for top, count in zip(tops.reshape(-1).tolist(), counts.reshape(-1).tolist(), strict=True):
            below = (count - self._ddof) * (count if self._twice else 1)
            quotients.append(float(Fraction(top) / below) if below > 0 else math.nan)
        return np.array(quotients).reshape(counts.shape)[()]

    def __repr__(self) -> str:
        return f"Ratio({self._numbers!r} over a secret count)"


class Root(OpaqueArray):
    """The square root of a variance. Revealed or kept it is the variance, whose root is then exact; what is computed
    with it takes the root under sharing, of the variance before it is rescaled: within two last bits.
    """

    __slots__ = ("_taken",)

    _taken: Recorded | None

    @classmethod
    def of(cls, numbers: SecretArray) -> Self:
        self = super().of(numbers)
        self._divisor = ONE  # that of the variance is its own
        self._taken = None
        return self

    def _refusal(self) -> str:
        return "nothing is computed with a standard deviation whose ddof is no integer; reveal it"

    @property
    def undivided(self) -> Recorded:
        if self._taken is None:
            self._taken = sqrt_over(*self.variance)
        return self._taken

    @property
    def variance(self) -> tuple[Recorded, Fraction]:
        """What it is the root of: a recorded value, and a public number that it is still to be divided by."""
        inner = self._numbers
        return (inner.finely(), ONE) if isinstance(inner, Ratio) else (inner.undivided, inner.divisor)

    def _ranked(self, *, ordered: bool = True) -> tuple[SecretArray, SecretArray | None]:
        return self.like(self.undivided), None

    def _again(self, numbers: SecretArray) -> SecretArray:
        return numbers

    def _moved(self, move: Callable[[Recorded], Recorded]) -> SecretArray:
        return Root.of(self._numbers._moved(move))

    def _rebuilt(self, parts: Sequence[SecretArray]) -> SecretArray:
        return Root.of(self._numbers._rebuilt(parts))

    @property
    def dtype(self) -> DType:
        squares = self._numbers.dtype
        assert squares.bounds is not None
        lo, hi = (Fraction(math.sqrt(max(Fraction(0), bound))) for bound in squares.bounds)
        # the nearest floats below and above the exact roots
        return replace(squares, bounds=(lo * (1 - _ULP), hi * (1 + _ULP)))

    def _composed(self, found: Sequence[NDArray[Any]]) -> Any:
        # rounding may have taken a variance below zero
        return np.sqrt(np.maximum(self._numbers._composed(found), 0.0))

    def __repr__(self) -> str:
        return f"SecretArray(square root of {self._numbers!r})"
