"""Arithmetic on recorded values: scales aligned, the smallest ring chosen, rescaling as late as ranges permit.

An operand is a Recorded, or a public NumPy array (see `public.public_array`). Nothing here runs or sends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS, bounds_of, exact_frac_bits, integers, number_constant
from tercet.plan.record.scale import (
    as_recorded,
    at_scale,
    common_ring,
    fitting_ring,
    in_ring,
    least_ring,
    overflow,
    renamed,
    settle,
)
from tercet.plan.table.attributes import (
    Attributes,
    Axes,
    Axis,
    Contraction,
    MatrixProduct,
    NewShape,
    PublicMatrix,
    shift_of,
)
from tercet.plan.table.operation import Algebra, broadcast_shapes, corners
from tercet.plan.table.operations import BY_NAME
from tercet.plan.table.ops_products import pays_narrow, wide_block
from tercet.plan.types import MAX_FRAC_BITS, ValueKind, limit, magnitude, smallest_ring
from tercet.protocols.matrix import blocks

Operand: TypeAlias = "Recorded | NDArray[Any]"


def linear(name: str, a: Operand, b: Operand) -> Recorded:
    """a + b ("add") or a - b ("subtract")."""
    if not isinstance(a, Recorded):
        return _linear_public(name, b, a, public_first=True)
    if not isinstance(b, Recorded):
        return _linear_public(name, a, b, public_first=False)
    a, b = number(a), number(b)
    sign = _sign(name)
    tried: tuple[int, int] = (0, 0)
    best: tuple[int, Recorded, Recorded] | None = None
    for x, y in _unsettled_first(a, b):
        frac = max(x.type.frac_bits, y.type.frac_bits)
        (xl, xh), (yl, yh) = bounds_at(x, frac), bounds_at(y, frac)
        lo, hi = (xl + yl, xh + yh) if sign > 0 else (xl - yh, xh - yl)
        widest = max(magnitude(lo, hi), magnitude(xl, xh), magnitude(yl, yh))
        ring_bits = smallest_ring(-widest, widest)
        tried = (lo, hi)
        if ring_bits is not None and (best is None or ring_bits < best[0]):
            place = common_ring(ring_bits, x, y)
            best = (ring_bits, in_ring(at_scale(x, frac), place), in_ring(at_scale(y, frac), place))
        if best is not None and (best[0] == 64 or _are_there(best[0], x, y)):
            break  # exact, and no lift: it is rescaled when something needs that
    if best is None:
        raise overflow(*tried, "a sum" if sign > 0 else "a difference", (a, b))
    return a.graph.node(name, best[1:])


def _sign(name: str) -> int:
    """With which sign the second operand of a linear operation counts."""
    return 1 if BY_NAME[name].algebra is Algebra.ADD else -1


def _are_there(ring_bits: int, *values: Recorded) -> bool:
    """Whether all are in a ring as wide as this."""
    return all(x.type.ring >= ring_bits for x in values)


def bounds_at(x: Operand, frac: int) -> tuple[int, int]:
    """Bounds of an operand's stored integers at this scale, which is not below that of a recorded one."""
    if not isinstance(x, Recorded):
        return bounds_of(integers(x, frac))
    up = frac - x.type.frac_bits
    return x.type.lo << up, x.type.hi << up


def _unsettled_first(a: Recorded, b: Recorded) -> list[tuple[Recorded, Recorded]]:
    """The operands as they are; and at nominal scale, if that is another thing."""
    options = [(a, b)]
    if a.type.frac_bits > a.type.nominal or b.type.frac_bits > b.type.nominal:
        options.append((settle(a), settle(b)))
    return options


def _linear_public(name: str, x: Operand, k: Operand, *, public_first: bool) -> Recorded:
    assert isinstance(x, Recorded) and not isinstance(k, Recorded)
    x = number(x)
    frac, nominal = x.type.frac_bits, x.type.nominal
    if k.dtype.kind == "f" and (x.type.kind is ValueKind.INT or exact_frac_bits(k) > frac):
        frac, nominal = max(frac, DEFAULT_FRAC_BITS), max(nominal, DEFAULT_FRAC_BITS)
    values = integers(k, frac)
    (xl, xh), (kl, kh) = bounds_at(x, frac), bounds_of(values)
    if _sign(name) > 0:
        lo, hi = xl + kl, xh + kh
    else:
        lo, hi = (kl - xh, kh - xl) if public_first else (xl - kh, xh - kl)
    widest = max(magnitude(lo, hi), magnitude(xl, xh), magnitude(kl, kh))
    ring_bits = fitting_ring(-widest, widest, "a sum" if _sign(name) > 0 else "a difference", (x,))
    ring_bits = common_ring(ring_bits, x)
    x = in_ring(at_scale(x, frac), ring_bits)
    constant = number_constant(x.graph, values, frac, min(nominal, frac), ring_bits)
    return x.graph.node(name, (constant, x) if public_first else (x, constant))


def negate(x: Recorded) -> Recorded:
    """-x."""
    x = number(x)
    return x.graph.node("negate", (x,))


def multiply(a: Operand, b: Operand) -> Recorded:
    """a * b; the product carries both scales until something needs it rescaled."""
    if not isinstance(a, Recorded):
        a, b = b, a
    assert isinstance(a, Recorded)
    if not isinstance(b, Recorded):
        return _multiply_public(a, b)
    a, b = number(a), number(b)
    ring_bits, a, b = product_operands(a, b, 1, "a product")
    return a.graph.node("multiply", (in_ring(a, ring_bits), in_ring(b, ring_bits)))


def product_operands(a: Recorded, b: Recorded, terms: int, what: str) -> tuple[int, Recorded, Recorded]:
    """Ring and operands of a sum of `terms` products: unsettled operands if that does not cost a wider ring."""
    best: tuple[int, Recorded, Recorded] | None = None
    for x, y in _unsettled_first(a, b):
        lo, hi = corners(x.type, y.type)
        widest = max(terms * magnitude(lo, hi), x.type.magnitude, y.type.magnitude)
        ring_bits = smallest_ring(-widest, widest)
        if ring_bits is not None and (best is None or ring_bits < best[0]):
            best = (ring_bits, x, y)
    if best is None:
        lo, hi = corners(settle(a).type, settle(b).type)
        raise overflow(terms * lo, terms * hi, what, (a, b))
    return best


FEWEST_FACTOR_BITS = 33


@dataclass(frozen=True, slots=True)
class ScaledFactor:
    """A recorded value and a public factor, as integers that are multiplied."""

    x: Recorded
    values: NDArray[Any] = field(repr=False)
    frac: int
    nominal: int
    """Fractional bits that the product is meant to have."""
    ring_bits: int
    beyond: int
    """Bits by which x is read at a coarser scale, as the product's would be more than a type can carry."""
    wanted: int = 0
    """Fractional bits of the factor that cost at most a quarter of the result's last bit."""

    def times(self, operation: str, attrs: Attributes | None = None) -> Recorded:
        constant = number_constant(
            self.x.graph, self.values, self.frac, min(self.frac, self.nominal), common_ring(self.ring_bits, self.x)
        )
        product = self.x.graph.node(operation, (in_ring(self.x, constant.type.ring), constant), attrs)
        if self.beyond:
            product = at_scale(renamed(product, product.type.frac_bits, 0), product.type.frac_bits - self.beyond)
            return renamed(product, product.type.frac_bits + self.beyond, self.nominal)
        stored = product.type.frac_bits
        return product if product.type.nominal == self.nominal else renamed(product, stored, self.nominal)


def public_factor(x: Recorded, k: NDArray[Any], terms: int, what: str) -> ScaledFactor:
    """How x and a public factor are scaled.

    The factor gets as many bits as make its rounding cost at most a quarter of the result's last bit, or all that it
    has; x is rescaled first where that saves a wide ring, or where a type could not carry both. Where 128 bits do not
    take the product the factor has fewer bits, but 33 of the largest at least: a relative 2^-32.
    """
    real = k.dtype.kind == "f"
    nominal = max(x.type.nominal, DEFAULT_FRAC_BITS) if real else x.type.nominal
    value_bits = max(0, x.type.magnitude.bit_length() - x.type.frac_bits)
    wanted = min(exact_frac_bits(k), max(nominal, DEFAULT_FRAC_BITS) + value_bits + 2)
    best: ScaledFactor | None = None
    for one in (x, settle(x)) if x.type.frac_bits > x.type.nominal else (x,):
        # at least as many bits as the result is said to have
        found = _at_factor(one, k, max(wanted, nominal - one.type.frac_bits), nominal, terms)
        if found is not None and (best is None or found.ring_bits < best.ring_bits):
            best = found
        if best is not None and _are_there(best.ring_bits, one):
            break
    if best is not None:
        return best
    x = settle(x)
    # a type carries MAX_FRAC_BITS: x is then read as a larger number
    beyond = max(0, x.type.frac_bits + wanted - MAX_FRAC_BITS)
    if beyond:
        coarse = renamed(x, x.type.frac_bits - beyond, 0)
        found = _at_factor(coarse, k, wanted, nominal, terms)
        if found is not None:
            return replace(found, beyond=beyond)
    largest = magnitude(*bounds_of(integers(k, wanted)))
    room = limit(128).bit_length() - 2 - (terms * x.type.magnitude).bit_length()
    fewer = wanted - max(0, largest.bit_length() - room)
    if real and room >= FEWEST_FACTOR_BITS and fewer >= max(0, nominal - x.type.frac_bits):
        found = _at_factor(x, k, min(fewer, MAX_FRAC_BITS - x.type.frac_bits), nominal, terms)
        if found is not None:
            return replace(found, wanted=wanted)
    widest = terms * x.type.magnitude * largest
    raise overflow(-widest, widest, what, (x,))


def _at_factor(x: Recorded, k: NDArray[Any], frac: int, nominal: int, terms: int) -> ScaledFactor | None:
    if x.type.frac_bits + frac > MAX_FRAC_BITS:
        return None
    values = integers(k, frac)
    largest = magnitude(*bounds_of(values))
    widest = max(terms * x.type.magnitude * largest, x.type.magnitude, largest)
    ring_bits = smallest_ring(-widest, widest)
    return None if ring_bits is None else ScaledFactor(x, values, frac, nominal, ring_bits, 0)


def _multiply_public(x: Recorded, k: NDArray[Any]) -> Recorded:
    """x * k. Where one scale for all leaves small numbers less than 2^-32 of themselves, those have their own."""
    x = number(x)
    scaled = public_factor(x, k, 1, "a product with public numbers")
    small = _starved(scaled, k)
    if small is None:
        return scaled.times("scale")
    large = settle(public_factor(x, np.where(small, 0.0, k), 1, "a product with public numbers").times("scale"))
    return linear("add", large, settle(_multiply_public(x, np.where(small, k, 0.0))))


def _starved(scaled: ScaledFactor, k: NDArray[Any]) -> NDArray[Any] | None:
    """Which of several public numbers have lost bits that count: neither all, nor 2^-32 of them, nor a quarter of the
    result's last bit. None if there are none."""
    if k.dtype.kind != "f" or k.size < 2 or scaled.frac >= scaled.wanted:
        return None
    with np.errstate(over="ignore"):
        shown = np.ldexp(k, scaled.frac)
    small = np.asarray((np.abs(shown) < 2.0 ** (FEWEST_FACTOR_BITS - 1)) & (shown != np.rint(shown)))
    return small if small.any() and not small.all() else None


def total(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    """The sum over axes; of a fresh product, one contraction instead."""
    x = number(x)
    terms = math.prod(x.type.shape[axis] for axis in axes)
    source = as_recorded(x)
    source = as_recorded(source.inputs[0]) if source.operation.algebra is Algebra.RING else source
    if source.operation.algebra is Algebra.MULTIPLY and axes and not shift_of(source.attrs) and terms:
        return contract(source.inputs[0], source.inputs[1], axes)
    ring_bits = smallest_ring(terms * x.type.lo, terms * x.type.hi)
    if ring_bits is None:
        x = settle(x)
        ring_bits = fitting_ring(terms * x.type.lo, terms * x.type.hi, f"a sum of {terms} terms", (x,))
    return x.graph.node("sum", (in_ring(x, max(ring_bits, x.type.ring)),), Axes(axes))


def running_total(x: Recorded, axis: int) -> Recorded:
    """Prefix sums along an axis."""
    x = number(x)
    terms = x.type.shape[axis]
    if smallest_ring(terms * x.type.lo, terms * x.type.hi) is None:
        x = settle(x)
    ring_bits = fitting_ring(terms * x.type.lo, terms * x.type.hi, f"a running sum of {terms} terms", (x,))
    return x.graph.node("cumulative_sum", (in_ring(x, max(ring_bits, x.type.ring)),), Axis(axis))


def contract(a: Recorded, b: Recorded, axes: tuple[int, ...]) -> Recorded:
    """The sum over axes of a * b, broadcast; one ring word is sent for each result."""
    shape = broadcast_shapes(a.type.shape, b.type.shape)
    terms = math.prod(shape[axis] for axis in axes)
    ring_bits, a, b = product_operands(a, b, terms, f"a sum of {terms} products")
    results = math.prod(length for axis, length in enumerate(shape) if axis not in axes)
    a, b, wide = _factors(ring_bits, a, b, terms, results)
    attrs = Contraction(axes, wide=wide)
    return a.graph.node("contract", (broadcast_to(a, shape), broadcast_to(b, shape)), attrs)


def _factors(ring_bits: int, a: Recorded, b: Recorded, terms: int, results: int) -> tuple[Recorded, Recorded, bool]:
    """Factors of sums of products, in the ring of the sums; or modulo 2^64 for a wide sum, if fewer sums of blocks have
    to be lifted then than factors otherwise."""
    lifted = {x.serial: x.type.size for x in (a, b) if x.type.ring == 64 and x.operation.algebra is not Algebra.RING}
    narrow = least_ring(a), least_ring(b)
    if ring_bits == 128 and lifted and all(x.type.ring == 64 for x in narrow):
        types = [x.type for x in narrow]
        # how rows are grouped must not follow from a claim: its factors are lifted one by one
        block = 0 if any(t.claimed for t in types) else wide_block(types, terms)
        if block and 2 * blocks(terms, block) * results <= sum(lifted.values()):
            return *narrow, True
    return in_ring(a, ring_bits), in_ring(b, ring_bits), False


def matmul(a: Operand, b: Operand) -> Recorded:
    """a @ b of matrices (at least two dimensions, batches broadcast)."""
    if not isinstance(a, Recorded) or not isinstance(b, Recorded):
        x, k = (a, b) if isinstance(a, Recorded) else (b, a)
        assert isinstance(x, Recorded) and not isinstance(k, Recorded)
        return _matmul_public(number(x), k, public_first=not isinstance(a, Recorded))
    a, b = number(a), number(b)
    terms = a.type.shape[-1]
    ring_bits, a, b = product_operands(a, b, terms, f"a matrix product of {terms} terms")
    batch = broadcast_shapes(a.type.shape[:-2], b.type.shape[:-2])
    results = math.prod(batch) * a.type.shape[-2] * b.type.shape[-1]
    a, b, wide = _factors(ring_bits, a, b, terms, results)
    if pays_narrow(a.type, b.type):
        return a.graph.node("matmul_narrow", (a, b))
    return a.graph.node("matmul", (a, b), MatrixProduct(wide=wide))


def _matmul_public(x: Recorded, k: NDArray[Any], *, public_first: bool) -> Recorded:
    terms = k.shape[-1] if public_first else k.shape[-2]
    scaled = public_factor(x, k, max(1, terms), f"a matrix product of {terms} terms")
    return scaled.times("matmul_public", PublicMatrix(public_first))


def number(x: Recorded) -> Recorded:
    """A bool as the integer 0 or 1; numbers as they are."""
    return x.graph.node("number", (x,)) if x.type.is_bool else x


def broadcast_to(x: Recorded, shape: tuple[int, ...]) -> Recorded:
    """The array repeated to a shape."""
    return x if x.type.shape == shape else x.graph.node("broadcast", (x,), NewShape(shape))


def same_place(nodes: Sequence[Recorded]) -> list[Recorded]:
    """Numbers in one ring and at one scale, for concatenation; rescaled only where 128 bits do not take the finest."""
    frac = max(x.type.frac_bits for x in nodes)
    if any(smallest_ring(*bounds_at(x, frac)) is None for x in nodes):
        nodes = [settle(x) for x in nodes]
        frac = max(x.type.frac_bits for x in nodes)
    scaled = [at_scale(x, frac) for x in nodes]
    ring_bits = max(x.type.ring for x in scaled)
    return [in_ring(x, ring_bits) for x in scaled]


def as_node(graph: Graph, values: NDArray[Any], frac_bits: int) -> Recorded:
    """A public array as a constant of the plan, where an operation needs one as a value: to `frac_bits`."""
    frac = min(frac_bits, exact_frac_bits(values)) if values.dtype.kind == "f" else 0
    scaled = integers(values, frac)
    ring_bits = smallest_ring(*bounds_of(scaled))
    if ring_bits is None:
        raise PlanError("a public array does not fit the largest ring")
    return number_constant(graph, scaled, frac, min(frac, DEFAULT_FRAC_BITS), ring_bits)


def shared_integers(x: Recorded, value: NDArray[Any] | int, frac_bits: int = 0) -> Recorded:
    """Public integers (read at frac_bits) as a sharing of x's shape: x times zero, plus the number."""
    x = number(x)
    zero = number_constant(x.graph, np.asarray(0), 0, 0, x.type.ring)
    empty = renamed(least_ring(x.graph.node("scale", (x, zero))), frac_bits, frac_bits)
    stored = np.asarray(value)
    if stored.dtype.kind not in "biu":
        stored = np.asarray(value, dtype=object)
    lo, hi = bounds_of(stored)
    ring_bits = fitting_ring(lo, hi, "a public number", ())
    return x.graph.node(
        "add", (in_ring(empty, ring_bits), number_constant(x.graph, stored, frac_bits, frac_bits, ring_bits))
    )
