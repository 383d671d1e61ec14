"""A ring of a few bits, for which real protocol code can be run with every value of every draw; and its views."""

from __future__ import annotations

import functools
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np

from tercet.protocols.scope import Body
from tercet.ring import RING64, Ring, pack_fields, unpack_bits, unpack_fields
from tercet.ring.ring import Ring64
from tercet.sharing import ALL, PARTIES, Party
from trio import Trio

Array = np.ndarray[Any, Any]


class TinyRing(Ring64):
    """Integers modulo 2^bits in words of 64 bits, of which those above `bits` stay 0: every method by its formula."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        object.__setattr__(self, "bits", bits)

    @property
    def word_bytes(self) -> int:
        return 8

    def wrap(self, words: Any) -> Array:
        return np.ascontiguousarray(np.asarray(words).astype(np.uint64, copy=False) & np.uint64((1 << self.bits) - 1))

    def _to(self, words: Array, out: Array | None) -> Array:
        """Of words that nobody else holds: wrapped in their place, or in `out`."""
        return np.bitwise_and(words, np.uint64((1 << self.bits) - 1), out=words if out is None else out)

    def from_ints(self, values: Any) -> Array:
        return self.wrap(super().from_ints(values))

    def resize(self, words: Array, to_ring: Ring) -> Array:
        return self.wrap(words) & np.uint64((1 << to_ring.bits) - 1)

    def add(self, a: Array, b: Array, out: Array | None = None) -> Array:
        return self._to(a + b, out)

    def sub(self, a: Array, b: Array, out: Array | None = None) -> Array:
        return self._to(a - b, out)

    def mul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        return self._to(a * b, out)

    def neg(self, a: Array, out: Array | None = None) -> Array:
        return self._to(np.uint64(0) - a, out)

    def deal_bits(self, planes: Any, count: int, widths: Any, drawn: Any) -> Array:
        """Of fields of less than a byte, which its native form takes, too."""
        (width,) = widths
        bits = unpack_bits(planes.reshape(-1), count).astype(np.uint64)
        return pack_fields(bits - unpack_fields(drawn, width, count, RING64), width)

    def shl(self, a: Array, s: int, out: Array | None = None) -> Array:
        return self._to(a << np.uint64(s), out)

    def shr(self, a: Array, s: int, out: Array | None = None) -> Array:
        return self._to(self.wrap(a) >> np.uint64(s), out)

    def add_shl(self, a: Array, b: Array, s: int, out: Array | None = None) -> Array:
        return self._to(a + (b << np.uint64(s)), out)

    def mul_add(self, a: Array, b: Array, c: Array, out: Array | None = None) -> Array:
        return self._to(a * b + c, out)

    def product_a(
        self, x_ad: Array, x_ab: Array, y_ad: Array, y_ab: Array, mask: Array, out: Array | None = None
    ) -> Array:
        return self._to(x_ab * (y_ab + y_ad) + x_ad * y_ab + mask, out)

    def product_b(
        self, x_ab: Array, x_bd: Array, y_ab: Array, y_bd: Array, mask: Array, out: Array | None = None
    ) -> Array:
        return self._to(x_ab * y_bd + x_bd * y_ab + mask, out)

    def product_d(
        self, x_bd: Array, x_ad: Array, y_bd: Array, y_ad: Array, *masks: Array, out: Array | None = None
    ) -> Array:
        return self._to((x_bd + x_ad) * (y_bd + y_ad) - sum(masks), out)

    def trunc_d(self, r: Array, m: int, y_ad0: Array, a: Array) -> tuple[Array, Array]:
        top = self.shr(r, self.bits - 1)
        return self.wrap(self.shr(r, m) - (top << np.uint64(self.bits - m)) - y_ad0), (top - a) & np.uint64(
            (1 << m) - 1
        )

    def _raised(self, c: Array, m: int, nonnegative: bool) -> tuple[Array, Array]:
        raised = self.wrap(c + np.uint64((1 << (m if nonnegative else self.bits - 2)) - 1))
        return raised, self.shr(raised, self.bits - 1)

    def trunc_cross(
        self, c: Array, m: int, a: Array, u: Array, *, nonnegative: bool = False, out: Array | None = None
    ) -> Array:
        return (self._raised(c, m, nonnegative)[1] * a - u) & np.uint64((1 << m) - 1)

    def trunc_pair(
        self, c: Array, m: int, own: Array, other: Array, *, nonnegative: bool = False, out: Array | None = None
    ) -> Array:
        raised, top = self._raised(c, m, nonnegative)
        constant = np.uint64(0 if nonnegative else (1 - (1 << self.bits - 2 - m)) % (1 << self.bits))
        return self._to(self.shr(raised, m) + constant + ((own + other - top) << np.uint64(self.bits - m)), out)


@functools.lru_cache(64)
def digits_of_runs(runs: int, place: int, bits: int) -> Array:
    """So many bits of the number of each run, from a place on."""
    found = (np.arange(runs, dtype=np.uint64) >> np.uint64(place)) & np.uint64((1 << bits) - 1)
    found.setflags(write=False)
    return found


class Draws:
    """In the place of all streams. A draw takes the next digits of the number of the run, as many as it has bits.

    What a draw or a message is, its size says: 64 bits a run are a word of `ring`, 8 k are k residues below 2^field in
    bytes of their own, a multiple of `field` are packed residues, anything else (and all else, if `field` is 0) is rows
    of packed bits.
    """

    def __init__(self, ring: int, field: int, bits: int) -> None:
        self.ring, self.field, self.bits = ring, field, bits
        self.runs = 1 << bits
        self.used = 0
        self.drawn: dict[tuple[int, int, int, int], list[tuple[int, int]]] = {}
        self._packed: dict[tuple[int, int, int, int], Array] = {}

    def form(self, nbytes: int) -> tuple[int, int, int]:
        """Rows, bits that a value takes, bits that it has."""
        stored, rest = divmod(nbytes * 8, self.runs)
        assert rest == 0
        residues = [(8, self.field), (self.field, self.field)] if self.field else []
        for size, meant in ((64, self.ring), *residues, (1, 1)):
            if stored % size == 0:
                return stored // size, size, meant
        raise AssertionError

    def fill(self, address: tuple[int, int, int, int], out: Array) -> None:
        if address not in self.drawn:
            rows, size, meant = self.form(out.nbytes)
            self.drawn[address] = [(self.used + row * meant, meant) for row in range(rows)]
            self.used += rows * meant
            assert self.used <= self.bits, "more draws than expected"
            values = np.concatenate([self.digits(*place) for place in self.drawn[address]])
            self._packed[address] = pack_fields(values, size)
        out[...] = self._packed[address]

    def digits(self, place: int, bits: int) -> Array:
        return digits_of_runs(self.runs, place, bits)

    def read(self, payload: Array) -> list[tuple[Array, int]]:
        """The values of each run, and how many bits they have."""
        rows, size, meant = self.form(payload.nbytes)
        values = unpack_fields(payload, size, rows * self.runs, RING64).reshape(rows, self.runs)
        return [(row, meant) for row in values]


class DrawsOf:
    """What one party sees of `Draws`."""

    def __init__(self, draws: Draws, party: Party) -> None:
        self.draws = draws
        self.held = (party, party.next, ALL)

    def fill(self, component: int, instance: int, step: int, purpose: int, out: Array) -> None:
        assert component in self.held, "a party draws from a stream that it does not hold"
        self.draws.fill((component, instance, step, purpose), out)


Views = dict[Party, str]
"""Of each party: a hash of the sorted list of what it sees in all runs, so that equal ones are equal distributions."""


def tiny_views(
    body: Callable[..., Body[Any]],
    *inputs: Any,
    ring: int,
    field: int,
    bits: int,
    solo: Party,
    drawn: int | None = None,
) -> tuple[Views, dict[Party, Any]]:
    """For each party the distribution of (draws that it knows, messages that it gets) over all runs; and the results.

    `body` gets a scope, and of each input what is that party's, as in `Trio.run`.
    `bits`: of all draws together, so that there are 2^bits runs, each with other draws; or, at least 6, more than the
    `drawn` bits of a small protocol, whose runs then come equally often.
    """
    draws = Draws(ring, field, bits)
    trio = Trio(0, balance=False, streams={party: DrawsOf(draws, party) for party in PARTIES})
    results = trio.run(body, *inputs, solo=solo)
    assert draws.used == (bits if drawn is None else drawn), f"the protocol draws {draws.used} bits"
    views: Views = {}
    for party in PARTIES:
        held = (party, party.next, ALL)
        known = [place for address, places in sorted(draws.drawn.items()) if address[0] in held for place in places]
        columns = [(draws.digits(*place), place[1]) for place in known]
        said = [column for part in trio.post.parts[party] for column in draws.read(part)]
        assert all(int(values.max()) >> width == 0 for values, width in said), (
            "a message is wider than it was taken for"
        )
        width = sum(width for _, width in [*columns, *said])
        assert width < 64
        key = np.zeros(draws.runs, np.uint32 if width <= 32 else np.uint64)  # sorted in half the time
        for values, bits in [*columns, *said]:
            key <<= bits
            key |= values.astype(key.dtype, copy=False)
        key.sort()
        views[party] = sha256(key).hexdigest()
    return views, results


def opened(results: dict[Party, Any], bits: int) -> set[int]:
    """The values, unsigned, that come out over all runs; holders of one component agree on it."""
    for party in PARTIES:
        assert not ((results[party.prev].next ^ results[party].own) & np.uint64((1 << bits) - 1)).any()
    total = sum(results[party].own for party in PARTIES) & np.uint64((1 << bits) - 1)
    return set(np.asarray(total).tolist())


def opened_bits(results: dict[Party, Any]) -> set[int]:
    count = results[PARTIES[0]].count
    one, two, three = (unpack_bits(results[party].own.reshape(-1), count) for party in PARTIES)
    return set((one ^ two ^ three).astype(int).tolist())
