"""Arithmetic on recorded values: scales aligned, the smallest ring chosen, rescaling as late as ranges permit.

An operand is a Node, or a public NumPy array (see `public.public_array`). Nothing here runs or sends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.graph import Graph, Node
from tercet.plan.operation import WIDE, corners
from tercet.plan.ops_products import wide_block
from tercet.plan.public import (
    DEFAULT_FRAC_BITS,
    bounds_of,
    exact_frac_bits,
    integers,
    number_constant,
)
from tercet.plan.scale import at_scale, common_ring, fitting_ring, in_ring, least_ring, overflow, renamed, settle
from tercet.plan.types import MAX_FRAC_BITS, Kind, limit, magnitude, smallest_ring
from tercet.protocols.matrix import blocks

Operand: TypeAlias = "Node | NDArray[Any]"


def linear(name: str, a: Operand, b: Operand) -> Node:
    """a + b ("add") or a - b ("subtract")."""
    if not isinstance(a, Node):
        return _linear_public(name, b, a, public_first=True)
    if not isinstance(b, Node):
        return _linear_public(name, a, b, public_first=False)
    a, b = number(a), number(b)
    sign = 1 if name == "add" else -1
    tried: tuple[int, int] = (0, 0)
    best: tuple[int, Node, Node] | None = None
    for x, y in _unsettled_first(a, b):
        frac = max(x.type.frac_bits, y.type.frac_bits)
        (xl, xh), (yl, yh) = _bounds_at(x, frac), _bounds_at(y, frac)
        lo, hi = (xl + yl, xh + yh) if sign > 0 else (xl - yh, xh - yl)
        widest = max(magnitude(lo, hi), magnitude(xl, xh), magnitude(yl, yh))
        ring_bits = smallest_ring(-widest, widest)
        tried = (lo, hi)
        if ring_bits is not None and (best is None or ring_bits < best[0]):
            place = common_ring(ring_bits, x, y)
            best = (ring_bits, in_ring(at_scale(x, frac), place), in_ring(at_scale(y, frac), place))
        if best is not None and best[0] == 64:
            break
    if best is None:
        raise overflow(*tried, "a sum" if sign > 0 else "a difference", (a, b))
    return a.graph.node(name, best[1:])


def _bounds_at(x: Node, frac: int) -> tuple[int, int]:
    up = frac - x.type.frac_bits
    return x.type.lo << up, x.type.hi << up


def _unsettled_first(a: Node, b: Node) -> list[tuple[Node, Node]]:
    """The operands as they are; and at nominal scale, if that is another thing."""
    options = [(a, b)]
    if a.type.frac_bits > a.type.nominal or b.type.frac_bits > b.type.nominal:
        options.append((settle(a), settle(b)))
    return options


def _linear_public(name: str, x: Operand, k: Operand, *, public_first: bool) -> Node:
    assert isinstance(x, Node) and not isinstance(k, Node)
    x = number(x)
    frac, nominal = x.type.frac_bits, x.type.nominal
    if k.dtype.kind == "f" and (x.type.kind is Kind.INT or exact_frac_bits(k) > frac):
        frac, nominal = max(frac, DEFAULT_FRAC_BITS), max(nominal, DEFAULT_FRAC_BITS)
    values = integers(k, frac)
    (xl, xh), (kl, kh) = _bounds_at(x, frac), bounds_of(values)
    if name == "add":
        lo, hi = xl + kl, xh + kh
    else:
        lo, hi = (kl - xh, kh - xl) if public_first else (xl - kh, xh - kl)
    widest = max(magnitude(lo, hi), magnitude(xl, xh), magnitude(kl, kh))
    ring_bits = fitting_ring(-widest, widest, "a sum" if name == "add" else "a difference", (x,))
    ring_bits = common_ring(ring_bits, x)
    x = in_ring(at_scale(x, frac), ring_bits)
    constant = number_constant(x.graph, values, frac, min(nominal, frac), ring_bits)
    return x.graph.node(name, (constant, x) if public_first else (x, constant))


def negate(x: Node) -> Node:
    """-x."""
    x = number(x)
    return x.graph.node("negate", (x,))


def multiply(a: Operand, b: Operand) -> Node:
    """a * b; the product carries both scales until something needs it rescaled."""
    if not isinstance(a, Node):
        a, b = b, a
    assert isinstance(a, Node)
    if not isinstance(b, Node):
        return _multiply_public(a, b)
    a, b = number(a), number(b)
    ring_bits, a, b = _product_operands(a, b, 1, "a product")
    return a.graph.node("multiply", (in_ring(a, ring_bits), in_ring(b, ring_bits)), (0,))


def _product_operands(a: Node, b: Node, terms: int, what: str) -> tuple[int, Node, Node]:
    """Ring and operands of a sum of `terms` products: unsettled operands if that does not cost a wider ring."""
    best: tuple[int, Node, Node] | None = None
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


def public_factor(x: Node, k: NDArray[Any]) -> tuple[Node, NDArray[Any], int]:
    """How a public factor is scaled: the operand, the factor's integers and its fractional bits.

    As many bits as make the factor's rounding cost at most a quarter of the result's last bit (or all that it has):
    in the ring 2^64 if that fits there, with x rescaled if need be, else in the ring 2^128.
    """
    nominal = max(x.type.nominal, DEFAULT_FRAC_BITS)
    exact = exact_frac_bits(k)
    if k.dtype.kind == "f" and x.type.kind is Kind.INT:
        exact = max(exact, DEFAULT_FRAC_BITS)
    value_bits = max(0, x.type.magnitude.bit_length() - x.type.frac_bits)
    frac = min(exact, nominal + value_bits + 2, MAX_FRAC_BITS - x.type.frac_bits)
    values = integers(k, frac)
    largest = max(abs(bound) for bound in bounds_of(values))
    settled = settle(x)
    fits = x.type.magnitude * largest < limit(64) or settled.type.magnitude * largest >= limit(64)
    return (x if fits and x.type.magnitude * largest < limit(128) else settled), values, frac


def _multiply_public(x: Node, k: NDArray[Any]) -> Node:
    x = number(x)
    x, values, frac = public_factor(x, k)
    kl, kh = bounds_of(values)
    products = (x.type.lo * kl, x.type.lo * kh, x.type.hi * kl, x.type.hi * kh)
    widest = max(magnitude(min(products), max(products)), x.type.magnitude, magnitude(kl, kh))
    ring_bits = common_ring(fitting_ring(-widest, widest, "a product with public numbers", (x,)), x)
    nominal = min(frac, max(x.type.nominal, DEFAULT_FRAC_BITS)) if frac else 0
    constant = number_constant(x.graph, values, frac, nominal, ring_bits)
    return x.graph.node("scale", (in_ring(x, ring_bits), constant))


def total(x: Node, axes: tuple[int, ...]) -> Node:
    """The sum over axes; of a fresh product, one contraction instead."""
    x = number(x)
    terms = math.prod(x.type.shape[axis] for axis in axes)
    source = x.inputs[0] if x.operation.name in ("lift", "reduce_ring") else x
    if source.operation.name == "multiply" and axes and source.attrs == (0,) and terms:
        return contract(source.inputs[0], source.inputs[1], axes)
    ring_bits = smallest_ring(terms * x.type.lo, terms * x.type.hi)
    if ring_bits is None:
        x = settle(x)
        ring_bits = fitting_ring(terms * x.type.lo, terms * x.type.hi, f"a sum of {terms} terms", (x,))
    return x.graph.node("sum", (in_ring(x, max(ring_bits, x.type.ring)),), axes)


def running_total(x: Node, axis: int) -> Node:
    """Prefix sums along an axis."""
    x = number(x)
    terms = x.type.shape[axis]
    if smallest_ring(terms * x.type.lo, terms * x.type.hi) is None:
        x = settle(x)
    ring_bits = fitting_ring(terms * x.type.lo, terms * x.type.hi, f"a running sum of {terms} terms", (x,))
    return x.graph.node("cumulative_sum", (in_ring(x, max(ring_bits, x.type.ring)),), (axis,))


def contract(a: Node, b: Node, axes: tuple[int, ...]) -> Node:
    """The sum over axes of a * b, broadcast; one ring word is sent for each result."""
    shape = tuple(int(n) for n in np.broadcast_shapes(a.type.shape, b.type.shape))
    terms = math.prod(shape[axis] for axis in axes)
    ring_bits, a, b = _product_operands(a, b, terms, f"a sum of {terms} products")
    results = math.prod(length for axis, length in enumerate(shape) if axis not in axes)
    a, b, shift = _factors(ring_bits, a, b, terms, results)
    return a.graph.node("contract", (broadcast_to(a, shape), broadcast_to(b, shape)), (shift, *axes))


def _factors(ring_bits: int, a: Node, b: Node, terms: int, results: int) -> tuple[Node, Node, int]:
    """Factors of sums of products, in the ring of the sums; or modulo 2^64, and WIDE, if fewer sums of blocks have to
    be lifted then than factors otherwise."""
    lifted = {x.serial: x.type.size for x in (a, b) if x.type.ring == 64 and x.operation.name != "reduce_ring"}
    narrow = least_ring(a), least_ring(b)
    if ring_bits == 128 and lifted and all(x.type.ring == 64 for x in narrow):
        block = wide_block(*(x.type for x in narrow))
        if block and 2 * blocks(terms, block) * results <= sum(lifted.values()):
            return *narrow, WIDE
    return in_ring(a, ring_bits), in_ring(b, ring_bits), 0


def matmul(a: Operand, b: Operand) -> Node:
    """a @ b of matrices (at least two dimensions, batches broadcast)."""
    if not isinstance(a, Node) or not isinstance(b, Node):
        x, k = (a, b) if isinstance(a, Node) else (b, a)
        assert isinstance(x, Node) and not isinstance(k, Node)
        return _matmul_public(number(x), k, public_first=not isinstance(a, Node))
    a, b = number(a), number(b)
    terms = a.type.shape[-1]
    ring_bits, a, b = _product_operands(a, b, terms, f"a matrix product of {terms} terms")
    batch = np.broadcast_shapes(a.type.shape[:-2], b.type.shape[:-2])
    results = math.prod(batch) * a.type.shape[-2] * b.type.shape[-1]
    a, b, shift = _factors(ring_bits, a, b, terms, results)
    return a.graph.node("matmul", (a, b), (shift,))


def _matmul_public(x: Node, k: NDArray[Any], *, public_first: bool) -> Node:
    x, values, frac = public_factor(x, k)
    terms = k.shape[-1] if public_first else k.shape[-2]
    widest = terms * x.type.magnitude * magnitude(*bounds_of(values))
    widest = max(widest, x.type.magnitude, magnitude(*bounds_of(values)))
    ring_bits = common_ring(fitting_ring(-widest, widest, f"a matrix product of {terms} terms", (x,)), x)
    nominal = min(frac, max(x.type.nominal, DEFAULT_FRAC_BITS)) if frac else 0
    constant = number_constant(x.graph, values, frac, nominal, ring_bits)
    return x.graph.node("matmul_public", (in_ring(x, ring_bits), constant), (int(public_first),))


def number(x: Node) -> Node:
    """A bool as the integer 0 or 1; numbers as they are."""
    return x.graph.node("number", (x,), (64, 0)) if x.type.is_bool else x


def broadcast_to(x: Node, shape: tuple[int, ...]) -> Node:
    """The array repeated to a shape."""
    return x if x.type.shape == shape else x.graph.node("broadcast", (x,), shape)


def same_place(nodes: Sequence[Node]) -> list[Node]:
    """Numbers in one ring and at one scale, for concatenation."""
    frac = max(x.type.frac_bits for x in nodes)
    wide = any(smallest_ring(*_bounds_at(x, frac)) != 64 for x in nodes)
    if wide:
        nodes = [settle(x) for x in nodes]
        frac = max(x.type.frac_bits for x in nodes)
    scaled = [at_scale(x, frac) for x in nodes]
    ring_bits = max(x.type.ring for x in scaled)
    return [in_ring(x, ring_bits) for x in scaled]


def as_node(graph: Graph, values: NDArray[Any], frac_bits: int = DEFAULT_FRAC_BITS) -> Node:
    """A public array as a constant of the plan, where an operation needs one as a value."""
    frac = min(frac_bits, exact_frac_bits(values)) if values.dtype.kind == "f" else 0
    scaled = integers(values, frac)
    ring_bits = smallest_ring(*bounds_of(scaled))
    if ring_bits is None:
        raise PlanError("a public array does not fit the largest ring")
    return number_constant(graph, scaled, frac, frac, ring_bits)


def shared_integers(x: Node, value: NDArray[Any] | int, frac_bits: int = 0) -> Node:
    """Public integers (read at frac_bits) as a sharing of x's shape: x times zero, plus the number."""
    x = number(x)
    zero = number_constant(x.graph, np.asarray(0), 0, 0, x.type.ring)
    empty = renamed(least_ring(x.graph.node("scale", (x, zero))), frac_bits, frac_bits)
    stored = np.asarray(value, dtype=object)
    lo, hi = (int(stored.min()), int(stored.max())) if stored.size else (0, 0)
    ring_bits = fitting_ring(lo, hi, "a public number", ())
    return x.graph.node(
        "add", (in_ring(empty, ring_bits), number_constant(x.graph, stored, frac_bits, frac_bits, ring_bits))
    )
