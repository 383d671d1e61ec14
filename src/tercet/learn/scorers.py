"""Metrics as functions of a fitted model, X and y, by scikit-learn's names; greater is better."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from tercet.learn import label_metrics, number_metrics, score_metrics

Scorer = Callable[[Any, Any, Any], Any]


def make_scorer(
    score_func: Callable[..., Any],
    *,
    response_method: str = "predict",
    greater_is_better: bool = True,
    **options: Any,
) -> Scorer:
    """A function of model, X and y: `score_func(y, model.predict(X))`, or of another method; losses turn their sign.

    `response_method`: "predict", "predict_proba" (of the second class, where there are two) or "decision_function".
    """
    if response_method not in ("predict", "predict_proba", "decision_function"):
        raise ValueError(f"response_method is a method of models, not {response_method!r}")

    def score(model: Any, X: Any, y: Any) -> Any:
        found = score_func(y, _response(model, X, response_method), **options)
        return found if greater_is_better else -found

    return score


def _response(model: Any, X: Any, method: str) -> Any:
    if method != "predict_proba":
        return getattr(model, method)(X)
    found = model.predict_proba(X)
    return found[:, 1] if found.shape[1] == 2 else found


def _ranked(score_func: Callable[..., Any], model: Any, X: Any, y: Any) -> Any:
    """By `decision_function`, or `predict_proba` where there is none."""
    has = getattr(model, "decision_function", None) is not None
    return score_func(y, _response(model, X, "decision_function" if has else "predict_proba"))


def _own_score(model: Any, X: Any, y: Any) -> Any:
    return model.score(X, y) if y is not None else model.score(X)


def _labelled(function: Callable[..., Any], average: str) -> Scorer:
    return make_scorer(function, average=average)


_AVERAGED: Final = {
    "precision": label_metrics.precision_score,
    "recall": label_metrics.recall_score,
    "f1": label_metrics.f1_score,
}
_SCORERS: Final[dict[str, Scorer]] = {
    "accuracy": make_scorer(label_metrics.accuracy_score),
    "balanced_accuracy": make_scorer(label_metrics.balanced_accuracy_score),
    **{name: _labelled(function, "binary") for name, function in _AVERAGED.items()},
    **{
        f"{name}_{average}": _labelled(function, average)
        for name, function in _AVERAGED.items()
        for average in ("macro", "micro", "weighted")
    },
    "roc_auc": partial(_ranked, score_metrics.roc_auc_score),
    "average_precision": partial(_ranked, score_metrics.average_precision_score),
    "roc_auc_ovr": make_scorer(score_metrics.roc_auc_score, response_method="predict_proba", multi_class="ovr"),
    "neg_log_loss": make_scorer(score_metrics.log_loss, response_method="predict_proba", greater_is_better=False),
    "neg_brier_score": make_scorer(
        score_metrics.brier_score_loss, response_method="predict_proba", greater_is_better=False
    ),
    "r2": make_scorer(number_metrics.r2_score),
    "explained_variance": make_scorer(number_metrics.explained_variance_score),
    "neg_max_error": make_scorer(number_metrics.max_error, greater_is_better=False),
    "neg_mean_absolute_error": make_scorer(number_metrics.mean_absolute_error, greater_is_better=False),
    "neg_mean_squared_error": make_scorer(number_metrics.mean_squared_error, greater_is_better=False),
    "neg_root_mean_squared_error": make_scorer(number_metrics.root_mean_squared_error, greater_is_better=False),
    "neg_median_absolute_error": make_scorer(number_metrics.median_absolute_error, greater_is_better=False),
}


def get_scorer_names() -> list[str]:
    """The names that `get_scorer` knows."""
    return sorted(_SCORERS)


def get_scorer(scoring: Any) -> Scorer:
    """The scorer of a name; a function as it is; None for the model's own `score`. ValueError for other names."""
    if scoring is None:
        return _own_score
    if callable(scoring):
        found: Scorer = scoring
        return found
    if scoring not in _SCORERS:
        raise ValueError(f"{scoring!r} is no scorer; there are {', '.join(get_scorer_names())}")
    return _SCORERS[scoring]
