"""What `score` of regressors gives, on secret and on NumPy arrays."""

from __future__ import annotations

from typing import Any, Final

from tercet.array import numeric
from tercet.learn.inputs import array_namespace

WORST: Final = 1024
SCORE_FRAC_BITS: Final = 30


def determination(y: Any, predicted: Any, sample_weight: Any = None) -> Any:
    """R2 = 1 - SSE / SST, in [-1023, 1] with 30 fractional bits; 1 if all values of y are equal."""
    xp = array_namespace(y, predicted)
    residuals = numeric.settled(y - predicted)
    if sample_weight is None:
        n = y.shape[0]
        missed, total = xp.sum(residuals * residuals) * n, xp.sum(y)
        spread = xp.sum(y * y) * n - total * total
    else:
        n, total = xp.sum(sample_weight), xp.sum(y * sample_weight)
        missed = xp.sum(residuals * residuals * sample_weight) * n
        spread = xp.sum(y * y * sample_weight) * n - total * total
    return 1 - numeric.ratio(missed, spread, WORST, SCORE_FRAC_BITS)
