"""Models where the session has a cohort: what an attacker would ask for is refused, ordinary models are shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

import tercet as tc
from tercet.stats import GLM, OLS, WLS, Logit, NegativeBinomial, Poisson, SmallGroup, add_constant, families, ols

N = 120
RNG = np.random.default_rng(11)
AGE, PAY = RNG.integers(18, 65, N), RNG.integers(100, 900, N)
ILL = RNG.random(N) < 0.4
SECTOR = np.arange(N) % 4


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        session.cohort = 8
        yield session


@pytest.fixture(scope="module")
def columns(net: Any) -> dict[str, Any]:
    return {
        "age": net.share(AGE, bounds=(0, 100)),
        "pay": net.share(PAY, bounds=(0, 1000)),
        "ill": net.share(ILL),
        "sector": net.share(SECTOR, bounds=(0, 3)),
    }


def marks(net: Any, *rows: int, size: int = 1) -> Any:
    found = np.zeros(N, np.int64)
    found[list(rows)] = size
    return net.share(found, bounds=(0, size))


def test_ordinary_models_are_shown(net: Any, columns: dict[str, Any]) -> None:
    design = sm.add_constant(AGE)
    found = OLS(columns["pay"], add_constant(columns["age"])).fit().reveal()
    assert np.allclose(found.params, sm.OLS(PAY, design).fit().params, rtol=1e-8)
    assert ols("pay ~ age + C(sector)", columns).fit(cov_type="HC1").reveal().params.shape == (5,)
    assert ols("pay ~ age:C(sector) - 1", columns).fit().reveal().params.shape == (4,)
    found = Logit(columns["ill"], add_constant(columns["age"])).fit().reveal()
    assert np.allclose(found.params, sm.Logit(ILL.astype(int), design).fit(disp=0).params, rtol=1e-5)
    GLM(columns["pay"], add_constant(columns["age"]), family=families.Gamma(link="log")).fit().reveal()
    codes = {"groups": net.share(np.arange(N) % 40, bounds=(0, 39))}
    OLS(columns["pay"], add_constant(columns["age"])).fit(cov_type="cluster", cov_kwds=codes).reveal()


ONE, FEW = (7,), (1, 5, 9, 30, 77)


@pytest.mark.parametrize(("rows", "size"), [(ONE, 1), (FEW, 50)])
def test_marks_of_few_rows_are_refused(net: Any, columns: dict[str, Any], rows: tuple[int, ...], size: int) -> None:
    marked = {"age": columns["age"], "mark": marks(net, *rows, size=size)}
    for results in (
        OLS(columns["pay"], add_constant(marked)).fit(),
        OLS(columns["pay"], add_constant(marked)).fit(cov_type="HC3"),
        Logit(columns["ill"], add_constant(marked)).fit(),
        Poisson(columns["pay"], add_constant({"mark": marked["mark"]})).fit(),
    ):
        with pytest.raises(SmallGroup):
            results.summary()


def test_other_ways_to_single_rows_out_are_refused(net: Any, columns: dict[str, Any]) -> None:
    pay, age = columns["pay"], columns["age"]
    third = net.share((np.arange(N) < 40).astype(int), bounds=(0, 1))
    less = net.share(((np.arange(N) < 40) & (np.arange(N) != 7)).astype(int), bounds=(0, 1))
    noisy = RNG.integers(0, 8, N)
    noisy[7] = 10_000
    alone = np.ones(N, np.int64)
    alone[7] = 0
    tiny = np.full(N, 1 / 1024)
    tiny[7] = 1
    none = (np.arange(N) < 9).astype(int)
    only = np.zeros(N, np.int64)
    only[7] = 1
    few = ((np.arange(N) > 30) & (np.arange(N) < 38)).astype(np.int64)
    light = (np.arange(N) < 30).astype(np.int64)  # noise that hardly counts beside them
    one_apart = {"groups": net.share((np.arange(N) == 7).astype(int), bounds=(0, 1))}
    for results in (
        OLS(pay, add_constant({"a": third, "b": less})).fit(),  # their difference is a row
        OLS(pay, add_constant(net.share(noisy, bounds=(0, 10_000)))).fit(),
        OLS(pay, add_constant(net.share(alone, bounds=(0, 1)))).fit(),  # the constant is that row's pay
        WLS(pay, add_constant(age), net.share(tiny, bounds=(0, 1), frac_bits=20)).fit(),
        WLS(pay, add_constant(age), net.share(none, bounds=(0, 1))).fit(),
        GLM(pay, add_constant(age), freq_weights=net.share(none, bounds=(0, 1))).fit(),
        OLS(net.share(only, bounds=(0, 1)), add_constant(age)).fit(),  # coefficients are that row's age
        OLS(net.share(only * 3, bounds=(0, 3)), add_constant(age)).fit(),
        OLS(net.share(few * 8, bounds=(0, 8)), add_constant(age)).fit(),  # they are the ages of seven
        Poisson(net.share(few * 3, bounds=(0, 3)), add_constant(age)).fit(),
        WLS(
            net.share(noisy * light + few, bounds=(0, 10_000)),
            add_constant(age),
            net.share(1000 - 999 * light, bounds=(0, 1000)),
        ).fit(),
        Logit(net.share(only, bounds=(0, 1)), add_constant(age)).fit(),
        OLS(pay, add_constant(age)).fit(cov_type="cluster", cov_kwds=one_apart),
        OLS(pay, add_constant(age)).fit(cov_type="cluster", cov_kwds={"groups": np.arange(N) == 7}),
        OLS(
            pay[:12],
            add_constant({"age": age[:12], "b": third[:12] * age[:12], "c": age[:12] ** 2, "d": age[:12] ** 3}),
        ).fit(),
    ):
        with pytest.raises(SmallGroup):
            results.reveal()


@pytest.mark.parametrize(
    "fit",
    [
        lambda y, x: OLS(y, x).fit(),
        lambda y, x: Poisson(y, x).fit(),
        lambda y, x: GLM(y, x, family=families.Gaussian()).fit(),
        lambda y, x: GLM(y, x, family=families.NegativeBinomial()).fit(),
        lambda y, x: GLM(y, x, family=families.Gaussian(), freq_weights=y * 0 + 2).fit(),
        lambda y, x: NegativeBinomial(y, x).fit(),
    ],
    ids=["OLS", "Poisson", "Gaussian", "negative binomial", "weights", "dispersion"],
)
def test_few_ones_are_counted_whatever_the_family(net: Any, columns: dict[str, Any], fit: Any) -> None:
    """Seven of 60 rows, about whose mean y has a size of 8.9; families scale y before they use it."""
    y = net.share((np.arange(60) % 9 == 1).astype(np.int64), bounds=(0, 1))
    with pytest.raises(SmallGroup):
        fit(y, add_constant(columns["age"][:60])).reveal()


def test_nothing_is_demanded_without_a_cohort(net: Any) -> None:
    with tc.local() as other:
        x = np.zeros(30, np.int64)
        x[3] = 1
        found = OLS(other.share(np.arange(30), bounds=(0, 31)), add_constant(other.share(x, bounds=(0, 1)))).fit()
        assert not found._sizes and found.reveal().params.shape == (2,)
