"""`tercet.stats`: ranks and most frequent values of secret arrays under the names that `scipy.stats` has for them."""

from tercet.array.runs import mode, rankdata

__all__ = ["mode", "rankdata"]
