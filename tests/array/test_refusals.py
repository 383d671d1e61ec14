"""What a secret array does not do is said in words that lead on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.special

import tercet as tc
from plan_trio import TrioSession
from tercet.client import encode_array

api: Any = tc


@pytest.fixture(scope="module")
def x() -> Iterator[Any]:
    yield TrioSession().share([[1.5, 2.0], [0.0, 1.0]], bounds=(-10, 10))


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "several in a list": (lambda x: api.reveal([x, x]), TypeError, r"one by one: reveal\(\*arrays\)"),
    "kept in a tuple": (lambda x: api.persist((x, x)), TypeError, r"one by one: persist\(\*arrays\)"),
    "below infinity": (lambda x: x < np.inf, tc.PlanError, "always finite"),
    "an inverse": (lambda x: np.linalg.inv(x), TypeError, "numpy.linalg.inv .*LinearRegression"),
    "digits": (lambda x: f"{x:.2f}", TypeError, "reveal"),
    "rounding": (lambda x: round(x), TypeError, "tercet.array.round"),
    "membership": (lambda x: 1 in x, TypeError, "any"),
    "beside a table": (lambda x: pd.DataFrame(np.eye(2)) @ x, TypeError, r"table.to_numpy\(\) @ x"),
    "a function of SciPy": (lambda x: scipy.special.expit(x), TypeError, "no function of NumPy.*tercet.special"),
    "another of SciPy": (lambda x: scipy.special.softmax(x), TypeError, "tercet.special"),
    "whole quotients by an array": (lambda x: x // np.array([1, 2]), TypeError, "share the divisors"),
    "secret places of a public table": (lambda x: tc.array.take(np.arange(3), x), TypeError, "tercet.array.lookup"),
    "degrees": (lambda x: np.radians(x), TypeError, "numpy.pi / 180"),
    "decimals": (lambda x: np.round(x, 2), TypeError, r"numpy.round\(x \* 10\*\*2\) / 10\*\*2"),
    "tens": (lambda x: np.round(x, -1), TypeError, r"numpy.round\(x / 10\*\*1\) \* 10\*\*1"),
    "a weighted mean": (lambda x: np.average(x, weights=x), TypeError, r"\(x \* weights\).sum"),
    "what is missing": (lambda x: np.nanmean(x), TypeError, "never NaN, .*nullable"),
    "secret places": (lambda x: x[x > 1], TypeError, "tercet.array.take"),
    "an order": (lambda x: x[tc.Permutation.argsort(x[0])], TypeError, r"p\.apply\(x\)"),
    "an order that is kept": (lambda x: api.persist(tc.Permutation.argsort(x[0])), TypeError, r"method persist\(\)"),
    "an order of public numbers": (
        lambda x: tc.Permutation.argsort(x[0]).apply(np.eye(2)),
        TypeError,
        r"secret arrays, not ndarray; session.share",
    ),
    "missing values": (lambda x: encode_array([1.0, np.nan]), tc.InputError, "missing or NaN; .* nullable columns"),
    "at the top level": (lambda x: api.sum(x), AttributeError, "tercet.array.sum"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals_lead_on(x: Any, what: str) -> None:
    call, kind, words = REFUSED[what]
    with pytest.raises(kind, match=words):
        call(x)


def test_a_name_that_is_nowhere_is_not_sought_elsewhere() -> None:
    with pytest.raises(AttributeError, match=r"'nothing'$"):
        api.nothing  # noqa: B018


@pytest.mark.parametrize("frac_bits", [1.5, "a", True])
def test_fractional_bits_are_counted(frac_bits: Any) -> None:
    with pytest.raises(tc.InputError, match="it counts bits"):
        encode_array([1.5], (0, 4), frac_bits)


def test_what_it_does(x: Any) -> None:
    assert copy.copy(x) is x and copy.deepcopy([x])[0] is x
    assert f"{x}" == repr(x)
    assert np.array_equal((pd.DataFrame(np.eye(2)).to_numpy() @ x).reveal(), [[1.5, 2.0], [0.0, 1.0]])
