"""What a secret tensor holds: an array, public facts about it, and, of a view, the array that it looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet import array as xp
from tercet.array import SecretArray, assume

Held: TypeAlias = Any
"""A SecretArray, or a NumPy array: zeros and ones that torch makes beside secrets stay public until something secret
joins. Functions of the namespace take both and name the first alone."""
Range = tuple[float, float]
HIDDEN = "hidden"
"""The fact that some places, public bools, stand for minus infinity, as which no secret number is; what is there is any
number. Only softmax takes such a tensor."""


class TensorCell:
    """The array of one secret tensor, or of several that are the same one to torch.

    SecretArrays never change: what torch does in place binds a new array. A view holds no array but the way to it, so
    that it sees what is written to its base, and its base what is written to it.
    """

    __slots__ = ("_at", "_base", "_changes", "_move", "_settled", "_value", "facts", "kept", "within")

    def __init__(self, value: Held, within: Range | None = None, facts: Mapping[str, Any] | None = None) -> None:
        self._value = value
        self._changes = 0
        self._settled = 0
        self._base: TensorCell | None = None
        self._move: Callable[[Held], Held] | None = None
        self._at = 0
        self.within = within
        """Bounds that the user vouches for, of this and of all that is worked out with it."""
        self.kept: Range | None = None
        """Bounds of a parameter, that a flush vouches for."""
        self.facts: Mapping[str, Any] = facts or {}
        """What rules of the table noted for the rules of derivatives."""

    def view(self, move: Callable[[Held], Held], value: Held) -> TensorCell:
        """The cell of a view whose value is `move` of this one's."""
        made = TensorCell(value, self.within)
        made._base = self._base or self
        earlier = self._move
        made._move = move if earlier is None else lambda held: move(earlier(held))
        made._at = made._base._changes
        return made

    def twin(self) -> TensorCell:
        """A cell of its own, of the same array, facts and bounds."""
        made = TensorCell(self.value, self.within, self.facts)
        made.inherit(self)
        return made

    def inherit(self, earlier: TensorCell) -> None:
        """Take over bounds that the user vouched for, where this cell has none."""
        self.within = self.within or earlier.within
        self.kept = self.kept or earlier.kept

    @property
    def whole(self) -> TensorCell:
        """The cell that holds the array: of a view its base."""
        return self._base or self

    def is_part(self) -> bool:
        """Whether this is a view that shows other elements than all of its base, each once."""
        return self._base is not None and self.value.size != self._base.value.size

    def is_settled(self) -> bool:
        """Whether nothing was written since `settle`, or ever."""
        return self._changes == self._settled

    def settle(self, value: Held) -> None:
        """Bind the same numbers, kept in a session."""
        self.write(value)
        self._settled = self._changes

    @property
    def value(self) -> Held:
        """The array as it is now."""
        if self._base is not None and self._at != self._base._changes:
            assert self._move is not None
            self._value, self._at = self._move(self._base._value), self._base._changes
        return self._value

    def write(self, value: Held, facts: Mapping[str, Any] | None = None) -> None:
        """Bind a new array. ValueError if a view shows one element of its base at several places."""
        self.facts = {}
        if self._base is None:
            self._value, self._changes, self.facts = value, self._changes + 1, facts or {}
            return
        assert self._move is not None
        base = self._base._value
        places = np.asarray(self._move(np.arange(base.size).reshape(base.shape))).reshape(-1)
        if len(np.unique(places)) < len(places):
            raise ValueError("a view that shows an element of its tensor at several places is not written to: clone it")
        self._base.write(put(base, places, value))


def put(base: Held, places: NDArray[Any], value: Held) -> Held:
    """`base` with the elements of `value` at public places of its flattened elements."""
    if len(places) == base.size and (places == np.arange(base.size)).all():
        return value.reshape(base.shape)
    order = np.arange(base.size)
    order[places] = base.size + np.arange(len(places))
    joined = xp.concat([base.reshape((base.size,)), value.reshape((len(places),))], axis=0)
    return xp.take(joined, order, axis=0).reshape(base.shape)


def held_within(value: Any, within: Range | None) -> Any:
    """A value with bounds that the user vouches for, where its own are wider."""
    if within is None or not isinstance(value, SecretArray) or value.dtype.name == "bool" or not value.size:
        return value
    low, high = value.bounds
    return assume(value, within) if low < within[0] or high > within[1] else value


@dataclass(frozen=True)
class WithFacts:
    """A rule's result with facts for the rules of derivatives."""

    value: Held
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OfCells:
    """A rule that takes cells in place of the arrays of secret tensors: it reads facts, or writes."""

    function: Callable[..., Any]
    hidden: bool = False
    """Whether it takes tensors with masked places of minus infinity."""


Rule = Callable[..., Any] | OfCells


def value_of(x: Any) -> Any:
    """The array of a cell; another value as it is."""
    return x.value if isinstance(x, TensorCell) else x


def fact_of(x: Any, name: str) -> Any:
    """A fact of a cell; None if it has none of that name."""
    return x.facts.get(name) if isinstance(x, TensorCell) else None
