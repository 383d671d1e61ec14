"""The part of a variance that predictions explain, on secret and on NumPy arrays."""

from __future__ import annotations

from typing import Any, Final

from tercet.array import numeric
from tercet.learn.inputs import array_namespace

WORST: Final = 1024
SCORE_FRAC_BITS: Final = 30


def determination(y: Any, predicted: Any, sample_weight: Any = None) -> Any:
    """R2 = 1 - SSE / SST, in [-1023, 1] with 30 fractional bits; of equal y 1 if nothing is missed, else 0."""
    residuals = numeric.settled(y * 1 - predicted * 1)
    xp = array_namespace(residuals)
    if sample_weight is None:
        return _explained(xp, xp.sum(residuals * residuals) * y.shape[0], _spread(y, None))
    xp = array_namespace(residuals, sample_weight)
    total = array_namespace(sample_weight).sum(sample_weight)
    return _explained(xp, xp.sum(residuals * residuals * sample_weight) * total, _spread(y, sample_weight))


def explained(y: Any, residuals: Any, sample_weight: Any = None) -> Any:
    """1 - Var(residuals) / Var(y), as `determination` otherwise."""
    xp = array_namespace(residuals) if sample_weight is None else array_namespace(residuals, sample_weight)
    return _explained(xp, _spread(residuals, sample_weight), _spread(y, sample_weight))


def _spread(x: Any, sample_weight: Any) -> Any:
    """n sum x^2 - (sum x)^2, weighted."""
    xp = array_namespace(x)
    if sample_weight is None:
        total = xp.sum(x)
        return xp.sum(x * x) * x.shape[0] - total * total
    xp = array_namespace(x, sample_weight)
    total = xp.sum(x * sample_weight)
    return xp.sum(x * x * sample_weight) * array_namespace(sample_weight).sum(sample_weight) - total * total


def _explained(xp: Any, missed: Any, spread: Any) -> Any:
    share = numeric.ratio(missed, spread, WORST, SCORE_FRAC_BITS)
    return 1 - xp.where((spread == 0) & (missed != 0), 1, share)
