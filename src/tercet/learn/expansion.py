"""Columns multiplied with each other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, combinations_with_replacement
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tercet.array.core import SecretArray
from tercet.learn.inputs import array_namespace, features
from tercet.learn.kinds import TransformerModel


class PolynomialFeatures(TransformerModel):
    """All products of up to `degree` columns, in scikit-learn's order; `degree` may be (least, most).

    Nothing is revealed. One product an element of the result, degree after degree in one round each (two in fixed
    point); integers exact, fixed point off by a last bit for each factor. Bounds are those of powers of the columns'
    bounds: scale columns first where these are wide.
    """

    fitted = ("powers_", "n_output_features_")
    not_offered: ClassVar[Mapping[str, str]] = {"order": "arrays have no order in memory here"}

    def __init__(
        self, degree: int | tuple[int, int] = 2, *, interaction_only: bool = False, include_bias: bool = True
    ) -> None:
        self.degree = degree
        self.interaction_only = interaction_only
        self.include_bias = include_bias

    def fit(self, X: Any, y: Any = None) -> PolynomialFeatures:
        """Which products there are; nothing is computed."""
        X = features(X, self, fitting=True)
        self.powers_ = self._powers(X.shape[1])
        self.n_output_features_ = len(self.powers_)
        return self

    def _powers(self, columns: int) -> NDArray[np.int64]:
        least, most = (0, self.degree) if isinstance(self.degree, int) else self.degree
        if not 0 <= least <= most:
            raise ValueError(f"degree is an integer from 0 on, or (least, most), not {self.degree!r}")
        found = [
            np.bincount(places, minlength=columns)
            for degree in range(max(least, 1), most + 1)
            for places in self._chosen(columns, degree)
        ]
        if self.include_bias:
            found.insert(0, np.zeros(columns, np.int64))
        if not found:
            raise ValueError("degree 0 without include_bias leaves no column: pass degree=1 or include_bias=True")
        return np.stack(found).astype(np.int64)

    def _chosen(self, columns: int, degree: int) -> list[tuple[int, ...]]:
        choose = combinations if self.interaction_only else combinations_with_replacement
        return list(choose(range(columns), degree))

    def transform(self, X: Any) -> Any:
        """(n, n_output_features_). PlanError where bounds of products outgrow 128 bits."""
        self.check_fitted()
        X = features(X, self)
        xp = array_namespace(X)
        least, most = (0, self.degree) if isinstance(self.degree, int) else self.degree
        parts, products, known = [], X, self._chosen(X.shape[1], 1)
        if self.include_bias:
            ones = np.ones((X.shape[0], 1), np.int64)
            parts.append(xp.ones_like(X[:, :1]) if isinstance(X, SecretArray) else ones)
        for degree in range(1, most + 1):
            if degree > 1:
                places = {chosen: at for at, chosen in enumerate(known)}
                known = self._chosen(X.shape[1], degree)
                if not known:
                    break
                before = np.asarray([places[chosen[:-1]] for chosen in known])
                products = xp.take(products, before, axis=1) * xp.take(
                    X, np.asarray([one[-1] for one in known]), axis=1
                )
            if degree >= least:
                parts.append(products)
        return xp.concat(parts, axis=1) if len(parts) > 1 else parts[0]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns of the result, as `x0^2 x1`."""
        self.check_fitted()
        if input_features is None:
            input_features = getattr(self, "feature_names_in_", [f"x{at}" for at in range(self.powers_.shape[1])])
        found = []
        for row in self.powers_:
            named = [
                f"{input_features[at]}^{power}" if power > 1 else str(input_features[at])
                for at, power in enumerate(row)
                if power
            ]
            found.append(" ".join(named) or "1")
        return np.asarray(found, dtype=object)
