"""Groups that some rows lack, in secret and in public, and groups of codes that no row has."""

from __future__ import annotations

import math
from typing import Any

import lifelines.statistics
import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from tercet import stats
from tercet.array.nullable import NullableArray
from tercet.client.session import Session

# lifelines calls pandas in a way that pandas 3 warns of
pytestmark = pytest.mark.filterwarnings("ignore:Starting with pandas version 4.0")

RNG = np.random.default_rng(4)
Z, T = RNG.integers(-200, 200, 60) / 32, RNG.integers(1, 20, 60)
GROUP, HALF, EVENT = RNG.integers(0, 3, 60), RNG.random(60) < 0.4, RNG.random(60) < 0.6
THERE = RNG.random(60) < 0.8
THREE = [Z[THERE & (at == GROUP)] for at in range(3)]
TWO = [Z[THERE & ~HALF], Z[THERE & HALF]]
OF_THREE = ("kruskal", "levene", "bartlett", "median_test")
OF_TWO = ("mannwhitneyu", "brunnermunzel", "ks_2samp")


def with_gaps(net: Session, secret: bool) -> tuple[Any, Any]:
    """Three groups and two, of which some rows have none."""
    if not secret:
        return np.where(THERE, np.array(["a", "b", "c"])[GROUP], None), np.where(THERE, HALF.astype(object), None)
    there = net.share(THERE)
    codes, half = net.share(GROUP, bounds=(0, 2)), net.share(HALF)
    return NullableArray.of_values(codes, there), NullableArray.of_values(half, there)


@pytest.mark.parametrize("secret", [True, False])
@pytest.mark.parametrize("name", [*OF_THREE, *OF_TWO])
def test_rows_without_a_group_are_left_out(net: Session, name: str, secret: bool) -> None:
    three, two = with_gaps(net, secret)
    by, parts = (three, THREE) if name in OF_THREE else (two, TWO)
    found = getattr(stats, name)(net.share(Z, bounds=(-8, 8)), by=by)
    wanted = getattr(scipy_stats, name)(*parts)
    assert found.statistic == pytest.approx(float(wanted.statistic), rel=1e-9)
    assert found.pvalue == pytest.approx(float(wanted.pvalue), rel=1e-9)


@pytest.mark.parametrize("secret", [True, False])
def test_of_survival_and_areas(net: Session, secret: bool) -> None:
    three, two = with_gaps(net, secret)
    found = stats.multivariate_logrank_test(net.share(T, bounds=(0, 20)), three, net.share(EVENT))
    wanted = lifelines.statistics.multivariate_logrank_test(T[THERE], GROUP[THERE], EVENT[THERE])
    assert found.test_statistic == pytest.approx(wanted.test_statistic, rel=1e-7)
    area = stats.roc_auc(two, net.share(Z, bounds=(-8, 8))).auc
    assert area == pytest.approx(roc_auc_score(HALF[THERE], Z[THERE]), rel=1e-9)


def test_codes_that_no_row_has_are_no_groups(net: Session) -> None:
    z, by = net.share(Z, bounds=(-8, 8)), net.share(GROUP, bounds=(0, 6))
    parts = [Z[at == GROUP] for at in range(3)]
    for name in OF_THREE:
        found, wanted = getattr(stats, name)(z, by=by), getattr(scipy_stats, name)(*parts)
        assert found.statistic == pytest.approx(float(wanted.statistic), rel=1e-9)
        assert found.pvalue == pytest.approx(float(wanted.pvalue), rel=1e-9)
    found = stats.multivariate_logrank_test(net.share(T, bounds=(0, 20)), by, net.share(EVENT))
    wanted = lifelines.statistics.multivariate_logrank_test(T, GROUP, EVENT)
    assert found.test_statistic == pytest.approx(wanted.test_statistic, rel=1e-7)
    assert found.degrees_of_freedom == 2


def test_a_sample_without_rows(net: Session) -> None:
    z, none = net.share(Z, bounds=(-8, 8)), net.share(np.zeros(60, np.bool_))
    for name in OF_TWO:
        found = getattr(stats, name)(z, by=none)
        assert math.isnan(found.statistic) and math.isnan(found.pvalue), name
    assert math.isnan(stats.roc_auc(none, z).auc) and math.isnan(stats.delong_test(none, z, z).statistic)
    assert math.isnan(stats.multivariate_logrank_test(net.share(T, bounds=(0, 20)), none).p_value)
