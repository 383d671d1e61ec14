"""What classifiers, regressors and transformers have beside what all models have: `score`, `fit_transform`, tags."""

from __future__ import annotations

from typing import Any

from tercet.learn.beside import target_beside
from tercet.learn.inputs import array_namespace, as_labels, is_secret, plain_or_secret, target, weights
from tercet.learn.model import SecretModel
from tercet.learn.scores import determination


class ClassifierModel(SecretModel):
    """A model whose `predict` gives classes; `classes_` are public."""

    classes_: Any

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The part of the rows, weighed if weights are given, whose class `predict` gives; secret until revealed."""
        self.check_fitted()
        y = target(X := plain_or_secret(X, "X"), y)
        found = self.predict(X)  # type: ignore[attr-defined]
        right = found == (as_labels(y, self.classes_) if is_secret(found) else y)
        xp = array_namespace(right)
        if sample_weight is None:
            return xp.mean(xp.astype(right, xp.float64))
        sample_weight = weights(X, sample_weight)
        xp = array_namespace(right, sample_weight)
        return xp.sum(right * sample_weight) / xp.sum(sample_weight)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags, tags.target_tags.required = "classifier", ClassifierTags(), True
        return tags


class RegressorModel(SecretModel):
    """A model whose `predict` gives numbers."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The coefficient of determination R2 = 1 - SSE / SST of predictions for X, under sharing.

        R2 has no lower end; here it is a secret number in [-1023, 1] with 30 fractional bits, capped below. If all
        values of y are equal it is 1 where each is predicted exactly, else 0, as in scikit-learn. Error: 2^-28 beside
        that of the predictions. Rounds: those of `predict` and about 60. Bytes: those of `predict`, and some that do
        not grow with the rows. Raises InputError before `fit`, or if the shapes do not fit.
        """
        self.check_fitted()
        y = target(X := plain_or_secret(X, "X"), y)
        sample_weight = None if sample_weight is None else weights(X, sample_weight)
        found = self.predict(X)  # type: ignore[attr-defined]
        y = target_beside(found, y) if is_secret(found) else y
        return determination(y, found, sample_weight)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.regressor_tags, tags.target_tags.required = "regressor", RegressorTags(), True
        return tags


class TransformerModel(SecretModel):
    """A model whose `transform` gives other columns for the same rows."""

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """`fit(X, y)`, then `transform(X)`."""
        return self.fit(X, y).transform(X)  # type: ignore[attr-defined]

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import TransformerTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.transformer_tags = "transformer", TransformerTags()
        return tags
