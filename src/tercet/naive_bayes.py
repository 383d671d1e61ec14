"""Naive Bayes classifiers, under scikit-learn's names."""

from tercet.learn.naive_bayes import GaussianNB

__all__ = ["GaussianNB"]
