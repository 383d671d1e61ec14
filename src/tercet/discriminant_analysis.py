"""Discriminant analysis, under scikit-learn's names."""

from tercet.learn.discriminant_analysis import LinearDiscriminantAnalysis

__all__ = ["LinearDiscriminantAnalysis"]
