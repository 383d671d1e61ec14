"""Support vector machines in scikit-learn's names: `LinearSVC`."""

from tercet.learn.svm import LinearSVC

__all__ = ["LinearSVC"]
