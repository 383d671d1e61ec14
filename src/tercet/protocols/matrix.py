"""Matrix products and sums of products: cut by rows or columns of the result, each piece with another solo party."""

from __future__ import annotations

import math
from itertools import pairwise

from tercet.protocols.cost import Cost
from tercet.protocols.message import Fields
from tercet.protocols.pieces import ROTATE_FROM
from tercet.protocols.product import Bilinear, Matrix, bilinear
from tercet.protocols.scope import Body, Scope, Together
from tercet.protocols.truncate import bilinear_truncate, lift, lift_cost
from tercet.ring import RING64, RING128, Array, Ring, broadcast_shape, concatenate, contiguous, move_axis
from tercet.sharing import Share

ROTATE_FROM_LENGTH = 192
BLOCK = 1 << 15
SHORTEST_BLOCK = 1 << 10
"""Fewer rows than this are never added up apart from others."""


def cuts_of(x_shape: tuple[int, ...], y_shape: tuple[int, ...], balance: bool = True) -> tuple[int, list[slice]]:
    """The axis of the result that is cut (-2 rows, -1 columns) and where: at multiples of 8, as `pieces` at 64."""
    rows, columns = x_shape[-2], y_shape[-1]
    axis, length = (-2, rows) if rows >= columns else (-1, columns)
    if length < (ROTATE_FROM_LENGTH if balance else 2 * ROTATE_FROM_LENGTH):
        # Each piece reads all of the other factor: for a small result that costs more than the balance brings.
        return axis, [slice(0, length)]
    ends = [0, length // 3 // 8 * 8, length * 2 // 3 // 8 * 8, length]
    return axis, [slice(lo, hi) for lo, hi in pairwise(ends)]


def matrix_product(scope: Scope, x: Share, y: Share, shift: int = 0, *, nonnegative: bool = False) -> Body[Share]:
    """x @ y for x (..., m, k) and y (..., k, n), divided by 2^shift. Run by all three parties.

    One round and one ring word a party and element of the result, whatever k; with a shift two rounds and w + shift
    bits (FMT-2). Exact without a shift, else error as `truncate_split`. Semi-honest, one corruption.
    """
    axis, cuts = cuts_of(x.shape, y.shape, scope.balance)

    def piece(part: Scope, cut: slice) -> Body[Share]:
        xs = x[..., cut, :] if axis == -2 else x
        ys = y[..., cut] if axis == -1 else y
        form = Matrix(x.ring, xs.shape, ys.shape, part.threads)
        if shift:
            return (yield from bilinear_truncate(part, form, xs, ys, shift, nonnegative=nonnegative))
        return (yield from bilinear(part, form, xs, ys))

    if len(cuts) == 1:
        return (yield from piece(scope, cuts[0]))
    parts = scope.fork(len(cuts), rotate=True)
    results = yield Together(piece(part, cut) for part, cut in zip(parts, cuts, strict=True))
    scope.join(parts)
    own = concatenate([result.own for result in results], axis=axis)
    return Share(x.ring, own, concatenate([result.next for result in results], axis=axis))


def matrix_product_cost(ring: Ring, x_shape: tuple[int, ...], y_shape: tuple[int, ...], shift: int = 0) -> Cost:
    axis, cuts = cuts_of(x_shape, y_shape)
    batch = math.prod(broadcast_shape(x_shape[:-2], y_shape[:-2]))
    other = y_shape[-1] if axis == -2 else x_shape[-2]
    sizes = [batch * other * (cut.stop - cut.start) for cut in cuts]
    words = 3 * sum(sizes) * ring.word_bytes
    return Cost(2, words + 3 * sum(Fields(shift, size).nbytes for size in sizes)) if shift else Cost(1, words)


class ContractionForm(Bilinear):
    """The sum over the first axis of the elementwise product of two (k, n) arrays, in cache-sized blocks."""

    __slots__ = ("ring", "shape")

    def __init__(self, ring: Ring, columns: int) -> None:
        self.ring = ring
        self.shape = (columns,)

    def a(self, x: Share, y: Share, mask: Array) -> Array:
        return self._sum("product_a", x, y, [mask])

    def b(self, x: Share, y: Share, mask: Array) -> Array:
        return self._sum("product_b", x, y, [mask])

    def d(self, x: Share, y: Share, *masks: Array, out: Array | None = None) -> Array:
        return self._sum("product_d", x, y, list(masks))

    def _sum(self, kernel: str, x: Share, y: Share, masks: list[Array]) -> Array:
        ring, terms = self.ring, x.shape[0]
        step = max(1, BLOCK // max(1, self.shape[0]))
        none = ring.zeros((min(step, terms), *self.shape))
        total = ring.zeros(self.shape)
        for start in range(0, terms, step):
            cut = slice(start, min(start + step, terms))
            zeros = none[: cut.stop - start]
            given = [zeros] * (3 if kernel == "product_d" else 1)
            arrays = [contiguous(a[cut]) for a in (x.own, x.next, y.own, y.next)]
            products = getattr(ring, kernel)(*arrays, *given)
            total = ring.add(total, ring.sum(products, axis=(0,)))
        for mask in masks:
            total = ring.sub(total, mask) if kernel == "product_d" else ring.add(total, mask)
        return total


def contract(scope: Scope, x: Share, y: Share, shift: int = 0, *, nonnegative: bool = False) -> Body[Share]:
    """sum over axis 0 of x * y for two (k, n) sharings, divided by 2^shift; n results. Run by all three parties.

    Costs as `matrix_product` with n elements of the result. Exact without a shift. Semi-honest, one corruption.
    """
    if x.shape[1] == 1:
        result = yield from matrix_product(scope, x.reshape((1, x.shape[0])), y, shift, nonnegative=nonnegative)
        return result.reshape((1,))
    form = ContractionForm(x.ring, x.shape[1])
    if shift:
        return (yield from bilinear_truncate(scope, form, x, y, shift, nonnegative=nonnegative))
    return (yield from bilinear(scope, form, x, y))


def contract_cost(ring: Ring, columns: int, shift: int = 0) -> Cost:
    words = 3 * columns * ring.word_bytes
    return Cost(2, words + 3 * Fields(shift, columns).nbytes) if shift else Cost(1, words)


def block_length(terms: int, fit: int) -> int:
    """The length of blocks of `terms` products of which `fit` add up before they outgrow the ring; 0 if too few do.

    All of them, if they fit. Else a power of two, of at least SHORTEST_BLOCK, such that twice as many, less one, fit:
    as many may be in the last block, which takes what is left over, so that no block is ever short. Blocks of another
    sum over the same terms end at the same places, or at some of them: several sums together tell no fewer terms apart.
    """
    if terms <= fit:
        return max(1, terms)
    length = 1 << max(0, (fit + 1).bit_length() - 2)
    return length if fit and length >= SHORTEST_BLOCK else 0


def blocks(terms: int, block: int) -> int:
    """Into how many blocks of terms a sum is cut; the last one is longer by what is left over."""
    return max(1, terms // block) if terms else 0


def _runs(terms: int, block: int) -> list[tuple[slice, int]]:
    """The terms in runs of blocks of one length, each run with that length: thirds if there are enough."""
    whole = blocks(terms, block) - (terms % block > 0)
    ends = [whole * i // 3 * block for i in range(4)] if whole >= 3 else [0, whole * block]
    runs = [(slice(lo, hi), block) for lo, hi in pairwise(ends) if lo < hi]
    if whole * block < terms:
        runs.append((slice(whole * block, terms), terms - whole * block))
    return runs


def matrix_product_wide(scope: Scope, x: Share, y: Share, block: int) -> Body[Share]:
    """x @ y modulo 2^128, of factors modulo 2^64 of whose products a block adds up to less than 2^62 in magnitude.

    Run by all three parties. Each block of terms (see `block_length`) is a product modulo 2^64, lifted, and the blocks
    are added up modulo 2^128: what is sent depends on the number of blocks, not of factors. Exact. Three rounds (two if
    small); 512 bits in all for each element of the result and block.
    Semi-honest, one corruption: nothing but `bilinear` and `lift` runs.
    """
    shape, terms = Matrix(RING64, x.shape, y.shape).shape, x.shape[-1]
    if not math.prod(shape) * terms:
        return Share(RING128, RING128.zeros(shape), RING128.zeros(shape))

    def run(part: Scope, cut: slice, length: int) -> Body[Share]:
        left, right = _in_blocks(x[..., cut], y[..., cut, :], length)
        form = Matrix(RING64, left.shape, right.shape, part.threads)
        return (yield from bilinear(part, form, left, right))

    runs = _runs(terms, block)
    size = math.prod(shape) * blocks(terms, block)
    if len(runs) == 1 and (scope.balance or size < ROTATE_FROM):
        sums = [(yield from run(scope, *runs[0]))]
    else:
        # a single run has another solo party than its lift, so that rounds are alike whether the lift is cut or not
        parts = scope.fork(max(2, len(runs)), rotate=True)[-len(runs) :]
        sums = yield Together(run(part, *one) for part, one in zip(parts, runs, strict=True))
        scope.join(parts)
    own = concatenate([each.own for each in sums])
    wide = yield from lift(scope, Share(RING64, own, concatenate([each.next for each in sums])))
    return Share(RING128, RING128.sum(wide.own, axis=(0,)), RING128.sum(wide.next, axis=(0,)))


def _in_blocks(x: Share, y: Share, length: int) -> tuple[Share, Share]:
    """A stack of products, one for each block of so many terms; views."""
    axes = max(len(x.shape), len(y.shape))

    def rows(part: Array) -> Array:
        part = part[(None,) * (axes - part.ndim)]
        return move_axis(part.reshape(*part.shape[:-1], -1, length), -2, 0)

    def columns(part: Array) -> Array:
        part = part[(None,) * (axes - part.ndim)]
        return move_axis(part.reshape(*part.shape[:-2], -1, length, part.shape[-1]), -3, 0)

    return Share(x.ring, rows(x.own), rows(x.next)), Share(y.ring, columns(y.own), columns(y.next))


def matrix_product_wide_cost(x_shape: tuple[int, ...], y_shape: tuple[int, ...], block: int) -> Cost:
    """Of `matrix_product_wide`."""
    terms = x_shape[-1]
    size = math.prod(Matrix(RING64, x_shape, y_shape).shape) * blocks(terms, block)
    if not size:
        return Cost()
    # the lift's solo party has been that of the product, too, and has waited for nobody
    alone = len(_runs(terms, block)) == 1 and size < ROTATE_FROM
    return Cost(2 if alone else 3, 3 * size * RING64.word_bytes + lift_cost(size).total_bytes)


def contract_wide(scope: Scope, x: Share, y: Share, block: int) -> Body[Share]:
    """`contract` modulo 2^128 of two (k, n) sharings modulo 2^64, as `matrix_product_wide`; n results."""
    terms, columns = x.shape

    def turned(z: Share, shape: tuple[int, ...]) -> Share:
        return Share(z.ring, z.own.T.reshape(shape), z.next.T.reshape(shape))

    left, right = turned(x, (columns, 1, terms)), turned(y, (columns, terms, 1))
    return (yield from matrix_product_wide(scope, left, right, block)).reshape((columns,))
