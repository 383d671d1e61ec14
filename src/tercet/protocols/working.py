"""What the protocols of functions are written in: arithmetic on one piece of numbers and bits, run or counted.

A function (`functions`) is one generator over an `Arithmetic`: `Parties` runs it at a party, `Counting` adds up what it
costs, with the same rounds and bytes because it is the same text. Every message is sent by the protocols that
`Parties` names; there are no others.

Semi-honest, one corruption: products (`product`), truncations (`truncate`), tables over digits (`adder`,
`compare`), ANDs (`bits`), sums of bits (`bit_sums`), injections (`convert`), lifts (`truncate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tercet.protocols.adder import digit_count, digit_sums, digit_sums_cost
from tercet.protocols.bit_sums import BitSum, bit_sums, bit_sums_cost
from tercet.protocols.bits import bit_and, bit_and_cost, bit_not, bit_xor, prefix_levels, rows
from tercet.protocols.compare import carry_out_cost, is_negative_split, tree_levels
from tercet.protocols.convert import inject_piece, inject_piece_cost
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.leading import Leading, leading_place, leading_place_cost
from tercet.protocols.message import Fields
from tercet.protocols.product import (
    Elementwise,
    Split,
    SumOfProducts,
    bilinear,
    bilinear_split,
    fresh_split_form,
    split_form,
)
from tercet.protocols.scope import Body, Scope, Together
from tercet.protocols.truncate import truncate_exact_cost, truncate_exact_split, truncate_split
from tercet.ring import Ring
from tercet.sharing import BitShare, Party, Share


class Arithmetic(Protocol):
    """Numbers `x` are flat sharings of one length, `planes` sharings of bits with a leading axis.

    What is a generator may send; the rest is local. Every truncation is by a coin, or exact throughout if the caller
    wants that. The caller proves that nothing leaves the ring's headroom.
    """

    def ring(self, x: Any) -> Ring: ...

    def sum(self, terms: Sequence[tuple[Any, int]], constant: int = 0) -> Any:
        """constant + the sum of public integers times numbers."""

    def product(self, x: Any, y: Any) -> Body[Any]:
        """x y."""

    def dot(self, pairs: Sequence[tuple[Any, Any]], shift: int, plus: Any = None) -> Body[Any]:
        """(plus + the sum of products) / 2^shift: one exchange, and with a shift one truncation."""

    def shifted(self, x: Any, shift: int) -> Body[Any]:
        """x / 2^shift."""

    def floored(self, x: Any, shift: int) -> Body[Any]:
        """The floor of x / 2^shift, whatever `shifted` does."""

    def low_bits(self, x: Any, bits: int) -> Body[Any]:
        """The low bits of x as planes."""

    def negative(self, x: Any, bits: int) -> Body[Any]:
        """One row: whether x, of |x| < 2^(bits - 1), is below 0."""

    def both(self, a: Any, b: Any) -> Body[Any]:
        """a AND b, row by row."""

    def differ(self, a: Any, b: Any) -> Any:
        """a XOR b."""

    def inverse(self, a: Any) -> Any:
        """NOT a."""

    def rows(self, planes: Any, chosen: Sequence[int]) -> Any:
        """Some rows, some of them repeatedly."""

    def stacked(self, parts: Sequence[Any]) -> Any:
        """Rows of several, one below the other."""

    def sums(self, ring: Ring, planes: Any, wanted: Sequence[BitSum]) -> Body[list[Any]]:
        """Sums of rows with public coefficients."""

    def leading(self, x: Any, bits: int) -> Body[Leading]:
        """Where the leading one of 0 <= x < 2^bits is; see `leading.leading_place`."""

    def weighted(self, x: Any, planes: Any, weights: Sequence[int]) -> Body[Any]:
        """x times (1 + the sum of weights times rows)."""

    def together(self, bodies: Sequence[Any]) -> Body[list[Any]]:
        """Functions from an Arithmetic to a body, run side by side."""


class Parties:
    """Runs at one party, in a scope that no other code uses meanwhile."""

    def __init__(self, scope: Scope, *, exact: bool) -> None:
        self.scope = scope
        self.exact = exact

    def ring(self, x: Share) -> Ring:
        return x.ring

    def sum(self, terms: Sequence[tuple[Share, int]], constant: int = 0) -> Share:
        ring, factors = terms[0][0].ring, [factor for _, factor in terms]
        # a public number is added to component 1
        party = self.scope.party
        own = ring.combine([x.own for x, _ in terms], factors, constant if party is Party.P1 else 0)
        following = ring.combine([x.next for x, _ in terms], factors, constant if party.next is Party.P1 else 0)
        return Share(ring, own, following)

    def product(self, x: Share, y: Share) -> Body[Share]:
        return (yield from bilinear(self.scope, Elementwise(x.ring, x.shape), x, y))

    def dot(self, pairs: Sequence[tuple[Share, Share]], shift: int, plus: Share | None = None) -> Body[Share]:
        x, y = pairs[0]
        ring, form = x.ring, SumOfProducts(pairs)
        if not shift:
            whole = yield from bilinear(self.scope, form, x, y)
            return whole if plus is None else self.sum([(whole, 1), (plus, 1)])
        z = yield from bilinear_split(self.scope, form, x, y)
        if plus is not None:
            z = Split(ring, ring.add(z.value, split_form(self.scope, plus).value))
        return (yield from self._truncated(z, shift))

    def shifted(self, x: Share, shift: int) -> Body[Share]:
        return (yield from self._truncated(fresh_split_form(self.scope, x), shift))

    def _truncated(self, z: Split, shift: int) -> Body[Share]:
        if self.exact:
            return (yield from truncate_exact_split(self.scope, z, shift, nearest=True, forks=False))
        return (yield from truncate_split(self.scope, z, shift))

    def floored(self, x: Share, shift: int) -> Body[Share]:
        return (yield from truncate_exact_split(self.scope, split_form(self.scope, x), shift, forks=False))

    def low_bits(self, x: Share, bits: int) -> Body[BitShare]:
        return (yield from digit_sums(self.scope, split_form(self.scope, x), bits))

    def negative(self, x: Share, bits: int) -> Body[BitShare]:
        sign = yield from is_negative_split(self.scope, split_form(self.scope, x), bits)
        return BitShare(sign.count, sign.own[None], sign.next[None])

    def both(self, a: BitShare, b: BitShare) -> Body[BitShare]:
        return (yield from bit_and(self.scope, a, b))

    def differ(self, a: BitShare, b: BitShare) -> BitShare:
        return bit_xor(a, b)

    def inverse(self, a: BitShare) -> BitShare:
        return bit_not(self.scope, a)

    def rows(self, planes: BitShare, chosen: Sequence[int]) -> BitShare:
        return planes[list(chosen)]

    def stacked(self, parts: Sequence[BitShare]) -> BitShare:
        return rows(*parts)

    def sums(self, ring: Ring, planes: BitShare, wanted: Sequence[BitSum]) -> Body[list[Share]]:
        return (yield from bit_sums(self.scope, ring, planes, wanted))

    def leading(self, x: Share, bits: int) -> Body[Leading]:
        return (yield from leading_place(self.scope, x, bits))

    def weighted(self, x: Share, planes: BitShare, weights: Sequence[int]) -> Body[Share]:
        pairs = [(planes[place], weight) for place, weight in enumerate(weights)]
        more = yield from inject_piece(self.scope, pairs, x)
        return self.sum([(x, 1), (more, 1)])

    def together(self, bodies: Sequence[Any]) -> Body[list[Any]]:
        parts = self.scope.fork(len(bodies))
        found = yield Together(
            [body(Parties(part, exact=self.exact)) for body, part in zip(bodies, parts, strict=True)]
        )
        self.scope.join(parts)
        return list(found)


class Counting:
    """Counts a piece of `count` numbers: a number stands as its ring, planes as how many they are."""

    def __init__(self, count: int, *, exact: bool, depths: Depths | None = None) -> None:
        self.count = count
        self.exact = exact
        self.depths = depths or Depths()
        self.bytes = 0

    @property
    def cost(self) -> Cost:
        return Cost(self.depths.rounds, self.bytes)

    def _add(self, cost: Cost) -> None:
        self.bytes += cost.total_bytes

    def ring(self, x: Ring) -> Ring:
        return x

    def sum(self, terms: Sequence[tuple[Ring, int]], constant: int = 0) -> Ring:
        return terms[0][0]

    def product(self, x: Ring, y: Ring) -> Body[Ring]:
        yield from ()
        self.bytes += 3 * self.count * x.word_bytes
        self.depths.product()
        self.depths.deal()
        return x

    def dot(self, pairs: Sequence[tuple[Ring, Ring]], shift: int, plus: Ring | None = None) -> Body[Ring]:
        ring = pairs[0][0]
        if not shift:
            return (yield from self.product(ring, ring))
        self.bytes += 2 * self.count * ring.word_bytes
        self.depths.product()
        return self._truncated(ring, shift)

    def shifted(self, x: Ring, shift: int) -> Body[Ring]:
        yield from ()
        return self._truncated(x, shift)

    def _truncated(self, ring: Ring, shift: int) -> Ring:
        if self.exact:
            self._floored(ring, shift)
        else:
            self.bytes += self.count * ring.word_bytes + 3 * Fields(shift, self.count).nbytes
            self.depths.cross()
        return ring

    def floored(self, x: Ring, shift: int) -> Body[Ring]:
        yield from ()
        self._floored(x, shift)
        return x

    def _floored(self, ring: Ring, shift: int) -> None:
        self._add(truncate_exact_cost(ring, self.count, shift))
        self.depths.deal()
        self.depths.cross()
        self.depths.cross()
        self.depths.ring(tree_levels(shift))
        self.depths.cross()

    def low_bits(self, x: Ring, bits: int) -> Body[int]:
        yield from ()
        self._add(digit_sums_cost(self.count, bits))
        self.depths.cross()
        digits = digit_count(bits)
        if digits > 1:
            self.depths.ring(len(prefix_levels(digits - 1)) + 1)
        return bits

    def negative(self, x: Ring, bits: int) -> Body[int]:
        yield from ()
        self._add(carry_out_cost(bits - 1, self.count, top=True))
        self.depths.cross()
        self.depths.ring(tree_levels(bits - 1))
        return 1

    def both(self, a: int, b: int) -> Body[int]:
        yield from ()
        self._add(bit_and_cost((a,), self.count))
        self.depths.ring()
        return a

    def differ(self, a: int, b: int) -> int:
        return a

    def inverse(self, a: int) -> int:
        return a

    def rows(self, planes: int, chosen: Sequence[int]) -> int:
        return len(chosen)

    def stacked(self, parts: Sequence[int]) -> int:
        return sum(parts)

    def sums(self, ring: Ring, planes: int, wanted: Sequence[BitSum]) -> Body[list[Ring]]:
        yield from ()
        self._add(bit_sums_cost(ring, self.count, wanted))
        self.depths.cross()
        return [ring] * len(wanted)

    def leading(self, x: Ring, bits: int) -> Body[Leading]:
        yield from ()
        self._add(leading_place_cost(x, self.count, bits, self.depths))
        digits = digit_count(bits)
        return Leading(bits, 3, 4, digits - 1)

    def weighted(self, x: Ring, planes: int, weights: Sequence[int]) -> Body[Ring]:
        yield from ()
        self._add(inject_piece_cost(x, self.count, len(weights)))
        self.depths.cross()
        return x

    def together(self, bodies: Sequence[Any]) -> Body[list[Any]]:
        parts = [Counting(self.count, exact=self.exact, depths=self.depths.copy()) for _ in bodies]
        found = []
        for body, part in zip(bodies, parts, strict=True):
            found.append((yield from body(part)))
        for part in parts:
            self.bytes += part.bytes
            self.depths.join(part.depths)
        return found
