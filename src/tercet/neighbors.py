"""Nearest neighbours and centroids, under scikit-learn's names."""

from tercet.learn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor", "NearestCentroid"]
