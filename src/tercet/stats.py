"""`tercet.stats`: statistics of secret arrays under the names that SciPy and statsmodels have for them.

The statistic is computed under sharing; only what the result shows becomes plain, in one plan, and p-values and
intervals follow from it in plain. Each result says what that was (`result.revealed`). `stats.ttest_ind.pending(a, b)`
stops before anything runs: `.explain()` says what it would cost and what the nodes say, `together` asks several at
once. `mode` and `rankdata` give secret arrays.
"""

from typing import NoReturn as _NoReturn

from tercet.array.elsewhere import missing as _missing
from tercet.array.runs import mode, rankdata
from tercet.statistics.asked import Disclosed, Pending, SmallGroup, together
from tercet.statistics.correlation import corr, cov, kendalltau, partial_corr, pearsonr, pointbiserialr, spearmanr
from tercet.statistics.kolmogorov import ks_1samp, ks_2samp
from tercet.statistics.normality import jarque_bera, normaltest, shapiro_francia
from tercet.statistics.ranked import friedmanchisquare, kruskal, mannwhitneyu, wilcoxon
from tercet.statistics.scores import brunnermunzel, delong_test, roc_auc
from tercet.statistics.survival import (
    KaplanMeierFitter,
    NelsonAalenFitter,
    kaplan_meier,
    logrank_test,
    multivariate_logrank_test,
    restricted_mean_survival_time,
)
from tercet.statistics.ttests import ttest_1samp, ttest_ind, ttest_rel
from tercet.statistics.variances import bartlett, levene, median_test

__all__ = [
    "Disclosed",
    "KaplanMeierFitter",
    "NelsonAalenFitter",
    "Pending",
    "SmallGroup",
    "bartlett",
    "brunnermunzel",
    "corr",
    "cov",
    "delong_test",
    "friedmanchisquare",
    "jarque_bera",
    "kaplan_meier",
    "kendalltau",
    "kruskal",
    "ks_1samp",
    "ks_2samp",
    "levene",
    "logrank_test",
    "mannwhitneyu",
    "median_test",
    "mode",
    "multivariate_logrank_test",
    "normaltest",
    "partial_corr",
    "pearsonr",
    "pointbiserialr",
    "rankdata",
    "restricted_mean_survival_time",
    "roc_auc",
    "shapiro_francia",
    "spearmanr",
    "together",
    "ttest_1samp",
    "ttest_ind",
    "ttest_rel",
    "wilcoxon",
]


def __getattr__(name: str) -> _NoReturn:
    raise _missing(__name__, name)
