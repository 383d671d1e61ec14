"""Forests and boosted trees, under scikit-learn's names."""

from tercet.learn.trees.boosting import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from tercet.learn.trees.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from tercet.learn.trees.isolation import IsolationForest

__all__ = [
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "IsolationForest",
    "RandomForestClassifier",
    "RandomForestRegressor",
]
