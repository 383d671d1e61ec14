"""`tercet.compose`: different transformers for different columns, in scikit-learn's names."""

from tercet.learn.composing import ColumnTransformer, make_column_transformer

__all__ = [
    "ColumnTransformer",
    "make_column_transformer",
]
