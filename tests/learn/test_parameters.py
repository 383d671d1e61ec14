"""Public parameters of every model: what is none of theirs is refused by name, in scikit-learn's words."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from every_model import every_model
from tercet.errors import InputError
from tercet.learn.model import SecretModel
from tercet.learn.parameters import ALLOWED, ArrayOfAny, OneOf, ParameterRule, Real, Whole, check_parameters, checked
from tercet.metrics import brier_score_loss, f1_score, log_loss, mean_absolute_error, r2_score, roc_auc_score
from tercet.model_selection import KFold
from tercet.models import PublicRandom

WRONG: tuple[Any, ...] = ("no such", -3, -0.5, float("nan"), True, None, object(), [], 10**9, {"a": 1})


def rules_of(kind: type[SecretModel]) -> dict[str, tuple[ParameterRule, ...]]:
    said = dict(ALLOWED)
    for base in reversed(kind.__mro__):
        said.update(vars(base).get("allowed", {}))
    return {name: rules for name, rules in said.items() if name in kind.parameters}


CASES = [(kind, name) for kind in every_model() for name in rules_of(kind)]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=lambda one: getattr(one, "__name__", one))
def test_wrong_values_are_refused_by_name(kind: type[SecretModel], name: str) -> None:
    x = np.arange(24.0).reshape(12, 2) % 7
    y, rules = np.arange(12) % 2, rules_of(kind)[name]
    given = {one: x for one in kind.parameters if inspect.signature(kind).parameters[one].default is inspect._empty}
    wrong = [value for value in WRONG if not any(rule.holds(value) for rule in rules)]
    assert wrong
    for value in wrong:
        model = kind(**{**given, name: value})
        assert model.get_params()[name] is value
        with pytest.raises(InputError, match=f"The '{name}' parameter( of {kind.__name__})? must be .* Got .* instead"):
            model.fit(x[:, :1] if kind.__name__ == "IsotonicRegression" else x, y)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", every_model())
def test_defaults_are_allowed(kind: type[SecretModel]) -> None:
    known = inspect.signature(kind).parameters.values()
    if all(one.default is not inspect._empty for one in known):
        check_parameters(kind())


def test_rules_say_what_they_hold() -> None:
    assert str(Whole(2, 255)) == "an int in the range [2, 255]" and Whole(2, 255).holds(np.int64(255))
    assert str(Real(0, above=True)) == "a float in the range (0, inf)" and not Real(0, above=True).holds(0)
    assert str(OneOf(("a", None))) == "one of 'a', None" and not OneOf((True, False)).holds(1)
    assert checked("k", 3, Whole(1)) == 3 and ArrayOfAny().holds(range(3)) and not ArrayOfAny().holds("ab")
    with pytest.raises(InputError, match=r"parameter must be an int in the range \[1, inf\)\. Got True instead"):
        checked("k", True, Whole(1))


def test_seeds_are_no_bools() -> None:
    with pytest.raises(InputError, match="random_state"):
        PublicRandom(True, "x")
    with pytest.raises((InputError, TypeError), match="random_state"):
        list(KFold(2, shuffle=True, random_state=True).split(np.zeros((4, 1))))


@pytest.mark.parametrize(
    "metric", [brier_score_loss, log_loss, mean_absolute_error, r2_score, roc_auc_score], ids=lambda one: one.__name__
)
def test_metrics_of_numbers_refuse_texts(metric: Any) -> None:
    with pytest.raises(InputError, match="holds texts"):
        metric(np.array([0, 1, 1]), np.array(["0.1", "0.9", "0.8"]))
    with pytest.raises(InputError, match="sample_weight"):
        f1_score([0, 1], [0, 1], sample_weight=["a", "b"])
