"""Windows of recorded values, and convolutions of them with secret or public arrays. Nothing here runs or sends."""

from __future__ import annotations

import math
from enum import Enum, auto

from tercet.plan.record.build import Operand, number, product_operands, public_factor
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import in_ring, settle
from tercet.plan.table.attributes import Convolution, Convolving, PublicConvolution, Windows
from tercet.plan.table.ops_windows import arrays_of
from tercet.ring import ConvolutionArray, Geometry


class Border(Enum):
    """What stands outside of an array."""

    ZERO = auto()
    LEAST = auto()
    """The least that its elements may be."""
    GREATEST = auto()


def windows(x: Recorded, geometry: Geometry, outside: Border = Border.ZERO) -> Recorded:
    """(..., windows, kernel) of the last axes of numbers or bools.

    What is repeated is rescaled before, as that costs by the element.
    """
    if math.prod(geometry.counts) * math.prod(geometry.kernel) > math.prod(geometry.lengths):
        x = settle(x)
    here = geometry
    fill = {Border.ZERO: 0, Border.LEAST: x.type.lo, Border.GREATEST: x.type.hi}[outside]
    attrs = Windows(here.kernel, here.stride, here.before, here.after, here.dilation, fill if geometry.is_padded else 0)
    return x.graph.node("windows", (x,), attrs)


def convolve(
    first: Operand,
    second: Operand,
    result: ConvolutionArray,
    geometry: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    groups: int = 1,
    sides: tuple[int, ...] = (),
) -> Recorded:
    """One array of a convolution from the two others, in the order input, kernel, output, one of which may be public.

    `geometry` is stride, elements added before and after, and dilation; `sides` the lengths of the result, where it is
    not the output. PlanError where shapes do not go together, and where the sums outgrow 128 bits.
    """
    fields = (int(result), *geometry, groups, sides)
    attrs = Convolving(*fields)
    given = tuple(one.type.shape if isinstance(one, Recorded) else one.shape for one in (first, second))
    terms = max(1, arrays_of(attrs, *given).terms(result))
    what = f"a convolution of {terms} terms"
    if isinstance(first, Recorded) and isinstance(second, Recorded):
        ring_bits, a, b = product_operands(number(first), number(second), terms, what)
        return a.graph.node("convolve", (in_ring(a, ring_bits), in_ring(b, ring_bits)), Convolution(*fields))
    x, k = (first, second) if isinstance(first, Recorded) else (second, first)
    assert isinstance(x, Recorded) and not isinstance(k, Recorded)
    scaled = public_factor(number(x), k, terms, what)
    return scaled.times("convolve_public", PublicConvolution(*fields, in_front=not isinstance(first, Recorded)))
