"""Which of several groups may be shown, decided under sharing."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import elementwise, manipulation, statistics
from tercet.array.core import SecretArray


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


def or_none(sizes: Any, rows: int) -> Any:
    """Numbers of rows, where a group without any counts as all rows: that nobody is in it may be shown."""
    return elementwise.where(sizes == 0, rows, sizes) if isinstance(sizes, SecretArray) else sizes


def between(above: Any, rows: int) -> tuple[Any, ...]:
    """The numbers of rows between neighbouring cuts, of which `above` (t,) says how many rows lie at or above each, as
    sizes that have to reach a cohort; none if they are public."""
    if not isinstance(above, SecretArray):
        return ()
    ends = above[:1] * 0
    whole = manipulation.concat([ends + rows, above, ends])
    return (or_none(whole[:-1] - whole[1:], rows),)
