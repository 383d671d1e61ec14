"""Several samples as one column with groups, and the ranks of its values. Written once for secret and NumPy arrays."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array import nullable, runs
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics.samples import Grouping, Sample, column, groups, same_unit


def pooled(samples: tuple[Any, ...], by: Any, where: Any = None, *, least: int = 2) -> tuple[Sample, Grouping]:
    """Separate samples one behind the other, with public groups; or one column and the groups that `by` makes of its
    rows, which may be secret. Rows without a group are not there.

    Raises InputError for fewer groups than `least`, or for samples of which some are secret and some are not.
    """
    if by is None:
        if where is not None:
            raise InputError("where chooses rows of one column", hint="use it together with by")
        if len(samples) < least:
            raise InputError(f"{len(samples)} samples, and at least {least} are compared", hint="pass more, or by=")
        return _joined([column(one, f"sample {at + 1}") for at, one in enumerate(samples)])
    if len(samples) != 1:
        raise InputError(f"{len(samples)} samples and by", hint="pass one column and the groups of its rows")
    x = column(samples[0], where=where)
    found = groups(by, x.rows)
    if len(found) < least:
        raise InputError(f"by makes {len(found)} groups, and at least {least} are compared")
    return x.only(found.there), found


def two(samples: tuple[Any, ...], by: Any, where: Any = None) -> tuple[Sample, Grouping]:
    """As `pooled`, of two groups exactly."""
    x, found = pooled(tuple(one for one in samples if one is not None), by, where)
    if len(found) != 2:
        raise InputError(f"{len(found)} groups, and two are compared: {found.labels[:8]}")
    return x, found


def _joined(samples: list[Sample]) -> tuple[Sample, Grouping]:
    if len({one.secret for one in samples}) > 1:
        raise InputError("some samples are secret and some are not", hint="share the public ones, or reveal the others")
    samples = same_unit(samples)
    there: Any = None
    if any(one.there is not None for one in samples):
        there = _concat([_everywhere(one) if one.there is None else one.there for one in samples])
    codes = np.repeat(np.arange(len(samples)), [one.rows for one in samples])
    labels = tuple(range(len(samples)))
    return replace(samples[0], numbers=_concat([one.numbers for one in samples]), there=there), Grouping(
        codes, labels, None
    )


def _concat(parts: list[Any]) -> Any:
    return namespace.concat(parts) if any(isinstance(one, SecretArray) for one in parts) else np.concatenate(parts)


def _everywhere(x: Sample) -> Any:
    every = np.ones(x.rows, np.bool_)
    return secret_bools(x.numbers, every) if x.secret else every


def secret_bools(like: SecretArray, public: NDArray[np.bool_]) -> SecretArray:
    """Public bools, as long as a secret line, as secret ones."""
    found = nullable.over_chosen(like, public)
    return found.notna() if isinstance(found, nullable.NullableArray) else like == like


def bools(x: Sample) -> Any:
    """Where there are values: secret of a secret column; None for everywhere."""
    if x.there is None or not x.secret or isinstance(x.there, SecretArray):
        return x.there
    return secret_bools(x.numbers, x.there)


def ranks(x: Sample, within: Any = None) -> Any:
    """Twice the average rank of each value among those that are there, 0 where there is none; `within`: first by these
    codes, then by the values."""
    there = bools(x)
    if not x.secret and not isinstance(within, SecretArray):
        return _plain_ranks(x.numbers, there, within)
    keys = (x.numbers,) if within is None else (x.numbers, within)
    found = runs.twice_ranks(*_all_secret(keys), there=there)
    return found if there is None else nullable.kept(found, there)


def _all_secret(keys: tuple[Any, ...]) -> list[SecretArray]:
    like = next(key for key in keys if isinstance(key, SecretArray))
    return [key if isinstance(key, SecretArray) else like * 0 + key for key in keys]


def _plain_ranks(numbers: NDArray[Any], there: Any, within: Any) -> NDArray[Any]:
    every = np.ones(numbers.shape, np.bool_) if there is None else there
    keys = numbers[None] if within is None else np.stack([within, numbers])
    found = np.zeros(numbers.shape)
    if every.any():
        names = np.unique(keys[:, every], axis=1, return_inverse=True)[1].reshape(-1)
        most = np.cumsum(np.bincount(names))
        found[every] = most[names] + np.append(0, most)[names] + 1
    return found


def total(x: Any) -> Any:
    """The sum of numbers or bools, exact."""
    return namespace.sum(x) if isinstance(x, SecretArray) else float(np.sum(x))


def only_where(numbers: Any, there: Any) -> Any:
    """Numbers, and 0 where bools are False."""
    if isinstance(numbers, SecretArray) and isinstance(there, SecretArray):
        return nullable.kept(numbers, there)
    return numbers * there


def ties(count: Fraction, squares: Fraction, first: Fraction = Fraction(0)) -> Fraction:
    """The sum of t^3 - t over runs of t equal values with the ranks from first + 1 to count, from the sum of the
    squares of twice their average ranks: that of all ranks, less what averages leave of it."""
    every = count * (count + 1) * (2 * count + 1) / 6 - first * (first + 1) * (2 * first + 1) / 6
    return 12 * (every - squares / 4)
