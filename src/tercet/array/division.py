"""Division by secrets, and products that outgrow 128 bits: kept as their factors until they are divided.

`cov ** 2 / (var_x * var_y)` lies in [0, 1] however large its parts may be. It is the square of `cov` divided by the
roots of both variances, one after the other; as is whatever is divided by a root (`plan.record.roots`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from tercet.array import numeric, quotients
from tercet.array.core import SecretArray, as_quotient, exactly, secret_array, session_of
from tercet.array.quotients import Quotient, Value, ratio, resolved, times
from tercet.errors import PlanError
from tercet.plan.bounds.moments import dot_of, multiple, square_ratio
from tercet.plan.record import build
from tercet.plan.record.build import number
from tercet.plan.record.divide import divide as quotient_of_secrets
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import inject, logical_not
from tercet.plan.record.public import DEFAULT_FRAC_BITS
from tercet.plan.record.roots import Roots, as_roots, over_roots, sqrt_over
from tercet.plan.record.scale import renamed, settle
from tercet.plan.table.attributes import shift_of
from tercet.plan.table.operation import Algebra
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

WORKING_BITS = 48
_LEAST = 1 / 32
"""The product of two normalised squares is 1/16 at least."""
_MORE_BITS = 2
"""Of quotients that are multiplied yet."""
Factors = tuple[Quotient, ...]


# ---- what the namespace's functions record ----


def multiply(a: Any, b: Any) -> SecretArray:
    """a * b; kept as factors where it does not fit, or only rounded, and may be part of a quotient that does."""
    for one in (a, b):
        if isinstance(one, DeferredQuotient) and isinstance(one._otherwise, PlanError):
            found = _deferred_product(a, b, one._otherwise)
            if found is not None:
                return found
    return _product(quotients.multiply, (a, b), (a, b))


def square(x: SecretArray) -> SecretArray:
    """x * x; as `multiply`."""
    return _product(lambda factor: quotients.multiply(factor, factor), (x,), (x, x))


def divide(a: Any, b: SecretArray) -> SecretArray:
    """a / b for a secret b; of products that are kept as factors, where their quotient fits."""
    for one in (a, b):
        if isinstance(one, DeferredQuotient):
            refusal = one._otherwise if isinstance(one._otherwise, PlanError) else None
            found = _deferred_quotient(a, b, refusal or PlanError("a quotient of products"))
            if found is not None and (refusal is not None or not isinstance(found, DeferredQuotient)):
                return found
    for way in (_of_squares, over_root):
        over = way(a, b)
        if over is not None:
            return over
    try:
        return exactly(_quotient, a, b)
    except PlanError as refusal:
        found = _deferred_quotient(a, b, refusal)
        if found is None:
            raise
        return found


def _product(function: Callable[..., Quotient], values: tuple[Any, ...], factors: tuple[Any, Any]) -> SecretArray:
    session, operands = session_of(*values), [as_quotient(value) for value in values]
    try:
        found = function(*operands)
    except PlanError as refusal:
        deferred = _deferred_product(*factors, refusal)
        if deferred is None:
            raise
        return deferred
    if quotients.rounded_before(found, *operands):
        deferred = _deferred_product(*factors, found)
        if deferred is not None:
            return deferred
    return secret_array(session, found.node, found.divisor, found.line)


# ---- a quotient by a root ----


def over_root(a: Any, b: SecretArray, more_bits: int = 0) -> SecretArray | None:
    """a / b where b is a root, or a product of two: times 1 / sqrt of what it is the root of; 0 where that is 0. With
    so many more fractional bits; None of another b, and where that does not fit."""
    roots = as_roots(b.undivided)
    if roots is None:
        return None
    c = as_quotient(a)
    factor = b.divisor / (c.divisor if isinstance(c, Quotient) else 1)
    try:
        found = over_roots(
            c.node if isinstance(c, Quotient) else c, Roots(roots.of, roots.square / factor**2), more_bits
        )
    except PlanError:
        return None
    return secret_array(session_of(a, b), found if factor > 0 else build.negate(found))


def root_of_product(x: Any) -> SecretArray | None:
    """The root of a product of two sums of squares that does not fit: the product of both roots. None of all else."""
    if not isinstance(x, DeferredQuotient) or not isinstance(x._otherwise, PlanError) or x._below:
        return None
    if len(x._above) != 2 or any(one.node.type.lo < 0 or one.divisor < 0 for one in x._above):
        return None
    roots = [sqrt_over(one.node, one.divisor) for one in x._above]
    return x.like(build.multiply(*roots))


# ---- a quotient of two secrets ----


def _quotient(a: Value, b: Quotient) -> Quotient:
    """a / b for a secret b. Sums of products, and what is to be divided by public numbers still, are taken as they are
    where both sides have something in common, or where nothing else fits 128 bits."""
    related = isinstance(a, Quotient) and dot_of(a.node) is not None and dot_of(b.node) is not None
    ways: tuple[Callable[[Value, Quotient], Recorded | None], ...]
    ways = (_as_integers, _as_they_are, _as_numbers) if related else (_as_numbers, _as_they_are)
    refusal: PlanError | None = None
    for way in ways:
        try:
            found = way(a, b)
        except PlanError as error:
            refusal = error
        else:
            if found is not None:
                return Quotient(found)
    assert refusal is not None
    raise refusal


def _as_numbers(a: Value, b: Quotient) -> Recorded:
    divisor = resolved(b)
    assert isinstance(divisor, Recorded)
    return quotient_of_secrets(resolved(a), divisor)


def _as_they_are(a: Value, b: Quotient) -> Recorded | None:
    """a / b by what both have before they are divided by public numbers, times these; None of a public a."""
    return _over(a.node, b.node, b.divisor / a.divisor) if isinstance(a, Quotient) else None


def _as_integers(a: Value, b: Quotient) -> Recorded | None:
    """The same of the stored integers, which are not rounded to their last bits before."""
    if not isinstance(a, Quotient):
        return None
    return _over(renamed(a.node, 0, 0), renamed(b.node, 0, 0), ratio(b) / ratio(a))


def _over(x: Recorded, y: Recorded, factor: Fraction) -> Recorded:
    x, factor = (build.negate(x), -factor) if factor < 0 else (x, factor)
    return quotient_of_secrets(times(x, factor.numerator), times(y, factor.denominator))


# ---- products that are kept as factors ----


class DeferredQuotient(SecretArray):
    """A quotient of products that 128 bits do not take exactly. `divide` and `multiply` use its factors; for all else
    it is `_otherwise`: what its factors give when they are rounded before, or the refusal where that does not fit.
    """

    __slots__ = ("_above", "_below", "_otherwise")

    _above: Factors
    _below: Factors
    _otherwise: Recorded | PlanError

    @classmethod
    def of(cls, session: Any, above: Factors, below: Factors, otherwise: Quotient | PlanError) -> DeferredQuotient:
        self = object.__new__(cls)
        self._session, self._divisor, self._line = session, Fraction(1), None
        self._above, self._below = above, below
        self._otherwise = otherwise.node if isinstance(otherwise, Quotient) else otherwise
        if isinstance(otherwise, Quotient):
            self._divisor = otherwise.divisor
        return self

    @property
    def undivided(self) -> Recorded:
        if isinstance(self._otherwise, PlanError):
            raise self._otherwise
        return self._otherwise

    def __repr__(self) -> str:
        if isinstance(self._otherwise, PlanError):
            return f"SecretArray(a product that does not fit and is to be divided: {self._otherwise})"
        return super().__repr__()


def _deferred_product(a: Any, b: Any, otherwise: Quotient | PlanError) -> SecretArray | None:
    """A product of covariances and variances as its factors, or what they give; None of anything else."""
    parts = [_parts(value) if isinstance(value, SecretArray) else None for value in (a, b)]
    if parts[0] is None or parts[1] is None:
        return None
    return _composed(a.device, parts[0][0] + parts[1][0], parts[0][1] + parts[1][1], otherwise)


def _deferred_quotient(a: Any, b: SecretArray, otherwise: PlanError) -> SecretArray | None:
    """a / b, of which one is kept as factors, or which are products that do not fit a division; None of others."""
    first, second = _parts(a) if isinstance(a, SecretArray) else None, _parts(b)
    if first is None or second is None:
        return None
    return _composed(a.device, first[0] + second[1], first[1] + second[0], otherwise)


def _parts(x: SecretArray) -> tuple[Factors, Factors] | None:
    """What is multiplied and what it is divided by: moments, and sums of products."""
    if isinstance(x, DeferredQuotient):
        return x._above, x._below
    if type(x) is not SecretArray or x.undivided.type.is_bool:
        return None
    if dot_of(x.undivided) is not None:
        return (Quotient(x.undivided, x.divisor),), ()
    plain, times = multiple(x.undivided)
    if plain.operation.algebra is not Algebra.MULTIPLY or shift_of(plain.attrs):
        return None
    if any(dot_of(one) is None for one in plain.inputs):
        return None
    one, other = plain.inputs
    assert isinstance(one, Recorded) and isinstance(other, Recorded)
    bits = x.undivided.type.frac_bits - one.type.frac_bits - other.type.frac_bits
    return (Quotient(one, x.divisor * Fraction(2) ** bits / times), Quotient(other)), ()


def _of_squares(a: Any, b: SecretArray) -> SecretArray | None:
    """A product of two by the product of both norms; None of anything else."""
    first, second = _parts(a) if isinstance(a, SecretArray) else None, _parts(b)
    if first is None or second is None or len(first[0] + second[1]) != 2 or len(first[1] + second[0]) != 2:
        return None
    return _normalised(a.device, first[0] + second[1], first[1] + second[0])


def _composed(session: Any, above: Factors, below: Factors, otherwise: Quotient | PlanError) -> SecretArray | None:
    """The value, where it is a square by the product of both norms; None where no more factors can make it one."""
    if len(above) > 2 or len(below) > 2:
        return None
    if len(above) < 2 or len(below) < 2:
        return DeferredQuotient.of(session, above, below, otherwise)
    return _normalised(session, above, below)


def _normalised(session: Any, above: Factors, below: Factors) -> SecretArray | None:
    """s t / (u v) as s / sqrt(u v) times t / sqrt(u v), where both are bounded; 0 where u or v is 0. None if not."""
    dots = [dot_of(one.node) for one in (*above, *below)]
    ratios = [square_ratio(one, *dots[2:]) for one in dots[:2]]
    shapes = {one.node.type.shape for one in (*above, *below)}
    if ratios[0] is None or ratios[1] is None or len(shapes) > 1:
        return None
    factor = above[0].divisor * above[1].divisor / (below[0].divisor * below[1].divisor)
    roots = Roots(tuple(one.node for one in below), abs(factor))
    try:
        factors = [over_roots(one.node, roots, _MORE_BITS) for one in above]
        product = build.multiply(*factors)
    except PlanError:
        if shapes != {()}:
            return None
        wide = [math.isqrt(math.ceil(ratio)) + (ratio != 1) for ratio in ratios if ratio is not None]
        return _by_powers(session, above, below, wide)
    product = product if factor > 0 else build.negate(product)
    meant = min(one.type.nominal for one in factors) - _MORE_BITS
    return secret_array(session, settle(renamed(product, product.type.frac_bits, meant)))


def _by_powers(session: Any, above: Factors, below: Factors, wide: Sequence[int]) -> SecretArray:
    """The same of all four normalised by powers of two, where a product with one root does not fit."""
    found = _normalised_square(session, [one.node for one in (*above, *below)], wide)
    scales = [one.divisor * (1 << one.node.type.frac_bits) for one in (*above, *below)]
    factor = scales[2] * scales[3] / (scales[0] * scales[1])
    bits = DEFAULT_FRAC_BITS + max(0, math.ceil(abs(factor)).bit_length() - 1)
    result = numeric.at_precision(found, min(WORKING_BITS, bits))
    limit = wide[0] * wide[1]
    most = (limit << result.frac_bits) + (limit << max(0, result.frac_bits - 24)) + 4
    result = numeric.bounded(result, 0 if above[0].node is above[1].node else -most, most, CAUCHY_SCHWARZ)
    return secret_array(session, result.undivided, 1 / factor)


def _normalised_square(session: Any, nodes: Sequence[Recorded], wide: Sequence[int]) -> SecretArray:
    """s t / (u v) for |s|, |t| <= wide sqrt(u v), as stored integers; 0 where u or v is 0. Within 2^-40."""
    stored = [secret_array(session, renamed(number(node), 0, 0)) for node in nodes]
    norms, bits, factors = [], [], []
    there = [logical_not(node.graph.node("is_zero", (number(node),))) for node in nodes[2:]]
    for norm in stored[2:]:
        size = numeric.top_bits(norm)
        by, _ = numeric.half_normaliser(norm, size)
        norms.append(_scaled(norm, by, by, size, 1))
        bits.append(size)
        factors.append(by)
    sides = []
    for side, most in zip(stored[:2], wide, strict=True):
        kept = side.like(inject(there[1], inject(there[0], side.undivided)))
        sides.append(_scaled(kept, factors[0], factors[1], sum(bits) // 2, most))
    above = numeric.at_precision(exactly(quotients.multiply, *sides), WORKING_BITS)
    below = exactly(
        partial(quotients.extreme, smallest=False),
        numeric.at_precision(exactly(quotients.multiply, *norms), WORKING_BITS),
        _LEAST,
    )
    return exactly(_quotient, above, below)


def _scaled(x: SecretArray, left: SecretArray, right: SecretArray, bits: int, most: int) -> SecretArray:
    """left x right / 2^bits, at most `most` in magnitude."""
    top = most << bits
    lo = 0 if x.undivided.type.lo >= 0 else -top
    once = numeric.product_within(x, left, lo, top, CAUCHY_SCHWARZ)
    both = numeric.product_within(once, right, lo, top, CAUCHY_SCHWARZ)
    return numeric.at_precision(numeric.times_power(both, -bits, WORKING_BITS), WORKING_BITS)
