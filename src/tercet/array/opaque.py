"""Arrays whose numbers stand for something else (dates, roots): elements are moved as usual, arithmetic is refused."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tercet.array.core import SecretArray
from tercet.array.dtypes import DType
from tercet.plan.record.graph import Recorded
from tercet.plan.types import Type

_ULP = Fraction(1, 1 << 52)


class OpaqueArray(SecretArray):
    """An array of numbers that stand for something else. Indexing, reshaping, persisting and revealing keep the kind.

    Every computation reads `_node`, which raises here: so whatever a subclass does not offer by `_own_way` or a method
    is refused with its `_refusal`.
    """

    __slots__ = ("_numbers",)
    __array_ufunc__ = None  # type: ignore[assignment]
    """NumPy's operators leave the answer to ours."""
    _precedence = 1

    _numbers: SecretArray
    _ordered = False
    """Whether least and greatest elements and means are offered."""

    @classmethod
    def of(cls, numbers: SecretArray) -> Self:
        """An array of this kind on numbers."""
        self = object.__new__(cls)
        self._session = numbers._session
        self._divisor, self._line = numbers._divisor, None
        self._numbers = numbers
        return self

    def _again(self, numbers: SecretArray) -> SecretArray:
        return type(self).of(numbers)

    @abstractmethod
    def _refusal(self) -> str:
        """Why nothing is computed with it, and what to do instead."""

    @property
    def _node(self) -> Recorded:  # type: ignore[override]
        raise TypeError(self._refusal())

    @property
    def _type(self) -> Type:
        return self._numbers._type

    def _plain(self) -> SecretArray:
        return self._numbers

    def _parts(self) -> tuple[SecretArray, ...]:
        return self._numbers._parts()

    def _rebuilt(self, parts: Sequence[SecretArray]) -> SecretArray:
        return self._again(self._numbers._rebuilt(parts))

    def _moved(self, move: Callable[[Recorded], Recorded]) -> SecretArray:
        return self._again(self._numbers._moved(move))


class Root(OpaqueArray):
    """The square root of an array, taken on the analyst's machine when it is revealed: there is no protocol for it."""

    __slots__ = ()

    def _refusal(self) -> str:
        return (
            "a standard deviation is the root of a revealed variance, so nothing is computed with it under sharing; "
            "reveal it, or use var()"
        )

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
