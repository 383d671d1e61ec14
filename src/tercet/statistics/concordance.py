"""Harrell's concordance of durations with scores, as lifelines has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import tercet.array as namespace
from tercet.array.core import SecretArray, session_of
from tercet.errors import InputError
from tercet.statistics.asked import Disclosed, Pending, Result, statistic
from tercet.statistics.samples import Sample, column

MOST_ROWS = 1500


@dataclass(frozen=True, kw_only=True)
class ConcordanceResult(Result):
    """How often, of two rows of which one is known to have lasted longer, it has the greater score."""

    concordance: float
    """Pairs of equal scores count half."""
    concordant: int
    discordant: int
    pairs: int
    """Those of which it is known which row lasted longer."""

    def __float__(self) -> float:
        return self.concordance


def _added(x: Any) -> Any:
    return namespace.sum(x) if isinstance(x, SecretArray) else float(np.sum(x))


def _less(one: Any, other: Any) -> Any:
    return one[:, None] < other[None, :]


def _differing(x: Sample, every: list[Sample]) -> tuple[Any, ...]:
    """All rows where a cohort of them differ from the others, else none: by Kish's size of how many others each row
    differs from, a quarter of which is about m if m rows stand apart from all others."""
    secret = [one.numbers for one in every if one.secret]
    cohort = session_of(*secret).cohort if secret else 0
    if not cohort:
        return ()
    less = _less(x.numbers, x.numbers) * 1
    add = namespace.sum if x.secret else np.sum
    others: Any = add(less, axis=0) + add(less, axis=1)
    whole, squares = add(others), add(others * others)
    enough = whole * whole >= squares * (4 * cohort)
    return (namespace.where(enough, x.rows, 0) if x.secret else x.rows if enough else 0,)


@statistic
def concordance_index(
    event_times: Any, predicted_scores: Any, event_observed: Any = None
) -> Pending[ConcordanceResult]:
    """Harrell's C of durations, scores that are greater for those who last longer, and whether the event was observed.

    All pairs of at most 1,500 rows are compared, three comparisons each, which counts as single rows to a policy.
    Reveals the numbers of pairs that can be compared, that go together and that go apart; exact. Of scores that were
    rounded under sharing equal ones may differ by a last bit. Where the session has a cohort, events have to reach it,
    and so have rows by which scores, or durations, differ: a score that marks a few rows would show theirs. InputError
    for more rows, for rows of different number, and for missing values.
    """
    times, scores = column(event_times, "event_times"), column(predicted_scores, "predicted_scores")
    events = None if event_observed is None else column(event_observed, "event_observed")
    every: list[Sample] = [times, scores, *([] if events is None else [events])]
    rows = times.rows
    if any(one.rows != rows for one in every):
        raise InputError(f"{rows} durations and {scores.rows} scores", hint="pass one of each for each row")
    if any(one.there is not None for one in every):
        raise InputError("some values are missing, or may be", hint="fill them first, as in x.fillna(value)")
    if rows > MOST_ROWS and any(one.secret for one in every):
        raise InputError(f"{rows:,} rows, and pairs of {MOST_ROWS:,} are compared", hint="take a part of the rows")
    observed: Any = None if events is None else events.numbers != 0
    # of equal durations, those whose end was not observed lasted longer
    places = times.numbers * 2 + (0 if observed is None else 1 - observed * 1)
    known = _less(places, places)
    if observed is not None:
        known = known & observed[:, None]
    together = _added(known & _less(scores.numbers, scores.numbers))
    apart = _added(known & (scores.numbers[:, None] > scores.numbers[None, :]))
    sizes = () if observed is None else (_added(observed),)
    sizes += _differing(times, every) + _differing(scores, every)

    def finish(plain: Mapping[str, Any], told: Disclosed) -> ConcordanceResult:
        pairs, right, wrong = (round(float(plain[name])) for name in ("pairs", "concordant", "discordant"))
        found = (right + (pairs - right - wrong) / 2) / pairs if pairs else math.nan
        return ConcordanceResult(concordance=found, concordant=right, discordant=wrong, pairs=pairs, revealed=told)

    shown = {"pairs": _added(known), "concordant": together, "discordant": apart}
    return Pending(shown, finish, rows, sizes)
