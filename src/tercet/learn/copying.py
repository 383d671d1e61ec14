"""An unfitted copy of a model, as `sklearn.base.clone` makes one, without loading scikit-learn."""

from __future__ import annotations

from typing import Any


def clone(model: Any) -> Any:
    """A model of the same class and parameters, not fitted; lists and tuples of copies; other values as they are."""
    if isinstance(model, list | tuple):
        return type(model)(clone(one) for one in model)
    if not hasattr(model, "get_params") or isinstance(model, type):
        return model
    return type(model)(**{name: clone(value) for name, value in model.get_params(deep=False).items()})
