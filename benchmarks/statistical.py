"""The workloads on statistics: `python benchmarks/run.py statistics`. `elements` are rows.

Not called `statistics`, which is a module of Python's own that scripts here import.
"""

from __future__ import annotations

import numpy as np

import tercet as tc
from tercet import stats
from workloads import Run, Workload


def correlations(net: tc.Session, rows: int) -> Run:
    x = net.share(np.random.default_rng(1).normal(size=(rows, 5)).clip(-7.9, 7.9), bounds=(-8, 8))
    return lambda: np.corrcoef(x, rowvar=False).reveal()


def ranked(net: tc.Session, rows: int) -> Run:
    x = net.share(np.random.default_rng(1).normal(size=(rows, 5)).clip(-7.9, 7.9), bounds=(-8, 8))
    return lambda: stats.spearmanr(x)


def two_groups(net: tc.Session, rows: int) -> Run:
    rng = np.random.default_rng(2)
    x, group = net.share(rng.normal(size=rows).clip(-7.9, 7.9), bounds=(-8, 8)), net.share(rng.random(rows) < 0.5)
    return lambda: stats.together(stats.mannwhitneyu.pending(x, by=group), stats.roc_auc.pending(group, x))


def survived(net: tc.Session, rows: int) -> Run:
    """A curve of all and a log-rank test of two groups, 200 times."""
    rng = np.random.default_rng(3)
    durations = net.share(rng.integers(1, 201, rows), bounds=(0, 200))
    events, group = net.share(rng.random(rows) < 0.6), net.share(rng.random(rows) < 0.5)

    def both() -> object:
        stats.KaplanMeierFitter().fit(durations, events)
        return stats.multivariate_logrank_test(durations, group, events)

    return both


def hazards(net: tc.Session, rows: int) -> Run:
    rng = np.random.default_rng(4)
    table = {f"x{at}": net.share(rng.normal(size=rows).clip(-7.9, 7.9), bounds=(-8, 8)) for at in range(5)}
    table["time"] = net.share(rng.integers(1, 53, rows), bounds=(1, 52))
    table["event"] = net.share(rng.random(rows) < 0.4)
    return lambda: stats.CoxPHFitter(n_iter=6).fit(table, "time", "event").reveal_summary()


def least_squares(net: tc.Session, rows: int) -> Run:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, 20)).clip(-7.9, 7.9)
    y = net.share((x @ rng.normal(size=20) + rng.normal(size=rows)).clip(-60, 60), bounds=(-64, 64))
    columns = stats.add_constant(net.share(x, bounds=(-8, 8)))
    return lambda: stats.OLS(y, columns).fit().summary()


def logistic(net: tc.Session, rows: int) -> Run:
    """7 passes: the last step is below 1e-4, the error about its square."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(rows, 10)).clip(-7.9, 7.9)
    y = net.share(rng.random(rows) < 1 / (1 + np.exp(0.5 - x @ (rng.normal(size=10) / 2))))
    columns = stats.add_constant(net.share(x, bounds=(-8, 8)))
    return lambda: stats.Logit(y, columns).fit(maxiter=7).summary()


STATISTICS = (
    Workload("OLS with summary, 1,000,000 x 20", 1_000_000, 1.5, least_squares, 3),
    Workload("Logit with summary, 100,000 x 10, 7 passes", 100_000, 1.5, logistic, 3),
    Workload("Pearson matrix, 100,000 x 5", 100_000, None, correlations, 5),
    Workload("Spearman matrix, 100,000 x 5", 100_000, 4.0, ranked, 3),
    Workload("Mann-Whitney and ROC AUC, 100,000", 100_000, None, two_groups, 3),
    Workload("Kaplan-Meier and log-rank, 100,000", 100_000, 3.0, survived, 3),
    Workload("Cox regression, 10,000 x 5, 6 steps", 10_000, None, hazards, 3),
)
