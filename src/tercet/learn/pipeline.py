"""Models one after the other as one model, with scikit-learn's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tercet.errors import InputError
from tercet.learn.copying import clone
from tercet.learn.description import Described
from tercet.learn.model import SecretModel

_AT_THE_END = (
    *("predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "inverse_transform"),
    *("score", "classes_", "fit_predict"),
)
"""What a pipeline has if its last model has."""


class Pipeline(SecretModel):
    """Transformers and a last model, fitted one after the other; what is computed stays secret throughout.

    `steps`: pairs of name and model; "passthrough" stands for none. `fit` fits them in place, as scikit-learn's does.
    It has `predict`, `predict_proba`, `transform`, `score` and the like if its last model has. Parameters of a step
    are `name__parameter`. `save` keeps all of it, `tercet.load` gives it back. scikit-learn's own Pipeline takes
    models of Tercet, too, but knows no `save`.
    """

    not_offered: ClassVar[Mapping[str, str]] = {
        "memory": "steps that were fitted are not remembered",
        "verbose": "net.measure() tells what was computed",
        "transform_input": "only X is transformed",
    }

    def __init__(self, steps: Any) -> None:
        self.steps = steps

    @property
    def named_steps(self) -> dict[str, Any]:
        """The models by name."""
        return dict(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return Pipeline(self.steps[key])
        return self.named_steps[key] if isinstance(key, str) else self.steps[key][1]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """`steps`; with `deep`, the models by their names and their parameters as `name__parameter`."""
        found: dict[str, Any] = {"steps": self.steps}
        for name, model in self.steps if deep else ():
            found[name] = model
            if hasattr(model, "get_params"):
                found.update({f"{name}__{inner}": one for inner, one in model.get_params().items()})
        return found

    def set_params(self, **params: Any) -> Any:
        """Set `steps`, a model by its name, or parameters by those that `get_params` gives."""
        if "steps" in params:
            self.steps = params.pop("steps")
        for name in [name for name in params if name in self.named_steps]:
            model = params.pop(name)
            self.steps = [(one, model if one == name else old) for one, old in self.steps]
        return super().set_params(**params)

    def _checked(self) -> None:
        names = [name for name, _ in self.steps]
        if not names or len(set(names)) != len(names) or any("__" in name or name == "steps" for name in names):
            raise ValueError(f"steps have names of their own, without __: {names}")
        for name, model in self.steps[:-1]:
            if not _is_none(model) and not hasattr(model, "transform"):
                raise TypeError(f"step {name} is not the last one and has no transform: {model!r}")

    def fit(self, X: Any, y: Any = None) -> Pipeline:
        """Fit every transformer on what those before it give, then the last model."""
        last, X = self._before(X, y)
        if last is not None:
            last.fit(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """`fit`, and what the last transformer gives for the same rows."""
        last, X = self._before(X, y)
        return X if last is None else _transformed(last, X, y)

    def _before(self, X: Any, y: Any) -> tuple[Any, Any]:
        self._checked()
        for _, model in self.steps[:-1]:
            if not _is_none(model):
                X = _transformed(model, X, y)
        last = self.steps[-1][1]
        return (None if _is_none(last) else last), X

    def _given(self, X: Any) -> Any:
        for _, model in self.steps[:-1]:
            if not _is_none(model):
                X = model.transform(X)
        return X

    @property
    def is_fitted(self) -> bool:
        """Whether all models are."""
        return all(_is_none(model) or getattr(model, "is_fitted", True) for _, model in self.steps)

    def __getattr__(self, name: str) -> Any:
        if name not in _AT_THE_END or "steps" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        last = self.steps[-1][1]
        if _is_none(last):
            if name in ("transform", "inverse_transform"):
                return (lambda X: self._given(X)) if name == "transform" else self._back
            raise AttributeError(f"the last step is none: it has no {name}")
        if name == "inverse_transform" and hasattr(last, name):
            return self._back
        found = getattr(last, name)
        if name == "fit_predict":
            return lambda X, y=None: found(self._before(X, y)[1], y)
        return (lambda X, *more, **named: found(self._given(X), *more, **named)) if callable(found) else found

    def _back(self, X: Any) -> Any:
        for _, model in reversed(self.steps):
            if not _is_none(model):
                X = model.inverse_transform(X)
        return X

    def _described(self) -> Described:
        if any(not _is_none(model) and not isinstance(model, SecretModel) for _, model in self.steps):
            raise InputError("a pipeline is kept if all of its models are Tercet's, or subclasses of SecretModel")
        return super()._described()

    def __sklearn_tags__(self) -> Any:
        last = self.steps[-1][1] if self.steps else None
        return super().__sklearn_tags__() if last is None or _is_none(last) else last.__sklearn_tags__()


def make_pipeline(*models: Any) -> Pipeline:
    """A pipeline of these models, named by their classes in small letters, with -1, -2, ... where several are alike."""
    kinds = [type(model).__name__.lower() for model in models]
    names = [
        kind if kinds.count(kind) == 1 else f"{kind}-{kinds[: at + 1].count(kind)}" for at, kind in enumerate(kinds)
    ]
    return Pipeline(list(zip(names, models, strict=True)))


def _is_none(model: Any) -> bool:
    return model is None or (isinstance(model, str) and model == "passthrough")


def _transformed(model: Any, X: Any, y: Any) -> Any:
    return model.fit_transform(X, y) if hasattr(model, "fit_transform") else model.fit(X, y).transform(X)


__all__ = ["Pipeline", "clone", "make_pipeline"]
