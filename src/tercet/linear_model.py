"""Linear models in scikit-learn's names, on secret or plain arrays."""

from tercet.learn.bayesian import BayesianRidge
from tercet.learn.linear_model import LinearRegression
from tercet.learn.logistic import LogisticRegression
from tercet.learn.penalised import ElasticNet, Lasso, Ridge
from tercet.learn.robust import HuberRegressor, QuantileRegressor
from tercet.learn.sgd import SGDClassifier, SGDRegressor

__all__ = [
    "BayesianRidge",
    "ElasticNet",
    "HuberRegressor",
    "Lasso",
    "LinearRegression",
    "LogisticRegression",
    "QuantileRegressor",
    "Ridge",
    "SGDClassifier",
    "SGDRegressor",
]
