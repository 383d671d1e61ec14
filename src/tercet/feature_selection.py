"""`tercet.feature_selection`: the columns that tell most about a target, in scikit-learn's names."""

from tercet.learn.selecting import SelectKBest, f_classif, f_regression

__all__ = [
    "SelectKBest",
    "f_classif",
    "f_regression",
]
