"""Products in exchange form: elementwise, and any other bilinear map that sums before it sends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from tercet.protocols.cost import Cost
from tercet.protocols.message import Words
from tercet.protocols.pieces import cut_from, in_pieces
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import Array, Ring, broadcast_shape
from tercet.sharing import Party, Purpose, Share

PIECE = 1 << 17


class Bilinear(Protocol):
    """Local halves of a bilinear map of two shared arrays; each adds the masks given (§3.1: z0, z1 and r').

    `a` and `b` may put their result into `mask`.
    """

    ring: Ring
    shape: tuple[int, ...]

    def a(self, x: Share, y: Share, mask: Array) -> Array: ...

    def b(self, x: Share, y: Share, mask: Array) -> Array: ...

    def d(self, x: Share, y: Share, *masks: Array, out: Array | None = None) -> Array:
        """`out` may be filled, to save a copy."""
        ...


class Elementwise:
    """The product of two arrays of the same shape."""

    __slots__ = ("ring", "shape")

    def __init__(self, ring: Ring, shape: tuple[int, ...]) -> None:
        self.ring = ring
        self.shape = shape

    def a(self, x: Share, y: Share, mask: Array) -> Array:
        return self.ring.product_a(x.own, x.next, y.own, y.next, mask, out=mask)

    def b(self, x: Share, y: Share, mask: Array) -> Array:
        return self.ring.product_b(x.own, x.next, y.own, y.next, mask, out=mask)

    def d(self, x: Share, y: Share, *masks: Array, out: Array | None = None) -> Array:
        if len(masks) < 3:
            masks = (*masks, self.ring.zeros(self.shape))
        return self.ring.product_d(x.own, x.next, y.own, y.next, *masks, out=out)


class SumOfProducts:
    """The sum of the elementwise products of pairs of flat arrays, each added to what the last one left.

    It holds its operands; those that are passed are the first pair's.
    """

    __slots__ = ("pairs", "ring", "shape")

    def __init__(self, pairs: Sequence[tuple[Share, Share]]) -> None:
        self.pairs = pairs
        self.ring = pairs[0][0].ring
        self.shape = pairs[0][0].shape

    def a(self, x: Share, y: Share, mask: Array) -> Array:
        for x, y in self.pairs:
            mask = self.ring.product_a(x.own, x.next, y.own, y.next, mask, out=mask)
        return mask

    def b(self, x: Share, y: Share, mask: Array) -> Array:
        for x, y in self.pairs:
            mask = self.ring.product_b(x.own, x.next, y.own, y.next, mask, out=mask)
        return mask

    def d(self, x: Share, y: Share, *masks: Array, out: Array | None = None) -> Array:
        ring = self.ring
        total = Elementwise(ring, self.shape).d(x, y, *masks, out=out)
        for x, y in self.pairs[1:]:
            ring.mul_add(ring.add(x.own, x.next), ring.add(y.own, y.next), total, out=total)
        return total


class OfArrays(ABC):
    """A bilinear map of whole arrays, by the function `times` of their words."""

    __slots__ = ()
    ring: Ring
    shape: tuple[int, ...]

    @abstractmethod
    def times(self, x: Array, y: Array) -> Array:
        """The map of two arrays of words."""

    def a(self, x: Share, y: Share, mask: Array) -> Array:
        ring = self.ring
        if x.size < y.size:  # the smaller one is added up
            cross = ring.add(self.times(ring.add(x.own, x.next), y.next), self.times(x.next, y.own))
        else:
            cross = ring.add(self.times(x.next, ring.add(y.next, y.own)), self.times(x.own, y.next))
        return ring.add(cross, mask)

    def b(self, x: Share, y: Share, mask: Array) -> Array:
        ring = self.ring
        return ring.add(ring.add(self.times(x.own, y.next), self.times(x.next, y.own)), mask)

    def d(self, x: Share, y: Share, *masks: Array, out: Array | None = None) -> Array:
        ring = self.ring
        result = self.times(ring.add(x.own, x.next), ring.add(y.own, y.next))
        for mask in masks:
            result = ring.sub(result, mask)
        return result


_FEW = 16


class Matrix(OfArrays):
    """The matrix product of x (..., m, k) and y (..., k, n), batches broadcast as in NumPy."""

    __slots__ = ("ring", "shape", "threads")

    def __init__(self, ring: Ring, x_shape: tuple[int, ...], y_shape: tuple[int, ...], threads: int = 1) -> None:
        self.ring = ring
        self.shape = (*broadcast_shape(x_shape[:-2], y_shape[:-2]), x_shape[-2], y_shape[-1])
        self.threads = threads

    def times(self, x: Array, y: Array) -> Array:
        return self.ring.matmul(x, y, self.threads)

    def d(self, x: Share, y: Share, *masks: Array, out: Array | None = None) -> Array:
        ring = self.ring
        if x.shape[-2] > _FEW or x.size >= y.size:
            return super().d(x, y, *masks, out=out)
        # two such products read less than a sum of large factors writes
        both = ring.add(x.own, x.next)
        result = ring.add(self.times(both, y.own), self.times(both, y.next))
        for mask in masks:
            result = ring.sub(result, mask)
        return result


def add_public(scope: Scope, x: Share, words: Array) -> Share:
    """x plus public words of its shape, which are added to component 1; local."""
    ring = x.ring
    own = ring.add(x.own, words) if scope.party is Party.P1 else x.own
    return Share(ring, own, ring.add(x.next, words) if scope.party.next is Party.P1 else x.next)


class Split:
    """A shared array as the pair-and-solo form x = c + r: `c` known to A and B, `r` known to D (§1.2)."""

    __slots__ = ("ring", "value")

    def __init__(self, ring: Ring, value: Array) -> None:
        self.ring = ring
        self.value = value

    def __repr__(self) -> str:
        return f"Split(ring={self.ring.bits}, shape={self.value.shape})"


def split_form(scope: Scope, x: Share) -> Split:
    """The pair-and-solo form that every sharing already is; local."""
    if scope.role is ProtocolRole.D:
        return Split(x.ring, x.ring.add(x.own, x.next))
    return Split(x.ring, x.next if scope.role is ProtocolRole.A else x.own)


def fresh_split_form(scope: Scope, x: Share) -> Split:
    """The pair-and-solo form x = (c + u) + (r - u) with a coin u that all three know; local, one draw an element.

    For protocols whose result depends on c and r and not on x alone (rounding by a coin, wraps out of range). c and r
    are parts of a share that may be stored, the same in every job, and which parts they are depends on the place of an
    element: without u an analyst who compares results learns about x from them (docs/security/truncation.md).
    Source: own.
    """
    coin = scope.step("coin").coin(x.ring, x.shape)
    z = split_form(scope, x)
    combine = x.ring.sub if scope.role is ProtocolRole.D else x.ring.add
    return Split(x.ring, combine(z.value, coin, out=coin))


def bilinear_split(scope: Scope, form: Bilinear, x: Share, y: Share) -> Body[Split]:
    """The product z in pair-and-solo form: A and B know c, D knows r' before any message arrives.

    Run by all three parties. One round between A and B, one ring word each a result element; D sends nothing.
    Semi-honest, one corruption: z0 and z1 are masked by fresh words rA (F_AD) and rB (F_BD) that the receiver lacks.
    Source: Araki et al. CCS 2016 (algebra), ASTRA CCSW 2019 (exchange pattern); protocols page §3.1.
    """
    ring, shape = form.ring, form.shape
    step = scope.step("product")
    if scope.role is ProtocolRole.D:
        mask_a = step.words(Pair.AD, ring, shape, Purpose.MASK)
        mask_b = step.words(Pair.BD, ring, shape, Purpose.MASK)
        return Split(ring, form.d(x, y, mask_a, mask_b))
    layout = Words(ring, shape)
    if scope.role is ProtocolRole.A:
        mine = form.a(x, y, step.words(Pair.AD, ring, shape, Purpose.MASK))
        step.product(ProtocolRole.B, layout, mine)
        theirs = yield step.receive(ProtocolRole.B, layout)
    else:
        mine = form.b(x, y, step.words(Pair.BD, ring, shape, Purpose.MASK))
        step.product(ProtocolRole.A, layout, mine)
        theirs = yield step.receive(ProtocolRole.A, layout)
    return Split(ring, ring.add(mine, theirs))


def bilinear(scope: Scope, form: Bilinear, x: Share, y: Share, out: Share | None = None) -> Body[Share]:
    """The product as a sharing. Run by all three parties.

    One round; one ring word from each party for each element of the result, whatever the length of the sums inside.
    Exact. Semi-honest, one corruption. Source as `bilinear_split`; z_BD travels from D in the same round.
    """
    ring, shape = form.ring, form.shape
    if out is None:
        out = Share.empty(ring, shape)
    step = scope.step("product")
    layout = Words(ring, shape)
    role = scope.role
    if role is ProtocolRole.D:
        step.fill(Pair.AD, out.next, Purpose.OUTPUT)
        mask_a = step.words(Pair.AD, ring, shape, Purpose.MASK)
        mask_b = step.words(Pair.BD, ring, shape, Purpose.MASK)
        rest = form.d(x, y, mask_a, mask_b, out.next, out=out.own)
        step.deal(ProtocolRole.B, (layout, rest))
        if rest is not out.own:
            out.own[...] = rest
    elif role is ProtocolRole.A:
        mine = form.a(x, y, step.words(Pair.AD, ring, shape, Purpose.MASK))
        step.product(ProtocolRole.B, layout, mine)
        step.fill(Pair.AD, out.own, Purpose.OUTPUT)
        theirs = yield step.receive(ProtocolRole.B, layout)
        ring.add(mine, theirs, out=out.next)
    else:
        mine = form.b(x, y, step.words(Pair.BD, ring, shape, Purpose.MASK))
        step.product(ProtocolRole.A, layout, mine)
        theirs, _ = yield (
            step.receive(ProtocolRole.A, layout),
            step.receive_into(ProtocolRole.D, layout, out.next.reshape(-1)),
        )
        ring.add(mine, theirs, out=out.own)
    return out


def multiply(scope: Scope, x: Share, y: Share) -> Body[Share]:
    """The elementwise product of two sharings of one shape. Run by all three parties.

    One round, one ring word a party and element. Exact modulo the ring. Semi-honest, one corruption; see `bilinear`.
    """
    shape, size = x.shape, x.size
    x, y = x.flat(), y.flat()
    if 0 < size < cut_from(PIECE, scope.balance):
        result = yield from bilinear(scope, Elementwise(x.ring, (size,)), x, y)
        return result.reshape(shape)
    out = Share.empty(x.ring, (x.size,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        form = Elementwise(x.ring, (cut.stop - cut.start,))
        yield from bilinear(part, form, x[cut], y[cut], out[cut])

    yield from in_pieces(scope, x.size, PIECE, piece, bulk=True)
    return out.reshape(shape)


def multiply_cost(ring: Ring, count: int) -> Cost:
    return Cost(1 if count else 0, 3 * count * ring.word_bytes)
