"""`tercet.model_selection`: public folds, scores across them, and grids of parameters, in scikit-learn's names."""

from tercet.learn.folds import KFold, StratifiedKFold, train_test_split
from tercet.learn.searching import (
    GridSearchCV,
    ParameterGrid,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)

__all__ = [
    "GridSearchCV",
    "KFold",
    "ParameterGrid",
    "StratifiedKFold",
    "cross_val_predict",
    "cross_val_score",
    "cross_validate",
    "train_test_split",
]
