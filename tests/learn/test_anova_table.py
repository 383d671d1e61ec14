"""Tables of the analysis of variance beside statsmodels' `anova_lm`; ANCOVA; what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm as reference

import tercet as tc
from tercet.errors import InputError
from tercet.stats import SmallGroup, anova_lm, ols, wls


def workers() -> pd.DataFrame:
    rng, n = np.random.default_rng(2), 90
    frame = pd.DataFrame(
        {"sex": rng.integers(0, 2, n), "sector": rng.integers(0, 3, n), "age": rng.integers(18, 66, n)}
    )
    frame["weight"] = rng.integers(1, 9, n) / 4
    frame["pay"] = 500 + 9 * frame.age + 60 * frame.sex * (frame.sector == 1) + rng.integers(-90, 90, n)
    return frame


FRAME = workers()
TWO_WAY = "pay ~ C(sex) * C(sector)"
ANCOVA = "pay ~ C(sector) * age + C(sex)"


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def shared(net: Any) -> dict[str, Any]:
    bounds = {"sex": (0, 1), "sector": (0, 2), "age": (0, 100), "pay": (0, 2000), "weight": (0, 2)}
    return {str(name): net.share(FRAME[name].to_numpy(), bounds=bounds[str(name)]) for name in FRAME}


def alike(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    assert list(found.index) == list(wanted.index) and list(found.columns) == list(wanted.columns)
    assert np.allclose(found, wanted, rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("typ", [1, 2, 3])
@pytest.mark.parametrize("formula", [TWO_WAY, ANCOVA, "pay ~ age + C(sex) - 1", "pay ~ age"])
def test_tables_on_numpy(formula: str, typ: int) -> None:
    alike(anova_lm(ols(formula, FRAME), typ=typ), reference(smf.ols(formula, FRAME).fit(), typ=typ))
    weighed = smf.wls(formula, FRAME, weights=FRAME.weight).fit()
    found = anova_lm(wls(formula, FRAME, weights="weight"), typ=typ)
    wanted = reference(weighed, typ=max(typ, 2))
    if typ > 1:
        alike(found, wanted)
    else:  # statsmodels' type 1 leaves weights out; the last term is beside all others
        assert np.allclose(found.sum_sq.iloc[-2:], wanted.sum_sq.iloc[-2:], rtol=1e-6)


def test_two_way_analysis_and_ancova_under_sharing(net: Any) -> None:
    columns = shared(net)
    for formula in (TWO_WAY, ANCOVA):
        plain = smf.ols(formula, FRAME).fit()
        for typ in (1, 2, 3):
            found = anova_lm(ols(formula, columns).fit(), typ=typ)
            alike(found, reference(plain, typ=typ))
            assert found.attrs["revealed"].rows == 90 and "part left by model 0" in found.attrs["revealed"].numbers


def test_nested_models(net: Any) -> None:
    columns = shared(net)
    small, large = "pay ~ age", ANCOVA
    wanted = reference(smf.ols(small, FRAME).fit(), smf.ols(large, FRAME).fit())
    found = anova_lm(ols(small, columns), ols(large, columns).fit())
    assert list(found.columns) == list(wanted.columns) and np.allclose(found, wanted, rtol=1e-6, equal_nan=True)


def test_spector_and_longley_as_they_are_shipped() -> None:
    data = sm.datasets.longley.load_pandas().data
    formula = "TOTEMP ~ GNPDEFL + GNP + UNEMP + ARMED"
    for typ in (1, 2, 3):
        alike(anova_lm(ols(formula, data), typ=typ), reference(smf.ols(formula, data).fit(), typ=typ))


def test_a_cohort_and_what_is_refused(net: Any) -> None:
    columns = shared(net)
    net.cohort = 40
    with pytest.raises(SmallGroup):
        anova_lm(ols(TWO_WAY, columns))
    net.cohort = 0
    for call, said in [
        (lambda: anova_lm(ols("pay ~ age", FRAME), typ=4), "typ=4 is not offered"),
        (lambda: anova_lm(ols("pay ~ age", FRAME).fit(cov_type="HC1")), "robust errors are not offered"),
        (lambda: anova_lm(tc.stats.OLS(FRAME.pay.to_numpy(), FRAME.age.to_numpy())), "has no terms"),
        (lambda: anova_lm(3), "takes linear regressions"),
        (lambda: anova_lm(ols("pay ~ age", FRAME), ols("pay ~ sex", FRAME[:50])), "of the same rows"),
    ]:
        with pytest.raises(InputError, match=said):
            call()
