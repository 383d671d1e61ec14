"""`tercet.stats`: statistics of secret arrays under the names that SciPy and statsmodels have for them.

The statistic is computed under sharing; only what the result shows becomes plain, in one plan, and p-values and
intervals follow from it in plain. Each result says what that was (`result.revealed`). `stats.ttest_ind.pending(a, b)`
stops before anything runs: `.explain()` says what it would cost and what the nodes say, `together` asks several at
once. `mode`, `rankdata` and `zscore` give secret arrays. Power calculations and corrections for several tests need no
secrets: they are statsmodels' own (`stats.tt_ind_solve_power`, `stats.multipletests`).

Where a session has a cohort (tables of nodes), a statistic of fewer rows is refused (`SmallGroup`) or hidden, also
where `where`, `by`, `weights`, quantiles or points would single rows out. That is within one question: what the
difference of two big groups tells, or a column made to mark one row (its mean, correlation or coefficient), nothing
stops. Tests of tables show single cells where margins reach the cohort, survival curves single events; `crosstab` hides
small cells. Regressions are refused where an estimate rests on fewer rows.

Sums are exact. Where the bounds of values outgrow 128 bits (of 100,000 rows those of 46 bits and more), low bits are
rounded away first; variances and t-tests refuse values that vary too little for that.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from tercet.array.elsewhere import missing as _missing
from tercet.array.runs import mode, rankdata
from tercet.learn.anova_table import anova_lm
from tercet.learn.as_statsmodels import from_statsmodels
from tercet.learn.cox import CoxPHFitter
from tercet.learn.design import add_constant
from tercet.learn.generalized import GLM, Logit, Poisson, Probit, families, glm, logit, poisson, probit
from tercet.learn.multinomial import MNLogit, mnlogit
from tercet.learn.negative_binomial import NegativeBinomial, negativebinomial
from tercet.learn.ordinary import OLS, WLS, ols, wls
from tercet.learn.resampling import bootstrap, permutation_test
from tercet.statistics.anova import cohens_d, cronbach_alpha, f_oneway, icc, tukey_hsd
from tercet.statistics.asked import Disclosed, Pending, together
from tercet.statistics.cohorts import SmallGroup
from tercet.statistics.concordance import concordance_index
from tercet.statistics.contingency import (
    chi2_contingency,
    chisquare,
    cohens_kappa,
    crosstab,
    fisher_exact,
    mantel_haenszel,
    mcnemar,
    odds_ratio,
    proportion,
    proportions_ztest,
    relative_risk,
    risk_difference,
)
from tercet.statistics.correlation import corr, cov, kendalltau, partial_corr, pearsonr, pointbiserialr, spearmanr
from tercet.statistics.descriptive import (
    describe,
    ecdf,
    gmean,
    histogram,
    hmean,
    iqr,
    kurtosis,
    mean,
    median_abs_deviation,
    moment,
    quantile,
    sem,
    skew,
    std,
    trim_mean,
    var,
    zscore,
)
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
    "GLM",
    "OLS",
    "WLS",
    "CoxPHFitter",
    "Disclosed",
    "KaplanMeierFitter",
    "Logit",
    "MNLogit",
    "NegativeBinomial",
    "NelsonAalenFitter",
    "Pending",
    "Poisson",
    "Probit",
    "SmallGroup",
    "add_constant",
    "anova_lm",
    "bartlett",
    "bootstrap",
    "brunnermunzel",
    "chi2_contingency",
    "chisquare",
    "cohens_d",
    "cohens_kappa",
    "concordance_index",
    "corr",
    "cov",
    "cronbach_alpha",
    "crosstab",
    "delong_test",
    "describe",
    "ecdf",
    "f_oneway",
    "families",
    "fisher_exact",
    "friedmanchisquare",
    "from_statsmodels",
    "glm",
    "gmean",
    "histogram",
    "hmean",
    "icc",
    "iqr",
    "jarque_bera",
    "kaplan_meier",
    "kendalltau",
    "kruskal",
    "ks_1samp",
    "ks_2samp",
    "kurtosis",
    "levene",
    "logit",
    "logrank_test",
    "mannwhitneyu",
    "mantel_haenszel",
    "mcnemar",
    "mean",
    "median_abs_deviation",
    "median_test",
    "mnlogit",
    "mode",
    "moment",
    "multivariate_logrank_test",
    "negativebinomial",
    "normaltest",
    "odds_ratio",
    "ols",
    "partial_corr",
    "pearsonr",
    "permutation_test",
    "pointbiserialr",
    "poisson",
    "probit",
    "proportion",
    "proportions_ztest",
    "quantile",
    "rankdata",
    "relative_risk",
    "restricted_mean_survival_time",
    "risk_difference",
    "roc_auc",
    "sem",
    "shapiro_francia",
    "skew",
    "spearmanr",
    "std",
    "together",
    "trim_mean",
    "ttest_1samp",
    "ttest_ind",
    "ttest_rel",
    "tukey_hsd",
    "var",
    "wilcoxon",
    "wls",
    "zscore",
]

_PLAIN = {
    **dict.fromkeys(("multipletests", "fdrcorrection"), "statsmodels.stats.multitest"),
    **dict.fromkeys(
        (
            *("tt_solve_power", "tt_ind_solve_power", "zt_ind_solve_power"),
            *("TTestPower", "TTestIndPower", "NormalIndPower", "FTestAnovaPower", "GofChisquarePower"),
        ),
        "statsmodels.stats.power",
    ),
    "proportion_effectsize": "statsmodels.stats.proportion",
}
"""Of public numbers: where statsmodels has them. Loaded when they are asked for."""


def __getattr__(name: str) -> _Any:
    if name in _PLAIN:
        return getattr(_import_module(_PLAIN[name]), name)
    raise _missing(__name__, name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_PLAIN})
