"""Numbers as bins with secret edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.inputs import array_namespace, features
from tercet.learn.kinds import TransformerModel


class KBinsDiscretizer(TransformerModel):
    """The bin of each value, of a public number of bins a column with secret edges, as scikit-learn's.

    `strategy`: "uniform" (bins of one width) or "quantile" (as many rows in each, NumPy's linear interpolation).
    `encode`: "ordinal" gives codes (n, d), "onehot-dense" 0 and 1 (n, d * n_bins). Bins that are empty because edges
    are equal stay, since leaving them out would show them; scikit-learn takes them out. After fit: `bin_edges_`
    (n_bins + 1, d) secret, `n_bins_` public. `fit`: extremes or quantiles of the columns; `transform`: n_bins - 1
    comparisons a value.
    """

    fitted = ("bin_edges_", "n_bins_")
    not_offered: ClassVar[Mapping[str, str]] = {
        "dtype": "codes are integers",
        "subsample": "all rows are used",
        "random_state": "nothing is drawn: all rows are used",
        "quantile_method": "quantiles are NumPy's linear ones",
    }

    def __init__(self, n_bins: int = 5, *, encode: str = "onehot-dense", strategy: str = "quantile") -> None:
        self.n_bins = n_bins
        self.encode = encode
        self.strategy = strategy

    def fit(self, X: Any, y: Any = None) -> KBinsDiscretizer:
        """Finds the edges. Raises ValueError for other strategies and encodings, InputError for missing values."""
        X = features(X, self, fitting=True)
        if not isinstance(self.n_bins, int) or self.n_bins < 2:
            raise ValueError(f"n_bins is an integer from 2 on, the same for all columns, not {self.n_bins!r}")
        if self.encode not in ("ordinal", "onehot-dense"):
            raise ValueError(f"encode is 'ordinal' or 'onehot-dense', not {self.encode!r}: results are dense")
        if self.strategy not in ("uniform", "quantile"):
            raise ValueError(
                f"strategy is 'uniform' or 'quantile', not {self.strategy!r}; for 'kmeans' see tercet.cluster"
            )
        xp, parts = array_namespace(X), np.arange(self.n_bins + 1)
        if self.strategy == "quantile":
            self.bin_edges_ = np.quantile(X, parts / self.n_bins, axis=0)
        else:
            low, high = xp.min(X, axis=0), xp.max(X, axis=0)
            self.bin_edges_ = (low * (self.n_bins - parts)[:, None] + high * parts[:, None]) / self.n_bins
        self.n_bins_ = self.n_bins
        return self

    def transform(self, X: Any) -> Any:
        """Codes, or 0 and 1. Raises InputError before `fit`."""
        self.check_fitted()
        X = features(X, self)
        xp = array_namespace(X, self.bin_edges_)
        inner = self.bin_edges_[1:-1]
        reached = X[:, :, None] >= xp.permute_dims(inner, (1, 0))[None, :, :]
        if self.encode == "ordinal":
            found = xp.sum(reached, axis=2)
            return found if isinstance(found, SecretArray) else found.astype(np.float64)
        # edges ascend: a value is in the bin of the last one that it reaches
        first = xp.expand_dims(reached[:, :, 0], axis=2)
        hot = xp.concat(
            [~first, reached[:, :, :-1] & ~reached[:, :, 1:], xp.expand_dims(reached[:, :, -1], axis=2)], axis=2
        )
        found = xp.reshape(hot, (X.shape[0], -1))
        return found.astype(np.int64 if isinstance(found, SecretArray) else np.float64)

    def inverse_transform(self, X: Any) -> Any:
        """The middles of the bins that codes stand for; of encode "ordinal" alone."""
        self.check_fitted()
        if self.encode != "ordinal":
            raise ValueError("inverse_transform takes codes: use encode='ordinal'")
        xp = array_namespace(X, self.bin_edges_)
        edges = self.bin_edges_
        middles = numeric.settled((edges[1:] + edges[:-1]) / 2)
        hot = X[:, :, None] == np.arange(self.n_bins_)
        return xp.sum(xp.where(hot, xp.permute_dims(middles, (1, 0))[None, :, :], 0), axis=2)
