"""Arrays whose numbers stand for something else: they move as others do, and what would be meaningless is refused."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tercet.array.secret import SecretArray
from tercet.plan.graph import Node
from tercet.plan.types import Type


class Meant(SecretArray):
    """An array beside whose numbers stands a meaning, kept through indexing, reshaping, persisting and revealing.

    All that computes asks for `_node`, which is not there: so whatever a subclass does not offer is refused, and no
    operation can forget to.
    """

    __slots__ = ("_numbers",)
    __array_ufunc__ = None  # type: ignore[assignment]
    """NumPy's operators leave the answer to ours."""

    _numbers: SecretArray

    @classmethod
    def of(cls, numbers: SecretArray) -> Self:
        """These numbers, with the meaning."""
        self = object.__new__(cls)
        self._session = numbers._session
        self._divisor = numbers._divisor
        self._numbers = numbers
        return self

    def _again(self, numbers: SecretArray) -> SecretArray:
        return type(self).of(numbers)

    @abstractmethod
    def _refusal(self) -> str:
        """Why nothing is computed with it, and what to do instead."""

    @property
    def _node(self) -> Node:  # type: ignore[override]
        raise TypeError(self._refusal())

    @property
    def _type(self) -> Type:
        return self._numbers._type

    def _plain(self) -> SecretArray:
        return self._numbers

    def _moved(self, move: Callable[[Node], Node]) -> SecretArray:
        return self._again(self._numbers._moved(move))


class Root(Meant):
    """The square root of an array, taken on the analyst's machine when it is revealed: there is no protocol for it."""

    __slots__ = ()

    def _refusal(self) -> str:
        return (
            "a standard deviation is the root of a revealed variance, so nothing is computed with it under sharing; "
            "reveal it, or use var()"
        )

    def _decoded(self, stored: NDArray[Any]) -> NDArray[Any]:
        roots: NDArray[Any] = np.sqrt(np.maximum(self._numbers._decoded(stored), 0.0))
        return roots

    def __repr__(self) -> str:
        return f"SecretArray(square root of {self._numbers!r})"
