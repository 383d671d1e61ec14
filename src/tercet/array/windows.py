"""What convolutions and pools share: their public arguments, and the windows of an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tercet.array import given
from tercet.array.core import SecretArray
from tercet.plan.record.windows import Border, windows
from tercet.plan.table.attributes import MAX_NUMBER
from tercet.ring import Geometry


def each_axis(value: Any, count: int, what: str, least: int) -> tuple[int, ...]:
    """One public integer of each axis, or one for all; ValueError unless they are `least` at least, and in a plan's
    limits."""
    found = given.integers(value, what)
    found = found * count if len(found) == 1 else found
    if max(found, default=0) > MAX_NUMBER:
        raise ValueError(f"{what} is 2^40 at most")
    if len(found) != count or min(found) < least:
        raise ValueError(f"{what}: {value!r}; it is one public integer, or {count}, of {least} at least")
    return found


def geometry_over(
    lengths: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    ends: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    *,
    ceil_mode: bool = False,
) -> Geometry:
    """Windows; `ends` are elements added on both sides, and with `ceil_mode` a last window may begin within the array
    and end beyond it, as torch has it."""
    after = []
    for length, size, step, (front, back), wide in zip(lengths, kernel, stride, ends, dilation, strict=True):
        room = length + front + back - wide * (size - 1) - 1
        more = ceil_mode and room % step and (room // step + 1) * step < length + front
        after.append(back + step - room % step if more else back)
    before = tuple(front for front, _ in ends)
    return Geometry(tuple(lengths), tuple(kernel), tuple(stride), before, tuple(after), tuple(dilation))


def windowed(x: Any, geometry: Geometry, *, least: bool = False) -> Any:
    """(batch, channels, windows, kernel); outside zeros, or the least that x may be."""
    if not isinstance(x, SecretArray):
        return geometry.view(geometry.pad(x, x.min() if least and x.size else 0))
    outside = (Border.LEAST if x.divisor > 0 else Border.GREATEST) if least else Border.ZERO
    # of a bool the least is not set, and what is missing is not there outside
    return x._moved(lambda node: windows(node, geometry, Border.ZERO if node.type.is_bool else outside))


def with_batch(x: Any, dimensions: int, what: str) -> tuple[Any, bool]:
    """(batch, channels, ...), and whether the batch was there."""
    array = x if isinstance(x, SecretArray) else given.array(x, "the input")
    if array.ndim not in (dimensions + 1, dimensions + 2):
        sides = ("length",) if dimensions == 1 else ("depth", "height", "width")[-dimensions:]
        axes = ", ".join(("channels", *sides))
        raise ValueError(f"{what} takes (batch, {axes}), or without a batch, not {array.ndim} dimensions")
    there = array.ndim == dimensions + 2
    return (array if there else array[None]), there
