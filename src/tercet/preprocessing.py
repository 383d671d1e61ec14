"""`tercet.preprocessing`: scalers, encoders, bins and products, in scikit-learn's names."""

from tercet.learn.binning import KBinsDiscretizer
from tercet.learn.encoding import OneHotEncoder, OrdinalEncoder
from tercet.learn.expansion import PolynomialFeatures
from tercet.learn.scaling import MinMaxScaler, RobustScaler, StandardScaler

__all__ = [
    "KBinsDiscretizer",
    "MinMaxScaler",
    "OneHotEncoder",
    "OrdinalEncoder",
    "PolynomialFeatures",
    "RobustScaler",
    "StandardScaler",
]
