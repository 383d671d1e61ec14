"""Tables of counts against SciPy and statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportions_ztest

from statistics_gaps import with_gaps
from tercet import stats
from tercet.client.session import Session
from tercet.errors import InputError

RNG = np.random.default_rng(31)
A = RNG.integers(0, 3, 200)
B = np.clip(A + RNG.integers(-1, 2, 200), 0, 2)
STRATA = RNG.integers(0, 3, 200)
U = RNG.random(200) < 0.4
V = (RNG.random(200) < 0.3) | (U & (RNG.random(200) < 0.4))


def table(a: Any, b: Any, size: int) -> Any:
    found = np.zeros((size, size), np.int64)
    np.add.at(found, (a * 1, b * 1), 1)
    return found


def columns(net: Session) -> tuple[Any, Any, Any, Any]:
    return net.share(A, bounds=(0, 2)), net.share(B, bounds=(0, 2)), net.share(U), net.share(V)


def test_crosstab(net: Session) -> None:
    a, b, *_ = columns(net)
    assert (stats.crosstab(a, b).to_numpy() == table(A, B, 3)).all()
    assert (stats.crosstab(a, B).to_numpy() == table(A, B, 3)).all()
    assert (stats.crosstab(A, B).to_numpy() == table(A, B, 3)).all()
    chosen = stats.crosstab(a, b, where=net.share(U))
    assert (chosen.to_numpy() == table(A[U], B[U], 3)).all()


def test_small_cells_are_hidden(net: Session) -> None:
    first = np.array([0] * 100 + [1] * 100)
    second = np.array([0] * 60 + [1] * 40 + [0] * 97 + [1] * 3)
    net.cohort = 5
    try:
        found = stats.crosstab(net.share(first, bounds=(0, 1)), net.share(second, bounds=(0, 1)))
    finally:
        net.cohort = 0
    assert np.isnan(found.to_numpy()).tolist() == [[False, True], [False, True]]


def test_chi_square(net: Session) -> None:
    a, b, u, v = columns(net)
    found, wanted = stats.chi2_contingency(a, b), scipy_stats.chi2_contingency(table(A, B, 3))
    statistic, pvalue, dof, expected = found
    assert statistic == pytest.approx(float(wanted[0]), rel=1e-9)
    assert pvalue == pytest.approx(float(wanted[1]), rel=1e-6)
    assert dof == wanted[2]
    assert expected == pytest.approx(wanted[3])
    for correction in (True, False):
        small = stats.chi2_contingency(u, v, correction=correction)
        assert small.statistic == pytest.approx(
            float(scipy_stats.chi2_contingency(table(U, V, 2), correction=correction)[0]), rel=1e-12
        )
    whole = stats.chi2_contingency(net.share(table(A, B, 3), bounds=(0, 300)))
    assert whole.statistic == pytest.approx(float(wanted[0]), rel=1e-9)
    assert stats.chi2_contingency(A, B).statistic == pytest.approx(float(wanted[0]), rel=1e-12)


def test_an_empty_category_does_not_count(net: Session) -> None:
    a, b = net.share(A, bounds=(0, 5)), net.share(B, bounds=(0, 2))
    found = stats.chi2_contingency(a, b)
    assert found.dof == 4
    assert found.statistic == pytest.approx(float(scipy_stats.chi2_contingency(table(A, B, 3))[0]), rel=1e-9)


def test_goodness_of_fit(net: Session) -> None:
    a, *_ = columns(net)
    observed = np.bincount(A)
    assert stats.chisquare(a).statistic == pytest.approx(float(scipy_stats.chisquare(observed)[0]), rel=1e-9)
    parts = np.array([0.2, 0.3, 0.5])
    found, wanted = stats.chisquare(a, parts), scipy_stats.chisquare(observed, parts * 200)
    assert tuple(found) == pytest.approx((float(wanted[0]), float(wanted[1])), rel=1e-7)


def test_two_by_two(net: Session) -> None:
    _, _, u, v = columns(net)
    cells = table(U, V, 2)
    assert tuple(stats.fisher_exact(u, v)) == pytest.approx(tuple(map(float, scipy_stats.fisher_exact(cells))))
    for exact in (True, False):
        wanted = contingency_tables.mcnemar(cells, exact=exact)
        found = stats.mcnemar(u, v, exact=exact)
        assert tuple(found) == pytest.approx((float(wanted.statistic), float(wanted.pvalue)))
    reference = contingency_tables.Table2x2(cells, shift_zeros=False)
    odds, risk = stats.odds_ratio(u, v), stats.relative_risk(u, v)
    assert odds.statistic == pytest.approx(float(reference.oddsratio))
    assert tuple(odds.confidence_interval()) == pytest.approx(tuple(map(float, reference.oddsratio_confint())))
    assert risk.statistic == pytest.approx(float(reference.riskratio))
    assert tuple(risk.confidence_interval()) == pytest.approx(tuple(map(float, reference.riskratio_confint())))
    difference = stats.risk_difference(u, v)
    assert difference.statistic == pytest.approx(cells[0, 0] / cells[0].sum() - cells[1, 0] / cells[1].sum())


def test_mantel_haenszel(net: Session) -> None:
    _, _, u, v = columns(net)
    found = stats.mantel_haenszel(u, v, net.share(STRATA, bounds=(0, 3)))
    tables = [table(U[code == STRATA], V[code == STRATA], 2) for code in range(3)]
    wanted = contingency_tables.StratifiedTable(tables)
    assert found.oddsratio_pooled == pytest.approx(float(wanted.oddsratio_pooled), rel=1e-8)
    assert found.logodds_pooled_se == pytest.approx(float(wanted.logodds_pooled_se), rel=1e-7)
    assert found.statistic == pytest.approx(float(wanted.test_null_odds().statistic), rel=1e-7)
    assert tuple(found.confidence_interval()) == pytest.approx(
        tuple(map(float, wanted.oddsratio_pooled_confint())), rel=1e-7
    )


def test_proportions(net: Session) -> None:
    *_, u, v = columns(net)
    found = stats.proportion(u)
    assert (found.count, found.nobs, found.proportion) == (U.sum(), 200, U.mean())
    wanted = scipy_stats.binomtest(int(U.sum()), 200, 0.3)
    assert tuple(found.confidence_interval(0.9)) == tuple(wanted.proportion_ci(0.9, "wilson"))
    assert found.test(0.3) == wanted.pvalue
    there = RNG.random(200) < 0.7
    gaps = with_gaps(net, U, there, (False, True))
    assert (stats.proportion(gaps).count, stats.proportion(gaps).nobs) == ((U & there).sum(), there.sum())
    cells = table(U, V, 2)
    assert tuple(stats.proportions_ztest(v, u)) == pytest.approx(
        tuple(map(float, proportions_ztest(cells[:, 1], cells.sum(1))))
    )
    assert tuple(stats.proportions_ztest(v, value=0.3)) == pytest.approx(
        tuple(map(float, proportions_ztest(V.sum(), 200, 0.3)))
    )


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_kappa(net: Session, weights: str | None) -> None:
    a, b, *_ = columns(net)
    assert stats.cohens_kappa(a, b, weights=weights).kappa == pytest.approx(
        float(cohens_kappa(table(A, B, 3), wt=weights).kappa)
    )


def test_what_is_refused(net: Session) -> None:
    a, b, u, _ = columns(net)
    with pytest.raises(InputError, match="2 x 2"):
        stats.fisher_exact(a, b)
    with pytest.raises(InputError, match="two dimensions"):
        stats.chi2_contingency(a)
    with pytest.raises(InputError, match="bools"):
        stats.proportion(a)
    with pytest.raises(InputError, match="1 x"):
        stats.chi2_contingency(np.zeros(200, np.int64), b)
    with pytest.raises(InputError, match="weights"):
        stats.cohens_kappa(u, u, weights="cubic")
