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
from tercet.statistics.ttests import ttest_1samp, ttest_ind, ttest_rel

__all__ = [
    "Disclosed",
    "Pending",
    "SmallGroup",
    "mode",
    "rankdata",
    "together",
    "ttest_1samp",
    "ttest_ind",
    "ttest_rel",
]


def __getattr__(name: str) -> _NoReturn:
    raise _missing(__name__, name)
