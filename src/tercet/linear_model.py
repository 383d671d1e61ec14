"""Linear models: `tercet.linear_model.LinearRegression`."""

from tercet.learn.linear_model import LinearRegression

__all__ = ["LinearRegression"]
