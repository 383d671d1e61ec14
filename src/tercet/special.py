"""`tercet.special`: functions of secret arrays under the names that `scipy.special` has for them."""

from tercet.array.special import exp10

__all__ = ["exp10"]
