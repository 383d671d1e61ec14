"""Models scored on rows that they were not fitted on, and parameters chosen by that: only scores become plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, ClassVar

import numpy as np

from tercet.array.core import SecretArray
from tercet.array.results import reveal
from tercet.learn.copying import clone
from tercet.learn.folds import KFold, StratifiedKFold, rows_at
from tercet.learn.kinds import ClassifierModel
from tercet.learn.model import SecretModel
from tercet.learn.scorers import get_scorer

Scorer = Callable[[Any, Any, Any], Any]


def _is_classifier(model: Any) -> bool:
    if isinstance(model, SecretModel):
        steps: Any = getattr(model, "steps", None)
        return isinstance(model, ClassifierModel) or (bool(steps) and _is_classifier(steps[-1][1]))
    return getattr(model, "_estimator_type", None) == "classifier"


def check_cv(cv: Any, y: Any, classifier: bool) -> list[tuple[Any, Any]] | Any:
    """What divides the rows: `cv` itself, or so many folds, stratified for classifiers where y is plain.

    Folds by a secret y would show it: then rows are shuffled in public, with random_state 0.
    """
    if cv is None or isinstance(cv, int):
        count = 5 if cv is None else cv
        if classifier and y is not None and not isinstance(y, SecretArray):
            return StratifiedKFold(count)
        return KFold(count, shuffle=True, random_state=0) if classifier else KFold(count)
    return cv if hasattr(cv, "split") else list(cv)


def _scorers(scoring: Any) -> dict[str, Scorer]:
    if scoring is None or isinstance(scoring, str) or callable(scoring):
        return {"score": get_scorer(scoring)}
    if isinstance(scoring, Mapping):
        return {name: get_scorer(one) for name, one in scoring.items()}
    return {name: get_scorer(name) for name in scoring}


def _scored(model: Any, X: Any, y: Any, scorers: Mapping[str, Scorer], cv: Any, train: bool) -> tuple[list[Any], ...]:
    """Models fitted on each fold, and their scores by name, secret yet."""
    models, scores, trained = [], [], []
    for places, held in cv if isinstance(cv, list) else cv.split(X, y):
        fitted = clone(model)
        rows, ours = rows_at(X, places), None if y is None else rows_at(y, places)
        fitted.fit(rows, ours) if y is not None else fitted.fit(rows)
        other, theirs = rows_at(X, held), None if y is None else rows_at(y, held)
        models.append(fitted)
        scores.append({name: score(fitted, other, theirs) for name, score in scorers.items()})
        if train:
            trained.append({name: score(fitted, rows, ours) for name, score in scorers.items()})
    return models, scores, trained


def _plain(values: Sequence[Any]) -> list[float]:
    """All secret scores revealed in one plan."""
    secret = [value for value in values if isinstance(value, SecretArray)]
    found = iter([] if not secret else np.atleast_1d(reveal(*secret)) if len(secret) > 1 else [reveal(*secret)])
    return [float(next(found) if isinstance(value, SecretArray) else value) for value in values]


def cross_validate(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    scoring: Any = None,
    cv: Any = None,
    return_train_score: bool = False,
    return_estimator: bool = False,
) -> dict[str, Any]:
    """Scores of a model on each fold, fitted on the other folds: `test_score` (n_splits,), `train_score`, `estimator`.

    **Revealed, in one plan: the scores of all folds**, and nothing else; fitted models stay secret. `scoring`: None
    for the model's `score`, a name of `tercet.metrics.get_scorer`, a function of model, X and y, or several of these
    (then `test_name`). `cv`: a number of folds, an object with `split`, or pairs of public places. Folds are
    stratified for classifiers where y is plain; where it is secret rows are shuffled in public. Times are not told:
    all folds run in one plan.
    """
    scorers = _scorers(scoring)
    models, scores, trained = _scored(
        estimator, X, y, scorers, check_cv(cv, y, _is_classifier(estimator)), return_train_score
    )
    folds = [("test", scores), *([("train", trained)] if return_train_score else [])]
    keys = [(kind, name, one[name]) for kind, each in folds for name in scorers for one in each]
    plain = _plain([value for _, _, value in keys])
    found: dict[str, Any] = {}
    for (kind, name, _), value in zip(keys, plain, strict=True):
        found.setdefault(f"{kind}_{name}", []).append(value)
    found = {key: np.asarray(value) for key, value in found.items()}
    if return_estimator:
        found["estimator"] = models
    return found


def cross_val_score(estimator: Any, X: Any, y: Any = None, *, scoring: Any = None, cv: Any = None) -> Any:
    """The scores (n_splits,) of `cross_validate`, plain: **the scores of all folds are revealed, in one plan**."""
    return cross_validate(estimator, X, y, scoring=get_scorer(scoring), cv=cv)["test_score"]


def cross_val_predict(estimator: Any, X: Any, y: Any = None, *, cv: Any = None, method: str = "predict") -> Any:
    """For every row what the model says that was fitted on the folds without it; secret until revealed."""
    cv = check_cv(cv, y, _is_classifier(estimator))
    parts, order = [], []
    for places, held in cv if isinstance(cv, list) else cv.split(X, y):
        fitted = clone(estimator).fit(rows_at(X, places), None if y is None else rows_at(y, places))
        parts.append(getattr(fitted, method)(rows_at(X, held)))
        order.append(held)
    held_all = np.concatenate(order)
    if not np.array_equal(np.sort(held_all), np.arange(X.shape[0])):
        raise ValueError("cross_val_predict only works for partitions")
    xp = parts[0].__array_namespace__() if isinstance(parts[0], SecretArray) else np
    return rows_at(xp.concat(parts, axis=0), np.argsort(held_all))


class ParameterGrid:
    """All combinations of public values of parameters, in scikit-learn's order."""

    def __init__(self, param_grid: Any) -> None:
        self.param_grid = [param_grid] if isinstance(param_grid, Mapping) else list(param_grid)
        for grid in self.param_grid:
            for name, values in grid.items():
                if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or not len(values):
                    raise ValueError(f"the values of {name} are a list of at least one, not {values!r}")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for grid in self.param_grid:
            names = sorted(grid)
            for values in product(*(grid[name] for name in names)):
                yield dict(zip(names, values, strict=True))

    def __len__(self) -> int:
        return sum(int(np.prod([len(values) for values in grid.values()])) for grid in self.param_grid)


class GridSearchCV(SecretModel):
    """The best of a public grid of parameters by cross-validation, fitted on all rows.

    **Revealed by `fit`, in one plan: the scores of all folds of all parameters**; the best parameters follow from them
    and are public. The fitted models stay secret. `refit=False` leaves the last fit out. After fit: `cv_results_`
    (params, split scores, means, deviations, ranks), `best_params_`, `best_score_`, `best_index_`, `best_estimator_`;
    it has `predict`, `score` and the like of the best model. Folds as in `cross_validate`, the same for all
    parameters.
    """

    fitted = ("cv_results_", "best_params_", "best_score_", "best_index_", "n_splits_", "best_estimator_")
    not_offered: ClassVar[Mapping[str, str]] = {
        "n_jobs": "all of it is one plan",
        "verbose": "net.measure() tells what was computed",
        "pre_dispatch": "all of it is one plan",
        "error_score": "a fit that fails raises its error",
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        refit: bool = True,
        cv: Any = None,
        return_train_score: bool = False,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.refit = refit
        self.cv = cv
        self.return_train_score = return_train_score

    def fit(self, X: Any, y: Any = None) -> GridSearchCV:
        """Scores every combination on every fold, reveals these scores, and fits the best one on all rows."""
        scorers = {"score": get_scorer(self.scoring)}
        grid = list(ParameterGrid(self.param_grid))
        cv = check_cv(self.cv, y, _is_classifier(self.estimator))
        tests, trains = [], []
        for params in grid:
            model = clone(self.estimator).set_params(**clone_values(params))
            _, test, train = _scored(model, X, y, scorers, cv, self.return_train_score)
            tests.append([one["score"] for one in test])
            trains.append([one["score"] for one in train])
        self.n_splits_ = len(tests[0])
        plain = np.asarray(_plain([one for row in [*tests, *trains] for one in row]))
        scores = plain[: len(grid) * self.n_splits_].reshape(len(grid), -1)
        results = _told("test", scores)
        if self.return_train_score:
            results.update(_told("train", plain[len(grid) * self.n_splits_ :].reshape(len(grid), -1)))
        means = results["mean_test_score"]
        results["rank_test_score"] = (1 + (means[None, :] > means[:, None]).sum(axis=1)).astype(np.int64)
        names = sorted({name for params in grid for name in params})
        for name in names:
            results[f"param_{name}"] = [params.get(name) for params in grid]
        self.cv_results_ = {"params": grid, **results}
        self.best_index_ = int(results["rank_test_score"].argmin())
        self.best_params_, self.best_score_ = grid[self.best_index_], float(means[self.best_index_])
        self.best_estimator_ = None
        if self.refit:
            best = clone(self.estimator).set_params(**clone_values(self.best_params_))
            self.best_estimator_ = best.fit(X, y) if y is not None else best.fit(X)
        return self

    def score(self, X: Any, y: Any = None) -> Any:
        """The score of the best model by `scoring`; secret until revealed."""
        return get_scorer(self.scoring)(self._best(), X, y)

    def _best(self) -> Any:
        self.check_fitted()
        if self.best_estimator_ is None:
            raise AttributeError("with refit=False there is no best_estimator_ to ask")
        return self.best_estimator_

    def __getattr__(self, name: str) -> Any:
        known = ("predict", "predict_proba", "decision_function", "transform", "inverse_transform", "classes_")
        if name not in known or "best_estimator_" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._best(), name)

    def __sklearn_tags__(self) -> Any:
        return self.estimator.__sklearn_tags__()


def clone_values(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters, models among them copied."""
    return {name: clone(value) for name, value in params.items()}


def _told(kind: str, scores: Any) -> dict[str, Any]:
    found = {f"split{at}_{kind}_score": scores[:, at] for at in range(scores.shape[1])}
    return {**found, f"mean_{kind}_score": scores.mean(axis=1), f"std_{kind}_score": scores.std(axis=1)}
