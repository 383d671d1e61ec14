"""Mixtures of distributions, under scikit-learn's names."""

from tercet.learn.mixture import GaussianMixture

__all__ = ["GaussianMixture"]
