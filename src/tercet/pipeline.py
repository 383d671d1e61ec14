"""`tercet.pipeline`: models one after the other, in scikit-learn's names."""

from tercet.learn.pipeline import Pipeline, make_pipeline

__all__ = [
    "Pipeline",
    "make_pipeline",
]
