"""Functions given by public numbers: polynomials, polynomials in pieces, and lines between points. x is secret."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import given
from tercet.array.core import SecretArray, apply
from tercet.array.dispatch import array_function, array_function_beside
from tercet.plan.record import build, pieces
from tercet.plan.record.graph import Recorded
from tercet.plan.types import ValueKind


def _numbers(value: Any, what: str, ndim: int) -> NDArray[Any]:
    if isinstance(value, SecretArray) or (isinstance(value, list | tuple) and _holds_secrets(value)):
        raise TypeError(f"{what} are public numbers; of secret ones write products and sums")
    found = given.array(value, what)
    if found.dtype.kind not in "biuf" or not np.all(np.isfinite(found)):
        raise TypeError(f"{what} are finite public numbers")
    if found.ndim != ndim or not found.size:
        raise ValueError(
            f"{what} are an array of {ndim} dimensions and at least one number, not of shape {found.shape}"
        )
    return found


def _holds_secrets(values: Sequence[Any]) -> bool:
    return any(isinstance(one, SecretArray) for one in values)


def _exact(values: NDArray[Any]) -> list[Fraction]:
    return [Fraction(value) for value in values.tolist()]


def _secret(x: Any, name: str) -> SecretArray:
    if not isinstance(x, SecretArray):
        raise TypeError(f"{name} takes a secret array, not {type(x).__name__}")
    return x


@array_function
def polyval(p: Any, x: Any) -> SecretArray:
    """The polynomial p[0] x^(n-1) + .. + p[n-1] of secret x, with public coefficients, the highest power first.

    Over the bounds of x as a sum of Chebyshev polynomials, by baby and giant steps with all giant products in one
    exchange, rescaled once: about 2 sqrt(n) products. Error: two last bits, also where terms cancel. Of integers with
    integer coefficients exact, by Horner. Lines (n = 2) are one local product. PlanError where what it reaches over
    the bounds of x, times 2^frac_bits, is above 2^56 or so: narrower bounds help. TypeError for secret coefficients.
    NumPy's function; numpy.polynomial.polynomial.polyval(x, c) is polyval(c[::-1], x).
    """
    secret = _secret(x, "polyval")
    numbers = _numbers(p, "coefficients", 1)
    whole = numbers.dtype.kind in "biu" and secret._type.kind is not ValueKind.FIXED and secret.divisor == 1

    def record(node: Recorded) -> Recorded:
        if whole:
            return _horner(build.number(node), numbers.astype(object))
        return pieces.piecewise(pieces.argument(node), [], [_exact(numbers)[::-1]])

    return apply(record, secret)


def _horner(x: Recorded, numbers: NDArray[Any]) -> Recorded:
    found = pieces.constant(x, Fraction(int(numbers[0])), 0)
    for place, coefficient in enumerate(numbers[1:]):
        product = build.multiply(x, np.asarray(numbers[0])) if place == 0 else build.multiply(found, x)
        found = build.linear("add", product, np.asarray(coefficient))
    return found


def _table(c: Any, breaks: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    points, table = _numbers(breaks, "breaks", 1), _numbers(c, "coefficients", 2)
    _ascending(points, "breaks", 2)
    if table.shape[1] != points.size - 1:
        raise ValueError(f"{points.size} breaks are {points.size - 1} pieces; the coefficients are of {table.shape[1]}")
    return table, points


def _plain_pieces(x: Any, c: Any, breaks: Any) -> Any:
    table, points = _table(c, breaks)
    piece = np.clip(np.searchsorted(points, x, side="right") - 1, 0, table.shape[1] - 1)
    distance = x - points[piece]
    found = np.zeros(x.shape)
    for row in table:
        found = found * distance + row[piece]
    return found


@array_function_beside(_plain_pieces)
def piecewise_polynomial(x: Any, c: Any, breaks: Any) -> SecretArray:
    """Polynomials in pieces, as `scipy.interpolate.PPoly(c, breaks)(x)`: for breaks[i] <= x < breaks[i + 1] it is the
    sum of c[k, i] (x - breaks[i])^(n - 1 - k), k from 0 to n - 1; the first and last piece go on beyond their ends.

    c (n, m) and breaks (m + 1) are public, breaks ascending. In which piece x lies stays secret: every break within the
    bounds of x costs a comparison and a word of its bit; then n + 2 words, the powers of x and one exchange. Rescaled
    once. Error and refusals as `polyval`. ValueError for breaks that do not ascend, and for another number of pieces.
    """
    secret = _secret(x, "piecewise_polynomial")
    table, points = _table(c, breaks)
    own = [_about(_exact(table[::-1, k]), Fraction(points[k].item())) for k in range(table.shape[1])]

    def record(node: Recorded) -> Recorded:
        argument = pieces.argument(node)
        return pieces.piecewise(argument, _stored(_exact(points[1:-1]), argument), own)

    return apply(record, secret)


def _about(one: list[Fraction], point: Fraction) -> list[Fraction]:
    """A polynomial of x - point, as one of x."""
    found = [Fraction(0)] * len(one)
    for coefficient in reversed(one):
        found = [low - point * value for value, low in zip(found, [Fraction(0), *found[:-1]], strict=True)]
        found[0] += coefficient
    return found


def _stored(points: list[Fraction], x: Recorded) -> list[int]:
    """The least stored integers of x that are not below the points."""
    return [math.ceil(point * (1 << x.type.frac_bits)) for point in points]


def _ascending(points: NDArray[Any], what: str, least: int) -> None:
    if points.size < least or np.any(points[1:] <= points[:-1]):
        raise ValueError(f"{what} are {least} or more numbers in ascending order")


@array_function
def interp(
    x: Any, xp: Any, fp: Any, left: float | None = None, right: float | None = None, period: float | None = None
) -> SecretArray:
    """The lines between public points (xp, fp), of secret x; `left` below xp[0] and `right` above xp[-1], by default
    the first and last of fp.

    Costs a comparison for every point within the bounds of x, three words and one product; one rescaling. Error: two
    last bits. Bounds are the least and the greatest of what is reached. ValueError for xp that
    do not ascend, TypeError for `period` and for secret points. NumPy's function.
    """
    secret = _secret(x, "interp")
    if period is not None:
        raise TypeError("interp takes no period= of secret x; repeat the points")
    points, values = _numbers(xp, "xp", 1), _numbers(fp, "fp", 1)
    _ascending(points, "xp", 1)
    if points.size != values.size:
        raise ValueError(f"xp has {points.size} numbers and fp {values.size}")
    exact, at_points = _exact(values), _exact(points)
    first = exact[0] if left is None else Fraction(given.real(left, "left"))
    last = exact[-1] if right is None else Fraction(given.real(right, "right"))
    slopes = [rise / run for rise, run in zip(_steps(exact), _steps(at_points), strict=True)]
    lines = [[v - s * at, s] for v, s, at in zip(exact[:-1], slopes, at_points[:-1], strict=True)]

    def record(node: Recorded) -> Recorded:
        argument = pieces.argument(node)
        # at the last point itself it is the last value, whatever comes after it
        behind = math.floor(at_points[-1] * (1 << argument.type.frac_bits)) + 1
        polynomials = [[first], *lines, [exact[-1]], [last]]
        return pieces.piecewise(argument, [*_stored(at_points, argument), behind], polynomials)

    return apply(record, secret)


def _steps(values: list[Fraction]) -> list[Fraction]:
    return [after - before for before, after in pairwise(values)]
