"""Functions of real numbers, right to the last bits over the whole range: exp, log, sqrt and their kin.

Each is one generator over `working.Arithmetic`, from public numbers that follow from the type of its argument
(`Exponential`, `Root`, `Logarithm`). A number x is brought to a polynomial's interval by a power of two (of its leading
one, `leading`) or by its whole part (exp), and the power of two comes back as sums of shared bits with public
coefficients. Nothing is rounded to the result's last bit here: the plan does that, once.

Security: semi-honest, one corruption of three. Nothing is opened; only the protocols that `working.Parties` names send,
all of which are provable in the sense of docs/security/functions.md but the tables of digits, which docs/security/
comparison.md covers. Source: own, after protocols page §6; polynomials: `polynomial`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import isqrt
from typing import Any

from tercet.protocols.coefficients import COEFFICIENTS, CONSTANT_BITS, constant
from tercet.protocols.cost import Cost
from tercet.protocols.leading import Leading
from tercet.protocols.pieces import cost_in_pieces, words_in_pieces
from tercet.protocols.polynomial import chebyshev
from tercet.protocols.scope import Body, Scope
from tercet.protocols.sharewise import SharedPower, shared_power
from tercet.protocols.working import Arithmetic, Counting, Parties
from tercet.ring import RING64, RING128, Ring
from tercet.sharing import Share

PIECE = 1 << 15
HEADROOM_BITS = 2
LOW = 3
"""The low bits of a whole part, whose power of two is one factor; the others choose among blocks of 2^LOW."""


@dataclass(frozen=True)
class Precision:
    """A ring, the fractional bits of values in [-1, 1] there, and those of coefficients."""

    ring: Ring
    scale: int
    coefficient_bits: int

    @property
    def room(self) -> int:
        """Bits that a magnitude may have."""
        return self.ring.bits - HEADROOM_BITS

    @property
    def most_bits(self) -> int:
        """Fractional bits that a result may have to be right to the last of them."""
        return self.scale - 5


NARROW = Precision(RING64, 29, 31)
WIDE = Precision(RING128, 58, 62)
PRECISIONS = {64: NARROW, 128: WIDE}


def coefficients(name: str, p: Precision) -> tuple[int, ...]:
    return COEFFICIENTS[name, p.coefficient_bits]


# ---- powers: 2^(x log2 b) ----


@dataclass(frozen=True)
class Exponential:
    """b^x for stored integers x in [lo, hi] with `frac_bits`, as integers with `out_bits` fractional bits.

    y = x log2 b is brought to the working scale; its whole part n is y rounded by a coin, so that 2^(y - n) lies in
    [1/2, 2]. With e = n - origin >= 0 as e = 8 h + l, the result is 2^(y - n) 2^l 2^(8 h): blocks h below `split` are
    divided by 2^(8 split) after the product, those from there on before it. If `cuts`, codes below
    origin give exactly 0. All is times 2^up in the end, as many fractional bits as the share-wise variant needs, whose
    public numbers are `shared`.
    """

    precision: Precision
    factor: int
    drop: int
    base: int
    origin: int
    top: int
    split: int
    cuts: bool
    out_bits: int
    up: int
    shared: SharedPower | None

    @property
    def code_bits(self) -> int:
        return max(LOW + 1, (self.top - self.base).bit_length())

    @property
    def block_count(self) -> int:
        return (self.top - self.base >> LOW) + 1


GUARD = 6
"""Results below 2^-GUARD of the last bit are cut to 0: all by the provable variant, share-wise some, and all those that
are below 2^-(GUARD + BELOW)."""
BELOW = 5
"""How far below that an argument may lie, in powers of two."""


def exponential(
    base: str, lo: int, hi: int, frac_bits: int, nominal: int, ring_bits: int, *, reaching: bool = False
) -> Exponential | None:
    """The public numbers for b^x: b is "exp", "exp2" or "exp10". None if the ring does not take them, or if x may lie
    further below what is cut than `BELOW`; `reaching` has codes for all of that."""
    p = PRECISIONS[ring_bits]
    if nominal > p.most_bits:
        return None
    name, whole_bits = {"exp2": (None, 1), "exp": ("log2_e", 1), "exp10": ("log2_10", 2)}[base]
    size = max(-lo, hi, 1).bit_length()
    bits = min(p.room - size - whole_bits, CONSTANT_BITS - 4)
    if bits < 0:
        return None
    factor = 1 << bits if name is None else constant(name, bits)
    drop = frac_bits + bits - p.scale
    # the error of y is that of the factor times x: a relative 2^-(nominal + 3) of the result
    if drop < 1 or drop > p.ring.bits - 3 or (name is not None and size - frac_bits - bits - 1 > -(nominal + 3)):
        return None
    first, last = (lo * factor >> frac_bits + bits) - 1, (hi * factor >> frac_bits + bits) + 2
    cut = -(nominal + GUARD)
    if first < cut - BELOW - 2 and not reaching:
        return None
    cuts = first < cut
    origin = cut if cuts else first
    base_code = cut - (-(-(cut - first) >> LOW) << LOW) if cuts else first
    top = max(last, origin)
    room, widest = p.room - 1, p.scale + 1
    # whole blocks, as few as bring the rest into the ring; bounds may ask for any number of them
    split = max(0, -((room - widest - top + origin) >> LOW))
    if split and widest + (split << LOW) - 1 > room:
        return None
    out = p.scale - origin - (split << LOW)
    if out < nominal + 2:
        return None
    shared = shared_power(name, lo, hi, frac_bits, nominal, ring_bits, out, cut if cuts else None)
    up = 0 if shared is None else shared.out_bits - out
    return Exponential(p, factor, drop, base_code, origin, top, split, cuts, out + up, up, shared)


def power(a: Arithmetic, x: Any, s: Exponential) -> Body[Any]:
    """b^x by the public numbers of `exponential`. See `Exponential`; error: a relative 2^-(scale - 5), and the cut."""
    p = s.precision
    y = yield from a.shifted(a.sum([(x, s.factor)]), s.drop)
    n = yield from a.shifted(y, p.scale)
    rest = a.sum([(y, 1), (n, -(1 << p.scale))])

    def mantissa(inner: Arithmetic) -> Body[Any]:
        return (yield from chebyshev(inner, rest, coefficients("exp2", p), p.scale, p.coefficient_bits))

    def powers(inner: Arithmetic) -> Body[tuple[Any, list[Any]]]:
        bits = yield from inner.low_bits(inner.sum([(n, 1)], -s.base), s.code_bits)
        low = yield from one_hot(inner, inner.rows(bits, range(LOW)), LOW)
        high = yield from one_hot(inner, inner.rows(bits, range(LOW, s.code_bits)), s.code_bits - LOW)
        (small,) = yield from inner.sums(
            p.ring, inner.rows(low, range(1, 1 << LOW)), [(1, [(1 << k) - 1 for k in range(1, 1 << LOW)])]
        )
        blocks = _block_powers(s)
        if all(one == row[0] for row in blocks for one in row):
            return small, []
        # the first block is what the constant says
        chosen = [h for h in range(1, s.block_count) if any(row[h] != row[0] for row in blocks)]
        wanted = [(row[0], [row[h] - row[0] for h in chosen]) for row in blocks]
        return small, (yield from inner.sums(p.ring, inner.rows(high, chosen), wanted))

    found, (small, large) = yield from a.together([mantissa, powers])
    scaled = yield from a.product(found, small)
    if not s.split:
        whole = (yield from a.product(scaled, large[0])) if large else scaled
        return a.sum([(whole, 1 << s.up)]) if s.up else whole
    lower, upper = yield from a.together(
        [
            lambda inner: inner.dot([(scaled, large[0])], s.split << LOW),
            lambda inner: inner.product(scaled, large[1]),
        ]
    )
    return a.sum([(lower, 1 << s.up), (upper, 1 << s.up)])


def _block_powers(s: Exponential) -> list[list[int]]:
    """For each window, the power of two of every block: 0 where the other window has it, or nothing is left."""
    first = s.origin - s.base >> LOW
    exponents = [None if h < first else (h - first) << LOW for h in range(s.block_count)]
    if not s.split:
        return [[0 if e is None else 1 << e for e in exponents]]
    edge = s.split << LOW
    lower = [1 << e if e is not None and e < edge else 0 for e in exponents]
    upper = [1 << (e - edge) if e is not None and e >= edge else 0 for e in exponents]
    return [lower, upper]


def one_hot(a: Arithmetic, bits: Any, count: int) -> Body[Any]:
    """Rows [bits = 0], [bits = 1] .. of `count` rows of bits, the lowest first: ceil(log2 count) rounds of ANDs."""
    if count == 1:
        return a.stacked([a.inverse(bits), bits])
    half = count // 2
    low = yield from one_hot(a, a.rows(bits, range(half)), half)
    high = yield from one_hot(a, a.rows(bits, range(half, count)), count - half)
    pairs = [(k, j) for j in range(1 << (count - half)) for k in range(1 << half)]
    return (yield from a.both(a.rows(low, [k for k, _ in pairs]), a.rows(high, [j for _, j in pairs])))


# ---- functions of the leading one and of what follows it ----


@dataclass(frozen=True)
class Placed:
    """Functions of x = c 2^(e + 1), c in [1/2, 1), for stored integers x < 2^bits with `frac_bits`."""

    precision: Precision
    name: str
    bits: int
    frac_bits: int
    out_bits: int
    extra: int = 0
    """Of 1/sqrt: by which power of two the result is larger, so that it has as many fractional bits as it should."""

    @property
    def digits(self) -> int:
        return -(-self.bits // 4)


def place_bits(hi: int, p: Precision) -> int:
    """How many bits numbers up to hi are taken to have: whole digits, where the ring has room for them."""
    bits = max(8, -(-hi.bit_length() // 4) * 4)
    return p.ring.bits - 2 if bits > p.ring.bits - 4 else bits


LOG_UNITS = {"log": "ln_2", "log2": None, "log10": "log10_2"}


def placed(name: str, hi: int, frac_bits: int, nominal: int, ring_bits: int) -> Placed | None:
    """Of log, log2, log10, sqrt, rsqrt or cbrt for 0 <= x <= hi. None if the ring does not take them."""
    p = PRECISIONS[ring_bits]
    if nominal > p.most_bits:
        return None
    bits = place_bits(hi, p)
    half = (1 - frac_bits) // 2
    if name in LOG_UNITS:
        return Placed(p, name, bits, frac_bits, p.ring.bits - 16 if p is NARROW else 100)
    if name == "sqrt":
        return Placed(p, name, bits, frac_bits, p.scale - half)
    if name == "cbrt":
        return Placed(p, name, bits, frac_bits, p.scale - (1 - frac_bits) // 3)
    digits = -(-bits // 4)
    out = p.scale + 2 * (digits - 1) + half
    extra = max(0, nominal + 2 - out)
    # the largest result is that of the smallest x but 0
    if frac_bits // 2 + 2 + out + extra > p.room:
        return None
    return Placed(p, name, bits, frac_bits, out + extra, extra)


@dataclass(frozen=True)
class Mantissa:
    """What `mantissa` finds: t = 4 c - 3 at the working scale, the factor of x, and the bits of the place."""

    t: Any
    factor: Any
    """2^(bits - 1 - e), with which c = (x factor + missing) / 2^bits."""
    missing: Any
    """2^(bits - 1) where x is 0, else 0."""
    place: Leading
    sums: list[Any]
    """Those over the digits that are zero, then those over the steps within the leading digit."""


def mantissa(a: Arithmetic, x: Any, s: Placed, over_zeros: list[Any], over_steps: list[Any]) -> Body[Mantissa]:
    """x as c in [1/2, 1), beside sums of the bits of its place. x = 0 has c = 1/2, as 1 has."""
    p, digits = s.precision, s.digits
    place = yield from a.leading(x, s.bits)
    gap = place.gap
    exponents = [max(0, 4 * (digits - 1 - g) - gap) for g in range(digits)]
    down = [1 << e for e in exponents]
    start = by_digit(down)
    top = 1 << (s.bits - 1)
    missing = (top, [-top, 0, 0, 0] if over_steps else [-top])

    def zeros(inner: Arithmetic) -> Body[list[Any]]:
        return (yield from inner.sums(p.ring, place.zeros, [start, *over_zeros]))

    def steps(inner: Arithmetic) -> Body[list[Any]]:
        rows = place.steps if over_steps else inner.rows(place.steps, [0])
        return (yield from inner.sums(p.ring, rows, [missing, *over_steps]))

    (high, *first), (added, *second) = yield from a.together([zeros, steps])
    factor = yield from a.weighted(high, a.inverse(place.shifted), [4, 2, 1])
    drop = s.bits - p.scale - 2
    if drop > 0:
        found = yield from a.dot([(x, factor)], drop, plus=added)
        t = a.sum([(found, 1)], -(3 << p.scale))
    else:
        found = yield from a.product(x, factor)
        t = a.sum([(found, 1 << -drop), (added, 1 << -drop)], -(3 << p.scale))
    return Mantissa(t, factor, added, place, [*first, *second])


def logarithm(a: Arithmetic, x: Any, s: Placed) -> Body[Any]:
    """log, log2 or log10 of x > 0; of 0 as of the smallest number. The exponent times log 2 is a sum of bits."""
    p, digits = s.precision, s.digits
    name = LOG_UNITS[s.name]
    unit = 1 << s.out_bits if name is None else constant(name, s.out_bits)
    highest = unit * (4 * (digits - 1) + 1 - s.frac_bits)
    found = yield from mantissa(a, x, s, [(highest, [-4 * unit] * (digits - 1))], [(0, [0, unit, unit, unit])])
    shift = p.scale + p.coefficient_bits - s.out_bits
    value = yield from chebyshev(a, found.t, coefficients(s.name, p), p.scale, shift)
    return a.sum([(value, 1), (found.sums[0], 1), (found.sums[1], 1)])


def root(a: Arithmetic, x: Any, s: Placed) -> Body[Any]:
    """sqrt or 1 / sqrt of x >= 0; of 0 exactly 0."""
    scaled, large = yield from root_parts(a, x, s)
    return (yield from a.product(scaled, large))


def root_parts(a: Arithmetic, x: Any, s: Placed) -> Body[tuple[Any, Any]]:
    """Two numbers whose product is the root: one below 4 at the working scale, and a power of 4."""
    p, digits = s.precision, s.digits
    upward = s.name == "sqrt"
    odd = (1 - s.frac_bits) % 2
    within = [fractional_power(odd + t if upward else -(odd + t), 2, p.scale) for t in range(4)]
    steps = (0, [within[0], *(within[t] - within[t - 1] for t in range(1, 4))])
    powers = [1 << s.extra + 2 * (g if upward else digits - 1 - g) for g in range(digits)]
    found = yield from mantissa(a, x, s, [by_digit(powers)], [steps])
    large, small = found.sums
    value = yield from chebyshev(a, found.t, coefficients(s.name, p), p.scale, p.coefficient_bits)
    scaled = yield from a.dot([(value, small)], p.scale)
    return scaled, large


def cube_root(a: Arithmetic, x: Any, s: Placed) -> Body[Any]:
    """The cube root of x >= 0; of 0 exactly 0.

    With e = 4 g + t its power of two is 2^(g + floor(g / 3)), which is exact, times 2^((g mod 3) / 3) 2^(t / 3).
    """
    p, digits = s.precision, s.digits
    odd = (1 - s.frac_bits) % 3
    within = [fractional_power(odd + t, 3, p.scale) for t in range(4)]
    steps = (0, [within[0], *(within[t] - within[t - 1] for t in range(1, 4))])
    thirds = by_digit([fractional_power(g % 3, 3, p.scale) for g in range(digits)])
    found = yield from mantissa(a, x, s, [by_digit([1 << g + g // 3 for g in range(digits)]), thirds], [steps])
    large, middle, small = found.sums

    def value(inner: Arithmetic) -> Body[Any]:
        return (yield from chebyshev(inner, found.t, coefficients(s.name, p), p.scale, p.coefficient_bits))

    of_c, of_place = yield from a.together([value, lambda inner: inner.dot([(middle, small)], p.scale)])
    scaled = yield from a.dot([(of_c, of_place)], p.scale)
    return (yield from a.product(scaled, large))


def by_digit(values: list[int]) -> tuple[int, list[int]]:
    """A sum over `Leading.zeros` that is values[g] where digit g leads."""
    return values[-1], [values[g - 1] - values[g] for g in range(1, len(values))]


@cache
def fractional_power(times: int, parts: int, bits: int) -> int:
    """2^(times / parts) times 2^bits, rounded; parts is 2 or 3."""
    whole = 1 << parts * (bits + 40) + times
    value = isqrt(whole) if parts == 2 else cube_root_of(whole)
    return (value + (1 << 39)) >> 40


def cube_root_of(value: int) -> int:
    """The largest integer whose cube is not above this."""
    found = 1 << -(-value.bit_length() // 3)
    while True:
        nearer = (2 * found + value // (found * found)) // 3
        if nearer >= found:
            return found
        found = nearer


# ---- run, and counted ----

Function = Callable[..., Body[Any]]
"""From an `Arithmetic`, the numbers, and the public numbers."""


def elementwise(scope: Scope, x: Share, function: Function, shape: Any, *more: Share, exact: bool) -> Body[Share]:
    """A function of this kind on every element of x, and of `more` of its shape. Run by all three parties; `exact`
    truncates without coins."""
    flat = [one.flat() for one in (x, *more)]

    def piece(part: Scope, cut: slice) -> Body[Share]:
        return function(Parties(part, exact=exact), *(one[cut] for one in flat), shape)

    return (yield from words_in_pieces(scope, x.ring, flat[0].size, PIECE, piece)).reshape(x.shape)


def elementwise_cost(ring: Ring, count: int, function: Function, shape: Any, *, exact: bool, operands: int = 1) -> Cost:
    """Of `elementwise`: the same generator, counted."""

    def piece(size: int) -> Cost:
        counting = Counting(size, exact=exact)
        for _ in function(counting, *[ring] * operands, shape):
            raise AssertionError("nothing waits while costs are counted")
        return counting.cost

    return cost_in_pieces(count, PIECE, piece)
