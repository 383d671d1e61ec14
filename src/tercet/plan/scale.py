"""Placing values: ring, scale and bounds. Everything here records nodes; nothing runs."""

from __future__ import annotations

from collections.abc import Sequence

from tercet.errors import PlanError
from tercet.plan.graph import Node
from tercet.plan.ops_local import ASSUMED, REASONS
from tercet.plan.types import limit, smallest_ring

CHAIN_LENGTH = 8


def in_ring(x: Node, ring_bits: int) -> Node:
    """The same integers in this ring: lifted with the other parties' help, reduced alone."""
    if x.type.ring == ring_bits:
        return x
    if ring_bits == 128:
        return x.inputs[0] if x.operation.name == "reduce_ring" else x.graph.node("lift", (x,), (0,))
    return x.inputs[0] if x.operation.name == "lift" else x.graph.node("reduce_ring", (x,))


def least_ring(x: Node) -> Node:
    """The value in the smallest ring that holds it: for what is kept or sent, as the reduction is local."""
    ring_bits = smallest_ring(x.type.lo, x.type.hi)
    return in_ring(x, ring_bits) if ring_bits is not None and ring_bits < x.type.ring else x


def common_ring(needed: int, *operands: Node) -> int:
    """The ring of a local operation: as wide as the result needs, and no narrower than every operand is.

    Reducing is free but lifting is not, so a value stays wide as long as nothing narrow meets it.
    """
    return max(needed, min(x.type.ring for x in operands))


def settle(x: Node) -> Node:
    """The value at its nominal scale: rescaled if it carries more fractional bits."""
    excess = x.type.frac_bits - x.type.nominal
    return rescaled(x, excess) if excess > 0 else x


def rescaled(x: Node, excess: int) -> Node:
    """The value with `excess` fractional bits less.

    A truncation drops at most ring - 3 bits. Several in turn keep its contract: what the first rounds to lies between
    the same two neighbours of the last, and only a multiple of the last one's step can come out as itself.
    """
    longest = x.type.ring - 3
    while excess > longest:
        step = min(excess - longest, longest)
        x = x.graph.node("rescale", (x,), (step, 0))
        excess -= step
    return x.graph.node("rescale", (x,), (excess, 0))


def at_scale(x: Node, frac_bits: int) -> Node:
    """The value with `frac_bits` fractional bits: shifted up alone, or rescaled (never below nominal)."""
    change = frac_bits - x.type.frac_bits
    if change > 0:
        ring_bits = fitting_ring(x.type.lo << change, x.type.hi << change, "a change of scale", (x,))
        return x.graph.node("shift_left", (in_ring(x, max(ring_bits, x.type.ring)),), (change,))
    return rescaled(x, -change) if change else x


def renamed(x: Node, frac_bits: int, nominal: int) -> Node:
    """The same integers read at another scale: the value times a power of two."""
    return x.graph.node("rename", (x,), (frac_bits, nominal))


def bounded(x: Node, lo: int, hi: int, reason: str) -> Node:
    """The value with narrower bounds on its stored integer, for a reason of the table."""
    lo, hi = max(lo, x.type.lo), min(hi, x.type.hi)
    if (lo, hi) == (x.type.lo, x.type.hi):
        return x
    if lo > hi:
        raise PlanError(f"bounds [{lo}, {hi}] exclude every value that {x.type} can take")
    return x.graph.node("bound", (x,), (lo, hi, REASONS.index(reason)))


def product_within(a: Node, b: Node, lo: int, hi: int, reason: str) -> Node:
    """a * b as integers, when a reason of the table bounds the product more tightly than the factors' bounds do."""
    ring_bits = fitting_ring(lo, hi, "a product", (a, b))
    ring_bits = max(ring_bits, *(fitting_ring(x.type.lo, x.type.hi, "a factor", (x,)) for x in (a, b)))
    return a.graph.node(
        "multiply_within", (in_ring(a, ring_bits), in_ring(b, ring_bits)), (lo, hi, REASONS.index(reason))
    )


def assumed(x: Node, lo: int, hi: int) -> Node:
    """The value with bounds that the analyst vouches for."""
    return bounded(x, lo, hi, REASONS[ASSUMED])


def fitting_ring(lo: int, hi: int, what: str, operands: Sequence[Node]) -> int:
    """The smallest ring for these bounds; PlanError with the chain of operations that overflows if there is none."""
    ring_bits = smallest_ring(lo, hi)
    if ring_bits is None:
        raise overflow(lo, hi, what, operands)
    return ring_bits


def overflow(lo: int, hi: int, what: str, operands: Sequence[Node]) -> PlanError:
    """The refusal of a plan that would overflow: how large, and through which operations."""
    reached = max(-lo, hi).bit_length()
    chain: list[str] = []
    node: Node | None = max(operands, key=lambda n: n.type.magnitude, default=None)
    while node is not None and len(chain) < CHAIN_LENGTH:
        if not chain or node.operation.name not in ("lift", "reduce_ring", "reshape", "broadcast"):
            chain.append(f"{node.operation.name}: {node.type}")
        node = max(node.inputs, key=lambda n: n.type.magnitude, default=None)
    return PlanError(
        f"{what} would overflow: its stored integer may need {reached} bits and the largest ring takes "
        f"{limit(128).bit_length() - 1}; it comes from {' <- '.join(chain)}",
        hint="declare narrower bounds or fewer frac_bits for the inputs, or narrow a result with tc.assume",
    )
