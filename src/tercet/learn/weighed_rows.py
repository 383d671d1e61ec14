"""Rows with weights as rows without: less their weighed means, times the roots of their weights.

Sums of squares and products of such rows are the weighed ones, so that what fits rows fits them. Row by row: a product
for each element, and one root a row where weights are secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.errors import InputError
from tercet.learn.inputs import is_secret, most_of, weights
from tercet.learn.passes import spread
from tercet.learn.solve import runs

ROOT_BITS = 32
MEAN_BITS = 30
MAGNITUDE_BITS, FINER_BITS = 36, 8
"""Weighed rows have that magnitude, or at least so many bits more than rows, where sums of their squares leave room."""
SQUARE_BITS = 116


@dataclass(frozen=True, slots=True)
class WeighedRows:
    """Weights are given over a public power of four, `unit`: they lie within [0, 1]."""

    root: Any
    """(n,): roots of weights."""
    part: Any
    """The mean of weights."""
    unit: int
    x: Any
    """(n, d): stored integers, the columns' fractional bits being `fracs`."""
    fracs: list[int]
    y: Any
    y_frac: int
    means: Any
    """(d,): of columns; 0 unless centred."""
    mean: Any


def weighed_rows(
    xp: Any, x: Any, fracs: list[int], y: Any, y_frac: int, sample_weight: Any, *, centred: bool
) -> WeighedRows:
    """Stored integers x (n, d) and y (n,) with weights. Raises InputError for plain weights below 0, for secret ones of
    plain rows and those that may be above 2^16."""
    given, n = numeric.settled(weights(x, sample_weight)), x.shape[0]
    if is_secret(given) and not is_secret(x):
        raise InputError("weights are secret, and X is not", hint="share X, too: session.share(X, bounds=...)")
    power = most_of(given).bit_length() - 1
    power += power % 2
    within = numeric.times_power(given, -power, 64)
    if is_secret(given):
        within = numeric.at_most(within, ROOT_BITS)
        root = numeric.at_precision(xp.sqrt(numeric.at_precision(within, ROOT_BITS)), ROOT_BITS)
    else:
        within, root = spread(within, x, ROOT_BITS), spread(np.sqrt(within), x, ROOT_BITS)
    total = xp.sum(within)
    found, finer = _weighed(xp, x, within, root, total, centred=centred)
    goal, y_finer = _weighed(xp, xp.expand_dims(y, axis=1), within, root, total, centred=centred)
    middles = [numeric.times_power(found[1][a:b], -frac, frac + MEAN_BITS) for a, b, frac in runs(fracs)]
    return WeighedRows(
        root=root,
        part=numeric.held(numeric.at_precision(total, ROOT_BITS) * (1 / n), 0, 1, ROOT_BITS),
        unit=1 << power,
        x=found[0],
        fracs=[frac + finer for frac in fracs],
        y=goal[0][:, 0],
        y_frac=y_frac + y_finer,
        means=middles[0] if len(middles) == 1 else xp.concat(middles),
        mean=numeric.times_power(goal[1][0], -y_frac, y_frac + MEAN_BITS),
    )


def _weighed(xp: Any, x: Any, within: Any, root: Any, total: Any, *, centred: bool) -> tuple[tuple[Any, Any], int]:
    """Weighed rows as integers and their means, and by how many bits the former are finer."""
    n = x.shape[0]
    size = numeric.magnitude_bits(x)
    bits = max(0, min(max(FINER_BITS, MAGNITUDE_BITS - size), (SQUARE_BITS - n.bit_length()) // 2 - size))
    means = xp.sum(x, axis=0) * 0
    if centred:
        lo, hi = numeric.value_range(x)
        above = xp.matmul(within, x - lo)
        means = numeric.ratio(above, xp.broadcast_to(total, above.shape), max(1, hi - lo), MEAN_BITS) + lo
        x = x - numeric.at_precision(means, bits)
    rows, finer = numeric.as_integers(numeric.at_precision(x * xp.expand_dims(root, axis=1), bits))
    return (rows, means), finer
