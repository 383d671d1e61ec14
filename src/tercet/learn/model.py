"""What models have in common: parameters in scikit-learn's manner, and fitted attributes that parties keep."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.description import FORMAT, Described, described
from tercet.learn.parameters import ParameterRule

PUBLIC = ("n_features_in_", "feature_names_in_")
"""Public attributes that fitting sets on any model, where it knows them."""


class Keeper(Protocol):
    """What models need of a session."""

    def keep(self, name: str, arrays: Mapping[str, SecretArray], model: Mapping[str, Any]) -> Mapping[str, SecretArray]:
        """Keep secret arrays under a name, with a public description; gives the kept arrays."""


class SecretModel:
    """A model whose fitted attributes may be secret; its parameters are the arguments of its constructor.

    A subclass stores what its constructor takes, unchanged and under the same names, and says in `fitted` which
    attributes `fit` sets. `get_params`, `set_params`, `repr`, `sklearn.base.clone`, `save` and `tercet.load` follow
    from that. `not_offered` names parameters that scikit-learn's class has and this one does not, each with what
    to do instead: whoever passes one is told so.
    """

    parameters: ClassVar[tuple[str, ...]] = ()
    """Names of the constructor's arguments: public, of JSON."""
    fitted: ClassVar[tuple[str, ...]] = ()
    """Attributes set by fitting: secret arrays, public values of JSON, public arrays, other models, lists of these."""
    not_offered: ClassVar[Mapping[str, str]] = {}
    allowed: ClassVar[Mapping[str, tuple[ParameterRule, ...]]] = {}
    """What parameters may be, where it is not what `tercet.learn.parameters` says of their names; checked by `fit`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.parameters = tuple(_arguments(cls))

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        for name in kwargs:
            if name not in cls.parameters:
                said = cls.not_offered.get(name, f"its parameters are {', '.join(cls.parameters) or 'none'}")
                raise TypeError(f"{cls.__name__} takes no {name}: {said}")
        return super().__new__(cls)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; with `deep`, those of models among them too, as `name__parameter`."""
        found: dict[str, Any] = {}
        for name in self.parameters:
            value = found[name] = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                found.update({f"{name}__{inner}": one for inner, one in value.get_params().items()})
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters by the names that `get_params` gives. Raises ValueError for a name that is none."""
        known = self.get_params()
        inner: dict[str, dict[str, Any]] = {}
        for name, value in params.items():
            first, _, rest = name.partition("__")
            if first not in known:
                raise ValueError(f"{type(self).__name__} has no parameter {first!r}; it has {', '.join(known)}")
            if rest:
                inner.setdefault(first, {})[rest] = value
            else:
                setattr(self, first, value)
        for first, given in inner.items():
            self.get_params()[first].set_params(**given)
        return self

    def __repr__(self) -> str:
        changed = []
        for name, default in _arguments(type(self)).items():
            value = getattr(self, name)
            if value is not default and not (type(value) is type(default) and repr(value) == repr(default)):
                changed.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(changed)})"

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` was called: all attributes of `fitted` are there."""
        return all(hasattr(self, name) for name in self.fitted)

    def __sklearn_is_fitted__(self) -> bool:
        return self.is_fitted

    def __sklearn_tags__(self) -> Any:
        # scikit-learn's own functions ask; it is loaded by then
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=False), input_tags=InputTags(sparse=False))

    def check_fitted(self) -> None:
        """Raises InputError before `fit`."""
        if not self.is_fitted:
            raise InputError("this model is not fitted", hint="call fit(X, y) first")

    def save(self, session: Keeper, name: str) -> Self:
        """Keep the fitted model at the parties under a name, its arrays secret; `tercet.load` gives it back.

        One plan computes what was not computed yet; the model then uses the kept arrays. Parameters, bounds and classes
        are public. Raises InputError for a model that is not fitted, or that is fitted on plain data.
        """
        self.check_fitted()
        places = described(self)
        if not places.arrays:
            raise InputError("nothing of this model is secret: it was fitted on plain data, or knows public facts only")
        for key, array in session.keep(name, places.arrays, {**places.description, "format": FORMAT}).items():
            places.put(key, array)
        return self

    def _described(self) -> Described:
        """Parameters, and the attributes of a model that is fitted."""
        public = [name for name in PUBLIC if hasattr(self, name) and name not in self.fitted]
        return Described(
            type(self).__name__,
            {name: getattr(self, name) for name in self.parameters},
            {name: getattr(self, name) for name in (*self.fitted, *public)} if self.is_fitted else {},
        )


def _arguments(cls: type) -> dict[str, Any]:
    """The constructor's arguments and their defaults."""
    maker = vars(next(base for base in cls.__mro__ if "__init__" in vars(base)))["__init__"]
    if maker is object.__init__:
        return {}
    given = list(inspect.signature(maker).parameters.values())[1:]
    return {one.name: one.default for one in given if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
