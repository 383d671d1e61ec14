"""How well predicted classes fit: counts of agreement, exact, and quotients of them; secret until revealed."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.columns import one_hot_of
from tercet.learn.inputs import array_namespace, classes_of, plain_or_secret, weights

PART_BITS: Final = 30
"""Fractional bits of parts that are quotients of secret counts."""
AVERAGES: Final = ("binary", "macro", "micro", "weighted", None)


def pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as lines (n,) of one length. Raises InputError for others."""
    first, second = (_line(one, what) for one, what in ((y_true, "y_true"), (y_pred, "y_pred")))
    if first.ndim != 1 or first.shape != second.shape or not first.shape[0]:
        raise InputError(
            f"y_true has shape {first.shape} and y_pred {second.shape}", hint="pass two lines (n,) of one length"
        )
    return first, second


def _line(values: Any, what: str) -> Any:
    if hasattr(type(values), "categories") or (
        not isinstance(values, SecretArray) and np.asarray(values).dtype.kind == "U"
    ):
        return values if isinstance(values, SecretArray) else np.asarray(values)
    return plain_or_secret(values, what)


def part(xp: Any, count: Any, of: Any, empty: float = 0.0) -> Any:
    """count / of, in [0, 1] with 30 fractional bits; `empty` where `of` is 0."""
    found = numeric.ratio(count, of, 1, PART_BITS)
    return found if not empty else xp.where(of == 0, empty, found)


def accuracy_score(y_true: Any, y_pred: Any, *, normalize: bool = True, sample_weight: Any = None) -> Any:
    """The part of the predictions that are right, or with `normalize=False` their number (or weight); exact.

    y_true, y_pred (n,): secret or plain integers, bools or categories. One equality a row. Weighted with secret
    weights a quotient of two secret sums, right to 2^-30.
    """
    y_true, y_pred = pair(y_true, y_pred)
    xp = array_namespace(y_true, y_pred)
    right = y_true == y_pred
    if sample_weight is None:
        return xp.mean(xp.astype(right, xp.int64) * 1.0 if xp is np else right) if normalize else xp.sum(right)
    w = weights(y_true, sample_weight)
    total = xp.sum(right * w)
    return part(xp, total, array_namespace(w).sum(w)) if normalize else total


class LabelCounts(NamedTuple):
    """Of each label: rows that are of it and predicted so, rows predicted so, rows that are of it."""

    both: Any
    predicted: Any
    true: Any
    labels: NDArray[Any]


def _labels(y_true: Any, y_pred: Any, labels: Any) -> NDArray[Any]:
    if labels is not None:
        return np.asarray(labels)
    found = [classes_of(one).classes for one in (y_true, y_pred)]
    return np.unique(np.concatenate(found))


def _hot(y: Any, labels: NDArray[Any], xp: Any) -> Any:
    return xp.astype(one_hot_of(y, labels), xp.int64)


def confusion_matrix(
    y_true: Any, y_pred: Any, *, labels: Any = None, sample_weight: Any = None, normalize: str | None = None
) -> Any:
    """(k, k): how many rows of the class of a row are predicted as that of a column; secret integers, exact.

    `labels`: public classes, in this order; by default those that the bounds of both leave (see `classes_of`), sorted,
    so that a class without rows has a row of zeros. `normalize`: "true", "pred" or "all", parts with 30 fractional
    bits. Two one-hot matrices and a product of matrices; k^2 words.
    """
    y_true, y_pred = pair(y_true, y_pred)
    labels = _labels(y_true, y_pred, labels)
    xp = array_namespace(y_true, y_pred)
    first, second = _hot(y_true, labels, xp), _hot(y_pred, labels, xp)
    if sample_weight is not None:
        first = first * weights(y_true, sample_weight)[:, None]
    found = xp.matmul(xp.matrix_transpose(first), second)
    if normalize is None:
        return found
    if normalize not in ("true", "pred", "all"):
        raise ValueError(f"normalize is 'true', 'pred', 'all' or None, not {normalize!r}")
    axis = {"true": 1, "pred": 0, "all": None}[normalize]
    return part(xp, found, xp.broadcast_to(xp.sum(found, axis=axis, keepdims=True), found.shape))


def _counts(y_true: Any, y_pred: Any, labels: Any, sample_weight: Any) -> LabelCounts:
    y_true, y_pred = pair(y_true, y_pred)
    labels = _labels(y_true, y_pred, labels)
    xp = array_namespace(y_true, y_pred)
    first, second = _hot(y_true, labels, xp), _hot(y_pred, labels, xp)
    weighted = first if sample_weight is None else first * weights(y_true, sample_weight)[:, None]
    beside = second if sample_weight is None else second * weights(y_true, sample_weight)[:, None]
    return LabelCounts(xp.sum(weighted * second, axis=0), xp.sum(beside, axis=0), xp.sum(weighted, axis=0), labels)


def balanced_accuracy_score(
    y_true: Any, y_pred: Any, *, labels: Any = None, sample_weight: Any = None, adjusted: bool = False
) -> Any:
    """The mean, over the classes that have rows, of the part of their rows that is predicted right; to 2^-29.

    `adjusted`: so that chance gives 0. How many classes have rows stays secret. 0 if there is no row.
    """
    found = _counts(y_true, y_pred, labels, sample_weight)
    xp = array_namespace(found.true)
    there = xp.sum(found.true > 0)
    score = part(xp, xp.sum(part(xp, found.both, found.true)), there)
    if not adjusted:
        return score
    chance = numeric.ratio(xp.ones_like(there), there, 1, PART_BITS)
    return part(xp, xp.maximum(score - chance, 0), 1 - chance) - part(xp, xp.maximum(chance - score, 0), 1 - chance)


def precision_recall_fscore_support(
    y_true: Any,
    y_pred: Any,
    *,
    beta: float = 1.0,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = None,
    sample_weight: Any = None,
    zero_division: float = 0,
) -> tuple[Any, Any, Any, Any]:
    """Precision, recall, F-beta and numbers of rows: of each label, or averaged (then the numbers are None).

    `average`: None; "binary", of `pos_label` alone; "micro", of all decisions; "macro", the plain mean over labels, by
    default over those that occur in y_true or y_pred, whose number stays secret; "weighted", by rows. `zero_division`:
    0 or 1, where there is nothing to divide by. LabelCounts are exact, quotients right to 2^-29.
    """
    if average not in AVERAGES:
        raise ValueError(f"average is one of {AVERAGES}, not {average!r}")
    if zero_division not in (0, 1):
        raise ValueError(f"zero_division is 0 or 1, not {zero_division!r}")
    wanted = [pos_label] if average == "binary" else labels
    found = _counts(y_true, y_pred, wanted, sample_weight)
    xp, both, predicted, true = array_namespace(found.both), found.both, found.predicted, found.true
    if average == "micro":
        both, predicted, true = (xp.sum(one, keepdims=True) for one in (both, predicted, true))
    square = beta * beta
    empty = float(zero_division)
    scores = (
        part(xp, both, predicted, empty),
        part(xp, both, true, empty),
        part(xp, both * (1 + square), true * square + predicted, empty),
    )
    if average is None:
        return (*scores, true)
    if average in ("binary", "micro"):
        return (scores[0][0], scores[1][0], scores[2][0], None)
    if average == "weighted":
        total = xp.sum(true)
        return (*(part(xp, xp.sum(one * true), total, empty) for one in scores), None)
    if labels is not None:
        return (*(xp.mean(one) for one in scores), None)
    present = xp.astype(true + predicted > 0, xp.int64)
    return (*(part(xp, xp.sum(one * present), xp.sum(present)) for one in scores), None)


def precision_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0,
) -> Any:
    """Of the rows predicted to be of a class, the part that is; see `precision_recall_fscore_support`."""
    return precision_recall_fscore_support(
        y_true,
        y_pred,
        labels=labels,
        pos_label=pos_label,
        average=average,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )[0]


def recall_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0,
) -> Any:
    """Of the rows of a class, the part that is predicted so; see `precision_recall_fscore_support`."""
    return precision_recall_fscore_support(
        y_true,
        y_pred,
        labels=labels,
        pos_label=pos_label,
        average=average,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )[1]


def fbeta_score(
    y_true: Any,
    y_pred: Any,
    *,
    beta: float,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0,
) -> Any:
    """The mean of precision and recall that weighs recall by beta^2; see `precision_recall_fscore_support`."""
    return precision_recall_fscore_support(
        y_true,
        y_pred,
        beta=beta,
        labels=labels,
        pos_label=pos_label,
        average=average,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )[2]


def f1_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0,
) -> Any:
    """The harmonic mean of precision and recall; see `precision_recall_fscore_support`."""
    return fbeta_score(
        y_true,
        y_pred,
        beta=1.0,
        labels=labels,
        pos_label=pos_label,
        average=average,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )
