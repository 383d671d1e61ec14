"""`tercet.impute`: missing values filled, in scikit-learn's names."""

from tercet.learn.imputing import SimpleImputer

__all__ = [
    "SimpleImputer",
]
