"""Isotonic regression, under scikit-learn's name."""

from tercet.learn.trees.isotonic import IsotonicRegression

__all__ = ["IsotonicRegression"]
