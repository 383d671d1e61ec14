"""Linear models of scikit-learn: a plain one shared by its owner, and a plain one of what is revealed."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar, Self

import numpy as np

from tercet.errors import InputError
from tercet.learn.model import SecretModel
from tercet.learn.plain import revealed, shared


class InterchangedModel(SecretModel):
    """A linear model that scikit-learn has, too, under the same name."""

    plain_module: ClassVar[str] = "sklearn.linear_model"

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> Self:
        """A fitted model of scikit-learn, of the same name, shared by its owner to predict on others' data.

        Coefficients and intercepts become secret, with up to 48 fractional bits; public are shapes, classes, parameters
        and the powers of two above the largest coefficient and intercept. Raises InputError for another kind of model,
        or one that is not fitted.
        """
        if type(fitted).__name__ != cls.__name__ or not hasattr(fitted, "coef_"):
            raise InputError(
                f"{type(fitted).__name__} is no fitted {cls.__name__} of scikit-learn", hint="fit it, or take its class"
            )
        given = {name: value for name, value in fitted.get_params().items() if name in cls.parameters}
        model = cls(**{name: value for name, value in given.items() if isinstance(value, bool | int | float | str)})
        coef, intercept = np.asarray(fitted.coef_), np.asarray(fitted.intercept_)
        if coef.ndim == 2 and "classes_" not in cls.fitted:
            raise InputError("the model has several targets", hint="share one model for each")
        model.coef_, model.intercept_ = shared(session, coef), shared(session, intercept)
        model.n_features_in_ = int(fitted.n_features_in_)
        foreign = {
            "classes_": getattr(fitted, "classes_", None),
            "reach_": None,
            "coef_bits_": None,
        }
        for name in cls.fitted:
            if name not in ("coef_", "intercept_"):
                setattr(model, name, foreign.get(name, np.zeros(coef.shape[-1], dtype=bool)))
        return model

    def to_sklearn(self) -> Any:
        """A fitted model of scikit-learn, to predict: reveals coefficients and intercepts, in one plan.

        Raises InputError before `fit`.
        """
        self.check_fitted()
        kind = getattr(importlib.import_module(self.plain_module), type(self).__name__)
        known = kind().get_params()
        plain = kind(**{name: value for name, value in self.get_params().items() if name in known})
        revealed(self, plain, ("coef_", "intercept_"))
        if "classes_" in self.fitted:
            plain.classes_ = self.classes_
        plain.n_features_in_ = int(np.shape(plain.coef_)[-1])
        return plain

    coef_: Any
    intercept_: Any
    classes_: Any
    n_features_in_: int
