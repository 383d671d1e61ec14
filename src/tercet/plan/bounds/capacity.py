"""Capacity of outputs: how many bits are opened, which follows from the bounds of the output's type alone."""

from __future__ import annotations

from tercet.plan.types import Type
from tercet.protocols.reveal import Window
from tercet.ring import ring


def element_bits(t: Type) -> int:
    """The bits that are opened of one element: enough for every integer in [lo, hi], and none more; 1 of a bool."""
    return 1 if t.is_bool else (t.hi - t.lo).bit_length()


def capacity_bits(t: Type) -> int:
    """The bits that are opened of all elements of an output of this type, whatever is true of its bounds.

    Policies charge budgets with it. It is exact: `protocols.reveal` opens x - lo modulo 2^bits. If claimed bounds are
    too narrow, the answer is wrong, but it has no more bits than are charged.
    """
    return t.size * element_bits(t)


def window(t: Type) -> Window | None:
    """What is opened of every word of an output of this type; None for bools, of which all bits are."""
    return None if t.is_bool else Window(ring(t.ring), t.lo, element_bits(t))
