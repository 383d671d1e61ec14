"""How well scores and probabilities fit: areas, losses and curves; secret until revealed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.ordering import sort_by
from tercet.array.runs import rankdata
from tercet.errors import InputError
from tercet.learn.columns import one_hot_of
from tercet.learn.inputs import array_namespace, classes_of, numbers_only, plain_or_secret, weights
from tercet.learn.label_metrics import PART_BITS, part

LOSS_FRAC_BITS: Final = 24


def _positive(y_true: Any, pos_label: Any) -> Any:
    """Which rows are of the positive class."""
    y = y_true if isinstance(y_true, SecretArray) else np.asarray(y_true)
    if y.ndim != 1 or not y.shape[0]:
        raise InputError(f"y_true has shape {y.shape}", hint="pass a line (n,)")
    if (y.dtype.name if isinstance(y, SecretArray) else y.dtype) == "bool" and pos_label in (None, 1, True):
        return y
    return one_hot_of(y, np.asarray([1 if pos_label is None else pos_label]))[:, 0]


def _scores(positive: Any, y_score: Any, what: str = "y_score") -> Any:
    found = numbers_only(plain_or_secret(y_score, what), what)
    if found.shape != positive.shape:
        raise InputError(f"y_true has shape {positive.shape} and {what} {found.shape}", hint="pass lines of one length")
    return found


def _area(xp: Any, positive: Any, scores: Any) -> Any:
    """The Mann-Whitney statistic over its greatest value, of columns: (n, k) bools and scores."""
    n = positive.shape[0]
    ones = xp.astype(positive, xp.int64)
    ranks, divisor = numeric.numerator(rankdata(scores, "average", axis=0))  # halves, of secret ones twice as integers
    inside = xp.sum(ones, axis=0)
    above = xp.sum(ones * ranks, axis=0) * int(2 / divisor) - inside * (inside + 1)
    return part(xp, above, 2 * inside * (n - inside))


def roc_auc_score(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "macro",
    multi_class: str = "raise",
    labels: Any = None,
    pos_label: Any = None,
) -> Any:
    """The area under the ROC curve, by mean ranks, so that ties count half; counts exact, the quotient right to 2^-30.

    y_true (n,), secret or plain; y_score (n,) of the class `pos_label` (1, or True), or (n, k) with
    `multi_class="ovr"`: each class against the others, averaged "macro", "weighted" by rows, or None. 0 where one side
    has no rows (scikit-learn: NaN). Scores are sorted; nothing is opened but shuffled places.
    """
    scores = numbers_only(plain_or_secret(y_score, "y_score"), "y_score")
    if scores.ndim == 1:
        positive = _positive(y_true, pos_label)
        scores = _scores(positive, scores)
        return _area(array_namespace(positive, scores), positive[:, None], scores[:, None])[0]
    if multi_class != "ovr":
        raise ValueError(f"scores of several classes take multi_class='ovr', not {multi_class!r}; 'ovo' is not offered")
    if average not in ("macro", "weighted", None):
        raise ValueError(f"average is 'macro', 'weighted' or None, not {average!r}")
    y = y_true if isinstance(y_true, SecretArray) else np.asarray(y_true)
    hot = one_hot_of(y, classes_of(y).classes if labels is None else np.asarray(labels))
    if hot.shape != scores.shape:
        raise InputError(
            f"{hot.shape[1]} classes and scores of shape {scores.shape}", hint="pass labels=, as in predict_proba"
        )
    xp = array_namespace(hot, scores)
    areas = _area(xp, hot, scores)
    if average is None:
        return areas
    return xp.mean(areas) if average == "macro" else xp.sum(areas * xp.sum(hot, axis=0)) / hot.shape[0]


def average_precision_score(y_true: Any, y_score: Any, *, pos_label: Any = None) -> Any:
    """The sum over thresholds of precision times the gain in recall, as scikit-learn's; right to about 2^-24.

    One sort by the scores and one running maximum (2 n comparisons in 2 log2(n) levels). 0 where no row is positive.
    """
    positive = _positive(y_true, pos_label)
    scores = _scores(positive, y_score)
    xp, n = array_namespace(positive, scores), positive.shape[0]
    ones = xp.astype(positive, xp.int64)
    if xp is np:
        order = np.argsort(-scores, kind="stable")
        scores, ones = scores[order], ones[order]
    else:
        scores = scores if isinstance(scores, SecretArray) else ones * 0 + scores
        scores, ones = sort_by(scores, scores, ones, descending=True)
    reached = xp.cumulative_sum(ones)
    # of equal scores the last one is a threshold
    last = xp.concat([scores[1:] != scores[:-1], scores[:1] == scores[:1]], axis=0)
    at_ends = xp.astype(last, xp.int64) * reached
    before = np.maximum.accumulate(at_ends)
    gained = at_ends[1:] - before[:-1] * xp.astype(last[1:], xp.int64)
    gains = xp.concat([at_ends[:1], gained], axis=0)
    share = 1 / np.arange(1, n + 1)
    if xp is not np:
        share = np.ldexp(np.rint(np.ldexp(share, PART_BITS)), -PART_BITS)
    total = (
        xp.sum(numeric.at_precision(reached * share, PART_BITS) * gains) if xp is not np else (reached * share) @ gains
    )
    return part(xp, total, xp.sum(ones))


def _probabilities(y_true: Any, y_prob: Any, labels: Any, pos_label: Any) -> Any:
    """Of each row, the probability given to what it is."""
    prob = numbers_only(plain_or_secret(y_prob, "y_prob"), "y_prob")
    if prob.ndim == 1:
        positive = _positive(y_true, pos_label)
        prob = _scores(positive, prob, "y_prob")
        return array_namespace(positive, prob).where(positive, prob, 1 - prob)
    y = y_true if isinstance(y_true, SecretArray) else np.asarray(y_true)
    hot = one_hot_of(y, classes_of(y).classes if labels is None else np.asarray(labels))
    if hot.shape != prob.shape:
        raise InputError(f"{hot.shape[1]} classes and probabilities of shape {prob.shape}", hint="pass labels=")
    xp = array_namespace(hot, prob)
    return xp.sum(hot * prob, axis=1)


def log_loss(
    y_true: Any,
    y_prob: Any,
    *,
    normalize: bool = True,
    sample_weight: Any = None,
    labels: Any = None,
    pos_label: Any = None,
) -> Any:
    """The mean of -log of the probability given to the class of each row, or with `normalize=False` the sum.

    y_prob (n,) of the positive class, or (n, k). Probabilities below 2^-24 count as 2^-24 (scikit-learn: 2^-52 for
    float64), and are not divided by their sum. One logarithm a row at 24 fractional bits; the log of a probability
    is as right as its digits are: one of 2^-10 with 16 fractional bits to 2^-7.
    """
    found = _probabilities(y_true, y_prob, labels, pos_label)
    xp = array_namespace(found)
    found = xp.clip(numeric.at_precision(numeric.settled(found), LOSS_FRAC_BITS), 2.0**-LOSS_FRAC_BITS, 1.0)
    losses = -xp.log(found)
    if sample_weight is None:
        return xp.mean(losses) if normalize else xp.sum(losses)
    w = weights(losses, sample_weight)
    total = xp.sum(losses * w)
    return total / array_namespace(w).sum(w) if normalize else total


def brier_score_loss(y_true: Any, y_prob: Any, *, sample_weight: Any = None, pos_label: Any = None) -> Any:
    """The mean of the squared difference of 1 or 0 and the probability of the positive class (n,); an exact sum."""
    positive = _positive(y_true, pos_label)
    prob = _scores(positive, y_prob, "y_prob")
    xp = array_namespace(positive, prob)
    difference = xp.astype(positive, xp.int64) - prob
    squares = difference * difference
    if sample_weight is None:
        return xp.mean(squares)
    w = weights(squares, sample_weight)
    return xp.sum(squares * w) / array_namespace(w).sum(w)


def _reached(y_true: Any, y_score: Any, thresholds: Any, pos_label: Any, sample_weight: Any) -> tuple[Any, ...]:
    """Positive rows, and all, whose score is at least each threshold; and all positive ones, and all rows."""
    positive = _positive(y_true, pos_label)
    scores = _scores(positive, y_score)
    limits = np.empty(0) if isinstance(thresholds, SecretArray) else np.asarray(thresholds, dtype=np.float64)
    if limits.ndim != 1 or not limits.size:
        raise InputError("thresholds are a line of public numbers", hint="as np.linspace(0, 1, 101)[::-1]")
    xp = array_namespace(positive, scores)
    over = xp.astype(scores[:, None] >= limits, xp.int64)
    ones = xp.astype(positive, xp.int64)
    if sample_weight is not None:
        w = weights(ones, sample_weight)
        over, whole = over * w[:, None], array_namespace(w).sum(w)
        return xp.sum(over * ones[:, None], axis=0), xp.sum(over, axis=0), xp.sum(ones * w), whole
    inside = xp.matmul(xp.matrix_transpose(over), ones)
    return inside, xp.sum(over, axis=0), xp.sum(ones), positive.shape[0]


def roc_curve(
    y_true: Any, y_score: Any, *, thresholds: Any, pos_label: Any = None, sample_weight: Any = None
) -> tuple[Any, Any, Any]:
    """False and true positive rates at public thresholds: fpr (t,), tpr (t,), and the thresholds.

    Thresholds are asked for, since those of scikit-learn are the scores themselves. One comparison a row and
    threshold; counts exact, quotients right to 2^-30; 0 where a class has no rows.
    """
    inside, over, positive, whole = _reached(y_true, y_score, thresholds, pos_label, sample_weight)
    xp, ones = array_namespace(inside), np.ones(inside.shape, np.int64)
    outside = whole - positive
    return part(xp, over - inside, outside * ones), part(xp, inside, positive * ones), np.asarray(thresholds)


def precision_recall_curve(
    y_true: Any, y_score: Any, *, thresholds: Any, pos_label: Any = None, sample_weight: Any = None
) -> tuple[Any, Any, Any]:
    """Precision and recall at public thresholds: precision (t,), recall (t,), and the thresholds; as `roc_curve`.

    Precision is 1 where no score is so high. The end of scikit-learn's curves, precision 1 and recall 0, is not added.
    """
    inside, over, positive, _ = _reached(y_true, y_score, thresholds, pos_label, sample_weight)
    xp, ones = array_namespace(inside), np.ones(inside.shape, np.int64)
    return part(xp, inside, over, 1.0), part(xp, inside, positive * ones), np.asarray(thresholds)


def calibration_curve(y_true: Any, y_prob: Any, *, pos_label: Any = None, n_bins: int = 5) -> tuple[Any, Any, Any]:
    """Of bins of one width of the probability: the part of positive rows, the mean probability, the number of rows.

    All (n_bins,), secret. Bins without rows have 0 in all three; scikit-learn leaves them out, and gives no numbers.
    Counts and sums are exact, quotients right to 2^-16.
    """
    if not isinstance(n_bins, int) or n_bins < 1:
        raise ValueError(f"n_bins is an integer from 1 on, not {n_bins!r}")
    positive = _positive(y_true, pos_label)
    prob = _scores(positive, y_prob, "y_prob")
    xp = array_namespace(positive, prob)
    inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    codes = np.searchsorted(inner, prob) if xp is np else xp.searchsorted(inner, prob)
    hot = codes[:, None] == np.arange(n_bins)
    counts = xp.sum(hot, axis=0)
    inside = xp.sum(hot & positive[:, None], axis=0)
    totals = xp.sum(hot * prob[:, None], axis=0)
    return part(xp, inside, counts), totals / xp.where(counts == 0, 1, counts), counts
