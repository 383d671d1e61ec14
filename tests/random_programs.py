"""Random programs on secret arrays, held against exact rational arithmetic and the errors that docstrings state.

Every value is held to this: what is revealed lies within its stated error of the exact value, and within `x.bounds`;
what is kept has all the bits that its dtype says; comparisons and rounding of values that are exact so far are exact.
Every twentieth is a linear regression beside its normal equations in fractions.

    python tests/random_programs.py --seconds 600 --seed 1     prints each fault and how to repeat it
"""

from __future__ import annotations

import argparse
import math
import operator
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

import tercet.array as tc
from plan_trio import TrioSession
from tercet.errors import TercetError

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
ROUNDING: dict[str, tuple[Any, Callable[[Fraction], int]]] = {
    "floor": (tc.floor, math.floor),
    "ceil": (tc.ceil, math.ceil),
    "trunc": (tc.trunc, math.trunc),
    "round": (tc.round, round),
    "astype": (lambda x: tc.astype(x, int), math.trunc),
}
LITERALS = [0.1, 0.3, 0.004, 1e-6, 30.1, 19.4, 0.5, 2.0, 1 / 3, 2.0**-16, 1e5, 7, 1, 3, 1000, 1e17, 2**40]
DIVISORS = [2, 3, 4, 7, 8, 10, 100, 1000, 0.5, 0.1, -2, -3, 2.0**-16, 1024]


class FaultError(AssertionError):
    """A program whose result is wrong."""


@dataclass
class Value:
    """A secret array beside what it is exactly, as far as is stated."""

    secret: Any
    exact: list[Fraction]
    error: Fraction = Fraction(0)
    quotient: bool = False
    """Still to be divided: exact where it is revealed, compared or rounded."""
    product: bool = False
    """Stored at a finer scale than its dtype's until it is rescaled."""
    steps: list[str] = field(default_factory=list)
    line: tuple[Value, Fraction, Fraction] | None = None
    """Of which other value it is a multiple, by numbers as they are written, plus a number."""

    @property
    def of(self) -> tuple[Value, Fraction, Fraction] | None:
        return self.line or (None if self.quotient else (self, Fraction(1), Fraction(0)))

    def times(self, k: Fraction, plus: Fraction = Fraction(0)) -> tuple[Value, Fraction, Fraction] | None:
        return None if self.of is None else (self.of[0], self.of[1] * k, self.of[2] * k + plus)

    @property
    def ulp(self) -> Fraction:
        return Fraction(1, 1 << self.secret.frac_bits)

    @property
    def largest(self) -> Fraction:
        return max((abs(value) for value in self.exact), default=Fraction(0))

    @property
    def used(self) -> Fraction:
        """The error of what is computed further."""
        error = self.error
        if self.quotient:
            error += self.ulp * 5 / 4 + self.largest / (1 << 32)
        return error + self.ulp if self.product else error


class Program:
    """Values of one session, made by random steps."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        # parties show what leaves its ring, and take longer
        self.session = TrioSession(parties=self.random.random() < 0.25, seed=seed)
        self.length = self.random.randint(1, 3)
        self.values = [self.input() for _ in range(self.random.randint(1, 3))]

    # ---- drawing ----

    def input(self) -> Value:
        r = self.random
        kind = r.choice(["int", "int", "fixed", "fixed", "fixed", "bool"])
        if kind == "bool":
            bits = [r.random() < 0.5 for _ in range(self.length)]
            return Value(
                self.session.share(np.array(bits)) + 0, [Fraction(bit) for bit in bits], steps=[f"bools {bits}"]
            )
        frac = 0 if kind == "int" else r.choice([1, 2, 4, 8, 16, 16, 16, 24, 40])
        top = r.choice([1, 10, 1000, 2**20, 2**20 if frac else 2**31 - 1, 10**9])
        lo = r.choice([-top, -top, 0])
        values = [self.number(lo, top, frac) for _ in range(self.length)]
        stored = [Fraction(round(Fraction(value) * (1 << frac)), 1 << frac) for value in values]
        secret = self.session.share(values, bounds=(lo, top), **({"frac_bits": frac} if frac else {}))
        return Value(secret, stored, steps=[f"share({values}, bounds=({lo}, {top}), frac_bits={frac})"])

    def number(self, lo: int, top: int, frac: int) -> Any:
        r = self.random
        edges = [lo, top, 0, 1, max(lo, -1)] if not frac else [lo, top, 0.0, 2.0**-frac, 0.1, 0.3, 0.7, 0.75, 1.0]
        if r.random() < 0.6:
            value = r.choice(edges + [30.1, 19.4] * (frac > 0))
            if lo <= value <= top:
                return float(value) if frac else int(value)
        scale = 10 ** r.uniform(-3, math.log10(top) if top > 1 else 0)
        value = r.uniform(-scale if lo < 0 else 0, scale)
        value = min(max(round(value, r.choice([0, 1, 2, 6])) if frac else round(value), lo), top)
        return float(value) if frac else int(value)

    def pick(self) -> Value:
        return self.values[-1 - min(self.random.randrange(len(self.values)), self.random.randrange(len(self.values)))]

    # ---- steps ----

    def step(self) -> None:
        name, make = self.random.choice(_STEPS)
        try:
            found = make(self)
        except TercetError as error:
            if "its type says" in str(error):
                raise FaultError(f"{name}: {error}") from None
            return  # refused, by name
        except (ZeroDivisionError, TypeError):
            return
        if found is not None:
            if found.secret.shape == ():
                found.secret = tc.stack([found.secret] * self.length)
                found.exact = found.exact * self.length
                found.line = None
            self.values.append(found)

    def check(self) -> None:
        """Every value, revealed and kept."""
        for value in self.values:
            try:
                self.hold(value, value.secret, value.error + (value.ulp if value.product else 0))
                if self.random.random() < 0.5:
                    kept = value.secret.persist()
                    self.hold(value, kept, value.error + value.ulp, "kept: ")
                    again = kept + 0
                    self.hold(value, again, value.used + 2 * value.ulp, "kept, and used: ")
            except TercetError as error:
                if "its type says" in str(error):
                    raise FaultError(f"{value.steps}: {error}") from None

    def hold(self, value: Value, secret: Any, error: Fraction, what: str = "") -> None:
        plain = np.asarray(secret.reveal()).reshape(-1).tolist()
        lo, hi = secret.bounds
        for got, exact in zip(plain, value.exact, strict=True):
            slack = error + abs(exact) / (1 << 51)
            if abs(Fraction(got) - exact) > slack:
                raise FaultError(f"{what}{got} for {float(exact)} (error {float(error)}) after {value.steps}")
            if not lo - abs(lo) * 2**-50 <= got <= hi + abs(hi) * 2**-50:
                raise FaultError(f"{what}{got} beyond the bounds {(lo, hi)} after {value.steps}")

    def bits(self, secret: Any, wanted: list[bool | None], what: list[str]) -> None:
        got = np.asarray(secret.reveal()).reshape(-1).tolist()
        wanted = wanted * (len(got) // len(wanted))
        if any(one is not None and one != bool(two) for one, two in zip(wanted, got, strict=True)):
            raise FaultError(f"{got} for {wanted} after {what}")


def written(k: float | int) -> Fraction:
    return Fraction(k) if isinstance(k, int) else Fraction(repr(float(k)))


def together(x: Value, y: Value, sign: int) -> tuple[Value, Fraction, Fraction] | None:
    """Of which value a sum or difference is a multiple, if both are of the same."""
    a, b = x.of, y.of
    if a is None or b is None or a[0].secret.undivided is not b[0].secret.undivided or not a[1] + sign * b[1]:
        return None
    return a[0], a[1] + sign * b[1], a[2] + sign * b[2]


def meets(x: Value, k: float | int) -> tuple[list[Fraction], Fraction, bool] | None:
    """What a literal is compared with, as which number, and whether turned round; None where no rule is followed."""
    if x.line is None:
        at = read(x, k)
        return None if at is None else (x.exact, at, False)
    base, a, b = x.line
    if base.error or base.product:
        return None
    at = (written(k) - b) / a
    if base.secret.dtype.name == "fixed" and isinstance(k, int) and (at * 2**base.secret.frac_bits).denominator > 1:
        return None  # a question of digits
    if base.secret.dtype.name == "fixed":
        at = Fraction(round(at * 2**base.secret.frac_bits), 2**base.secret.frac_bits)
    elif abs(at - round(at)) * 2**48 < 1 + abs(at) and at.denominator != 1:
        return None  # where floats and decimals differ
    return base.exact, at, a < 0


def read(x: Value, k: float | int) -> Fraction | None:
    """A public number as it is read beside x; None where the exact rule is not followed here."""
    kind = x.secret.dtype.name
    if isinstance(k, int) or kind == "integer":
        return Fraction(k)
    if x.product or (x.quotient and Fraction(k).denominator > 1):
        return None
    frac = x.secret.frac_bits
    return Fraction(round(Fraction(k) * (1 << frac)), 1 << frac)


def add(p: Program) -> Value:
    x, y, minus = p.pick(), p.pick(), p.random.random() < 0.5
    secret = x.secret - y.secret if minus else x.secret + y.secret
    exact = [a - b if minus else a + b for a, b in zip(x.exact, y.exact, strict=True)]
    error = x.used + y.used
    return Value(
        secret,
        exact,
        error,
        quotient=x.quotient or y.quotient,
        product=x.product or y.product,
        steps=_both(x, y, "-+"[not minus]),
        line=together(x, y, -1 if minus else 1),
    )


def add_public(p: Program) -> Value:
    x, k = p.pick(), p.random.choice(LITERALS[:-2])
    secret = x.secret + k
    at = Fraction(1, 1 << max(secret.frac_bits, 0))
    error = x.used + (0 if isinstance(k, int) else at)
    return Value(
        secret,
        [a + Fraction(k) for a in x.exact],
        error,
        x.quotient,
        x.product,
        [*x.steps, f"+ {k}"],
        x.times(Fraction(1), written(k)),
    )


def multiply(p: Program) -> Value:
    x, y = p.pick(), p.pick()
    secret = x.secret * y.secret
    exact = [a * b for a, b in zip(x.exact, y.exact, strict=True)]
    ex, ey = x.used, y.used
    error = x.largest * ey + y.largest * ex + ex * ey
    return Value(secret, exact, error, product=True, steps=_both(x, y, "*"))


def multiply_public(p: Program) -> Value:
    x, k = p.pick(), p.random.choice(LITERALS)
    secret = x.secret * k if p.random.random() < 0.7 else k * x.secret
    exact = [a * Fraction(k) for a in x.exact]
    largest = max(abs(Fraction(bound)) for bound in x.secret.bounds)
    ulp = Fraction(1, 1 << secret.frac_bits)
    error = x.used * abs(Fraction(k))
    if isinstance(k, float):
        error += ulp / 2 + min(largest, x.largest) * abs(Fraction(k)) / (1 << 32)
    return Value(
        secret, exact, error, x.quotient, isinstance(k, float) or x.product, [*x.steps, f"* {k}"], x.times(written(k))
    )


def multiply_array(p: Program) -> Value | None:
    """By public numbers of quite different sizes: each result has the error of its own number."""
    x = p.pick()
    k = [p.random.choice([*LITERALS, -0.7, 1e12, 1e-9]) for _ in range(p.length)]
    secret = x.secret * np.array(k, dtype=float)
    largest, ulp = max(abs(Fraction(bound)) for bound in x.secret.bounds), Fraction(1, 1 << secret.frac_bits)
    exact = [a * Fraction(one) for a, one in zip(x.exact, map(float, k), strict=True)]
    errors = [x.used * abs(Fraction(one)) + 2 * ulp + largest * abs(Fraction(one)) / (1 << 32) for one in map(float, k)]
    got = np.asarray(secret.reveal()).reshape(-1).tolist()
    for found, wanted, error in zip(got, exact, errors, strict=True):
        if abs(Fraction(found) - wanted) > error + abs(wanted) / (1 << 51):
            raise FaultError(f"{found} for {float(wanted)} (error {float(error)}) after {x.steps} * {k}")
    return Value(secret, exact, max(errors), product=True, steps=[*x.steps, f"* {k}"])


def divide_public(p: Program) -> Value:
    x, k = p.pick(), p.random.choice(DIVISORS)
    return Value(
        x.secret / k,
        [a / Fraction(k) for a in x.exact],
        x.error / abs(Fraction(k)),
        True,
        x.product,
        [*x.steps, f"/ {k}"],
        x.times(1 / written(k)),
    )


def mean(p: Program) -> Value:
    x = p.pick()
    return Value(x.secret.mean(), [sum(x.exact, Fraction(0)) / p.length], x.error, True, x.product, [*x.steps, "mean"])


def total(p: Program) -> Value:
    x = p.pick()
    error = p.length * (x.error + (x.ulp if x.product else 0))
    return Value(x.secret.sum(), [sum(x.exact, Fraction(0))], error, x.quotient, x.product, [*x.steps, "sum"])


def spread(p: Program) -> Value | None:
    x = p.pick()
    centre = sum(x.exact, Fraction(0)) / p.length
    exact = sum(((a - centre) ** 2 for a in x.exact), Fraction(0)) / p.length
    error = 4 * (x.error + (x.ulp if x.product else 0)) * (2 * x.largest + 1)
    if p.random.random() < 0.5:
        return Value(x.secret.var(), [exact], error, True, False, [*x.steps, "var"])
    deviation = x.secret.std()
    got, (lo, hi) = float(deviation.reveal()), deviation.bounds
    if abs(Fraction(got) ** 2 - exact) > error + (exact + error) / (1 << 50):
        raise FaultError(f"std {got} for {math.sqrt(exact)} after {x.steps}")
    if not lo <= got <= hi:
        raise FaultError(f"std {got} beyond the bounds {(lo, hi)} after {x.steps}")
    return None


def divide(p: Program) -> Value | None:
    x, y = p.pick(), p.pick()
    if y.used:
        return None
    public = p.random.random() < 0.4
    k = p.random.choice([1, 1e-6, 0.1, 1000, 2**31 - 1, -(2**63), 1e-3, 2.0**62])
    dividends = [Fraction(k)] * p.length if public else x.exact
    secret = tc.divide(k if public else x.secret, y.secret)
    steps = [*y.steps, f"{k} divided by it"] if public else _both(x, y, "divided by")
    least = min((abs(b) for b in y.exact), default=Fraction(0))
    if not least:
        p.hold_bounds(secret, steps)
        return None
    exact = [a / b for a, b in zip(dividends, y.exact, strict=True)]
    ulp = Fraction(1, 1 << secret.frac_bits)
    error = max(2 * ulp, max(abs(q) for q in exact) / (1 << 26)) + ((0 if public else x.used) / least)
    for sign, op in ((1, operator.lt), (-1, operator.gt)):
        wanted = [False if q * sign >= 0 and not x.used else None for q in exact]
        p.bits(op(secret, 0), wanted, [*steps, f"{op.__name__} 0"])
    return Value(secret, exact, error, product=False, steps=steps)


def related(p: Program) -> None:
    """A covariance over a variance, or r squared, in a random spelling, of columns of random sizes."""
    r = p.random
    rows = r.randint(2, 12)
    sizes = [10 ** r.uniform(-2, 5.9) for _ in range(2)]
    base = [[r.uniform(-size, size) for _ in range(rows)] for size in sizes]
    weight = r.choice([0, 0.5, 1, 3]) * sizes[1] / sizes[0]
    columns = [base[0], [min(max(b + weight * a, -(2.0**20)), 2.0**20) for a, b in zip(*base, strict=True)]]
    if r.random() < 0.15:
        columns[r.randrange(2)] = [r.choice([0.0, 0.3, 7.0])] * rows
    stored = [[Fraction(round(value * 65536), 65536) for value in column] for column in columns]
    x, y = (p.session.share(column, bounds=(-(2**20), 2**20)) for column in columns)
    exact = [_moment(*pair) for pair in ((stored[0], stored[1]), (stored[0], stored[0]), (stored[1], stored[1]))]
    which = [r.randrange(len(SPELLINGS)) for _ in range(3)]
    pairs = ((x, y), (x, x), (y, y))
    c, vx, vy = (SPELLINGS[at](a, b, rows) for at, (a, b) in zip(which, pairs, strict=True))
    norms = (False, True, True)
    scale = [
        SCALES[at](rows) if at < 5 else Fraction(1, rows * (rows - 1 if norm else rows))
        for at, norm in zip(which, norms, strict=True)
    ]
    if r.random() < 0.5:
        found, what = c / vx, "slope"
        wanted = exact[0] * scale[0] / (exact[1] * scale[1]) if exact[1] else None
        error = 3 * Fraction(1, 65536)
        if wanted is not None:  # where it does not fit exactly, both are rounded to their last bits before
            error += (abs(wanted) + 1) / (65536 * exact[1] * scale[1])
    else:
        found, what = c * c / vx / vy if r.random() < 0.3 else c**2 / (vx * vy), "r squared"
        below = exact[1] * exact[2]
        factor = Fraction(scale[0] ** 2, 1) / (scale[1] * scale[2])
        wanted, error = (exact[0] ** 2 / below * factor if below else None), 3 * factor / 65536 + Fraction(3, 65536)
    steps = [f"{what} {which} of {columns}"]
    p.hold_bounds(tc.stack([found]), steps)
    if wanted is None:
        return
    # centred columns are off by a last bit each: of norms that small that is a part that counts
    least = min(v for v in exact[1:]) * 65536**2
    if least < rows * rows * 2**20:
        return
    error += abs(wanted) * (Fraction(1, 1 << 24) + Fraction(8 * rows * rows, int(least)))
    got = float(found.reveal())
    if abs(Fraction(got) - wanted) > error:
        raise FaultError(f"{got} for {float(wanted)} (error {float(error)}) after {steps}")


def _moment(x: list[Fraction], y: list[Fraction]) -> Fraction:
    n = len(x)
    return n * sum((a * b for a, b in zip(x, y, strict=True)), Fraction(0)) - sum(x, Fraction(0)) * sum(y, Fraction(0))


SPELLINGS: list[Callable[[Any, Any, int], Any]] = [
    lambda x, y, n: (x * y).mean() - x.mean() * y.mean(),
    lambda x, y, n: ((x - x.mean()) * (y - y.mean())).mean(),
    lambda x, y, n: ((x - x.mean()) * (y - y.mean())).sum(),
    lambda x, y, n: n * (x * y).sum() - x.sum() * y.sum(),
    lambda x, y, n: (x - x.mean()) @ (y - y.mean()) / (n - 1),
    lambda x, y, n: x.var(ddof=1) if x is y else (x @ y) / n - x.mean() * y.mean(),
]
SCALES: list[Callable[[int], Fraction]] = [
    lambda n: Fraction(1, n * n),
    lambda n: Fraction(1, n * n),
    lambda n: Fraction(1, n),
    lambda n: Fraction(1),
    lambda n: Fraction(1, n * (n - 1)),
]


def hold_bounds(self: Program, secret: Any, steps: list[str]) -> None:
    lo, hi = secret.bounds
    for got in np.asarray(secret.reveal()).reshape(-1).tolist():
        if not lo <= got <= hi:
            raise FaultError(f"{got} beyond the bounds {(lo, hi)} after {steps}")


Program.hold_bounds = hold_bounds  # type: ignore[attr-defined]


def compare(p: Program) -> None:
    x, name = p.pick(), p.random.choice(list(COMPARE))
    op = COMPARE[name]
    if p.random.random() < 0.5:
        y = p.pick()
        slack = (x.used if x.error else 0) + (y.used if y.error else 0)
        wanted = [op(a, b) if not slack or abs(a - b) > slack else None for a, b in zip(x.exact, y.exact, strict=True)]
        p.bits(op(x.secret, y.secret), wanted, _both(x, y, name))
        return
    # what some element was made from, or near it
    k: Any = p.random.choice([*LITERALS, *(float(a) for a in x.exact), *(math.floor(a) for a in x.exact)])
    met = meets(x, k)
    if met is None:
        return
    exact, at, turned = met
    unsure = Fraction(0) if x.line or not x.error else x.used
    wanted = [(op(at, a) if turned else op(a, at)) if not unsure or abs(a - at) > unsure else None for a in exact]
    p.bits(op(x.secret, k), wanted, [*x.steps, f"{name} {k!r}"])
    wanted = [(op(a, at) if turned else op(at, a)) if not unsure or abs(a - at) > unsure else None for a in exact]
    p.bits(op(k, x.secret), wanted, [f"{k!r} {name}", *x.steps])


def rounding(p: Program) -> Value | None:
    x, name = p.pick(), p.random.choice(list(ROUNDING))
    how, meant = ROUNDING[name]
    secret = how(x.secret)
    exact = [Fraction(meant(a)) for a in x.exact]
    if x.error:
        return None
    return Value(secret, exact, steps=[*x.steps, name])


def floor_divide(p: Program) -> Value | None:
    x, k = p.pick(), p.random.choice([0.1, 0.25, 0.3, 2, 3, 7, 100, -3, -0.1, 1000])
    if x.error or x.product or (x.quotient and isinstance(k, float)):
        return None
    step, fixed = Fraction(k), x.secret.dtype.name == "fixed" and not x.quotient
    values, factor, finest = x.exact, Fraction(1), x.secret.frac_bits
    if fixed and x.line is not None and not x.line[2] and x.line[0].secret.dtype.name == "fixed":
        # of a multiple, multiples of the step are read beside what it is a multiple of
        base, factor, _ = x.line
        step, values, finest = Fraction(float(written(k) / factor)), base.exact, base.secret.frac_bits
    few = (abs(step) * 2**finest).numerator < 1 << 10  # no decimal that floats cannot hold
    half = Fraction(1, 2 << finest) if fixed and not few else Fraction(0)
    sign = 1 if step > 0 else -1
    counts = [math.floor((sign * a + half) / abs(step)) for a in values]
    if p.random.random() < 0.5:
        return Value(x.secret // k, [Fraction(count) for count in counts], steps=[*x.steps, f"// {k}"])
    rest = [factor * (a - sign * count * abs(step)) for a, count in zip(values, counts, strict=True)]
    secret = x.secret % k
    whole = factor == 1 and (isinstance(k, int) or not half or (abs(step) * 2**finest).denominator == 1)
    error = Fraction(0) if whole else half * 2 * abs(factor)
    return Value(secret, rest, error, x.quotient or factor != 1, not fixed or factor != 1, steps=[*x.steps, f"% {k}"])


def choose(p: Program) -> Value:
    r = p.random
    condition = p.pick()
    bit = condition.secret > 0
    if condition.used:
        bit, wanted = p.session.share(np.array([True] * p.length)), [True] * p.length
    else:
        wanted = [a > 0 for a in condition.exact]
    x: Any = p.pick() if r.random() < 0.4 else r.choice(LITERALS)
    y: Any = p.pick() if r.random() < 0.4 else r.choice(LITERALS)
    secret = tc.where(bit, *(one.secret if isinstance(one, Value) else one for one in (x, y)))
    ulp = Fraction(1, 1 << secret.frac_bits)
    columns = [one.exact if isinstance(one, Value) else [Fraction(one)] * p.length for one in (x, y)]
    exact = [a if holds else b for holds, a, b in zip(wanted, *columns, strict=True)]
    error = max((one.used if isinstance(one, Value) else 0 if isinstance(one, int) else ulp) for one in (x, y))
    product = any(isinstance(one, Value) and (one.product or one.quotient) for one in (x, y))
    said = [one.steps if isinstance(one, Value) else one for one in (x, y)]
    return Value(
        secret, exact, Fraction(error), product=product, steps=[f"where({condition.steps} > 0, {said[0]}, {said[1]})"]
    )


def extreme(p: Program) -> Value:
    x, y, smaller = p.pick(), p.pick(), p.random.random() < 0.5
    secret = (tc.minimum if smaller else tc.maximum)(x.secret, y.secret)
    exact = [(min if smaller else max)(a, b) for a, b in zip(x.exact, y.exact, strict=True)]
    return Value(
        secret,
        exact,
        max(x.used, y.used),
        x.quotient or y.quotient,
        x.product or y.product,
        _both(x, y, "min" if smaller else "max"),
    )


def sign_changed(p: Program) -> Value:
    x = p.pick()
    if p.random.random() < 0.5:
        return Value(
            -x.secret,
            [-a for a in x.exact],
            x.error,
            x.quotient,
            x.product,
            [*x.steps, "negated"],
            x.times(Fraction(-1)),
        )
    return Value(abs(x.secret), [abs(a) for a in x.exact], x.used, x.quotient, x.product, [*x.steps, "abs"])


def _both(x: Value, y: Value, name: str) -> list[str]:
    return [f"({', '.join(x.steps)})", name, f"({', '.join(y.steps)})"]


_STEPS: list[tuple[str, Callable[[Program], Value | None]]] = [
    ("add", add),
    ("add a public number", add_public),
    ("multiply", multiply),
    ("multiply by a public number", multiply_public),
    ("multiply by public numbers", multiply_array),
    ("divide by a public number", divide_public),
    ("divide by a public number", divide_public),
    ("mean", mean),
    ("sum", total),
    ("variance", spread),
    ("divide", divide),
    ("divide", divide),
    ("related", related),
    ("compare", compare),
    ("compare", compare),
    ("compare", compare),
    ("round", rounding),
    ("floor divide", floor_divide),
    ("choose", choose),
    ("extreme", extreme),
    ("sign", sign_changed),
]


def run(seed: int) -> None:
    """One program. Raises FaultError if something in it is wrong."""
    program = Program(seed)
    for _ in range(program.random.randint(1, 5)):
        program.step()
    program.check()


def fit(seed: int) -> None:
    """One linear regression against its normal equations in fractions. Raises FaultError."""
    from tercet.linear_model import LinearRegression

    r = random.Random(seed)
    rows, columns = r.randint(6, 14), r.randint(1, 2)
    session = TrioSession(seed=seed)
    data, frac = [], r.choice([0, 0, 16])
    top = 1
    for _ in range(columns):
        base, width = r.choice([(0, 1), (0, 1), (0, 100), (1_600_000_000_000 if not frac else 1000, 10**6), (0, 10**6)])
        data.append([base + r.randint(0, width) for _ in range(rows)])
        top = max(top, base + width)
    y_top = r.choice([1000, 10**9, 10**9])
    slope = [r.uniform(-1, 1) * y_top / 4 / max(1, max(column) - min(column)) for column in data]
    exact_y = [
        sum(s * (column[i] - min(column)) for s, column in zip(slope, data, strict=True)) + r.uniform(0, 0.2) * y_top
        for i in range(rows)
    ]
    y = [Fraction(round(value * 65536), 65536) for value in exact_y]
    coef, intercept, condition = _least_squares(data, y)
    if condition < 2.0**-10:
        return
    wide = r.choice([1, 1, 16])
    try:
        x = session.share(
            np.array(data, dtype=float if frac else np.int64).T,
            bounds=(0, top * wide),
            **({"frac_bits": 16} if frac else {}),
        )
        target = session.share([float(value) for value in y], bounds=(-y_top * wide, y_top * wide))
        model = LinearRegression().fit(x, target)
        found, at = model.coef_.reveal(), float(model.intercept_.reveal())
    except TercetError as error:
        if "its type says" in str(error):
            raise FaultError(f"regression {seed}: {error}") from None
        return
    deviation = math.sqrt(float(_variance(y))) or 1.0
    for got, wanted, column in zip(found.tolist(), coef, data, strict=True):
        allowed = abs(float(wanted)) * 1e-6 + 1e-8 * deviation / math.sqrt(
            float(_variance([Fraction(v) for v in column]))
        )
        if abs(got - float(wanted)) > allowed:
            raise FaultError(
                f"coefficient {got} for {float(wanted)}: {data}, {exact_y}, {top * wide}, {y_top * wide}, {frac}"
            )
    size = abs(float(intercept)) + sum(
        abs(float(c)) * max(map(abs, column)) for c, column in zip(coef, data, strict=True)
    )
    if abs(at - float(intercept)) > 1e-8 * size + 1e-8 * deviation:
        raise FaultError(
            f"intercept {at} for {float(intercept)}: {data}, {exact_y}, {top * wide}, {y_top * wide}, {frac}"
        )


def _variance(values: list[Fraction]) -> Fraction:
    centre = sum(values, Fraction(0)) / len(values)
    return sum(((value - centre) ** 2 for value in values), Fraction(0)) / len(values)


def _least_squares(data: list[list[int]], y: list[Fraction]) -> tuple[list[Fraction], Fraction, float]:
    """Coefficients, intercept, and the least part of a column's variance that is left after those before it."""
    n = len(y)
    centres = [Fraction(sum(column), n) for column in data]
    middle = sum(y, Fraction(0)) / n
    c = [[Fraction(v) - m for v in column] for column, m in zip(data, centres, strict=True)]
    d = [value - middle for value in y]
    matrix = [[sum((a * b for a, b in zip(p, q, strict=True)), Fraction(0)) for q in [*c, d]] for p in c]
    whole = [matrix[i][i] for i in range(len(c))]
    least = 1.0
    for i, row in enumerate(matrix):
        if not row[i]:
            return [], Fraction(0), 0.0
        least = min(least, float(row[i] / whole[i]))
        for j, other in enumerate(matrix):
            if j != i:
                factor = other[i] / row[i]
                matrix[j] = [a - factor * b for a, b in zip(other, row, strict=True)]
    coef = [matrix[i][-1] / matrix[i][i] for i in range(len(c))]
    return coef, middle - sum((a * m for a, m in zip(coef, centres, strict=True)), Fraction(0)), least


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this program alone")
    parser.add_argument("--shown", type=int, default=40)
    args = parser.parse_args()
    if args.only is not None:
        (fit if args.only % 20 == 19 else run)(args.only)
        return 0
    faults: Counter[str] = Counter()
    start, seed = time.monotonic(), args.seed
    while time.monotonic() - start < args.seconds:
        try:
            (fit if seed % 20 == 19 else run)(seed)
        except Exception as error:  # all are faults here
            faults[type(error).__name__] += 1
            if sum(faults.values()) <= args.shown:
                print(f"--only {seed}: {type(error).__name__}: {str(error)[:600]}", flush=True)
        seed += 1
    print(f"{seed - args.seed} programs, faults: {dict(faults)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
