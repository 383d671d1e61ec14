"""Decision trees, under scikit-learn's names."""

from tercet.learn.trees.single import DecisionTreeClassifier, DecisionTreeRegressor

__all__ = ["DecisionTreeClassifier", "DecisionTreeRegressor"]
