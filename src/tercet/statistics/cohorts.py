"""Which of several groups may be shown, decided under sharing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, manipulation, statistics
from tercet.array.core import SecretArray, session_of
from tercet.errors import InputError


class SmallGroup(InputError):
    """A statistic is not shown, because a group that it rests on has fewer rows than the cohort."""


def shown_groups(counts: SecretArray, cohort: int, whole: int | None = None) -> SecretArray:
    """For groups that together are all rows of a table: whether each may be shown, (k,) bools.

    `counts`: their numbers of rows, (k,). A group of fewer rows than the cohort is hidden. Whoever knows the total
    could compute what the hidden groups have together, so if these are few rows, the smallest of the other groups is
    hidden, too. `whole`: the number of all rows, if some may be in no group; those rows count as one more hidden group.
    """
    groups = counts.shape[0]
    enough = counts >= cohort
    hidden = statistics.sum(elementwise.where(enough, 0, counts))
    if whole is not None:
        hidden = hidden + (whole - statistics.sum(counts))
    few = (hidden > 0) & (hidden < cohort)
    # of several smallest groups, the first one is hidden
    ranked = counts * groups + np.arange(groups)
    least = statistics.min(elementwise.where(enough, ranked, ranked.bounds[1]))
    return enough & ~(few & (ranked == least))


def publicly_shown(counts: Any, cohort: int, whole: int) -> NDArray[np.bool_]:
    """As `shown_groups`, of public numbers of rows."""
    sizes = np.asarray(counts, dtype=np.float64)
    shown = sizes >= cohort
    hidden = whole - sizes[shown].sum()
    if 0 < hidden < cohort and shown.any():
        shown[np.argmin(np.where(shown, sizes, np.inf))] = False
    return np.asarray(shown)


def or_none(sizes: Any, rows: int) -> Any:
    """Numbers of rows, where a group without any counts as all rows: that nobody is in it may be shown."""
    if isinstance(sizes, SecretArray):
        return elementwise.where(sizes == 0, rows, sizes)
    return np.where(np.asarray(sizes) == 0, rows, sizes)


def between(above: Any, rows: int, count: Any = None) -> tuple[Any, ...]:
    """The numbers of rows between neighbouring cuts, of which `above` (t,) says how many rows lie at or above each, as
    sizes that have to reach a cohort; none if they are public. `count`: how many rows count at all, if not `rows`."""
    if not isinstance(above, SecretArray):
        return ()
    ends = above[:1] * 0
    whole = manipulation.concat([ends + (rows if count is None else count), above, ends])
    return (or_none(whole[:-1] - whole[1:], rows),)


def beside_quantiles(values: Any, count: Any, q: Any) -> tuple[Any, ...]:
    """Sizes that let quantiles at public `q` be shown only where a cohort of rows lies between neighbouring ones, and
    half a cohort beyond the outer ones: the least value is that of one row, and many quantiles are all values.

    `values`: of which they are; `count`: of how many rows. Nothing is demanded without a cohort.
    """
    cohort = session_of(values).cohort if isinstance(values, SecretArray) else 0
    if not cohort:
        return ()
    at = np.unique(np.asarray(q, dtype=np.float64))
    if not at.size:
        return (count,)
    part = min(1.0, 2 * at[0], 2 * (1 - at[-1]), *np.diff(at))
    # exact fractions of 2^-20, so that 0.05 of 100 rows are 5
    narrow = Fraction(round(part * (1 << 20)), 1 << 20).limit_denominator(1 << 12)
    if narrow <= 0:
        raise SmallGroup(
            f"quantiles at {at[0]:g} to {at[-1]:g} show values of fewer rows than the policies demand (cohort)",
            hint="ask fewer quantiles, farther from 0 and 1",
        )
    needed = -(-cohort // narrow)
    return (count - (int(needed) - cohort),)
