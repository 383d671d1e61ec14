"""Principal components and singular vectors, under scikit-learn's names."""

from tercet.learn.decomposition import PCA, TruncatedSVD

__all__ = ["PCA", "TruncatedSVD"]
