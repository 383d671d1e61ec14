"""Clusters, under scikit-learn's names."""

from tercet.learn.cluster import KMeans

__all__ = ["KMeans"]
