"""Arrays whose numbers stand for something else (dates, categories): elements move, arithmetic is refused."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

from tercet.array.core import SecretArray
from tercet.plan.record.graph import Recorded
from tercet.plan.types import Type


class OpaqueArray(SecretArray):
    """An array of numbers that stand for something else. Indexing, reshaping, persisting and revealing keep the kind.

    Every computation reads `undivided`, which raises here: so whatever a subclass does not offer by `_own_way` or a
    method is refused with its `_refusal`.
    """

    __slots__ = ("_numbers",)
    _precedence = 1

    _numbers: SecretArray
    _ordered = False
    """Whether least and greatest elements and means are offered."""

    @classmethod
    def of(cls, numbers: SecretArray) -> Self:
        """An array of this kind on numbers."""
        self = object.__new__(cls)
        self._session = numbers.device
        self._divisor, self._line = numbers.divisor, None
        self._numbers = numbers
        return self

    def _again(self, numbers: SecretArray) -> SecretArray:
        return type(self).of(numbers)

    @abstractmethod
    def _refusal(self) -> str:
        """Why nothing is computed with it, and what to do instead."""

    @property
    def undivided(self) -> Recorded:
        raise TypeError(self._refusal())

    @property
    def _type(self) -> Type:
        return self._numbers._type

    def _plain(self) -> SecretArray:
        return self._numbers

    def _ranked(self, *, ordered: bool = True) -> tuple[SecretArray, SecretArray | None]:
        if not self._ordered:
            raise TypeError(self._refusal())
        return self._numbers, None

    def _meaning(self) -> SecretArray | None:
        return self._numbers._meaning()

    def _parts(self) -> tuple[SecretArray, ...]:
        return self._numbers._parts()

    def _rebuilt(self, parts: Sequence[SecretArray]) -> SecretArray:
        return self._again(self._numbers._rebuilt(parts))

    def _moved(self, move: Callable[[Recorded], Recorded]) -> SecretArray:
        return self._again(self._numbers._moved(move))
