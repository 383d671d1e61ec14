"""Columns as statistics take them: exact integers, where there is a value, public or secret groups and weights.

Everything is exact: numbers are taken as the integers that are stored, times a public unit, and sums, squares and
their combinations are integers. Written once for secret arrays and NumPy arrays, which hold the numbers themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

import tercet.array as namespace
from tercet.array import nullable, numeric, segments
from tercet.array.core import SecretArray, session_of
from tercet.array.opaque import OpaqueArray
from tercet.errors import InputError, PlanError
from tercet.plan.types import ValueKind

MAX_GROUPS = 256
_COARSER = 24
"""So many low bits may be dropped, where 128 bits do not take the powers of all."""


@dataclass(frozen=True)
class Sample:
    """One variable of n rows: integers (of NumPy arrays, numbers), 0 where there is no value; `numbers / unit` is
    what they mean. `there`: bools, where there is a value; None for everywhere."""

    numbers: Any
    there: Any
    unit: Fraction
    kind: type = float
    dropped: int = 0
    """So many low bits were rounded away."""

    @property
    def rows(self) -> int:
        return int(self.numbers.shape[0])

    @property
    def secret(self) -> bool:
        return isinstance(self.numbers, SecretArray)

    @property
    def count(self) -> Any:
        """How many values: public where none can be missing."""
        return self.rows if self.there is None else namespace.sum(_as_count(self.there))

    @property
    def values(self) -> Any:
        """The numbers as fixed point or floats, to compute functions of; 0 where there are none."""
        return numeric.over(self.numbers, self.unit)

    def only(self, there: Any) -> Sample:
        """The same values, where `there` holds as well."""
        if there is None:
            return self
        both = there if self.there is None else self.there & there
        return replace(self, numbers=_kept(self.numbers, there), there=both)

    def coarser(self, bits: int) -> Sample:
        """Rounded to so many low bits less."""
        if not bits or not self.secret:
            return self
        numbers = numeric.as_integers(numeric.at_precision(numeric.times_power(self.numbers, -bits, 0), 0))[0]
        return replace(self, numbers=numbers, unit=self.unit / (1 << bits), dropped=bits)


def column(x: Any, what: str = "the sample", *, where: Any = None) -> Sample:
    """One secret column of numbers, bools or decimals, with or without missing values; or a NumPy array, list or
    pandas column, where NaN counts as missing. `where`: bools, that choose among the rows.

    Raises TypeError for categories and dates, InputError for what is not one column or has no rows.
    """
    if isinstance(x, SecretArray):
        values, there = nullable.split(x)
        if isinstance(values, OpaqueArray):
            raise TypeError(f"{what} is a column of numbers: {values._refusal()}")
        values, over = numeric.numerator(values)
        numbers, frac = numeric.as_integers(values)
        unit = over * (1 << frac)
        if there is not None:
            numbers = nullable.kept(numbers, there)
        found = Sample(numbers, there, unit)
    else:
        found = _public_column(x, what)
    if len(found.numbers.shape) != 1:
        raise InputError(f"{what} has shape {found.numbers.shape}", hint="pass one column of shape (n,)")
    if not found.rows:
        raise InputError(f"{what} has no rows", hint="pass at least one row")
    return found if where is None else found.only(condition(where, found.rows))


def _public_column(x: Any, what: str) -> Sample:
    masked = np.ma.getmaskarray(x) if isinstance(x, np.ma.MaskedArray) else None
    values = np.asarray(np.ma.getdata(x) if masked is not None else x)
    if values.dtype == object:
        values = values.astype(np.float64)  # decimals
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{what} is a column of numbers, not of {values.dtype}")
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, np.bool_)
    missing = missing if masked is None else missing | masked
    numbers = np.where(missing, 0, values).astype(np.float64)
    return Sample(numbers, ~missing if missing.any() else None, Fraction(1))


def weighing(weights: Any, x: Sample) -> Sample | None:
    """Weights of the rows of a column; public ones of a secret column are integers within 2^-24 of the greatest."""
    if weights is None:
        return None
    found = column(weights, "weights")
    if found.rows != x.rows:
        raise InputError(f"{found.rows} weights of {x.rows} rows", hint="pass one weight for each row")
    if found.secret or not x.secret:
        return found
    greatest = float(np.max(np.abs(found.numbers)))
    whole = bool((found.numbers == np.round(found.numbers)).all()) and greatest < 1 << 24
    bits = 0 if whole else 24 - math.frexp(greatest)[1]
    return replace(found, numbers=np.round(np.ldexp(found.numbers, bits)).astype(np.int64), unit=Fraction(2) ** bits)


def condition(where: Any, rows: int) -> Any:
    """Bools that choose rows: secret, or public; missing ones count as False."""
    truth: Any = where._truth() if isinstance(where, SecretArray) else np.asarray(where)
    if truth.dtype != np.bool_ and getattr(truth.dtype, "name", "") != "bool":
        raise TypeError("where takes bools; compare first, as in where=age > 30")
    if truth.shape != (rows,):
        raise InputError(f"where has shape {truth.shape} for {rows} rows", hint="pass one bool for each row")
    return truth


def _as_count(bools: Any) -> Any:
    return bools if isinstance(bools, SecretArray) else bools.astype(np.float64)


def _kept(numbers: Any, there: Any) -> Any:
    if isinstance(numbers, SecretArray):
        return nullable.kept(numbers, there) if isinstance(there, SecretArray) else numbers * there
    return np.where(there, numbers, 0.0) if isinstance(there, np.ndarray) else there * numbers


# ---- groups ----


@dataclass(frozen=True)
class Grouping:
    """Which of several groups each row is in: codes from 0 on, secret or public; labels are public.

    `there`: which rows have a group; None for all.
    """

    codes: Any
    labels: tuple[Any, ...]
    there: Any

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def secret(self) -> bool:
        return isinstance(self.codes, SecretArray)

    def sum(self, numbers: Any) -> Any:
        """The sums of the rows of each group, (k,) or (k, c)."""
        if self.secret:
            lines = numbers if isinstance(numbers, SecretArray) else self.codes * 0 + numbers
            return segments.segment_sum(lines, self._coded(), len(self))
        marks = self._marks()
        if not isinstance(numbers, SecretArray):
            return marks.astype(np.float64) @ numbers
        return namespace.matmul(marks.astype(np.int64), numbers)

    def count(self, there: Any = None) -> Any:
        """How many rows of each group there are: public where groups and values are."""
        if self.secret:
            codes = self._coded(there)
            return segments.segment_count(codes, len(self))
        if there is None:
            return self._marks().sum(axis=1)
        return self.sum(there if isinstance(there, SecretArray) else there.astype(np.float64))

    def spread(self, of_groups: Any) -> Any:
        """What each group has (k,), at each of its rows (n,); 0 for rows without a group."""
        marks = self.masks()
        numbers = marks * 1 if isinstance(marks, SecretArray) else marks.astype(np.int64)
        return namespace.matmul(of_groups, numbers) if _any_secret(of_groups, numbers) else of_groups @ numbers

    def masks(self) -> Any:
        """Bools (k, n): which rows are in which group."""
        if not self.secret:
            return self._marks()
        found = namespace.expand_dims(self.codes, axis=0) == np.arange(len(self))[:, None]
        return found if self.there is None else found & namespace.expand_dims(self.there, axis=0)

    def _coded(self, there: Any = None) -> Any:
        here = [one for one in (self.there, there) if one is not None]
        if not here:
            return self.codes
        both = here[0] if len(here) == 1 else here[0] & here[1]
        if not isinstance(both, SecretArray):
            # a code beyond all groups counts nowhere
            return self.codes * both + len(self) * ~both
        return nullable.NullableArray.of_values(self.codes, both)

    def _marks(self) -> Any:
        found = self.codes[None, :] == np.arange(len(self))[:, None]
        return found if self.there is None else found & self.there


def _any_secret(*values: Any) -> bool:
    return any(isinstance(value, SecretArray) for value in values)


def groups(by: Any, rows: int, what: str = "by") -> Grouping:
    """The groups that a column makes: secret categories, bools, or integers with bounds from 0 on; or a public column,
    whose distinct values they are. At most 256.

    Raises InputError for more, or for a column of other length; TypeError for secret numbers that are no codes.
    """
    found = _secret_groups(by, what) if isinstance(by, SecretArray) else _public_groups(by)
    if found.codes.shape != (rows,):
        raise InputError(f"{what} has shape {found.codes.shape} for {rows} rows", hint="pass one group for each row")
    if not 1 <= len(found) <= MAX_GROUPS:
        raise InputError(
            f"{what} makes {len(found)} groups, and at most {MAX_GROUPS} are taken",
            hint="declare narrower bounds (0 to the last code), or join groups",
        )
    return found


def _secret_groups(by: SecretArray, what: str) -> Grouping:
    values, there = nullable.split(by)
    categories = getattr(values, "categories", None)
    codes = values._ranked(ordered=False)[0]
    if codes.dtype.name == "bool":
        return Grouping(codes * 1, (False, True), there)
    if categories is not None:
        return Grouping(codes, tuple(categories), there)
    lo, hi = codes.bounds
    if codes.dtype.kind is not ValueKind.INT or codes._divisor != 1:
        raise TypeError(f"{what} takes categories, bools or integer codes, not {codes.dtype.name}; bin it first")
    if lo < 0:
        raise InputError(f"{what} has bounds {codes.bounds}", hint="codes count from 0 on: subtract the least")
    least = int(lo)
    labels = tuple(range(least, int(hi) + 1)) if hi - lo < MAX_GROUPS else tuple(range(int(hi) + 1))
    return Grouping(codes - least if least and hi - lo < MAX_GROUPS else codes, labels, there)


def _public_groups(by: Any) -> Grouping:
    masked = np.ma.getmaskarray(by) if isinstance(by, np.ma.MaskedArray) else None
    values = np.asarray(np.ma.getdata(by) if masked is not None else by)
    missing = np.array([one is None or one != one for one in values.tolist()], dtype=np.bool_).reshape(values.shape)
    missing = missing if masked is None else missing | masked
    there = values[~missing]
    labels, codes = np.unique(there.astype(str) if there.dtype == object else there, return_inverse=True)
    every = np.zeros(values.shape, np.int64)
    every[~missing] = codes
    return Grouping(every, tuple(labels.tolist()), ~missing if missing.any() else None)


# ---- moments ----


def weighed_rows(x: Sample, by: Grouping | None, weights: Sample) -> tuple[Any, ...]:
    """Numbers of rows behind weighted sums, as sizes that have to reach a cohort: 0 where weights let fewer rows than
    the cohort speak, which is where (sum of w)^2 / (sum of w^2), after Kish, is less; else as many as there are.

    A weight of 1 for one row and 0 or a millionth for the others would show that row. Nothing without a cohort.
    """
    values = next((one for one in (x.numbers, weights.numbers) if isinstance(one, SecretArray)), None)
    cohort = 0 if values is None else session_of(values).cohort
    if not cohort:
        return ()
    w, there = weights.numbers, x.there
    if not isinstance(w, SecretArray):
        w = np.abs(w)
    elif w.bounds[0] < 0:
        w = abs(w)
    if there is not None:
        w = w * there

    def build(one: Sample) -> Any:
        squares = one.numbers * one.numbers if one.secret else one.numbers.astype(object) ** 2
        first, second = _total(one.numbers, by), _total(squares, by)
        return (first * first >= second * cohort) & (first > 0)

    enough = fitting(build, Sample(w, None, Fraction(1)))
    rows = x.count if by is None else by.count(there)
    return (enough * rows,)


def _total(line: Any, by: Grouping | None) -> Any:
    if by is not None:
        return by.sum(line)
    return namespace.sum(line) if isinstance(line, SecretArray) else np.sum(line)


@dataclass(frozen=True)
class Moments:
    """Counts, sums and sums of squares, exact: of one sample (scalars) or of k groups (k,).

    `count` is public where nothing is missing and groups are public. What they mean: count / per, total / (unit per),
    squares / (unit^2 per), where `per` is the unit of weights.
    """

    count: Any
    total: Any
    squares: Any
    unit: Fraction
    rows: int
    per: Fraction = Fraction(1)
    dropped: int = 0

    @property
    def spread(self) -> Any:
        """count * squares - total^2: the sum of squared distances from the mean, times the count."""
        return self.squares * self.count - self.total * self.total

    def __getitem__(self, at: Any) -> Moments:
        count = self.count if np.ndim(self.count) == 0 else self.count[at]
        return replace(self, count=count, total=self.total[at], squares=self.squares[at])


def moments(x: Sample, by: Grouping | None = None, weights: Sample | None = None, *, squares: bool = True) -> Moments:
    """The moments of a column: of all rows, or of each group; `weights` count rows as often as they say. `squares`:
    False where only means are asked, which take fewer bits.

    Costs a word a result, and with secret groups what `segment_sum` does.
    """
    weighted = x.numbers if weights is None else x.numbers * weights.numbers
    total = namespace.sum if by is None else by.sum
    squared = total(weighted * x.numbers) if squares else None
    if weights is None:
        count = x.count if by is None else by.count(x.there)
        return Moments(count, total(weighted), squared, x.unit, x.rows, dropped=x.dropped)
    counted = weights.numbers if x.there is None else _kept(weights.numbers, x.there)
    return Moments(total(counted), total(weighted), squared, x.unit, x.rows, weights.unit, x.dropped)


def fitting(build: Any, *columns: Sample, most: int = _COARSER) -> Any:
    """build(*columns), with as few low bits of the columns dropped as 128 bits need: mostly none.

    A bit is dropped of all columns alike, so that their units stay alike. PlanError where fewer than `most` bits do not
    suffice.
    """
    for bits in range(most):
        try:
            return build(*(one.coarser(bits) for one in columns))
        except PlanError:
            if bits == most - 1 or not any(one.secret for one in columns):
                raise
    raise AssertionError("not reached")


def same_unit(columns: Sequence[Sample]) -> list[Sample]:
    """The columns at one unit, the finest: integers times public integers."""
    units = [one.unit for one in columns]
    common = Fraction(
        np.lcm.reduce([unit.numerator for unit in units], dtype=object),
        np.gcd.reduce([unit.denominator for unit in units], dtype=object),
    )
    return [
        replace(one, numbers=one.numbers * int(common / one.unit), unit=common) if one.unit != common else one
        for one in columns
    ]
