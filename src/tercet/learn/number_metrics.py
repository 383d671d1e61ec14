"""How far predicted numbers are off: means of errors, and parts of the variance; secret until revealed."""

from __future__ import annotations

from typing import Any

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace, numbers_only, plain_or_secret, weights
from tercet.learn.scores import determination, explained


def _errors(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """y_true, and y_true - y_pred with the digits that it is meant to have."""
    first, second = (
        numbers_only(plain_or_secret(one, what), what) for one, what in ((y_true, "y_true"), (y_pred, "y_pred"))
    )
    if first.ndim != 1 or first.shape != second.shape or not first.shape[0]:
        raise InputError(
            f"y_true has shape {first.shape} and y_pred {second.shape}",
            hint="pass two lines (n,) of one length; several outputs are scored one by one",
        )
    difference = first * 1 - second * 1  # of bools, numbers
    return first, numeric.settled(difference) if isinstance(difference, SecretArray) else difference


def _mean(values: Any, sample_weight: Any) -> Any:
    xp = array_namespace(values)
    if sample_weight is None:
        return xp.mean(values)
    w = weights(values, sample_weight)
    xp = array_namespace(values, w)
    return xp.sum(values * w) / array_namespace(w).sum(w)


def mean_absolute_error(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> Any:
    """The mean of |y_true - y_pred|: an exact sum over a public number of rows; one comparison a row.

    Weights may be secret: then one secret quotient, right to a last bit. Lines (n,) only.
    """
    return _mean(abs(_errors(y_true, y_pred)[1]), sample_weight)


def mean_squared_error(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> Any:
    """The mean of (y_true - y_pred)^2: an exact sum over a public number of rows; see `mean_absolute_error`."""
    errors = _errors(y_true, y_pred)[1]
    return _mean(errors * errors, sample_weight)


def root_mean_squared_error(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> Any:
    """The root of the mean squared error, right to a last bit."""
    found = mean_squared_error(y_true, y_pred, sample_weight=sample_weight)
    return array_namespace(found).sqrt(found)


def median_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """The median of |y_true - y_pred|, exact; to a policy it is a single row."""
    errors = abs(_errors(y_true, y_pred)[1])
    xp = array_namespace(errors)
    return xp.median(errors)


def max_error(y_true: Any, y_pred: Any) -> Any:
    """The greatest |y_true - y_pred|, exact; to a policy it is a single row."""
    errors = abs(_errors(y_true, y_pred)[1])
    return array_namespace(errors).max(errors)


def r2_score(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> Any:
    """1 - SSE / SST, in [-1023, 1] with 30 fractional bits, drawn in below; right to 2^-28.

    Where all of y_true are equal: 1 if y_pred is exactly right, else 0, as in scikit-learn.
    """
    _errors(y_true, y_pred)
    y_true, y_pred = plain_or_secret(y_true, "y_true"), plain_or_secret(y_pred, "y_pred")
    return determination(y_true, y_pred, None if sample_weight is None else weights(y_true, sample_weight))


def explained_variance_score(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> Any:
    """1 - Var(y_true - y_pred) / Var(y_true), in [-1023, 1] with 30 fractional bits; as `r2_score` otherwise."""
    y, errors = _errors(y_true, y_pred)
    return explained(y, errors, None if sample_weight is None else weights(y, sample_weight))
