"""What a policy sees of revealed statistics: each number rests on all rows, or is said to count as single rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plan_trio import TrioSession
from tercet import stats
from tercet.array.nullable import NullableArray
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track

N = 24


class Table:
    """Columns of one dataset, and what row tracking says of what a statistic reveals."""

    def __init__(self) -> None:
        self.session = TrioSession(parties=False)
        rng = np.random.default_rng(5)
        self.x, self.y, self.z = (self.session.share(rng.integers(0, 50, N), bounds=(0, 50)) for _ in range(3))
        self.wide = self.session.share(rng.normal(size=N), bounds=(-100, 100))
        self.flag = self.session.share(rng.random(N) < 0.5)
        self.group = self.session.share(rng.integers(0, 3, N), bounds=(0, 2))
        self.some = NullableArray.of_values(self.x, self.y > 9)

    def states(self, pending: Any) -> list[Any]:
        found = []
        for array in pending.wanted():
            array.reveal()
            plan = self.session.plans[-1]
            inputs = {handle: {"d": Rows(0, N)} for handle, _ in plan.inputs()}
            found += [states["d"] for states in track(plan, inputs)]
        return found


ON_ALL_ROWS: dict[str, Any] = {
    "ttest_ind": lambda t: stats.ttest_ind.pending(t.some, by=t.flag),
    "ttest_ind of Welch": lambda t: stats.ttest_ind.pending(t.wide, by=t.flag, equal_var=False),
    "ttest_rel": lambda t: stats.ttest_rel.pending(t.y, t.some),
    "describe": lambda t: stats.describe.pending(t.some),
    "describe by groups": lambda t: stats.describe.pending(t.wide, by=t.group),
    "gmean": lambda t: stats.gmean.pending(t.x + 1),
    "quantile": lambda t: stats.quantile.pending(t.x, [0.25, 0.5]),
    "median_abs_deviation": lambda t: stats.median_abs_deviation.pending(t.x),
    "ecdf": lambda t: stats.ecdf.pending(t.x, [10, 20]),
    "histogram": lambda t: stats.histogram.pending(t.some, 5),
    "crosstab": lambda t: stats.crosstab.pending(t.group, t.flag),
    "chi2_contingency": lambda t: stats.chi2_contingency.pending(t.group, t.flag),
    "mantel_haenszel": lambda t: stats.mantel_haenszel.pending(t.flag, t.x > 20, t.group),
    "proportions_ztest": lambda t: stats.proportions_ztest.pending(t.x > 20, t.flag),
    "cohens_kappa": lambda t: stats.cohens_kappa.pending(t.group, t.group),
    "f_oneway": lambda t: stats.f_oneway.pending(t.some, by=t.group),
    "tukey_hsd": lambda t: stats.tukey_hsd.pending(t.wide, by=t.group),
    "cronbach_alpha": lambda t: stats.cronbach_alpha.pending([t.x, t.y, t.some]),
    "icc": lambda t: stats.icc.pending([t.x, t.y, t.z]),
    "mannwhitneyu": lambda t: stats.mannwhitneyu.pending(t.wide, by=t.flag),
    "mannwhitneyu of what is there": lambda t: stats.mannwhitneyu.pending(t.some, by=t.flag),
    "kruskal": lambda t: stats.kruskal.pending(t.wide, by=t.group),
    "wilcoxon": lambda t: stats.wilcoxon.pending(t.x, t.y),
    "friedmanchisquare": lambda t: stats.friedmanchisquare.pending(t.x, t.y, t.z),
    "brunnermunzel": lambda t: stats.brunnermunzel.pending(t.wide, by=t.flag),
    "roc_auc": lambda t: stats.roc_auc.pending(t.flag, t.wide),
    "delong_test": lambda t: stats.delong_test.pending(t.flag, t.wide, t.x),
    "pearsonr": lambda t: stats.pearsonr.pending(t.x, t.wide),
    "spearmanr": lambda t: stats.spearmanr.pending([t.x, t.some, t.wide]),
    "kendalltau of few values": lambda t: stats.kendalltau.pending(t.x, t.group),
    "partial_corr": lambda t: stats.partial_corr.pending(t.x, t.y, t.z, method="spearman"),
    "levene": lambda t: stats.levene.pending(t.x, by=t.group),
    "levene about the mean": lambda t: stats.levene.pending(t.wide, by=t.flag, center="mean"),
    "bartlett": lambda t: stats.bartlett.pending(t.x, by=t.group),
    "median_test": lambda t: stats.median_test.pending(t.some, by=t.flag),
    "jarque_bera": lambda t: stats.jarque_bera.pending(t.some),
    "shapiro_francia": lambda t: stats.shapiro_francia.pending(t.wide),
    "ks_2samp of few values": lambda t: stats.ks_2samp.pending(t.some, by=t.flag),
    "ks_1samp": lambda t: stats.ks_1samp.pending(t.x, "norm", (20, 9)),
    "multivariate_logrank_test": lambda t: stats.multivariate_logrank_test.pending(t.x, t.group, t.flag),
}


@pytest.mark.parametrize("name", ON_ALL_ROWS)
def test_all_that_is_revealed_rests_on_all_rows(name: str) -> None:
    t = Table()
    found = t.states(ON_ALL_ROWS[name](t))
    assert found and all(isinstance(state, Aggregate) and state.count == N for state in found), found


SINGLE = ["kendalltau of many values", "ks_2samp of many values", "bootstrap", "permutation_test"]


@pytest.mark.parametrize("name", SINGLE)
def test_what_is_said_to_count_as_single_rows(name: str) -> None:
    t = Table()
    pending = {
        "bootstrap": lambda: stats.bootstrap.pending(t.x, n_resamples=9, random_state=1),
        "permutation_test": lambda: stats.permutation_test.pending(t.x, t.flag, n_resamples=9, random_state=1),
        "kendalltau of many values": lambda: stats.kendalltau.pending(t.wide, t.x),
        "ks_2samp of many values": lambda: stats.ks_2samp.pending(t.wide, by=t.flag),
    }[name]()
    assert not all(isinstance(state, Aggregate) and state.count == N for state in t.states(pending))


def test_samples_of_two_datasets_rest_on_both() -> None:
    session = TrioSession(parties=False)
    x, y = (session.share(np.arange(n), bounds=(0, 50)) for n in (12, 15))
    for array in stats.mannwhitneyu.pending(x, y).wanted():
        array.reveal()
        plan = session.plans[-1]
        handles = [handle for handle, _ in plan.inputs()]
        counts = {handle: type.shape[0] for handle, type in plan.inputs()}
        inputs = {handle: {f"d{counts[handle]}": Rows(0, counts[handle])} for handle in handles}
        (states,) = track(plan, inputs)
        assert {name: state.count for name, state in states.items()} == {"d12": 12, "d15": 15}
        assert all(isinstance(state, Aggregate) for state in states.values())
