"""Linear models in scikit-learn's names, on secret or plain arrays."""

from tercet.learn.linear_model import LinearRegression
from tercet.learn.penalised import ElasticNet, Lasso, Ridge

__all__ = ["ElasticNet", "Lasso", "LinearRegression", "Ridge"]
