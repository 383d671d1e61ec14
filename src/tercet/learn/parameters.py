"""Public parameters of models, in one place: what each name may be, said as scikit-learn says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Protocol

import numpy as np

from tercet.errors import InputError


class ParameterRule(Protocol):
    """What a parameter may be."""

    def holds(self, value: Any) -> bool:
        """Whether a value is such a one."""

    def __str__(self) -> str:
        """In words that follow "must be"."""


@dataclass(frozen=True)
class Whole:
    """A public integer; no bool."""

    low: int | None = None
    high: int | None = None

    def holds(self, value: Any) -> bool:
        known = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return known and (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        return f"an int{_range(self.low, self.high)}"


@dataclass(frozen=True)
class Real:
    """A public finite number; no bool. `above`, `below`: without the end itself."""

    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False

    def holds(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            return False
        under = self.low is not None and (value < self.low or (self.above and value == self.low))
        over = self.high is not None and (value > self.high or (self.below and value == self.high))
        return bool(np.isfinite(value)) and not under and not over

    def __str__(self) -> str:
        return f"a float{_range(self.low, self.high, above=self.above, below=self.below)}"


@dataclass(frozen=True)
class OneOf:
    """One of public values: texts, None, True, False."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        return any(value is one or (type(value) is type(one) and value == one) for one in self.values)

    def __str__(self) -> str:
        said = [repr(one) for one in self.values]
        return said[0] if len(said) == 1 else f"one of {', '.join(said)}"


class ArrayOfNumbers:
    """Public numbers: a list, a tuple or a NumPy array."""

    def holds(self, value: Any) -> bool:
        if not isinstance(value, list | tuple | np.ndarray):
            return False
        try:
            return np.asarray(value).dtype.kind in "biuf"
        except ValueError:
            return False

    def __str__(self) -> str:
        return "an array of numbers"


class ArrayOfAny:
    """Public values: a list, a tuple, a range or a NumPy array."""

    def holds(self, value: Any) -> bool:
        return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes)

    def __str__(self) -> str:
        return "an array"


def _range(low: Any, high: Any, *, above: bool = False, below: bool = False) -> str:
    if low is None and high is None:
        return ""
    left = "(-inf" if low is None else f"{'(' if above else '['}{low}"
    right = "inf)" if high is None else f"{high}{')' if below else ']'}"
    return f" in the range {left}, {right}"


NOTHING: Final = OneOf((None,))
FLAG: Final = OneOf((True, False))
PART: Final = Real(0, 1, above=True)
"""Of rows or columns."""

ALLOWED: Final[Mapping[str, tuple[ParameterRule, ...]]] = {
    "C": (Real(0, above=True),),
    "add_indicator": (FLAG,),
    "alpha": (Real(0),),
    "bins": (OneOf(("quantile", "uniform")), ArrayOfAny()),
    "bootstrap": (FLAG,),
    "classes": (ArrayOfAny(), NOTHING),
    "clip": (FLAG,),
    "fit_intercept": (FLAG,),
    "include_bias": (FLAG,),
    "increasing": (FLAG,),
    "interaction_only": (FLAG,),
    "intercept_scaling": (Real(0, above=True),),
    "l1_ratio": (Real(0, 1),),
    "l2_regularization": (Real(0),),
    "max_bins": (Whole(2, 255),),
    "max_depth": (Whole(1, 12),),
    "max_features": (Whole(1), PART, OneOf(("sqrt", "log2", None))),
    "max_iter": (Whole(1),),
    "max_samples": (Whole(1), PART, OneOf(("auto", None))),
    "min_impurity_decrease": (Real(0),),
    "min_samples_leaf": (Whole(1), PART),
    "min_samples_split": (Whole(2), PART),
    "n_clusters": (Whole(1),),
    "n_estimators": (Whole(1),),
    "n_neighbors": (Whole(1),),
    "priors": (ArrayOfNumbers(), NOTHING),
    "random_state": (Whole(), NOTHING),
    "reg_covar": (Real(0),),
    "shuffle": (FLAG,),
    "var_smoothing": (Real(0, 1, below=True),),
    "whiten": (FLAG,),
    "with_centering": (FLAG,),
    "with_mean": (FLAG,),
    "with_scaling": (FLAG,),
    "with_std": (FLAG,),
}
"""What parameters of such names may be in every model that does not say otherwise in `allowed`."""


def refused(name: str, value: Any, rules: tuple[ParameterRule, ...], owner: str = "") -> InputError:
    """The error for a value that a parameter does not take."""
    said = " or ".join(str(rule) for rule in rules)
    of = f" of {owner}" if owner else ""
    return InputError(f"The {name!r} parameter{of} must be {said}. Got {_shown(value)} instead.")


def checked(name: str, value: Any, *rules: ParameterRule, owner: str = "") -> Any:
    """The value as it is. InputError unless one of the rules holds."""
    if not any(rule.holds(value) for rule in rules):
        raise refused(name, value, rules, owner)
    return value


def check_parameters(model: Any) -> None:
    """InputError for a parameter of a model that is none of what its name may be."""
    said: dict[str, tuple[ParameterRule, ...]] = dict(ALLOWED)
    for base in reversed(type(model).__mro__):
        said.update(vars(base).get("allowed", {}))
    for name in model.parameters:
        if name in said:
            checked(name, getattr(model, name), *said[name], owner=type(model).__name__)


def _shown(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 80 else f"a {type(value).__name__}"


def number_of(value: Any, what: str, *, above: bool = False) -> Fraction:
    """A public parameter as an exact fraction. InputError unless it is a finite number from 0 on, or above 0."""
    return Fraction(float(checked(what, value, Real(0, above=above))))


def count_of(value: Any, what: str) -> int:
    """A public count. InputError unless it is an integer from 1 on."""
    return int(checked(what, value, Whole(1)))
