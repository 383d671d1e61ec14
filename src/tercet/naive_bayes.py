"""Naive Bayes classifiers, under scikit-learn's names."""

from tercet.learn.discrete_naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from tercet.learn.naive_bayes import GaussianNB

__all__ = ["BernoulliNB", "ComplementNB", "GaussianNB", "MultinomialNB"]
